//! A sentence encoder, the one that the program carries or one in a file, on two threads: one for the
//! questions, for which somebody waits, and one for the memories, which takes what time nobody else
//! needs.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::thread;

use tokio::sync::mpsc::Receiver;

use super::id::ModelId;
use super::line::{Answered, Job, Queue, line};
use super::started::{Name, Prefixes, Started};
use super::{EmbedError, EmbedderError};
use crate::retrieval::{Sentences, SentencesForMany, Side};

/// Questions that are remembered with their vectors: people ask the same again, and page on.
const REMEMBERED: usize = 256;
/// The least urgent that the system knows. On Linux it is the thread's own.
const BEHIND_ALL: i32 = 19;

/// Starts the threads for the one that the program carries. Its weights are read where they lie, a page
/// when it is needed, and its vocabulary with the first text.
pub(super) fn start() -> Result<Option<Started>, EmbedderError> {
    Sentences::built_in().map(start_with).transpose()
}

/// The same for an encoder in a file, as `tools/multilingual` makes it. It is read here and stays in
/// memory as long as the program runs.
pub(super) fn start_file(path: &Path) -> Result<Started, EmbedderError> {
    let bytes = fs::read(path)
        .map_err(|cause| EmbedderError::Unreadable { path: path.to_owned(), cause })?;
    let sentences = Sentences::read(Vec::leak(bytes)).map_err(|problem| EmbedderError::Unfit {
        path: path.to_owned(),
        problem: problem.to_string(),
    })?;
    start_with(Box::leak(Box::new(sentences)))
}

fn start_with(sentences: &'static Sentences) -> Result<Started, EmbedderError> {
    let (line, Queue { queries, passages }) = line();
    spawn("questions", move || answer_questions(queries, sentences))?;
    spawn("embedding", move || answer_passages(passages, sentences))?;
    Ok(Started {
        line,
        name: Name::Known(ModelId::built_in(sentences.digest())),
        prefixes: Prefixes::default(),
        dimensions: Some(sentences.dimensions()),
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), EmbedderError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map(drop).map_err(EmbedderError::Thread)
}

fn answer_questions(mut queries: Receiver<Job>, sentences: &'static Sentences) {
    let mut encoder = sentences.for_many();
    let mut known: HashMap<String, Vec<f32>> = HashMap::new();
    while let Some(job) = queries.blocking_recv() {
        if job.reply.is_closed() {
            continue;
        }
        let of = |text: String| {
            if let Some(vector) = known.get(&text) {
                return Ok(vector.clone());
            }
            let vector = embed(&mut encoder, Side::Question, &text)?;
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(text, vector.clone());
            Ok(vector)
        };
        // Whoever left in the meantime needs no answer.
        let _ = job.reply.send(job.texts.into_iter().map(of).collect::<Answered>());
    }
}

fn answer_passages(mut passages: Receiver<Job>, sentences: &'static Sentences) {
    // Without it a memory that is added takes the processor from the next one.
    if let Err(error) = rustix::process::setpriority_process(None, BEHIND_ALL) {
        log::debug!("memories are read with the same priority as all else: {error}");
    }
    let mut encoder = sentences.for_many();
    while let Some(job) = passages.blocking_recv() {
        let texts = job.texts.iter();
        let vectors = texts.take_while(|_| !job.reply.is_closed());
        let answered =
            vectors.map(|text| embed(&mut encoder, Side::Memory, text)).collect::<Answered>();
        let _ = job.reply.send(answered);
    }
}

/// A panic costs one text, not the thread.
fn embed(encoder: &mut SentencesForMany, side: Side, text: &str) -> Result<Vec<f32>, EmbedError> {
    let run = std::panic::AssertUnwindSafe(|| encoder.embed(side, text));
    let vector = std::panic::catch_unwind(run)
        .map_err(|_| EmbedError::Malformed { problem: "the encoder failed".to_owned() })?;
    if vector.iter().all(|&x| x == 0.0) { Err(EmbedError::NothingToRead) } else { Ok(vector) }
}
