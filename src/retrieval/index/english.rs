//! How English a session's own texts are, which helps to tell what a short question is written in.

use crate::retrieval::meaning::TableEmbedder;
use crate::retrieval::{DocId, Document};

/// Documents that are all looked at; of later ones only some are.
const FIRST: u32 = 256;
/// Of so many one.
const THEN: u32 = 32;
/// So much of a text tells enough.
const HEAD_BYTES: usize = 400;

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

    /// 0 to 1; 0 where nothing was looked at.
    #[allow(clippy::cast_precision_loss, reason = "a mean needs no more than 24 bits")]
    pub(super) fn share(&self) -> f32 {
        self.sum as f32 / (self.count.max(1) as f32 * 1000.0)
    }
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
