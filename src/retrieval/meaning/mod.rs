//! What a text means, as a point: near points mean alike. A table of word pieces, which is fast, and
//! the model that it was made from, which is good.

mod embedder;
mod encoder;
mod pieces;
mod sentences;
mod table;
mod vector;

pub use embedder::{EmbedderForMany, ModelDigest, TableEmbedder};
pub use encoder::Side;
pub use sentences::{Sentences, SentencesForMany};
pub use vector::Vector;
pub(crate) use vector::Vectors;
