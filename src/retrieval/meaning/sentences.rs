//! From text to vector by the model.

use std::sync::LazyLock;

use super::embedder::{ModelDigest, TableEmbedder};
use super::encoder::{Encoder, InvalidEncoder, Scratch, Side};

/// A sentence encoder: the one that the program carries, or one from a file.
#[derive(Debug)]
pub struct Sentences {
    encoder: Encoder,
}

/// The same, with the space that it works in.
#[derive(Debug)]
pub struct SentencesForMany {
    sentences: &'static Sentences,
    scratch: Scratch,
}

/// Made by `tools/encoder`.
static WEIGHTS: &[u8] = include_bytes!("../../../assets/sentence-encoder.bin");
static BUILT_IN: LazyLock<Result<Sentences, InvalidEncoder>> =
    LazyLock::new(|| Sentences::read(WEIGHTS));

impl Sentences {
    /// The encoder that is compiled in.
    ///
    /// A test holds that it can be read, so there is always one.
    #[must_use]
    pub fn built_in() -> Option<&'static Self> {
        BUILT_IN.as_ref().ok()
    }

    /// Reads what `tools/encoder` or `tools/multilingual` made. Its weights stay where they are.
    pub fn read(bytes: &'static [u8]) -> Result<Self, InvalidEncoder> {
        let encoder = Encoder::read(bytes)?;
        // The vocabulary itself is read with the first text, so that a start need not wait for it.
        if encoder.is_multilingual() || encoder.pieces() == TableEmbedder::vocabulary_size() {
            Ok(Self { encoder })
        } else {
            Err(InvalidEncoder::Shape)
        }
    }

    /// Names it. Vectors of others do not compare.
    #[must_use]
    pub fn digest(&self) -> ModelDigest {
        ModelDigest(self.encoder.id())
    }

    /// How many numbers a vector has.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.encoder.dims()
    }

    /// An encoder for one text after the other.
    #[must_use]
    pub fn for_many(&'static self) -> SentencesForMany {
        SentencesForMany { sentences: self, scratch: Scratch::default() }
    }
}

impl SentencesForMany {
    /// The vector of a text, of length 1. What comes after some 250 pieces is not read; a text without
    /// any is all zeros.
    pub fn embed(&mut self, side: Side, text: &str) -> Vec<f32> {
        let encoder = &self.sentences.encoder;
        let Some(table) = TableEmbedder::built_in() else { return vec![0.0; encoder.dims()] };
        let found = encoder.pieces_of(table.pieces(), side, &[text]);
        encoder.encode(&found, &mut self.scratch)
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
        .map(|text| Vector::quantize(&many.embed(Side::Memory, text)));

        assert!(cat.cosine(&pet) > office.cosine(&pet) + 0.2);
        assert_eq!(Vector::quantize(&many.embed(Side::Question, " ")).cosine(&pet), 0.0);
    }
}
