//! The layout of what is kept of each change, so that it can be undone.

use serde::{Deserialize, Serialize};

use super::records::parsed;
use super::{CodecError, Record};
use crate::model::{
    Author, CredentialName, Interface, MemoryId, Step, StepChange, Timestamp, TokenPrefix,
};

/// A step as it lies on disk since version 1. Its id and the number of its part are in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct StepV1 {
    at: i64,
    author: AuthorV1,
    changes: Vec<([u8; 16], u32, u32)>,
}

/// Who did something, within other layouts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AuthorV1 {
    credential: String,
    token: Option<String>,
    client: Option<String>,
    session: Option<String>,
    face: String,
}

impl Record for Step {
    type Key = (MemoryId, u32);
    type Body = StepV1;
    const PREFIX: u8 = 5;
    const VERSION: u8 = 1;
    const KIND: &'static str = "step";

    fn to_body(&self) -> StepV1 {
        let change = |change: &StepChange| (change.id.to_bytes(), change.before, change.after);
        StepV1 {
            at: self.at.0,
            author: AuthorV1::of(&self.author),
            changes: self.changes.iter().map(change).collect(),
        }
    }

    fn from_body(_: &Self::Key, body: StepV1) -> Result<Self, CodecError> {
        let change =
            |(id, before, after)| StepChange { id: MemoryId::from_bytes(id), before, after };
        let changes = body.changes.into_iter().map(change).collect();
        Ok(Self { at: Timestamp(body.at), author: body.author.into_author()?, changes })
    }
}

impl AuthorV1 {
    pub(super) fn of(author: &Author) -> Self {
        let Author { credential, token, client, session, face } = author;
        Self {
            credential: credential.to_string(),
            token: token.as_ref().map(TokenPrefix::to_string),
            client: client.clone(),
            session: session.clone(),
            face: face.to_string(),
        }
    }

    pub(super) fn into_author(self) -> Result<Author, CodecError> {
        let credential = CredentialName::parse(&self.credential);
        Ok(Author {
            credential: credential.map_err(|_| CodecError::Field("credential"))?,
            token: parsed("token", self.token, TokenPrefix::of)?,
            client: self.client,
            session: self.session,
            face: Interface::parse(&self.face).ok_or(CodecError::Field("face"))?,
        })
    }
}
