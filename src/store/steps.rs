//! The layout of what is kept of each change, so that it can be undone.

use serde::{Deserialize, Serialize};

use super::packed::Packed;
use super::records::parsed;
use super::{CodecError, Record};
use crate::model::{
    Author, CredentialName, Interface, MemoryId, Step, StepChange, StepPage, Timestamp, TokenPrefix,
};

/// The id of a memory, and its versions before and after.
type ChangeV1 = ([u8; 16], u32, u32);

/// A step as it lies on disk since version 1. Its id and the number of its part are in the key.
#[derive(Debug, Serialize, Deserialize)]
pub struct StepV1 {
    at: i64,
    author: AuthorV1,
    changes: Vec<ChangeV1>,
}

/// A page of steps as it lies on disk since version 1. What stands in its key is that of its last step.
#[derive(Debug, Serialize, Deserialize)]
pub struct StepPageV1 {
    /// Each of them once, since most steps in a row are by the same.
    authors: Vec<AuthorV1>,
    steps: Vec<PagedStepV1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PagedStepV1 {
    step: [u8; 16],
    part: u32,
    at: i64,
    /// Its place among the authors.
    author: u32,
    changes: Vec<ChangeV1>,
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

/// The same since version 2 of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AuthorV2 {
    credential: Packed<u8>,
    token: Option<Packed<u8>>,
    client: Option<Packed<u8>>,
    session: Option<Packed<u8>>,
    face: Packed<u8>,
}

impl Record for Step {
    type Key = (MemoryId, u32);
    type Body = StepV1;
    const PREFIX: u8 = 5;
    const VERSION: u8 = 1;
    const KIND: &'static str = "step";

    fn to_body(&self) -> StepV1 {
        StepV1 { at: self.at.0, author: AuthorV1::of(&self.author), changes: stored(&self.changes) }
    }

    fn from_body(_: &Self::Key, body: StepV1) -> Result<Self, CodecError> {
        let changes = read(body.changes);
        Ok(Self { at: Timestamp(body.at), author: body.author.into_author()?, changes })
    }
}

impl Record for StepPage {
    type Key = (MemoryId, u32);
    type Body = StepPageV1;
    const PREFIX: u8 = 8;
    const VERSION: u8 = 1;
    const KIND: &'static str = "steps";

    fn to_body(&self) -> StepPageV1 {
        let mut authors: Vec<&Author> = Vec::new();
        let mut steps = Vec::with_capacity(self.0.len());
        for ((step, part), kept) in &self.0 {
            let author = place_of(&kept.author, &mut authors);
            steps.push(PagedStepV1 {
                step: step.to_bytes(),
                part: *part,
                at: kept.at.0,
                // There are no more authors than steps, and no page has that many.
                author: u32::try_from(author).unwrap_or(u32::MAX),
                changes: stored(&kept.changes),
            });
        }
        StepPageV1 { authors: authors.into_iter().map(AuthorV1::of).collect(), steps }
    }

    fn from_body(_: &Self::Key, body: StepPageV1) -> Result<Self, CodecError> {
        let authors: Result<Vec<Author>, _> =
            body.authors.into_iter().map(AuthorV1::into_author).collect();
        let authors = authors?;
        let step = |step: PagedStepV1| {
            let author = authors.get(step.author as usize).ok_or(CodecError::Field("author"))?;
            let kept = Step {
                at: Timestamp(step.at),
                author: author.clone(),
                changes: read(step.changes),
            };
            Ok(((MemoryId::from_bytes(step.step), step.part), kept))
        };
        body.steps.into_iter().map(step).collect::<Result<_, _>>().map(Self)
    }
}

/// The place of an author in a table that has each of them once, and has this one from now on.
pub(super) fn place_of<'a>(author: &'a Author, authors: &mut Vec<&'a Author>) -> usize {
    let known = authors.iter().position(|known| *known == author);
    known.unwrap_or_else(|| {
        authors.push(author);
        authors.len() - 1
    })
}

fn stored(changes: &[StepChange]) -> Vec<ChangeV1> {
    changes.iter().map(|change| (change.id.to_bytes(), change.before, change.after)).collect()
}

fn read(changes: Vec<ChangeV1>) -> Vec<StepChange> {
    let change = |(id, before, after)| StepChange { id: MemoryId::from_bytes(id), before, after };
    changes.into_iter().map(change).collect()
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

impl AuthorV2 {
    pub(super) fn of(author: &Author) -> Self {
        let AuthorV1 { credential, token, client, session, face } = AuthorV1::of(author);
        Self {
            credential: Packed::text(credential),
            token: token.map(Packed::text),
            client: client.map(Packed::text),
            session: session.map(Packed::text),
            face: Packed::text(face),
        }
    }

    pub(super) fn into_author(self) -> Result<Author, CodecError> {
        let text = |packed: Packed<u8>| packed.into_text("author");
        let first = AuthorV1 {
            credential: text(self.credential)?,
            token: self.token.map(text).transpose()?,
            client: self.client.map(text).transpose()?,
            session: self.session.map(text).transpose()?,
            face: text(self.face)?,
        };
        first.into_author()
    }
}
