//! What a question is written in, and how English a session's own texts are, which helps to tell it of
//! a short one.

use std::io;

use super::Index;
use crate::retrieval::meaning::TableEmbedder;
use crate::retrieval::{DocId, Document, Packer, Unpacker};

/// From which share of words that the vocabulary knows a question is English, and from which in a
/// store whose own texts are. Short technical questions have 0.31 to 0.47, Spanish ones 0.2 to 0.3.
const ENGLISH: f32 = 0.5;
const ENGLISH_IN_ENGLISH: f32 = 0.3;
const ENGLISH_STORE: f32 = 0.6;

/// Documents that are all looked at; of later ones only some are.
const FIRST: u32 = 256;
/// Of so many one.
const THEN: u32 = 32;
/// So much of a text tells enough.
const HEAD_BYTES: usize = 400;

/// What the built-in models can make of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    English,
    /// Another language in Latin letters.
    Latin,
    /// Nothing.
    None,
}

/// What a question is written in, as far as can be told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    pub(super) reading: Reading,
    /// Whether most of it is English by its own words, in a session that is.
    pub(super) is_surely_english: bool,
}

impl Language {
    pub(super) fn is_english(self) -> bool {
        self.reading == Reading::English
    }
}

/// The mean share of English of the documents that are looked at, in thousandths, so that what is
/// taken out leaves nothing behind.
#[derive(Debug, Default)]
pub(super) struct English {
    count: u32,
    sum: u64,
}

impl English {
    pub(super) fn insert(&mut self, doc: DocId, document: &Document<'_>) {
        if let Some(share) = share_of(doc, document) {
            self.count += 1;
            self.sum += share;
        }
    }

    pub(super) fn remove(&mut self, doc: DocId, document: &Document<'_>) {
        if let Some(share) = share_of(doc, document) {
            self.count = self.count.saturating_sub(1);
            self.sum = self.sum.saturating_sub(share);
        }
    }

    pub(super) fn pack(&self, packer: &mut Packer<'_>) {
        packer.number(u64::from(self.count));
        packer.number(self.sum);
    }

    pub(super) fn unpack(unpacker: &mut Unpacker<'_>) -> io::Result<Self> {
        Ok(Self { count: unpacker.small()?, sum: unpacker.number()? })
    }

    /// 0 to 1; 0 where nothing was looked at.
    #[allow(clippy::cast_precision_loss, reason = "a mean needs no more than 24 bits")]
    pub(super) fn share(&self) -> f32 {
        self.sum as f32 / (self.count.max(1) as f32 * 1000.0)
    }
}

impl Index {
    /// Whether the question is in the language that the built-in models were taught.
    pub(super) fn language(&self, text: &str) -> Language {
        let (share, is_english_store) = (english_share(text), self.is_english());
        let is_english = share > ENGLISH || share > ENGLISH_IN_ENGLISH && is_english_store;
        let reading = if is_english {
            Reading::English
        } else if has_latin_word(text) {
            Reading::Latin
        } else {
            Reading::None
        };
        Language { reading, is_surely_english: is_english_store && share > ENGLISH }
    }

    /// Whether the session's own texts are in English.
    pub(super) fn is_english(&self) -> bool {
        self.english.share() > ENGLISH_STORE
    }
}

/// How much of a question is made of words that the vocabulary knows; 0 to 1.
fn english_share(text: &str) -> f32 {
    let share = TableEmbedder::built_in().and_then(|table| table.english_share(text));
    share.unwrap_or_default()
}

/// Whether two Latin letters stand side by side.
fn has_latin_word(text: &str) -> bool {
    let is_latin = |c: char| c.is_ascii_alphabetic() || ('\u{c0}'..='\u{24f}').contains(&c);
    let mut before = false;
    text.chars().any(|c| {
        let both = before && is_latin(c);
        before = is_latin(c);
        both
    })
}

fn share_of(doc: DocId, document: &Document<'_>) -> Option<u64> {
    if doc.0 >= FIRST && !doc.0.is_multiple_of(THEN) {
        return None;
    }
    let text = document.content;
    let end = (0..=HEAD_BYTES.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    let share = TableEmbedder::built_in()?.english_share(text.get(..end?)?)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    Some((share * 1000.0) as u64)
}
