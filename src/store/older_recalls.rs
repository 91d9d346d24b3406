//! The layouts of recalls before version 3. Each recall says all of itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::CodecError;
use super::codec::decode_body;
use super::steps::AuthorV1;
use crate::model::{Given, MemoryId, Recall, Timestamp};

/// A page of recalls as it lay on disk in version 1. Its id is in the key.
#[derive(Debug, Serialize, Deserialize)]
struct RecallPageV1(Vec<RecallV1>);

/// The same in version 2.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecallPageV2(pub(super) Vec<RecallV2>);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecallV1 {
    pub(super) at: i64,
    pub(super) author: AuthorV1,
    /// JSON text.
    pub(super) asked: String,
    pub(super) tokens: u32,
    /// Id, version, score, tokens.
    pub(super) given: Vec<([u8; 16], u32, Option<f32>, u32)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecallV2 {
    pub(super) first: RecallV1,
    /// Microseconds.
    pub(super) took: Option<u32>,
}

/// Reads a page of version 1 or 2.
pub(super) fn read(version: u8, body: &[u8]) -> Result<Vec<Recall>, CodecError> {
    if version == 1 {
        let RecallPageV1(recalls) = decode_body(body)?;
        return recalls.into_iter().map(RecallV1::into_recall).collect();
    }
    let RecallPageV2(recalls) = decode_body(body)?;
    recalls.into_iter().map(RecallV2::into_recall).collect()
}

impl RecallV2 {
    fn into_recall(self) -> Result<Recall, CodecError> {
        let took = self.took.map(|micros| Duration::from_micros(u64::from(micros)));
        Ok(Recall { took, ..self.first.into_recall()? })
    }
}

impl RecallV1 {
    fn into_recall(self) -> Result<Recall, CodecError> {
        let one = |(id, version, score, tokens)| Given {
            id: MemoryId::from_bytes(id),
            version,
            score,
            tokens,
        };
        Ok(Recall {
            at: Timestamp(self.at),
            author: self.author.into_author()?,
            asked: self.asked,
            tokens: self.tokens,
            given: self.given.into_iter().map(one).collect(),
            took: None,
        })
    }
}
