//! An embedder that is a folder: a BERT-family model, run here on a thread of its own.

use std::path::Path;

mod bert;
mod files;
mod layers;
mod pieces;
mod recipe;
#[cfg(test)]
mod tests;
mod vocabulary;
mod weights;
mod worker;

use self::bert::Bert;
use self::files::unfit;
use self::recipe::Recipe;
use self::weights::Weights;
use self::worker::Model;
use super::EmbedderError;
use super::id::{Fingerprint, Home};
use super::started::{Name, Started};

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
    let name = Name::Made(Box::new(fingerprint));
    Ok(Started { line, name, prefixes: recipe.prefixes, dimensions: Some(dimensions) })
}
