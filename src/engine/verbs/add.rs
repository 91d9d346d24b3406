use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::engine::arguments::{Arguments, Change};
use crate::engine::catalog::is_same_text;
use crate::engine::confirming::is_another_voice;
use crate::engine::draft::Draft;
use crate::engine::secrets::SecretKinds;
use crate::engine::view::BriefView;
use crate::engine::write::{Write, guard_instruction};
use crate::engine::{
    Asked, Asker, Engine, EngineError, Field, MemoryView, Question, Shape, Spoken, Verb,
};
use crate::model::{Access, Kind, Memory, MemoryId, Project, Scope, Source, Timestamp, folded};
use crate::retrieval::{Document, ParsedDocument, Vector};

/// Stores a new memory, unless the same one is there already.
#[derive(Debug, Clone, Default)]
pub struct Add {
    pub content: String,
    /// It is of the kind `conversation` unless somebody says.
    pub is_dialogue: bool,
    pub draft: Draft,
    pub ttl_days: Option<f64>,
    pub supersedes: Option<MemoryId>,
    /// About how many tokens of the text the answer repeats; all of it if nothing is said.
    pub repeat_tokens: Option<usize>,
    /// Whether it was brought by an import, and nobody has confirmed it.
    pub is_unconfirmed: bool,
    /// What a better embedder made of it.
    pub vector: Option<Vec<f32>>,
}

/// One turn of a conversation, as chat APIs write it. What it holds besides text, such as pictures
/// and calls of tools, is left out; a turn of nothing else has no text.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Message {
    #[serde(default, deserialize_with = "text_of_turn")]
    pub role: String,
    #[serde(default, deserialize_with = "text_of_turn")]
    pub content: String,
    /// Who of several speaks.
    #[serde(default, deserialize_with = "text_of_turn")]
    pub name: String,
}

/// What became of an [`Add`].
#[derive(Debug, Serialize)]
pub struct Added {
    pub id: MemoryId,
    pub status: AddStatus,
    pub memory: MemoryView,
    /// Of a duplicate: the fields that the memory that was there took over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<&'static str>,
    /// Of a duplicate: the fields in which it differs, and stays as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<&'static str>,
    /// What it holds that looks like a secret, by name.
    #[serde(skip_serializing_if = "SecretKinds::is_empty")]
    pub secrets: SecretKinds,
    /// Provisional memories that say the same and are confirmed by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confirmed: Vec<MemoryId>,
    /// What says nearly the same, best first. The caller may want to update one of those instead.
    pub similar: Vec<Similar>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddStatus {
    Created,
    /// The same text was there. `memory` is the one that was there, with what the newcomer added.
    Duplicate,
    /// Created, and the memory named by `supersedes` is no longer active.
    Superseded,
}

#[derive(Debug, Serialize)]
pub struct Similar {
    #[serde(flatten)]
    pub memory: BriefView,
    pub score: f32,
}

const CONTENT: Field = Field::new("content", Shape::Text, "One fact, clear without its context");
const MESSAGES: Field = Field::new("messages", Shape::Turns, "Instead: turns of a dialogue");
const USER_INPUT: Field = Field::new("user_input", Shape::Text, "Instead, with agent_response");
const AGENT_RESPONSE: Field = Field::new("agent_response", Shape::Text, "");
pub(super) const TTL_DAYS: Field =
    Field::new("ttl_days", Shape::Positive { most: MAX_TTL_DAYS }, "Forget after so many days");
const SUPERSEDES: Field = Field::new("supersedes", Shape::Id, "Id of the memory that it replaces");

/// About a hundred years.
const MAX_TTL_DAYS: u32 = 36_500;
const MS_PER_DAY: f64 = 86_400_000.0;
/// How many similar memories an answer names, and how near they must be to be worth a word.
const SIMILAR: usize = 3;
const NEAR: f32 = 0.5;
/// A model has just written the text, and needs no more than to recognize it.
pub(super) const REPEATED_TOKENS: usize = 300;

impl Spoken for Add {
    fn fields() -> Vec<&'static Field> {
        let own = [&CONTENT, &MESSAGES, &USER_INPUT, &AGENT_RESPONSE];
        own.into_iter().chain(Draft::FIELDS).chain([&TTL_DAYS, &SUPERSEDES]).collect()
    }

    fn take(arguments: &mut Arguments) -> Self {
        let (content, is_dialogue) = take_content(arguments);
        Self {
            content,
            is_dialogue,
            draft: Draft::take(arguments),
            ttl_days: arguments.take(&TTL_DAYS),
            supersedes: arguments.take(&SUPERSEDES),
            repeat_tokens: arguments.budget().map(|_| REPEATED_TOKENS),
            is_unconfirmed: false,
            vector: None,
        }
    }
}

impl Verb for Add {
    type Answer = Added;

    fn scope(&self) -> Scope {
        if self.is_instruction() { Scope::Instructions } else { Scope::Write }
    }

    fn question(&mut self) -> Option<Question<'_>> {
        let text = match &self.draft.title {
            Change::Set(title) => format!("{title} {}", self.content),
            Change::Keep | Change::Clear => self.content.clone(),
        };
        Some(Question { text, vector: &mut self.vector, asker: Asker::Newcomer })
    }

    fn apply(mut self, engine: &mut Engine, asked: Asked<'_>) -> Result<Added, EngineError> {
        let mut write = engine.begin()?;
        let repeat_tokens = self.repeat_tokens;
        let vector = self.vector.take().map(|vector| Vector::quantize(&vector));
        let put = self.put(engine, &mut write, Times::default(), asked)?;
        let (similar, confirmed) = match put.status {
            AddStatus::Duplicate => {
                engine.commit(write)?;
                (Vec::new(), Vec::new())
            }
            AddStatus::Created | AddStatus::Superseded => {
                engine.commit_newcomer(&put.memory, vector.as_ref(), write, asked)?
            }
        };
        let Put { status, memory, merged, kept, secrets } = put;
        let id = memory.id;
        let mut memory = match status {
            AddStatus::Duplicate => engine.view(memory)?,
            // Nobody was given a new one before.
            AddStatus::Created | AddStatus::Superseded => {
                MemoryView::new(memory, &engine.user, Access::default())
            }
        };
        memory.cut_to(repeat_tokens.unwrap_or(usize::MAX));
        Ok(Added { id, status, memory, merged, kept, secrets, confirmed, similar })
    }
}

/// When a memory that comes from elsewhere was first and last written, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    pub(super) created_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
}

/// What became of a memory on its way into a write.
pub(super) struct Put {
    pub(super) status: AddStatus,
    pub(super) memory: Memory,
    merged: Vec<&'static str>,
    kept: Vec<&'static str>,
    secrets: SecretKinds,
}

impl Add {
    #[must_use]
    pub fn is_instruction(&self) -> bool {
        self.draft.is_instruction()
    }

    /// Puts the memory into a write, or what it says more than the same memory that is there.
    pub(super) fn put(
        mut self,
        engine: &mut Engine,
        write: &mut Write,
        times: Times,
        asked: Asked<'_>,
    ) -> Result<Put, EngineError> {
        engine.check_content(&self.content)?;
        let mut secrets = SecretKinds::new();
        engine.screen_text(&mut self.content, &mut secrets)?;
        engine.screen_draft(&mut self.draft, &mut secrets)?;
        let project = self.project(asked);
        let Some(old) = self.supersedes else {
            if let Some(there) = self.find_same(engine, write, project.as_ref(), asked.now)? {
                return Ok(Put { secrets, ..self.merge(there, write, asked)? });
            }
            let memory = self.into_memory(engine, project, times, asked);
            write.enter(&memory)?;
            return Ok(Put { secrets, ..Put::new(AddStatus::Created, memory) });
        };
        let old = match write.newest(old) {
            Some(fresh) => fresh.clone(),
            None => engine.read_replaced(old, asked)?,
        };
        let memory = self.into_memory(engine, project, times, asked);
        write.enter(&memory)?;
        write.supersede(&old, memory.id, asked.now)?;
        Ok(Put { secrets, ..Put::new(AddStatus::Superseded, memory) })
    }

    /// Adds what it says more to the same memory. Of two lives the longer wins: what somebody stores
    /// for good must not go with what somebody else stored for a day.
    fn merge(self, there: Memory, write: &mut Write, asked: Asked<'_>) -> Result<Put, EngineError> {
        let status = AddStatus::Duplicate;
        if guard_instruction(&there, asked).is_err() {
            return Ok(Put::new(status, there));
        }
        let mut after = there.clone();
        let (mut merged, kept) = self.draft.merge_into(&mut after);
        if there.provisional && self.confirms(&there, asked) {
            after.provisional = false;
            merged.push("provisional");
        }
        let end = self.ttl_days.map(|days| expiry(asked.now, days));
        after.expires_at = there.expires_at.zip(end).map(|(one, other)| one.max(other));
        if after.expires_at != there.expires_at {
            merged.push("ttl_days");
        }
        let memory =
            if merged.is_empty() { there } else { write.replace(&there, after, asked.now)? };
        Ok(Put { merged, kept, ..Put::new(status, memory) })
    }

    /// Whether it counts that the same is said again.
    fn confirms(&self, there: &Memory, asked: Asked<'_>) -> bool {
        !self.is_unconfirmed && is_another_voice(there, asked.caller)
    }

    /// Where it belongs: the project that it names, else the one that the caller stands in.
    pub(super) fn project(&self, asked: Asked<'_>) -> Option<Project> {
        match &self.draft.project {
            Change::Set(project) => Some(project.clone()),
            Change::Keep | Change::Clear => asked.caller.project.clone(),
        }
    }

    /// The memory that says the same of the same, in the store or in the write that is being made:
    /// what the newcomer leaves open may be anything.
    fn find_same(
        &self,
        engine: &Engine,
        write: &Write,
        project: Option<&Project>,
        now: Timestamp,
    ) -> Result<Option<Memory>, EngineError> {
        let is_same = |there: &Memory| {
            is_same_text(&there.content, &self.content)
                && project.is_none_or(|project| is_in(there, project))
                && self.draft.agrees(there)
        };
        let mut fresh = write.memories();
        if let Some(there) = fresh.find(|memory| memory.is_alive(now) && is_same(memory)) {
            return Ok(Some(there.clone()));
        }
        let ids: Vec<MemoryId> = engine
            .mind
            .catalog
            .same_text(&self.content)
            .filter(|entry| entry.is_alive(now))
            .map(|entry| entry.id)
            .collect();
        for id in ids.into_iter().filter(|id| write.newest(*id).is_none()) {
            let there = engine.read(id)?;
            if is_same(&there) {
                return Ok(Some(there));
            }
        }
        Ok(None)
    }

    pub(super) fn into_memory(
        self,
        engine: &mut Engine,
        project: Option<Project>,
        times: Times,
        asked: Asked<'_>,
    ) -> Memory {
        let Asked { caller, now } = asked;
        // A moment ahead of the clock stays what it is: the clock may be the one that is wrong.
        let created_at = times.created_at.unwrap_or(now);
        let updated_at = times.updated_at.unwrap_or(now).max(created_at);
        let mut memory = Memory {
            kind: if self.is_dialogue { Kind::conversation() } else { Kind::note() },
            source: Source {
                client: caller.client.clone(),
                credential: Some(caller.credential.to_string()),
                session: caller.session.clone(),
                interface: Some(match self.is_unconfirmed {
                    true => "import".to_owned(),
                    false => caller.face.to_string(),
                }),
            },
            provisional: self.is_unconfirmed || caller.is_guest,
            created_at,
            updated_at,
            expires_at: self.ttl_days.map(|days| expiry(now, days)),
            supersedes: self.supersedes,
            ..Memory::new(engine.ids.next(now), self.content, now)
        };
        self.draft.write_to(&mut memory);
        Memory { project, ..memory }
    }
}

impl Put {
    fn new(status: AddStatus, memory: Memory) -> Self {
        let secrets = SecretKinds::new();
        Self { status, memory, merged: Vec::new(), kept: Vec::new(), secrets }
    }
}

impl Engine {
    /// Commits a new memory. Returns what is similar to it, and what of that it confirms.
    ///
    /// What is confirmed goes with the same write, so what a model takes for the same is looked for
    /// first. Where only the answer depends on it, the disk works meanwhile.
    fn commit_newcomer(
        &mut self,
        newcomer: &Memory,
        vector: Option<&Vector>,
        mut write: Write,
        asked: Asked<'_>,
    ) -> Result<(Vec<Similar>, Vec<MemoryId>), EngineError> {
        let parse = || ParsedDocument::of(&Document::of(newcomer));
        if vector.is_some() {
            let parsed = parse();
            let similar = self.similar_to(&parsed, vector, asked.now)?;
            let confirmed = self.confirm_same(newcomer, &similar, &mut write, asked)?;
            self.commit_while(write, |_| (Some(parsed), ()))?;
            return Ok((similar, confirmed));
        }
        let similar = self.commit_while(write, |engine| {
            let parsed = parse();
            let similar = engine.similar_to(&parsed, None, asked.now);
            (Some(parsed), similar)
        })?;
        // It is stored by now, and an error would deny that.
        let similar = similar.unwrap_or_else(|error| {
            log::warn!("what is similar to memory {} is not told: {error}", newcomer.id);
            Vec::new()
        });
        Ok((similar, Vec::new()))
    }

    fn similar_to(
        &self,
        newcomer: &ParsedDocument,
        vector: Option<&Vector>,
        now: Timestamp,
    ) -> Result<Vec<Similar>, EngineError> {
        let mind = &self.mind;
        let allowed = |doc| mind.entry(doc).is_some_and(|entry| entry.is_alive(now));
        let found = mind.index.similar(newcomer, vector, &allowed, SIMILAR);
        let near = found.into_iter().filter(|(_, score)| *score >= NEAR);
        let known = near.filter_map(|(doc, score)| Some((mind.entry(doc)?.id, score)));
        known
            .map(|(id, score)| Ok(Similar { memory: BriefView::of(&self.read(id)?), score }))
            .collect()
    }
}

/// Names mean the same however they are written.
fn is_in(memory: &Memory, project: &Project) -> bool {
    let own = memory.project.as_ref().map(|own| folded(own.as_str()));
    own.is_some_and(|own| own == folded(project.as_str()))
}

/// When a memory ends that lives for so many days.
pub(super) fn expiry(now: Timestamp, days: f64) -> Timestamp {
    #[allow(clippy::cast_possible_truncation, reason = "at most MAX_TTL_DAYS, which fits")]
    let ms = (days * MS_PER_DAY).ceil() as i64;
    Timestamp(now.0.saturating_add(ms))
}

/// The text in any of its three spellings, and whether it is a dialogue.
fn take_content(arguments: &mut Arguments) -> (String, bool) {
    let said = |text: &String| !text.trim().is_empty();
    let content: Option<String> = arguments.take(&CONTENT).filter(said);
    let messages: Option<Vec<Message>> = arguments.take(&MESSAGES);
    let user_input: Option<String> = arguments.take(&USER_INPUT).filter(said);
    let agent_response: Option<String> = arguments.take(&AGENT_RESPONSE).filter(said);
    let given = [content.is_some(), messages.is_some(), user_input.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        arguments.refuse("content", "give one of content, messages, or user_input");
    }
    if agent_response.is_some() && user_input.is_none() {
        arguments.refuse("agent_response", "goes with user_input");
    }
    let (text, is_dialogue) = match (content, messages, user_input, agent_response) {
        (_, Some(messages), ..) => render(&messages),
        (_, _, Some(user), Some(agent)) => (format!("User: {user}\nAssistant: {agent}"), true),
        (_, _, Some(user), None) => (user, true),
        (Some(content), ..) => (content, false),
        (None, ..) => (String::new(), false),
    };
    if text.trim().is_empty() {
        arguments.refuse_missing(&CONTENT, "is required and must not be empty");
    }
    (text, is_dialogue)
}

/// A single message is its text; several are a line each, with who spoke, and make a dialogue. One
/// without a text counts for nothing: a role alone is no turn.
fn render(messages: &[Message]) -> (String, bool) {
    let spoken: Vec<&Message> =
        messages.iter().filter(|message| !message.content.trim().is_empty()).collect();
    if let [only] = spoken.as_slice() {
        return (only.content.clone(), false);
    }
    let lines: Vec<String> = spoken
        .iter()
        .map(|message| match message.role.trim() {
            "" => message.content.clone(),
            role => format!("{role}: {}", message.content),
        })
        .collect();
    (lines.join("\n"), lines.len() > 1)
}

/// Reads a text, nothing, or blocks such as `[{"type": "text", "text": "..."}]`.
fn text_of_turn<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Array(blocks) => {
            let texts: Vec<&str> = blocks.iter().filter_map(text_of_block).collect();
            Ok(texts.join("\n"))
        }
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        block @ Value::Object(_) => Ok(text_of_block(&block).unwrap_or_default().to_owned()),
        Value::Bool(_) => {
            Err(serde::de::Error::custom("expected text, or a list of blocks with text"))
        }
    }
}

fn text_of_block(block: &Value) -> Option<&str> {
    block.as_str().or_else(|| block.get("text")?.as_str()).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(messages: Value) -> (String, bool) {
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        render(&messages)
    }

    #[test]
    fn a_turn_may_hold_blocks_or_nothing() {
        let blocks = json!([
            { "type": "text", "text": "I moved" }, "to Rome", { "type": "image", "url": "x" },
            { "type": "tool_use", "input": { "text": "no" } }, { "type": "text", "text": " " },
        ]);

        let one = json!([
            { "role": "user", "content": blocks }, { "role": "assistant", "content": null },
            { "role": "tool" }, { "role": null, "content": "  " },
        ]);
        assert_eq!(rendered(one), ("I moved\nto Rome".to_owned(), false));
        let two = json!([
            { "role": "user", "content": "hi" }, { "role": "assistant", "content": [] },
            { "role": "assistant", "content": { "text": "hello" } },
        ]);
        assert_eq!(rendered(two), ("user: hi\nassistant: hello".to_owned(), true));
        let none = json!([{ "role": "user", "content": "" }, { "role": "assistant" }]);
        assert_eq!(rendered(none), (String::new(), false));
    }

    #[test]
    fn a_turn_of_something_else_is_refused() {
        assert!(serde_json::from_value::<Message>(json!({ "content": true })).is_err());
    }
}
