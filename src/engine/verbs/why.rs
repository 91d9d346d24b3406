use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::MAX_LIMIT_U32;
use super::{Detail, Replay};
use crate::engine::arguments::Arguments;
use crate::engine::recalls::AskedFor;
use crate::engine::view::snippet;
use crate::engine::{
    Asked, Context, Engine, EngineError, Field, QueryScope, Search, Shape, Spoken, Verb,
};
use crate::model::{Author, Given, MemoryId, Project, Recall, Scope, Status, Timestamp, folded};

/// Tells what was given to whom, the newest first: what an assistant knew when it said something.
#[derive(Debug, Clone, Default)]
pub struct ListRecalls {
    /// A part of what the client calls itself.
    pub client: Option<String>,
    pub credential: Option<String>,
    pub session: Option<String>,
    /// Only where this memory was given.
    pub memory: Option<MemoryId>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: usize,
    /// So many of the newest are passed over.
    pub skip: usize,
    /// Whether each question is asked again, and of which state.
    pub replay: Option<Against>,
}

/// The state that a question is asked again of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// That of the time when it was asked.
    Then,
    Now,
}

#[derive(Debug, Serialize)]
pub struct Recalled {
    pub recalls: Vec<RecallView>,
    /// How many match in all.
    pub total: usize,
}

/// One answer that gave out memories.
#[derive(Debug, Serialize)]
pub struct RecallView {
    pub at: Timestamp,
    #[serde(flatten)]
    pub author: Author,
    pub asked: Value,
    /// Of the whole answer, by estimate.
    pub tokens: u32,
    pub given: Vec<GivenView>,
    /// What the same question brings of another state, if that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Compared>,
}

/// A memory as it was given.
#[derive(Debug, Serialize)]
pub struct GivenView {
    pub id: MemoryId,
    pub version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    pub tokens: u32,
    /// The beginning of that version's text, while it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
    pub now: Since,
}

/// What has become of a memory since it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Since {
    Same,
    Changed,
    Deleted,
    Erased,
}

/// What a question brings when it is asked again, held against what it brought.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub against: Against,
    /// Nothing where it cannot be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<Vec<MemoryId>>,
    /// What it does not bring any more.
    pub missing: Vec<MemoryId>,
    /// What it did not bring before.
    pub fresh: Vec<MemoryId>,
}

/// A question as it can be asked again.
#[derive(Debug)]
pub enum Again {
    Search(Box<Search>),
    Context(Context),
}

const DEFAULT_LIMIT: usize = 20;
/// Each question that is asked again of an earlier state has an index made for it.
const MOST_REPLAYED: usize = 20;

const CLIENT: Field = Field::new("client", Shape::Name, "A part of what the client calls itself");
const CREDENTIAL: Field = Field::new("credential", Shape::Name, "");
const SESSION: Field = Field::new("session", Shape::Name, "");
const MEMORY: Field = Field::new("memory", Shape::Id, "Only where this memory was given");
const SINCE: Field = Field::new("since", Shape::Moment, "");
const UNTIL: Field = Field::new("until", Shape::EndMoment, "");
const LIMIT: Field =
    Field::new("limit", Shape::Whole { least: 1, most: MAX_LIMIT_U32 }, "Default 20");
const REPLAY: Field = Field::new(
    "replay",
    Shape::Word(&["then", "now"]),
    "Asks each question again: of the state of that time, or of now",
);

impl Spoken for ListRecalls {
    fn fields() -> Vec<&'static Field> {
        vec![&CLIENT, &CREDENTIAL, &SESSION, &MEMORY, &SINCE, &UNTIL, &LIMIT, &REPLAY]
    }

    fn take(arguments: &mut Arguments) -> Self {
        let verb = Self {
            client: arguments.take(&CLIENT),
            credential: arguments.take(&CREDENTIAL),
            session: arguments.take(&SESSION),
            memory: arguments.take(&MEMORY),
            since: arguments.take(&SINCE),
            until: arguments.take(&UNTIL),
            limit: arguments.take(&LIMIT).unwrap_or(DEFAULT_LIMIT),
            skip: 0,
            replay: arguments.take(&REPLAY),
        };
        if verb.replay.is_some() && verb.limit > MOST_REPLAYED {
            let problem = format!("expected {MOST_REPLAYED} at most with replay");
            arguments.refuse(LIMIT.name, &problem);
        }
        verb
    }
}

impl Verb for ListRecalls {
    type Answer = Recalled;

    /// It shows the questions of all clients, so no client may ask it for itself.
    fn scope(&self) -> Scope {
        Scope::Admin
    }

    fn may_write(&self) -> bool {
        false
    }

    fn apply(self, engine: &mut Engine, _: Asked<'_>) -> Result<Recalled, EngineError> {
        let mut recalls = engine.recalls()?;
        let client = self.client.as_deref().map(folded);
        recalls.retain(|recall| self.fits(recall, client.as_deref()));
        let total = recalls.len();
        let newest = recalls.into_iter().rev().skip(self.skip).take(self.limit);
        let recalls: Result<_, _> = newest.map(|recall| engine.recall_view(recall)).collect();
        Ok(Recalled { recalls: recalls?, total })
    }
}

impl ListRecalls {
    /// Whether a recall is meant. The client's name is folded.
    fn fits(&self, recall: &Recall, client: Option<&str>) -> bool {
        let Author { credential, client: own, session, .. } = &recall.author;
        let is = |wanted: &Option<String>, own: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| own == Some(wanted))
        };
        let own = own.as_deref().map(folded).unwrap_or_default();
        client.is_none_or(|client| own.contains(client))
            && is(&self.credential, Some(credential.as_str()))
            && is(&self.session, session.as_deref())
            && self.memory.is_none_or(|id| recall.given.iter().any(|given| given.id == id))
            && self.since.is_none_or(|since| recall.at >= since)
            && self.until.is_none_or(|until| recall.at <= until)
    }
}

impl RecallView {
    /// The question as it can be asked again, of the state of a time or of now.
    #[must_use]
    pub fn again(&self, against: Against) -> Option<Again> {
        let asking: AskedFor = serde_json::from_value(self.asked.clone()).ok()?;
        match asking {
            AskedFor::Search { is_next_page: true, .. }
            | AskedFor::Search { is_sieved: true, .. }
            | AskedFor::Context { goes_on: true, .. }
            | AskedFor::List { .. }
            | AskedFor::Get { .. }
            | AskedFor::Related { .. }
            | AskedFor::File { .. }
            | AskedFor::Graph { .. } => None,
            AskedFor::Search { query, mut filter, mode, limit, min_score, max_tokens, .. } => {
                if against == Against::Then {
                    filter.as_of.get_or_insert(self.at.0);
                }
                if filter.project.is_none() {
                    // Wherever whoever asks again may stand.
                    filter.scope = Some(QueryScope::User);
                }
                Some(Again::Search(Box::new(Search {
                    query,
                    filter,
                    limit,
                    min_score,
                    detail: Detail::Brief,
                    max_tokens,
                    mode,
                    cursor: None,
                    vector: None,
                    is_replay: true,
                })))
            }
            AskedFor::Context { query, project, max_tokens, extent, .. } => {
                let replay = match against {
                    Against::Then => Replay::At(self.at),
                    Against::Now => Replay::Now,
                };
                let project = project.and_then(|project| Project::parse(&project).ok());
                let replay = Some(replay);
                Some(Again::Context(Context {
                    project,
                    query,
                    max_tokens,
                    extent,
                    vector: None,
                    replay,
                    given_before: None,
                }))
            }
        }
    }

    /// Holds what the question brings against what it brought.
    pub fn compare(&mut self, against: Against, given: Option<Vec<MemoryId>>) {
        let before: BTreeSet<MemoryId> = self.given.iter().map(|given| given.id).collect();
        let after: BTreeSet<MemoryId> = given.iter().flatten().copied().collect();
        let only = |one: &BTreeSet<MemoryId>, other: &BTreeSet<MemoryId>| {
            one.difference(other).copied().collect()
        };
        let (missing, fresh) = match &given {
            Some(_) => (only(&before, &after), only(&after, &before)),
            None => (Vec::new(), Vec::new()),
        };
        self.replay = Some(Compared { against, given, missing, fresh });
    }
}

impl Engine {
    fn recall_view(&self, recall: Recall) -> Result<RecallView, EngineError> {
        let Recall { at, author, asked, tokens, given, .. } = recall;
        let given: Result<_, _> = given.into_iter().map(|one| self.given_view(one)).collect();
        let asked = serde_json::from_str(&asked).unwrap_or(Value::String(asked));
        Ok(RecallView { at, author, asked, tokens, given: given?, replay: None })
    }

    fn given_view(&self, given: Given) -> Result<GivenView, EngineError> {
        let Given { id, version, score, tokens } = given;
        let present = match self.read(id) {
            Ok(present) => Some(present),
            Err(EngineError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let now = match &present {
            None => Since::Erased,
            Some(memory) if memory.status == Status::Deleted => Since::Deleted,
            Some(memory) if memory.version != version => Since::Changed,
            Some(_) => Since::Same,
        };
        let is_it = |memory: &crate::model::Memory| memory.version == version;
        let shown = match present {
            None => None,
            Some(memory) if is_it(&memory) => Some(memory),
            Some(_) => self.versions(id)?.into_iter().find(is_it),
        };
        let snippet = shown.map(|memory| snippet(&memory.content));
        Ok(GivenView { id, version, score, tokens, snippet, now })
    }
}
