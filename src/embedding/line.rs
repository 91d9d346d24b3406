use tokio::sync::{mpsc, oneshot};

use super::{EmbedError, Purpose};

/// Searches that may wait. More of them at once would only wait to be told it took too long.
const QUERIES_LIMIT: usize = 64;
/// Batches that may wait; whoever embeds in the background waits for a place.
const PASSAGES_LIMIT: usize = 2;

/// The answer to one job, unchecked: what a service or a model said.
pub(super) type Answered = Result<Vec<Vec<f32>>, EmbedError>;

/// Texts that wait to be embedded. The prefix of their purpose is on them already.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) texts: Vec<String>,
    pub(super) reply: oneshot::Sender<Answered>,
}

/// The way to the embedder's thread. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Line {
    queries: mpsc::Sender<Job>,
    passages: mpsc::Sender<Job>,
}

/// Where the thread takes its work from, the queries first.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) queries: mpsc::Receiver<Job>,
    pub(super) passages: mpsc::Receiver<Job>,
}

pub(super) fn line() -> (Line, Queue) {
    let (to_queries, queries) = mpsc::channel(QUERIES_LIMIT);
    let (to_passages, passages) = mpsc::channel(PASSAGES_LIMIT);
    (Line { queries: to_queries, passages: to_passages }, Queue { queries, passages })
}

impl Line {
    pub(super) async fn ask(&self, texts: Vec<String>, purpose: Purpose) -> Answered {
        let (reply, answer) = oneshot::channel();
        let job = Job { texts, reply };
        match purpose {
            Purpose::Query => self.queries.try_send(job).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => EmbedError::Busy,
                mpsc::error::TrySendError::Closed(_) => EmbedError::Stopped,
            })?,
            Purpose::Passage => {
                self.passages.send(job).await.map_err(|_| EmbedError::Stopped)?;
            }
        }
        answer.await.unwrap_or(Err(EmbedError::Stopped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_full_line_is_said_at_once() {
        let (line, mut queue) = line();
        let ask = || line.ask(vec!["x".to_owned()], Purpose::Query);
        let mut waiting: Vec<_> = (0..QUERIES_LIMIT).map(|_| Box::pin(ask())).collect();
        for asker in &mut waiting {
            assert!(futures_util::poll!(asker).is_pending());
        }

        assert_eq!(ask().await, Err(EmbedError::Busy));

        let job = queue.queries.recv().await.unwrap();
        job.reply.send(Ok(vec![vec![1.0]])).unwrap();
        assert_eq!(waiting.swap_remove(0).await, Ok(vec![vec![1.0]]));
        drop(queue);
        assert_eq!(ask().await, Err(EmbedError::Stopped));
    }
}
