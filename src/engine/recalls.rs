//! What was given to whom: a ring on the disk, bounded in time and in bytes.
//!
//! A recall is noted in memory when a verb has answered, and written with the next sweep or when
//! there is a page full of them, so a question waits for no disk. A crash may cost the last minute.
//!
//! No text of a memory is in it but where somebody asked for one by its own words. What is erased takes
//! such words along ([`Engine::forget_words`]). Its id stays: it tells nothing, and by it the owner learns to
//! whom that was given which is erased now. Whoever is erased takes all of it along.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::recall_pages::{Stored, are_full, over};
use super::verbs::{Extent, Mode};
use super::view::estimate_tokens;
use super::write::Write;
use super::{Engine, EngineError, Filter, MemoryView, QueryText, SearchResults, Shown};
use crate::model::{Given, MemoryId, Recall, RecallPage, Timestamp};

/// What somebody asked for, with all that it takes to ask it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum AskedFor {
    Search {
        query: QueryText,
        #[serde(flatten)]
        filter: Filter,
        mode: Mode,
        limit: usize,
        min_score: f32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_tokens: Option<usize>,
        /// Whether it went on behind an earlier page; then it cannot be asked again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_next_page: bool,
        /// Whether a face sieved the answer by more than this says; then it cannot either.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_sieved: bool,
    },
    Context {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<QueryText>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        project: Option<String>,
        max_tokens: usize,
        #[serde(default, skip_serializing_if = "Extent::is_text")]
        extent: Extent,
        /// Whether it went on with a conversation that had been given something; then it cannot be asked
        /// again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        goes_on: bool,
    },
    List {
        #[serde(flatten)]
        filter: Filter,
    },
    Get {
        id: MemoryId,
    },
    Related {
        id: MemoryId,
    },
    File {
        path: String,
    },
    Graph {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
}

/// What an answer gave out of memories.
#[derive(Debug, Default)]
pub struct GivenOut {
    pub(super) given: Vec<Given>,
    /// Of the whole answer, by estimate.
    pub(super) tokens: usize,
}

/// What was noted and is not written yet.
#[derive(Debug, Default)]
pub(super) struct Recalls {
    pub(super) pending: Vec<Recall>,
    /// Nothing before somebody had to know.
    pub(super) stored: Option<Stored>,
    /// What was given since the owner last asked: the client, and how many tokens.
    told: Option<(Option<String>, usize)>,
}

/// Of more memories that one answer gives, as a whole graph may, the first are noted.
pub(super) const MOST_GIVEN: usize = 1 << 16;
/// Of a question that is longer, as a filter may be, it is noted of what kind it was.
const MOST_ASKED_BYTES: usize = 64 * 1024;
/// What says in [`AskedFor`] of what kind a question is.
const VERB: &str = "verb";

impl GivenOut {
    /// Of memories with what each costs as it is shown.
    pub(super) fn of(given: impl IntoIterator<Item = Given>) -> Self {
        let given: Vec<Given> = given.into_iter().collect();
        let tokens = given.iter().map(|one| one.tokens as usize).sum();
        Self { given, tokens }
    }
}

impl From<&SearchResults> for GivenOut {
    fn from(answer: &SearchResults) -> Self {
        Self::of(
            answer
                .results
                .iter()
                .map(|hit| Given { score: Some(hit.score), ..Given::from(&hit.memory) }),
        )
    }
}

impl From<&Shown> for Given {
    fn from(shown: &Shown) -> Self {
        let version = match shown {
            Shown::Full(view) => view.memory.version,
            Shown::Brief(brief) => brief.version,
        };
        Self { id: shown.id(), version, score: None, tokens: whole(shown.cost()) }
    }
}

impl From<&MemoryView> for Given {
    fn from(view: &MemoryView) -> Self {
        let memory = &view.memory;
        let tokens = whole(estimate_tokens(&memory.content));
        Self { id: memory.id, version: memory.version, score: None, tokens }
    }
}

impl Engine {
    /// Whether it is kept what was given.
    pub(super) fn keeps_recalls(&self) -> bool {
        !self.limits.recalls.is_zero()
    }

    /// Notes what the command under way gives out.
    pub(super) fn note_recall(&mut self, asking: &AskedFor, out: GivenOut, now: Timestamp) {
        let Some(author) = self.stamp.as_ref().map(|stamp| stamp.author().clone()) else { return };
        let asked = match noted(asking) {
            Ok(asked) => asked,
            Err(error) => {
                log::warn!("what was given is not noted: {error}");
                return;
            }
        };
        self.recalls.told = Some((author.client.clone(), out.tokens));
        let GivenOut { mut given, tokens } = out;
        given.truncate(MOST_GIVEN);
        let recall = Recall { at: now, author, asked, tokens: whole(tokens), given, took: None };
        let pending = &mut self.recalls.pending;
        pending.push(recall);
        if are_full(pending) && !self.awaits_proof() {
            // Whatever hinders it, the next sweep meets it again and tells.
            // What is too old goes with the sweep, which knows whether the clock is doubted.
            if let Err(error) = self.write_recalls(now, Timestamp(i64::MIN)) {
                log::debug!("what was given is written later: {error}");
            }
        }
        let pending = &mut self.recalls.pending;
        let over = over(pending);
        pending.drain(..over);
    }

    /// What was given since this was last asked: the client, and how many tokens. It is noted how long
    /// that took.
    pub fn take_given(&mut self, took: Duration) -> Option<(Option<String>, usize)> {
        let told = self.recalls.told.take()?;
        // One that filled a page is on its way to the disk already, and goes without.
        if let Some(recall) = self.recalls.pending.last_mut() {
            recall.took = Some(took);
        }
        Some(told)
    }

    /// Every recall that is kept, the oldest first.
    pub(super) fn recalls(&self) -> Result<Vec<Recall>, EngineError> {
        let mut recalls = Vec::new();
        for row in self.store.scan::<RecallPage>() {
            recalls.extend(row?.1.0);
        }
        recalls.extend(self.recalls.pending.iter().cloned());
        Ok(recalls)
    }

    /// Forgets, in the same write, the words of questions in which a text stands that is erased by it. Returns
    /// those texts as questions spell them, for what is not written yet: [`Engine::forget_pending_words`].
    pub(super) fn forget_words(&mut self, write: &mut Write) -> Result<Vec<String>, EngineError> {
        let texts: Vec<String> = write.erased_texts().filter_map(as_asked).collect();
        if texts.is_empty() {
            return Ok(texts);
        }
        for id in self.pages_that_may_hold(&texts)? {
            // What is not there any more has become too old meanwhile.
            let mut page = self.store.get::<RecallPage>(&id)?.unwrap_or_default();
            if forget_in(&mut page.0, &texts) {
                write.put_recalls(&id, &page);
                // It is counted anew.
                self.recalls.stored = None;
            }
        }
        Ok(texts)
    }

    /// The same for what was noted since the last page, once the erasure is accepted.
    pub(super) fn forget_pending_words(&mut self, texts: &[String]) {
        forget_in(&mut self.recalls.pending, texts);
    }
}

/// A question as it is noted. Nobody may fill the memory, or a page, with one.
fn noted(asking: &AskedFor) -> serde_json::Result<String> {
    let asked = serde_json::to_string(asking)?;
    if asked.len() <= MOST_ASKED_BYTES {
        return Ok(asked);
    }
    Ok(kind_of(&serde_json::from_str(&asked)?))
}

/// What stays of a question whose words do not.
fn kind_of(asked: &Value) -> String {
    json!({ VERB: asked.get(VERB) }).to_string()
}

/// Leaves of each question in which one of these texts stands no more than of what kind it was. Returns whether
/// there was one.
fn forget_in(recalls: &mut [Recall], texts: &[String]) -> bool {
    let mut has_changed = false;
    for recall in recalls {
        // Most need not be read for that.
        if !texts.iter().any(|text| recall.asked.contains(text)) {
            continue;
        }
        let asked = serde_json::from_str::<Value>(&recall.asked).unwrap_or_default();
        if asked.is_null() || texts.iter().any(|text| says(&asked, text)) {
            recall.asked = kind_of(&asked);
            has_changed = true;
        }
    }
    has_changed
}

/// Whether a text, as it stands within JSON, stands in what somebody said. The names of the fields, the verb
/// and numbers are nobody's words: a short text stands in those of every question.
fn says(asked: &Value, text: &str) -> bool {
    match asked {
        Value::String(_) => asked.to_string().contains(text),
        Value::Array(items) => items.iter().any(|item| says(item, text)),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name != VERB && says(value, text))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A text as it stands within JSON. Nothing for one that stands everywhere.
fn as_asked(text: &str) -> Option<String> {
    let quoted = Value::from(text.trim()).to_string();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.is_empty()).then(|| inner.to_owned())
}

fn whole(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Author, CredentialName, Interface};

    /// A question at the first millisecond of 1970.
    pub(in crate::engine) fn asked(question: &Value) -> Recall {
        let author = Author {
            credential: CredentialName::parse("default").unwrap(),
            token: None,
            client: None,
            session: None,
            face: Interface::Rest,
        };
        let asked = question.to_string();
        Recall { at: Timestamp(1), author, asked, tokens: 0, took: None, given: Vec::new() }
    }

    #[test]
    fn words_go_with_the_text_that_they_are_of_and_others_stay() {
        let text = " she said: \"no\"\n";
        let mut recalls = [
            asked(&json!({ "verb": "search", "query": "what was it when she said: \"no\"" })),
            asked(&json!({ "verb": "search", "query": "she said" })),
            asked(&json!({ "verb": "file", "path": "/memories/no" })),
        ];
        let others = recalls[1..].to_vec();

        assert!(forget_in(&mut recalls, &[as_asked(text).unwrap()]));

        assert_eq!(recalls[0].asked, r#"{"verb":"search"}"#);
        assert_eq!(recalls[1..], others);
        assert!(!forget_in(&mut recalls, &[as_asked(text).unwrap()]), "once");
        assert_eq!(as_asked(" \n"), None);
    }

    #[test]
    fn of_a_question_that_is_too_long_it_is_noted_of_what_kind_it_was() {
        let list = |length: usize| {
            let tags = vec!["x".repeat(length)];
            noted(&AskedFor::List { filter: Filter { tags, ..Filter::default() } }).unwrap()
        };

        assert!(list(MOST_ASKED_BYTES / 2).len() > MOST_ASKED_BYTES / 2);
        assert_eq!(list(MOST_ASKED_BYTES), r#"{"verb":"list"}"#);
    }

    #[test]
    fn a_short_text_stands_in_no_question_that_does_not_say_it() {
        let question = json!({ "verb": "search", "query": "tea", "limit": 20, "tags": ["green"] });
        let forget = |text: &str| {
            let mut recalls = [asked(&question)];
            let before = recalls[0].asked.clone();
            let has_changed = forget_in(&mut recalls, &[as_asked(text).unwrap()]);
            assert_eq!(has_changed, recalls[0].asked != before);
            has_changed
        };

        for nobodys in ["search", "verb", "limit", "20", ":", ","] {
            assert!(!forget(nobodys), "{nobodys}");
        }
        assert!(forget("tea") && forget("green"));
    }
}
