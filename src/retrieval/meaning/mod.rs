//! What a text means, as a point: near points mean alike. A table of word pieces, no model.

mod embedder;
mod pieces;
mod table;
mod vector;

pub use embedder::{EmbedderForMany, ModelDigest, TableEmbedder};
pub use vector::Vector;
pub(crate) use vector::Vectors;
