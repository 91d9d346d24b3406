//! The layouts of what is kept of who was given what, and of the numbers of memories.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::codec::decode_body;
use super::steps::AuthorV1;
use super::{CodecError, Record};
use crate::model::{Given, MemoryId, Number, Recall, RecallPage, Timestamp};

/// A page of recalls as it lay on disk in version 1. Its id is in the key.
#[derive(Debug, Serialize, Deserialize)]
struct RecallPageV1(Vec<RecallV1>);

/// The same since version 2.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecallPageV2(Vec<RecallV2>);

#[derive(Debug, Serialize, Deserialize)]
struct RecallV1 {
    at: i64,
    author: AuthorV1,
    /// JSON text.
    asked: String,
    tokens: u32,
    /// Id, version, score, tokens.
    given: Vec<([u8; 16], u32, Option<f32>, u32)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecallV2 {
    first: RecallV1,
    /// Microseconds.
    took: Option<u32>,
}

impl Record for RecallPage {
    type Key = MemoryId;
    type Body = RecallPageV2;
    const PREFIX: u8 = 6;
    const VERSION: u8 = 2;
    const KIND: &'static str = "recalls";

    fn to_body(&self) -> RecallPageV2 {
        RecallPageV2(self.0.iter().map(RecallV2::of).collect())
    }

    fn from_body(_: &Self::Key, body: RecallPageV2) -> Result<Self, CodecError> {
        let recalls: Result<_, _> = body.0.into_iter().map(RecallV2::into_recall).collect();
        recalls.map(Self)
    }

    fn upgrade(_version: u8, _: &Self::Key, body: &[u8]) -> Result<Self, CodecError> {
        let RecallPageV1(recalls) = decode_body(body)?;
        let recalls: Result<_, _> = recalls.into_iter().map(RecallV1::into_recall).collect();
        recalls.map(Self)
    }
}

impl RecallV2 {
    fn of(recall: &Recall) -> Self {
        // An answer of more than an hour took an hour.
        let took = recall.took.map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        Self { first: RecallV1::of(recall), took }
    }

    fn into_recall(self) -> Result<Recall, CodecError> {
        let took = self.took.map(|micros| Duration::from_micros(u64::from(micros)));
        Ok(Recall { took, ..self.first.into_recall()? })
    }
}

impl RecallV1 {
    fn of(recall: &Recall) -> Self {
        let one = |one: &Given| (one.id.to_bytes(), one.version, one.score, one.tokens);
        Self {
            at: recall.at.0,
            author: AuthorV1::of(&recall.author),
            asked: recall.asked.clone(),
            tokens: recall.tokens,
            given: recall.given.iter().map(one).collect(),
        }
    }

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

/// A number as it lies on disk since version 1. Whose it is, is in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct NumberV1(u64);

impl Record for Number {
    type Key = MemoryId;
    type Body = NumberV1;
    const PREFIX: u8 = 7;
    const VERSION: u8 = 1;
    const KIND: &'static str = "number";

    fn to_body(&self) -> NumberV1 {
        NumberV1(self.0)
    }

    fn from_body(_: &Self::Key, NumberV1(number): NumberV1) -> Result<Self, CodecError> {
        Ok(Self(number))
    }
}
