use super::ModelId;
use super::id::Fingerprint;
use super::line::Line;

/// What a model wants before its texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) query: String,
    pub(super) passage: String,
}

/// What a model is called by.
#[derive(Debug)]
pub(super) enum Name {
    Known(ModelId),
    /// Everything but the dimensions, the prefixes, and how much of a text is read.
    Made(Box<Fingerprint>),
}

/// A started embedder: what a service and a folder have in common.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) line: Line,
    pub(super) name: Name,
    /// What the model's makers say, unless the settings say otherwise.
    pub(super) prefixes: Prefixes,
    pub(super) dimensions: Option<usize>,
}
