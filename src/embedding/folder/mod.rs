//! An embedder that is a folder: a BERT-family model, run here on a thread of its own.

use std::fs;
use std::path::Path;

mod bert;
mod layers;
mod pieces;
mod recipe;
#[cfg(test)]
mod tests;
mod vocabulary;
mod weights;
mod worker;

use self::bert::Bert;
use self::pieces::Pieces;
use self::recipe::Recipe;
use self::weights::Weights;
use super::EmbedderError;
use super::embedder::Started;
use super::id::{Fingerprint, Home};

/// More than any configuration or vocabulary has; `tokenizer.json` of 500,000 pieces has 20 MB.
const TEXT_FILE_LIMIT: u64 = 64 << 20;

/// A model, ready to run.
#[derive(Debug)]
struct Model {
    bert: Bert,
    pieces: Pieces,
    tokens_limit: usize,
}

/// Reads the folder and starts the thread.
pub(super) fn start(folder: &Path) -> Result<Started, EmbedderError> {
    let recipe = Recipe::read(folder)?;
    let mut fingerprint = Fingerprint::of(Home::Folder);
    let pieces = vocabulary::read_pieces(folder, &mut fingerprint)?;
    if pieces.highest() >= recipe.shape.vocab_size {
        let problem = format!(
            "its vocabulary has a piece with the number {}, but config.json says vocab_size {}",
            pieces.highest(),
            recipe.shape.vocab_size
        );
        return Err(unfit(folder, problem));
    }
    let mut weights = Weights::open(&folder.join("model.safetensors"), fingerprint)?;
    let bert = Bert::read(&mut weights, &recipe)?;
    let mut fingerprint = weights.into_fingerprint();
    fingerprint.add(recipe.pooling.word().as_bytes());
    fingerprint.add_length(recipe.tokens_limit);

    let dimensions = recipe.shape.hidden_size;
    let model = Model { bert, pieces, tokens_limit: recipe.tokens_limit };
    let line = worker::start(model)?;
    Ok(Started { line, fingerprint, prefixes: recipe.prefixes, dimensions: Some(dimensions) })
}

/// The text of a file that must be there.
fn read(path: &Path) -> Result<String, EmbedderError> {
    let unreadable = |cause| EmbedderError::Unreadable { path: path.to_owned(), cause };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > TEXT_FILE_LIMIT {
        return Err(unfit(path, format!("it has {bytes} bytes; the limit is {TEXT_FILE_LIMIT}")));
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// The text of a file that not every folder has.
fn read_if_there(path: &Path) -> Result<Option<String>, EmbedderError> {
    if path.is_file() { read(path).map(Some) } else { Ok(None) }
}

fn unfit(path: &Path, problem: impl Into<String>) -> EmbedderError {
    EmbedderError::Unfit { path: path.to_owned(), problem: problem.into() }
}
