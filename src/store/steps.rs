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
    credential: String,
    token: Option<String>,
    client: Option<String>,
    session: Option<String>,
    face: String,
    changes: Vec<([u8; 16], u32, u32)>,
}

impl Record for Step {
    type Key = (MemoryId, u32);
    type Body = StepV1;
    const PREFIX: u8 = 5;
    const VERSION: u8 = 1;
    const KIND: &'static str = "step";

    fn to_body(&self) -> StepV1 {
        let Author { credential, token, client, session, face } = &self.author;
        let change = |change: &StepChange| (change.id.to_bytes(), change.before, change.after);
        StepV1 {
            at: self.at.0,
            credential: credential.to_string(),
            token: token.as_ref().map(TokenPrefix::to_string),
            client: client.clone(),
            session: session.clone(),
            face: face.to_string(),
            changes: self.changes.iter().map(change).collect(),
        }
    }

    fn from_body(_: &Self::Key, body: StepV1) -> Result<Self, CodecError> {
        let credential = CredentialName::parse(&body.credential);
        let author = Author {
            credential: credential.map_err(|_| CodecError::Field("credential"))?,
            token: parsed("token", body.token, TokenPrefix::of)?,
            client: body.client,
            session: body.session,
            face: Interface::parse(&body.face).ok_or(CodecError::Field("face"))?,
        };
        let change =
            |(id, before, after)| StepChange { id: MemoryId::from_bytes(id), before, after };
        let changes = body.changes.into_iter().map(change).collect();
        Ok(Self { at: Timestamp(body.at), author, changes })
    }
}
