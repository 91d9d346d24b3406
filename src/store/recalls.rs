//! The layouts of what is kept of who was given what.

use std::mem::replace;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::packed::{Packed, Room, START, Short, ShortId};
use super::steps::{AuthorV2, copy_of, place_of};
use super::{CodecError, Record, older_recalls};
use crate::model::{Author, Given, MemoryId, Recall, RecallPage};

/// A page as it lies on disk since version 3. Recalls in a row are by the same few clients, ask alike and
/// give the same memories: all that stands in tables, each of it once, and a recall names its places.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecallPageV3 {
    authors: Packed<AuthorV2>,
    /// In the order of their ids.
    memories: Packed<ShownV3>,
    /// In the order of their bytes, so that each is like the one before.
    questions: Packed<QuestionV3>,
    recalls: Packed<RecallV3>,
    /// Of all that was given and has one, in that order.
    scores: Packed<f32>,
}

/// A memory that was given.
#[derive(Debug, Serialize, Deserialize)]
struct ShownV3 {
    /// Told from when the one before it was made.
    id: ShortId,
    /// In which versions, and how many tokens each took as it was shown.
    shown: Packed<(Short, Short)>,
}

/// JSON text, without what it has in common with the one before.
#[derive(Debug, Serialize, Deserialize)]
struct QuestionV3 {
    /// So many bytes at the beginning are the same.
    begins: Short,
    /// And so many at the end, of what is left.
    ends: Short,
    between: Packed<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RecallV3 {
    /// Told from the one before.
    at: Short,
    author: Short,
    question: Short,
    tokens: Short,
    /// One more than the microseconds; 0 for nothing.
    took: Short,
    /// Twice its place among all that the table of memories shows, and one more for what has a score.
    given: Packed<Short>,
}

/// What the table of memories has of one that was given: id, version, tokens.
type Shown = (MemoryId, u32, u32);

impl Record for RecallPage {
    type Key = MemoryId;
    type Body = RecallPageV3;
    const PREFIX: u8 = 6;
    const VERSION: u8 = 3;
    const KIND: &'static str = "recalls";

    fn to_body(&self) -> RecallPageV3 {
        RecallPageV3::of(&self.0)
    }

    fn from_body(_: &Self::Key, body: RecallPageV3) -> Result<Self, CodecError> {
        body.into_recalls().map(Self)
    }

    fn upgrade(version: u8, _: &Self::Key, body: &[u8]) -> Result<Self, CodecError> {
        older_recalls::read(version, body).map(Self)
    }
}

impl RecallPageV3 {
    fn of(recalls: &[Recall]) -> Self {
        let mut questions: Vec<&str> = recalls.iter().map(|recall| recall.asked.as_str()).collect();
        questions.sort_unstable();
        questions.dedup();
        let given = recalls.iter().flat_map(|recall| &recall.given);
        let mut shown: Vec<_> = given.clone().map(shown_as).collect();
        shown.sort_unstable();
        shown.dedup();
        let (mut authors, mut before) = (Vec::new(), START);
        let recalls = recalls.iter().map(|recall| {
            let asked = recall.asked.as_str();
            RecallV3 {
                at: Short::between(replace(&mut before, recall.at), recall.at),
                author: Short::place(place_of(&recall.author, &mut authors)),
                question: Short::place(questions.partition_point(|text| *text < asked)),
                tokens: Short::from(recall.tokens),
                took: recall.took.map_or(Short(0), one_more),
                given: Packed(recall.given.iter().map(|one| given_place(one, &shown)).collect()),
            }
        });
        let recalls = Packed(recalls.collect());
        Self {
            authors: Packed(authors.into_iter().map(AuthorV2::of).collect()),
            memories: Packed(memory_table(&shown)),
            questions: Packed(question_table(&questions)),
            recalls,
            scores: Packed(given.filter_map(|one| one.score).collect()),
        }
    }

    fn into_recalls(self) -> Result<Vec<Recall>, CodecError> {
        let authors: Result<Vec<Author>, _> =
            self.authors.0.into_iter().map(AuthorV2::into_author).collect();
        let (authors, shown) = (authors?, read_memories(self.memories.0)?);
        let questions = read_questions(self.questions.0)?;
        let (mut scores, mut before, room) = (self.scores.0.into_iter(), START, Room::default());
        let mut given = |Short(place): Short| -> Result<Given, CodecError> {
            room.take(size_of::<Given>(), "given")?;
            let one = *Short(place / 2).find(&shown, "given")?;
            if place.is_multiple_of(2) {
                return Ok(one);
            }
            let score = scores.next().ok_or(CodecError::Field("score"))?;
            Ok(Given { score: Some(score), ..one })
        };
        let mut recalls = Vec::new();
        for recall in self.recalls.0 {
            before = recall.at.after(before);
            let took = recall.took.0.checked_sub(1).map(Duration::from_micros);
            let asked = recall.question.find(&questions, "asked")?;
            room.take(size_of::<Recall>() + asked.len(), "asked")?;
            recalls.push(Recall {
                at: before,
                author: copy_of(recall.author.find(&authors, "author")?, &room)?,
                asked: asked.clone(),
                tokens: recall.tokens.narrow("tokens")?,
                given: recall.given.0.into_iter().map(&mut given).collect::<Result<_, _>>()?,
                took,
            });
        }
        if scores.next().is_some() { Err(CodecError::Field("score")) } else { Ok(recalls) }
    }
}

fn shown_as(one: &Given) -> Shown {
    (one.id, one.version, one.tokens)
}

fn given_place(one: &Given, shown: &[Shown]) -> Short {
    let place = shown.partition_point(|other| *other < shown_as(one)) as u64;
    Short(2 * place + u64::from(one.score.is_some()))
}

fn one_more(took: Duration) -> Short {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    Short(micros.saturating_add(1))
}

fn memory_table(shown: &[Shown]) -> Vec<ShownV3> {
    let mut before = START;
    let row = |of_one: &[Shown]| {
        let (id, ..) = *of_one.first()?;
        let from = replace(&mut before, id.created_at());
        let numbers = |one: &Shown| (Short::from(one.1), Short::from(one.2));
        let shown = Packed(of_one.iter().map(numbers).collect());
        Some(ShownV3 { id: ShortId::between(from, id), shown })
    };
    shown.chunk_by(|one, next| one.0 == next.0).filter_map(row).collect()
}

fn read_memories(table: Vec<ShownV3>) -> Result<Vec<Given>, CodecError> {
    let (mut shown, mut before, room) = (Vec::new(), START, Room::default());
    for row in table {
        let id = row.id.after(before)?;
        before = id.created_at();
        for (version, tokens) in row.shown.0 {
            room.take(size_of::<Given>(), "shown")?;
            let (version, tokens) = (version.narrow("version")?, tokens.narrow("tokens")?);
            shown.push(Given { id, version, score: None, tokens });
        }
    }
    Ok(shown)
}

fn question_table(questions: &[&str]) -> Vec<QuestionV3> {
    let mut before = "";
    let rows = questions.iter().map(|&text| {
        let before = replace(&mut before, text);
        QuestionV3::between(before.as_bytes(), text.as_bytes())
    });
    rows.collect()
}

fn read_questions(table: Vec<QuestionV3>) -> Result<Vec<String>, CodecError> {
    let mut questions: Vec<String> = Vec::with_capacity(table.len());
    let room = Room::default();
    for row in table {
        room.take(row.text_bytes(), "asked")?;
        let before = questions.last().map(String::as_bytes).unwrap_or_default();
        let text = row.after(before).and_then(|text| String::from_utf8(text).ok());
        questions.push(text.ok_or(CodecError::Field("asked"))?);
    }
    Ok(questions)
}

impl QuestionV3 {
    fn between(before: &[u8], text: &[u8]) -> Self {
        let begins = same(before.iter(), text.iter());
        let (_, before) = before.split_at(begins);
        let (_, text) = text.split_at(begins);
        let ends = same(before.iter().rev(), text.iter().rev());
        let (between, _) = text.split_at(text.len() - ends);
        let (begins, ends) = (Short::place(begins), Short::place(ends));
        Self { begins, ends, between: Packed::text(between) }
    }

    /// How long it is, if the one before has what it should have in common.
    fn text_bytes(&self) -> usize {
        let same = self.begins.0.saturating_add(self.ends.0);
        usize::try_from(same).unwrap_or(usize::MAX).saturating_add(self.between.0.len())
    }

    /// Nothing where the one before has less than it should have in common.
    fn after(&self, before: &[u8]) -> Option<Vec<u8>> {
        let (begin, rest) = before.split_at_checked(usize::try_from(self.begins.0).ok()?)?;
        let ends = usize::try_from(self.ends.0).ok()?;
        let (_, end) = rest.split_at_checked(rest.len().checked_sub(ends)?)?;
        Some([begin, self.between.0.as_slice(), end].concat())
    }
}

/// How many are the same until two differ.
fn same<T: PartialEq>(one: impl Iterator<Item = T>, other: impl Iterator<Item = T>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::codec;
    use super::super::older_recalls::{RecallPageV2, RecallV1, RecallV2};
    use super::super::packed::MOST_BYTES;
    use super::super::steps::AuthorV1;
    use super::*;
    use crate::model::{CredentialName, Interface, Timestamp, TokenPrefix};

    /// A page as a program of version 2 writes it.
    struct Second(RecallPage);

    impl Record for Second {
        type Key = MemoryId;
        type Body = RecallPageV2;
        const PREFIX: u8 = RecallPage::PREFIX;
        const VERSION: u8 = 2;
        const KIND: &'static str = RecallPage::KIND;

        fn to_body(&self) -> RecallPageV2 {
            let given = |one: &Given| (one.id.to_bytes(), one.version, one.score, one.tokens);
            let recall = |recall: &Recall| RecallV2 {
                first: RecallV1 {
                    at: recall.at.0,
                    author: AuthorV1::of(&recall.author),
                    asked: recall.asked.clone(),
                    tokens: recall.tokens,
                    given: recall.given.iter().map(given).collect(),
                },
                took: recall.took.map(|took| u32::try_from(took.as_micros()).unwrap()),
            };
            RecallPageV2(self.0.0.iter().map(recall).collect())
        }

        fn from_body(_: &MemoryId, _: RecallPageV2) -> Result<Self, CodecError> {
            Err(CodecError::Key)
        }
    }

    fn key() -> MemoryId {
        MemoryId::default()
    }

    fn author(client: Option<String>, session: Option<String>, face: Interface) -> Author {
        let token = client.is_some().then(|| TokenPrefix::of("mcp_Ab3-_xYz").unwrap());
        let credential = CredentialName::parse("laptop").unwrap();
        Author { credential, token, client, session, face }
    }

    /// Ten memories out of 200 for each of many searches, one each tenth of a second.
    fn searches(count: u32) -> RecallPage {
        const NOW: i64 = 1_795_000_000_000;
        let id = |number: u32| {
            let made = u128::try_from(NOW + i64::from(number) * 977).unwrap();
            let rest = u128::from(number) * 0x9E37_79B9_7F4A_7C15;
            MemoryId::from_bytes(((made << 80) | rest).to_be_bytes())
        };
        let search = |n: u32| {
            let given = |place: u32| Given {
                id: id((n * 37 + place * 19) % 200),
                version: 1,
                score: Some(0.9 / (place + 1) as f32),
                tokens: 10 + (n * 37 + place * 19) % 200 % 50,
            };
            let query = format!("garden {} and lamp {}", n % 89, n % 7);
            Recall {
                at: Timestamp(NOW + i64::from(n) * 100),
                author: author(
                    Some("claude".to_owned()),
                    Some(format!("session {}", n % 3)),
                    Interface::Mcp,
                ),
                asked: format!(
                    r#"{{"verb":"search","query":"{query}","mode":"auto","limit":10,"min_score":0.0}}"#
                ),
                tokens: 400,
                given: (0..10).map(given).collect(),
                took: Some(Duration::from_micros(2_000)),
            }
        };
        RecallPage((0..count).map(search).collect())
    }

    #[test]
    fn a_search_takes_a_fifth_of_what_it_took() {
        let page = searches(256);
        let bytes = codec::encode(&page).unwrap().len();

        let before = codec::encode(&Second(page)).unwrap().len();

        assert!(bytes <= 256 * 100 && 5 * bytes <= before, "{bytes} of {before}");
    }

    #[test]
    fn what_points_beyond_its_table_is_refused() {
        type Damage = fn(&mut RecallPageV3);
        let damages: [(&str, Damage); 13] = [
            ("author", |page| page.recalls.0[1].author = Short(9)),
            ("author", |page| page.authors.0.clear()),
            ("asked", |page| page.recalls.0[1].question = Short(u64::MAX)),
            ("asked", |page| page.questions.0[0].begins = Short(1)),
            ("asked", |page| page.questions.0[1].ends = Short(u64::MAX)),
            ("asked", |page| page.questions.0[0].between = Packed(vec![0xFF])),
            ("given", |page| page.recalls.0[1].given.0[0] = Short(u64::MAX)),
            ("id", |page| page.memories.0[0].id = ShortId::between(Timestamp(-1), MemoryId::LAST)),
            ("version", |page| page.memories.0[0].shown.0[0].0 = Short(1 << 32)),
            ("tokens", |page| page.memories.0[0].shown.0[0].1 = Short(1 << 32)),
            ("tokens", |page| page.recalls.0[1].tokens = Short(1 << 32)),
            ("score", |page| page.scores.0.truncate(1)),
            ("score", |page| page.scores.0.push(1.0)),
        ];
        for (at, (field, damage)) in damages.into_iter().enumerate() {
            let mut body = searches(3).to_body();
            damage(&mut body);

            let refusal = RecallPage::from_body(&key(), body).unwrap_err();

            assert!(
                matches!(refusal, CodecError::Field(found) if found == field),
                "{at}: {refusal}"
            );
        }
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_does() {
        type Damage = fn(&mut RecallPageV3);
        fn half() -> Packed<u8> {
            Packed(vec![b'a'; MOST_BYTES / 2])
        }
        let damages: [(&str, Damage); 3] = [
            ("asked", |page| page.questions.0[0].between = half()),
            ("asked", |page| {
                let begins = Short::place(MOST_BYTES / 2);
                page.questions.0[0].between = half();
                page.questions.0[1] =
                    QuestionV3 { begins, ends: Short(0), between: Packed::text("b") };
            }),
            ("author", |page| page.authors.0[0].session = Some(half())),
        ];
        for (at, (field, damage)) in damages.into_iter().enumerate() {
            let mut body = searches(3).to_body();
            body.questions.0.truncate(2);
            for recall in &mut body.recalls.0 {
                (recall.author, recall.question) = (Short(0), Short(0));
            }
            damage(&mut body);

            let refusal = RecallPage::from_body(&key(), body).unwrap_err();

            assert!(
                matches!(refusal, CodecError::Field(found) if found == field),
                "{at}: {refusal}"
            );
        }
    }

    fn any_recall() -> impl Strategy<Value = Recall> {
        let word = || prop::option::of("[a-c]{0,2}");
        let face = prop::sample::select(vec![Interface::Mcp, Interface::Rest]);
        // Few of each, so that many are the same, and letters that begin with the same byte.
        let asked = prop_oneof!["[ab]{0,2}[a\u{e8}\u{e9}]{0,3}[ab]{0,2}", ".{0,12}"];
        let id = prop_oneof![0..9_u128, any::<u128>()];
        let score = any::<u32>().prop_map(f32::from_bits);
        let score = prop::option::of(score.prop_filter("a number", |score| !score.is_nan()));
        let version = prop_oneof![1..3_u32, any::<u32>()];
        let given = (id, version, score, any::<u32>()).prop_map(|(id, version, score, tokens)| {
            let id = MemoryId::from_bytes(id.to_be_bytes());
            Given { id, version, score, tokens: tokens >> (tokens % 32) }
        });
        let given = prop::collection::vec(given, 0..6);
        let took = prop::option::of(any::<u32>());
        (any::<i64>(), (word(), word(), face), asked, any::<u32>(), given, took).prop_map(
            |(at, (client, session, face), asked, tokens, given, took)| Recall {
                at: Timestamp(at),
                author: author(client, session, face),
                asked,
                tokens,
                given,
                took: took.map(|micros| Duration::from_micros(u64::from(micros))),
            },
        )
    }

    fn any_page() -> impl Strategy<Value = RecallPage> {
        prop::collection::vec(any_recall(), 0..12).prop_map(RecallPage)
    }

    proptest! {
        #[test]
        fn any_page_comes_back_whichever_version_wrote_it(page in any_page()) {
            let bytes = codec::encode(&page).unwrap();
            prop_assert_eq!(&codec::decode::<RecallPage>(&key(), &bytes).unwrap(), &page);

            let old = codec::encode(&Second(page.clone())).unwrap();
            prop_assert_eq!(codec::decode::<RecallPage>(&key(), &old).unwrap(), page);
        }

        #[test]
        fn tables_have_everything_once_and_nothing_else(page in any_page()) {
            let body = page.to_body();

            let recalls = &page.0;
            let given = || recalls.iter().flat_map(|recall| &recall.given);
            let is_first = |at: usize| recalls[..at].iter().all(|r| r.author != recalls[at].author);
            let authors = (0..recalls.len()).filter(|at| is_first(*at)).count();
            prop_assert_eq!(body.authors.0.len(), authors);
            let ids: BTreeSet<MemoryId> = given().map(|one| one.id).collect();
            prop_assert_eq!(body.memories.0.len(), ids.len());
            let shown: BTreeSet<Shown> = given().map(shown_as).collect();
            let in_table = body.memories.0.iter().map(|row| row.shown.0.len()).sum::<usize>();
            prop_assert_eq!(in_table, shown.len());
            let asked: BTreeSet<&str> = recalls.iter().map(|recall| recall.asked.as_str()).collect();
            prop_assert_eq!(body.questions.0.len(), asked.len());
        }

        #[test]
        fn damaged_bytes_are_a_page_or_an_error(
            page in any_page(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let bytes = codec::encode(&page).unwrap();
            let mut body = bytes[5..].to_vec();
            let at = at.index(body.len());
            if cut {
                body.truncate(at);
            } else {
                body[at] = byte;
            }

            let read = codec::decode::<RecallPage>(&key(), &codec::envelope(3, &body));

            prop_assert!(!cut || read.is_err());
        }
    }
}
