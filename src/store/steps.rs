//! The layout of what is kept of each change, so that it can be undone.

use std::mem::replace;

use serde::{Deserialize, Serialize};

use super::codec::decode_body;
use super::packed::{Packed, Room, START, Short, ShortId};
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

/// A page of steps as it lay on disk in version 1. What stands in its key is that of its last step.
#[derive(Debug, Serialize, Deserialize)]
struct StepPageV1 {
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

/// A page as it lies on disk since version 2.
#[derive(Debug, Serialize, Deserialize)]
pub struct StepPageV2 {
    /// Each of them once.
    authors: Packed<AuthorV2>,
    steps: Packed<PagedStepV2>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PagedStepV2 {
    /// Told from when the one before it was made.
    step: ShortId,
    part: Short,
    /// Told from when its id was made.
    at: Short,
    /// Its place among the authors.
    author: Short,
    changes: Packed<ChangeV2>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChangeV2 {
    /// Told from when the one before it was made, and the first one from when the step was.
    id: ShortId,
    before: Short,
    after: Short,
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
    pub(super) session: Option<Packed<u8>>,
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
    type Body = StepPageV2;
    const PREFIX: u8 = 8;
    const VERSION: u8 = 2;
    const KIND: &'static str = "steps";

    fn to_body(&self) -> StepPageV2 {
        let (mut authors, mut before) = (Vec::new(), START);
        let steps = self.0.iter().map(|((step, part), kept)| {
            let made = step.created_at();
            PagedStepV2 {
                step: ShortId::between(replace(&mut before, made), *step),
                part: Short::from(*part),
                at: Short::between(made, kept.at),
                author: Short::place(place_of(&kept.author, &mut authors)),
                changes: Packed(short_changes(&kept.changes, made)),
            }
        });
        let steps = Packed(steps.collect());
        StepPageV2 { authors: Packed(authors.into_iter().map(AuthorV2::of).collect()), steps }
    }

    fn from_body(_: &Self::Key, body: StepPageV2) -> Result<Self, CodecError> {
        let authors: Result<Vec<Author>, _> =
            body.authors.0.into_iter().map(AuthorV2::into_author).collect();
        let (authors, mut before, room) = (authors?, START, Room::default());
        let mut steps = Vec::with_capacity(body.steps.0.len());
        for row in body.steps.0 {
            let step = row.step.after(before)?;
            before = step.created_at();
            let kept = Step {
                at: row.at.after(before),
                author: copy_of(row.author.find(&authors, "author")?, &room)?,
                changes: read_changes(row.changes.0, before)?,
            };
            steps.push(((step, row.part.narrow("part")?), kept));
        }
        Ok(Self(steps))
    }

    fn upgrade(_version: u8, _: &Self::Key, body: &[u8]) -> Result<Self, CodecError> {
        decode_body::<StepPageV1>(body)?.into_page()
    }
}

impl StepPageV1 {
    fn into_page(self) -> Result<StepPage, CodecError> {
        let authors: Result<Vec<Author>, _> =
            self.authors.into_iter().map(AuthorV1::into_author).collect();
        let (authors, room) = (authors?, Room::default());
        let step = |step: PagedStepV1| {
            let author = authors.get(step.author as usize).ok_or(CodecError::Field("author"))?;
            let kept = Step {
                at: Timestamp(step.at),
                author: copy_of(author, &room)?,
                changes: read(step.changes),
            };
            Ok(((MemoryId::from_bytes(step.step), step.part), kept))
        };
        self.steps.into_iter().map(step).collect::<Result<_, _>>().map(StepPage)
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

/// An author of a table, for a row that names it.
pub(super) fn copy_of(author: &Author, room: &Room) -> Result<Author, CodecError> {
    let Author { credential, token, client, session, face: _ } = author;
    let token = token.as_ref().map(TokenPrefix::as_str);
    let texts = [Some(credential.as_str()), token, client.as_deref(), session.as_deref()];
    room.take(texts.into_iter().flatten().map(str::len).sum(), "author")?;
    Ok(author.clone())
}

fn stored(changes: &[StepChange]) -> Vec<ChangeV1> {
    changes.iter().map(|change| (change.id.to_bytes(), change.before, change.after)).collect()
}

fn read(changes: Vec<ChangeV1>) -> Vec<StepChange> {
    let change = |(id, before, after)| StepChange { id: MemoryId::from_bytes(id), before, after };
    changes.into_iter().map(change).collect()
}

fn short_changes(changes: &[StepChange], made: Timestamp) -> Vec<ChangeV2> {
    let mut told_from = made;
    let change = |change: &StepChange| {
        let from = replace(&mut told_from, change.id.created_at());
        let (before, after) = (Short::from(change.before), Short::from(change.after));
        ChangeV2 { id: ShortId::between(from, change.id), before, after }
    };
    changes.iter().map(change).collect()
}

fn read_changes(changes: Vec<ChangeV2>, made: Timestamp) -> Result<Vec<StepChange>, CodecError> {
    let mut told_from = made;
    let change = |change: ChangeV2| {
        let id = change.id.after(told_from)?;
        told_from = id.created_at();
        let (before, after) = (change.before.narrow("before")?, change.after.narrow("after")?);
        Ok(StepChange { id, before, after })
    };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codec;
    use super::super::packed::MOST_BYTES;
    use super::*;

    const KEY: (MemoryId, u32) = (MemoryId::LAST, 0);

    /// A page as a program of version 1 writes it.
    struct First(StepPage);

    impl Record for First {
        type Key = (MemoryId, u32);
        type Body = StepPageV1;
        const PREFIX: u8 = StepPage::PREFIX;
        const VERSION: u8 = 1;
        const KIND: &'static str = StepPage::KIND;

        fn to_body(&self) -> StepPageV1 {
            let mut authors = Vec::new();
            let step = |((step, part), kept): &((MemoryId, u32), Step)| PagedStepV1 {
                step: step.to_bytes(),
                part: *part,
                at: kept.at.0,
                author: 0,
                changes: stored(&kept.changes),
            };
            let mut steps: Vec<PagedStepV1> = self.0.0.iter().map(step).collect();
            for (row, (_, kept)) in steps.iter_mut().zip(&self.0.0) {
                row.author = u32::try_from(place_of(&kept.author, &mut authors)).unwrap();
            }
            StepPageV1 { authors: authors.into_iter().map(AuthorV1::of).collect(), steps }
        }

        fn from_body(_: &Self::Key, _: StepPageV1) -> Result<Self, CodecError> {
            Err(CodecError::Key)
        }
    }

    fn author(session: &str) -> Author {
        Author {
            credential: CredentialName::parse("laptop").unwrap(),
            token: TokenPrefix::of("mcp_Ab3-_xYz"),
            client: None,
            session: Some(session.to_owned()),
            face: Interface::Mcp,
        }
    }

    #[test]
    fn a_step_takes_half_of_what_it_took() {
        let step = |number: u32| {
            let made = u128::from(1_795_000_000_000_u64 + u64::from(number) * 300);
            let id = |rest: u128| MemoryId::from_bytes(((made << 80) | rest).to_be_bytes());
            let changes = vec![StepChange { id: id(1), before: 0, after: 1 }];
            let at = id(2).created_at();
            ((id(2), 0), Step { at, author: author("one"), changes })
        };
        let page = StepPage((0..256).map(step).collect());
        let bytes = codec::encode(&page).unwrap().len();

        let before = codec::encode(&First(page)).unwrap().len();

        assert!(bytes <= 256 * 32 && 2 * bytes <= before, "{bytes} of {before}");
    }

    #[test]
    fn what_points_nowhere_is_refused() {
        type Damage = fn(&mut StepPageV2);
        let damages: [(&str, Damage); 7] = [
            ("author", |page| page.steps.0[0].author = Short(1)),
            ("author", |page| page.authors.0.clear()),
            ("part", |page| page.steps.0[0].part = Short(1 << 32)),
            ("id", |page| page.steps.0[0].step = beyond()),
            ("id", |page| page.steps.0[0].changes.0[0].id = beyond()),
            ("before", |page| page.steps.0[0].changes.0[0].before = Short(u64::MAX)),
            ("after", |page| page.steps.0[0].changes.0[0].after = Short(u64::MAX)),
        ];
        for (at, (field, damage)) in damages.into_iter().enumerate() {
            let changes = vec![StepChange { id: MemoryId::LAST, before: 0, after: 1 }];
            let step = Step { at: Timestamp(7), author: author("one"), changes };
            let mut body = StepPage(vec![((MemoryId::default(), 0), step)]).to_body();
            damage(&mut body);

            let refusal = StepPage::from_body(&KEY, body).unwrap_err();

            assert!(
                matches!(refusal, CodecError::Field(found) if found == field),
                "{at}: {refusal}"
            );
        }
    }

    #[test]
    fn an_author_that_would_fill_the_memory_is_refused_before_it_does() {
        let step = Step { at: Timestamp(7), author: author("one"), changes: Vec::new() };
        let page = StepPage(vec![(KEY, step.clone()), (KEY, step)]);
        let mut body = page.to_body();
        body.authors.0[0].session = Some(Packed(vec![b'a'; MOST_BYTES / 2]));
        let mut first = First(page).to_body();
        first.authors[0].session = Some("a".repeat(MOST_BYTES / 2));

        let refusals = [StepPage::from_body(&KEY, body), first.into_page()];

        for refusal in refusals.map(Result::unwrap_err) {
            assert!(matches!(refusal, CodecError::Field("author")), "{refusal}");
        }
    }

    /// Told from 1970 it was made a millisecond later than any can be.
    fn beyond() -> ShortId {
        ShortId::between(Timestamp(-1), MemoryId::LAST)
    }

    fn any_id() -> impl Strategy<Value = MemoryId> {
        any::<[u8; 16]>().prop_map(MemoryId::from_bytes)
    }

    fn any_page() -> impl Strategy<Value = StepPage> {
        let change = (any_id(), any::<u32>(), any::<u32>())
            .prop_map(|(id, before, after)| StepChange { id, before, after });
        let changes = prop::collection::vec(change, 0..4);
        let step = (any_id(), any::<u32>(), any::<i64>(), "[a-c]", changes).prop_map(
            |(id, part, at, session, changes)| {
                ((id, part), Step { at: Timestamp(at), author: author(&session), changes })
            },
        );
        prop::collection::vec(step, 0..9).prop_map(StepPage)
    }

    proptest! {
        #[test]
        fn any_page_comes_back_whichever_version_wrote_it(page in any_page()) {
            let body = page.to_body();
            let mut sessions: Vec<_> = page.0.iter().map(|(_, kept)| &kept.author.session).collect();
            sessions.sort();
            sessions.dedup();
            prop_assert_eq!(body.authors.0.len(), sessions.len());
            let bytes = codec::encode(&page).unwrap();
            prop_assert_eq!(&codec::decode::<StepPage>(&KEY, &bytes).unwrap(), &page);

            let old = codec::encode(&First(page.clone())).unwrap();
            prop_assert_eq!(codec::decode::<StepPage>(&KEY, &old).unwrap(), page);
        }

        #[test]
        fn damaged_bytes_are_a_page_or_an_error(
            page in any_page(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = codec::encode(&page).unwrap()[5..].to_vec();
            let at = at.index(body.len());
            body[at] = byte;
            let _ = codec::decode::<StepPage>(&KEY, &codec::envelope(2, &body));

            body.truncate(at);

            prop_assert!(codec::decode::<StepPage>(&KEY, &codec::envelope(2, &body)).is_err());
        }
    }
}
