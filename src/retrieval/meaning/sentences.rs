//! From text to vector by the model.

use std::sync::LazyLock;

use super::embedder::{ModelDigest, TableEmbedder};
use super::encoder::{self, Encoder, InvalidEncoder, Scratch};
use super::pieces::Pieces;

/// The sentence encoder that the program carries, with its vocabulary.
#[derive(Debug)]
pub struct Sentences {
    encoder: Encoder,
    pieces: &'static Pieces,
}

/// The same, with the space that it works in.
#[derive(Debug)]
pub struct SentencesForMany {
    sentences: &'static Sentences,
    scratch: Scratch,
    found: Vec<u16>,
}

/// Made by `tools/encoder`.
static WEIGHTS: &[u8] = include_bytes!("../../../assets/sentence-encoder.bin");
static BUILT_IN: LazyLock<Result<Sentences, InvalidEncoder>> = LazyLock::new(|| {
    let encoder = Encoder::read(WEIGHTS)?;
    let pieces = TableEmbedder::built_in().map(TableEmbedder::pieces);
    let pieces = pieces.filter(|pieces| pieces.len() == encoder.pieces());
    pieces.map(|pieces| Sentences { encoder, pieces }).ok_or(InvalidEncoder::Shape)
});

impl Sentences {
    /// The encoder that is compiled in.
    ///
    /// A test holds that it can be read, so there is always one.
    #[must_use]
    pub fn built_in() -> Option<&'static Self> {
        BUILT_IN.as_ref().ok()
    }

    /// Names it. Vectors of others do not compare.
    #[must_use]
    pub fn digest(&self) -> ModelDigest {
        ModelDigest(self.encoder.id())
    }

    /// How many numbers a vector has.
    #[must_use]
    pub const fn dimensions() -> usize {
        encoder::DIMS
    }

    /// An encoder for one text after the other.
    #[must_use]
    pub fn for_many(&'static self) -> SentencesForMany {
        SentencesForMany { sentences: self, scratch: Scratch::default(), found: Vec::new() }
    }
}

impl SentencesForMany {
    /// The vector of a text, of length 1. What comes after some 250 pieces is not read; a text without
    /// any is all zeros.
    pub fn embed(&mut self, text: &str) -> Vec<f32> {
        self.found.clear();
        encoder::cut(self.sentences.pieces, &[text], &mut self.found);
        self.sentences.encoder.encode(&self.found, &mut self.scratch).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::Vector;

    #[test]
    fn other_words_for_the_same_lie_near() {
        let mut many = Sentences::built_in().unwrap().for_many();
        let [cat, pet, office] = [
            "The cat gets her vaccinations in March.",
            "when does our pet need to see the vet",
            "We need to see the new office before signing.",
        ]
        .map(|text| Vector::quantize(&many.embed(text)));

        assert!(cat.cosine(&pet) > office.cosine(&pet) + 0.2);
        assert_eq!(Vector::quantize(&many.embed(" ")).cosine(&pet), 0.0);
    }
}
