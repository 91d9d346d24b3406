//! From text to vector.

use std::fmt;
use std::sync::LazyLock;

use super::pieces::{Pieces, each_word};
use super::table::{InvalidTable, Table};
use super::vector::Vector;
use crate::retrieval::memo::Memo;

/// More pieces than this are not read: the sum has long settled by then.
const MOST_PIECES: usize = 2_048;

/// Names the table that vectors were made with. Vectors of different tables do not compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelDigest(pub [u8; 16]);

/// Makes vectors: the sum of the rows of a text's word pieces.
#[derive(Debug)]
pub struct TableEmbedder {
    table: Table,
    pieces: Pieces,
}

/// The same, for many texts in a row: remembers the pieces of words.
#[derive(Debug)]
pub struct EmbedderForMany<'a> {
    embedder: &'a TableEmbedder,
    /// From where to where a word's pieces stand in `pieces`.
    met: Memo<(u32, u32)>,
    pieces: Vec<u16>,
}

/// The table that the program carries, with its vocabulary. Both are made by `tools/distill`.
static TABLE: &[u8] = include_bytes!("../../../assets/static-embeddings.bin");
static VOCABULARY: &str = include_str!("../../../assets/vocab.txt");
static BUILT_IN: LazyLock<Result<TableEmbedder, InvalidTable>> =
    LazyLock::new(|| TableEmbedder::parse(TABLE, VOCABULARY));

impl TableEmbedder {
    /// The table that is compiled in; reading its vocabulary takes some milliseconds once.
    ///
    /// A test holds that it can be read, so there is always one.
    #[must_use]
    pub fn built_in() -> Option<&'static Self> {
        BUILT_IN.as_ref().ok()
    }

    pub(super) fn parse(
        table: &'static [u8],
        vocabulary: &'static str,
    ) -> Result<Self, InvalidTable> {
        let (table, pieces) = (Table::parse(table)?, Pieces::parse(vocabulary));
        if table.len() != pieces.len() {
            return Err(InvalidTable::Vocabulary { rows: table.len(), pieces: pieces.len() });
        }
        Ok(Self { table, pieces })
    }

    /// Which table it is.
    pub(crate) fn model(&self) -> ModelDigest {
        ModelDigest(self.table.id)
    }

    /// How much of a text is made of words that the vocabulary knows, which is English; 0 to 1.
    /// Nothing for a text without letters.
    pub(crate) fn english_share(&self, text: &str) -> Option<f32> {
        self.pieces.whole_share(text)
    }

    /// How many pieces the vocabulary has, without reading them.
    pub(super) fn vocabulary_size() -> usize {
        VOCABULARY.lines().count()
    }

    pub(super) fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// The vector of a text that comes in parts, each word weighing the same.
    #[must_use]
    pub fn embed(&self, parts: &[&str]) -> Vector {
        self.embed_weighted(parts, &mut |_| 1.0)
    }

    /// The vector of a text whose words weigh what `weight` says of them.
    pub(crate) fn embed_weighted(
        &self,
        parts: &[&str],
        weight: &mut dyn FnMut(&str) -> f32,
    ) -> Vector {
        let mut cut = Vec::new();
        self.embed_read(parts, |word, found| {
            let weight = weight(word);
            if weight > 0.0 {
                cut.clear();
                self.pieces.cut(word, &mut cut);
                found.extend(cut.iter().map(|&piece| (piece, weight)));
            }
        })
    }

    /// The vector of a text whose words `read` turns into pieces with weights.
    fn embed_read(
        &self,
        parts: &[&str],
        mut read: impl FnMut(&str, &mut Vec<(u16, f32)>),
    ) -> Vector {
        let mut found = Vec::with_capacity(64);
        for part in parts {
            each_word(part, &mut |word| {
                if found.len() < MOST_PIECES {
                    read(word, &mut found);
                }
            });
        }
        Vector::quantize(&self.table.sum(&found))
    }

    /// An embedder for many texts in a row.
    #[must_use]
    pub fn for_many(&self) -> EmbedderForMany<'_> {
        EmbedderForMany { embedder: self, met: Memo::new(), pieces: Vec::new() }
    }
}

impl EmbedderForMany<'_> {
    /// The vector of a text that comes in parts, as [`Embedder::embed`] makes it.
    #[must_use]
    pub fn embed(&mut self, parts: &[&str]) -> Vector {
        let embedder = self.embedder;
        embedder.embed_read(parts, |word, found| self.read(word, found))
    }

    fn read(&mut self, word: &str, found: &mut Vec<(u16, f32)>) {
        if let Some((start, end)) = self.met.get(word) {
            let pieces = self.pieces.get(start as usize..end as usize).unwrap_or_default();
            return found.extend(pieces.iter().map(|&piece| (piece, 1.0)));
        }
        let start = self.pieces.len();
        self.embedder.pieces.cut(word, &mut self.pieces);
        let pieces = self.pieces.get(start..).unwrap_or_default();
        found.extend(pieces.iter().map(|&piece| (piece, 1.0)));
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        if !self.met.put(word, (place(start), place(self.pieces.len()))) {
            self.pieces.truncate(start);
        }
    }
}

impl fmt::Display for ModelDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        model_id: String,
        cases: Vec<Case>,
    }

    /// What the tools that made the table say of a text.
    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        ids: Vec<u16>,
        head: Vec<f32>,
    }

    #[test]
    fn pieces_and_vectors_are_those_of_the_tools_that_made_the_table() {
        let file = include_str!("../../../tests/data/embedding-golden.json");
        let golden: Golden = serde_json::from_str(file).unwrap();
        let embedder = BUILT_IN.as_ref().unwrap();

        assert_eq!(embedder.model().to_string(), golden.model_id);
        for case in golden.cases {
            let mut ids = Vec::new();
            each_word(&case.text, &mut |word| embedder.pieces.cut(word, &mut ids));
            assert_eq!(ids, case.ids, "{:?}", case.text);

            let weighted: Vec<(u16, f32)> = ids.into_iter().map(|id| (id, 1.0)).collect();
            let sum = embedder.table.sum(&weighted);
            let length = sum.iter().map(|c| c * c).sum::<f32>().sqrt().max(1e-9);
            for (found, expected) in sum.iter().zip(case.head) {
                assert!((found / length - expected).abs() < 2e-3, "{:?}", case.text);
            }
        }
    }

    #[test]
    fn texts_about_the_same_lie_near() {
        let embedder = TableEmbedder::built_in().unwrap();
        let [film, movie, router] =
            ["we watched a film", "we saw a movie", "the router needs a reboot"]
                .map(|text| embedder.embed(&[text]));

        assert!(film.cosine(&movie) > film.cosine(&router) + 0.2);
        assert_eq!(embedder.embed(&["", "  "]).cosine(&film), 0.0);
    }

    #[test]
    fn the_embedder_for_many_texts_makes_the_same_vectors() {
        let embedder = TableEmbedder::built_in().unwrap();
        let mut many = embedder.for_many();

        for text in
            ["we watched a film", "we watched it again", "incomprehensibilities", "", "a film"]
        {
            assert_eq!(many.embed(&[text, "we"]), embedder.embed(&[text, "we"]), "{text:?}");
        }
    }
}
