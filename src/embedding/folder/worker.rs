use std::thread;

use log::error;
use tokio::runtime::Builder;

use super::bert::Bert;
use super::pieces::Pieces;
use crate::embedding::line::{Answered, Job, Line, Queue, line};
use crate::embedding::{EmbedError, EmbedderError};

/// Tokens that go through the model at once. Enough to keep the processor busy, and few enough that
/// a search behind them waits some tenths of a second.
const TOKENS_AT_ONCE: usize = 256;

/// A model, ready to run.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) bert: Bert,
    pub(super) pieces: Pieces,
    pub(super) tokens_limit: usize,
}

/// Starts the thread that a model is run on. One: the other cores are for the server.
pub(super) fn start(model: Model) -> Result<Line, EmbedderError> {
    let (line, queue) = line();
    let runtime = Builder::new_current_thread().build().map_err(EmbedderError::Thread)?;
    thread::Builder::new()
        .name("embedding".to_owned())
        .spawn(move || runtime.block_on(Worker { model, queue }.work()))
        .map_err(EmbedderError::Thread)?;
    Ok(line)
}

struct Worker {
    model: Model,
    queue: Queue,
}

impl Worker {
    /// Works until nobody can ask any more.
    async fn work(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(job) = self.queue.queries.recv() => self.answer_query(job),
                Some(job) = self.queue.passages.recv() => self.answer_passages(job),
                else => return,
            }
        }
    }

    fn answer_query(&mut self, job: Job) {
        if !job.reply.is_closed() {
            let pieces = self.pieces(&job.texts);
            let answered = run(&self.model, &pieces);
            // Whoever left in the meantime needs no answer.
            let _ = job.reply.send(answered);
        }
    }

    /// Answers all queries that wait between one part and the next.
    fn answer_passages(&mut self, job: Job) {
        let pieces = self.pieces(&job.texts);
        let mut vectors = Vec::with_capacity(pieces.len());
        for part in parts(&pieces) {
            while let Ok(query) = self.queue.queries.try_recv() {
                self.answer_query(query);
            }
            if job.reply.is_closed() {
                return;
            }
            match run(&self.model, part) {
                Ok(found) => vectors.extend(found),
                Err(error) => {
                    let _ = job.reply.send(Err(error));
                    return;
                }
            }
        }
        let _ = job.reply.send(Ok(vectors));
    }

    fn pieces(&self, texts: &[String]) -> Vec<Vec<usize>> {
        let Model { pieces, tokens_limit, .. } = &self.model;
        texts.iter().map(|text| pieces.of(text, *tokens_limit)).collect()
    }
}

/// A panic costs one question, not the thread.
fn run(model: &Model, pieces: &[Vec<usize>]) -> Answered {
    let run = std::panic::AssertUnwindSafe(|| model.bert.run(pieces));
    std::panic::catch_unwind(run).map_err(|_| {
        error!("the embedding model panicked");
        EmbedError::Malformed { problem: "the model failed".to_owned() }
    })
}

/// Cuts a list of texts so that each part has at most `TOKENS_AT_ONCE` tokens, or is one text.
fn parts(texts: &[Vec<usize>]) -> impl Iterator<Item = &[Vec<usize>]> {
    let mut rest = texts;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fitting = rest.iter().take_while(|text| {
            tokens += text.len();
            tokens <= TOKENS_AT_ONCE
        });
        let count = fitting.count().max(1);
        let (part, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_into_parts_of_fitting_size() {
        let texts: Vec<_> = [200, 56, 1, 300, 2].map(|len| vec![0; len]).into();

        let lens: Vec<Vec<_>> = parts(&texts).map(|p| p.iter().map(Vec::len).collect()).collect();

        assert_eq!(lens, [vec![200, 56], vec![1], vec![300], vec![2]]);
    }
}
