use std::collections::HashMap;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::desk::{Job, LineResponder, Outbox, Taken};
use super::lines::{Lines, TooLong};
use crate::mcp::message::{INVALID_REQUEST, Refusal};

/// Requests that may be under way at once; a client that sends more waits.
const AT_ONCE: usize = 64;
/// Lines that may wait to be written.
const OUTBOX: usize = 64;

/// Serves one client until its lines end and everything it asked for is answered. Must be called
/// within an actix system or another `LocalSet`.
pub async fn serve(
    responder: &impl LineResponder,
    limit: usize,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (out, outgoing) = mpsc::channel(OUTBOX);
    let (read, written) =
        tokio::join!(read_lines(responder, limit, input, out), write(outgoing, output));
    read.and(written)
}

async fn read_lines(
    responder: &impl LineResponder,
    limit: usize,
    input: impl AsyncBufRead + Unpin,
    out: Outbox,
) -> io::Result<()> {
    let mut lines = Lines::new(input, limit);
    let mut work = Work::default();
    loop {
        tokio::select! {
            line = lines.next(), if work.tasks.len() < AT_ONCE => match line? {
                Some(Ok(line)) if line.iter().all(u8::is_ascii_whitespace) => {}
                Some(Ok(line)) => work.start(responder.take(line, &out), &out).await,
                Some(Err(TooLong)) => work.start(Taken::Answer(too_long(limit)), &out).await,
                None => break,
            },
            Some(done) = work.tasks.join_next() => work.forget(done.ok()),
            // Nobody reads the answers any more.
            () = out.closed() => break,
        }
    }
    work.finish().await;
    Ok(())
}

async fn write(
    mut outgoing: mpsc::Receiver<String>,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    while let Some(mut line) = outgoing.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

/// The requests under way, by id as it stands in JSON.
#[derive(Default)]
struct Work {
    tasks: JoinSet<String>,
    running: HashMap<String, Running>,
}

struct Running {
    task: AbortHandle,
    is_endless: bool,
}

impl Work {
    async fn start(&mut self, taken: Taken, out: &Outbox) {
        match taken {
            // A closed outbox ends the loop by itself.
            Taken::Answer(line) => drop(out.send(line).await),
            Taken::GiveUp(id) => {
                if let Some(running) = self.running.remove(&id.to_string()) {
                    running.task.abort();
                }
            }
            Taken::Work(Job { id, is_endless, work }) => {
                let id = id.to_string();
                let done = id.clone();
                let task = self.tasks.spawn_local(async move {
                    work.await;
                    done
                });
                self.running.insert(id, Running { task, is_endless });
            }
        }
    }

    fn forget(&mut self, done: Option<String>) {
        if let Some(id) = done {
            self.running.remove(&id);
        }
    }

    /// Waits for every answer that will come without another line.
    async fn finish(mut self) {
        for running in self.running.values().filter(|running| running.is_endless) {
            running.task.abort();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

fn too_long(limit: usize) -> String {
    let told = format!("the line is longer than the limit of {limit} bytes");
    Refusal::new(Value::Null, INVALID_REQUEST, told).to_line()
}
