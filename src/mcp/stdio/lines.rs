use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Reads lines of limited length. Safe to drop between two of them, or within one. Two lines:
/// ```text
/// {"jsonrpc":"2.0","id":1,"method":"ping"}\n
/// {"jsonrpc":"2.0","method":"notifications/initialized"}\n
/// ```
/// A line ends with LF or with the input. JSON escapes the line breaks of its texts, so none is
/// ambiguous; a CR before the LF is white space to JSON.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    limit: usize,
    is_too_long: bool,
}

/// A line that was longer than the limit. It was read to its end and thrown away.
pub(super) struct TooLong;

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, line: Vec::new(), limit, is_too_long: false }
    }

    /// The next line without its end; nothing behind the last.
    pub(super) async fn next(&mut self) -> io::Result<Option<Result<Vec<u8>, TooLong>>> {
        loop {
            let part = self.input.fill_buf().await?;
            if part.is_empty() && self.line.is_empty() && !self.is_too_long {
                return Ok(None);
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let is_whole = end.is_some() || part.is_empty();
            let taken = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
            if self.line.len().saturating_add(taken.len()) > self.limit {
                self.is_too_long = true;
                self.line.clear();
            } else if !self.is_too_long {
                self.line.extend_from_slice(taken);
            }
            let used = end.map_or(part.len(), |end| end + 1);
            self.input.consume(used);
            if is_whole {
                let line = std::mem::take(&mut self.line);
                let is_too_long = std::mem::take(&mut self.is_too_long);
                return Ok(Some(if is_too_long { Err(TooLong) } else { Ok(line) }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_line_that_is_too_long_does_not_hide_the_next() {
        let text = format!("one\n{}\n\nlast", "x".repeat(100));
        let mut lines = Lines::new(text.as_bytes(), 10);

        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line.map_or_else(
                |TooLong| "too long".to_owned(),
                |line| String::from_utf8(line).unwrap(),
            ));
        }

        assert_eq!(read, ["one", "too long", "", "last"]);
    }
}
