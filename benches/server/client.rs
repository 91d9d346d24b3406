//! An HTTP/1.1 client that keeps its connection and does no more than the benchmark needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;

/// Opens the measured server, with every scope.
pub(crate) const KEY: &str = "bench-key-0123456789abcdef0123456789";

/// A server that says nothing for so long counts as dead.
const SILENCE: Duration = Duration::from_secs(60);

/// One connection, used for one request after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read of the current answer.
    input: Vec<u8>,
}

/// An answer, its body without the chunks in which it may have come.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunks,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Self { stream, input: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request in one write and waits for the whole answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Outcome<Reply> {
        self.stream.write_all(request)?;
        self.input.clear();
        let head_len = self.find(0, b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&self.input[..head_len])?;
        let (status, length) = parse_head(head)?;
        let body = match length {
            Length::Bytes(len) => {
                self.fill(head_len + len)?;
                self.input[head_len..head_len + len].to_vec()
            }
            Length::Chunks => self.chunks(head_len)?,
        };
        Ok(Reply { status, body })
    }

    fn chunks(&mut self, mut at: usize) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = self.find(at, b"\r\n")?;
            let size = std::str::from_utf8(&self.input[at..line_end])?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)?;
            let start = line_end + 2;
            self.fill(start + size + 2)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&self.input[start..start + size]);
            at = start + size + 2;
        }
    }

    /// Reads until the pattern has come, and says where it stands.
    fn find(&mut self, from: usize, pattern: &[u8]) -> Outcome<usize> {
        loop {
            let seen = &self.input[from..];
            if let Some(at) = seen.windows(pattern.len()).position(|part| part == pattern) {
                return Ok(from + at);
            }
            self.fill(self.input.len() + 1)?;
        }
    }

    /// Reads until there are at least so many bytes.
    fn fill(&mut self, len: usize) -> Outcome<()> {
        let mut part = [0; 16 * 1024];
        while self.input.len() < len {
            match self.stream.read(&mut part)? {
                0 => return Err("the server closed the connection within an answer".into()),
                read => self.input.extend_from_slice(&part[..read]),
            }
        }
        Ok(())
    }
}

impl Reply {
    /// The body as JSON, if the answer says that all went well.
    pub(crate) fn json(&self) -> Outcome<Value> {
        if self.status != 200 {
            return Err(self.refusal());
        }
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The `structuredContent` of a tool's answer.
    pub(crate) fn structured(&self) -> Outcome<Value> {
        match self.json()?.pointer("/result/structuredContent") {
            Some(found) if self.is_success() => Ok(found.clone()),
            _ => Err(self.refusal()),
        }
    }

    /// Whether neither HTTP nor the tool refused. Parsing every answer would cost the server a core.
    pub(crate) fn is_success(&self) -> bool {
        let failed = br#""isError":true"#;
        self.status == 200 && !self.body.windows(failed.len()).any(|part| part == failed)
    }

    pub(crate) fn refusal(&self) -> Box<dyn std::error::Error + Send + Sync> {
        let body = String::from_utf8_lossy(&self.body);
        let start: String = body.chars().take(400).collect();
        format!("the server answered {}: {start}", self.status).into()
    }
}
pub(crate) fn health() -> Vec<u8> {
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()
}
pub(crate) fn stats() -> Vec<u8> {
    format!("GET /api/v1/stats HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n")
        .into_bytes()
}
pub(crate) fn add(content: &str) -> Vec<u8> {
    call("add_memory", "content", content)
}
pub(crate) fn search(query: &str) -> Vec<u8> {
    call("search_memories", "query", query)
}
pub(crate) fn import(lines: &str) -> Vec<u8> {
    post("/api/v1/import", "application/x-ndjson", lines)
}

fn call(tool: &str, argument: &str, text: &str) -> Vec<u8> {
    let text = Value::from(text);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"{argument}":{text}}}}}}}"#
    );
    post("/mcp", "application/json", &body)
}

fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\
         Accept: application/json, text/event-stream\r\n\
         Content-Type: {kind}\r\nContent-Length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn parse_head(head: &str) -> Outcome<(u16, Length)> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).ok_or("no status line")?;
    let mut length = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(Length::Bytes(value.trim().parse()?));
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Some(Length::Chunks);
        }
    }
    Ok((status.parse()?, length.ok_or("an answer without a length")?))
}
