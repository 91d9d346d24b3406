use std::time::Duration;

use serde::Serialize;

use crate::engine::catalog::Entry;
use crate::engine::secrets::without_secrets;
use crate::engine::{Asked, Engine, EngineError, Verb};
use crate::model::few;
use crate::model::{
    EventTime, Kind, Memory, MemoryId, Project, Scope, Source, Status, Timestamp, foreign,
};

/// Stores one turn of a conversation as a hook took it down. It is provisional, ends by itself, holds no
/// secret that can be recognized, and is stored once, however many hooks bring it.
#[derive(Debug, Clone, Default)]
pub struct Capture {
    /// What the user said. Either of the two texts may be empty.
    pub prompt: String,
    /// What the assistant said at the end.
    pub answer: String,
    /// Where it was said; the caller's project if nobody says.
    pub project: Option<Project>,
    /// When it was said, if it comes later than that.
    pub at: Option<Timestamp>,
}

/// What became of a [`Capture`].
#[derive(Debug, Serialize)]
pub struct Captured {
    pub id: MemoryId,
    pub status: CaptureStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureStatus {
    Created,
    /// It was there without its answer.
    Completed,
    /// It was there, and stays as it was.
    Duplicate,
}

/// How long a turn is kept that nobody confirms.
const EPISODE_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How many of the newest episodes are looked at for the same turn. Two hooks of one conversation bring a
/// turn within moments, and what waited for the server within days.
const LOOKED_AT: usize = 200;

const USER: &str = "User: ";
const ASSISTANT: &str = "Assistant: ";

impl Verb for Capture {
    type Answer = Captured;

    fn scope(&self) -> Scope {
        Scope::Write
    }

    fn apply(mut self, engine: &mut Engine, asked: Asked<'_>) -> Result<Captured, EngineError> {
        let mut write = engine.begin()?;
        self.prompt = without_secrets(self.prompt);
        self.answer = without_secrets(self.answer);
        let (memory, status) = match self.find_same(engine, asked)? {
            Some((there, Sameness::LacksAnswer)) => {
                let content = self.content(engine.limits.content_bytes);
                let after = Memory { content, ..there.clone() };
                (write.replace(&there, after, asked.now)?, CaptureStatus::Completed)
            }
            Some((there, Sameness::Whole)) => (there, CaptureStatus::Duplicate),
            None => {
                let memory = self.into_memory(engine, asked);
                write.enter(&memory)?;
                (memory, CaptureStatus::Created)
            }
        };
        engine.commit(write)?;
        Ok(Captured { id: memory.id, status })
    }
}

/// How a turn that is there is the one that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sameness {
    Whole,
    /// The one that comes says what was answered.
    LacksAnswer,
}

impl Capture {
    fn into_memory(self, engine: &mut Engine, asked: Asked<'_>) -> Memory {
        let Asked { caller, now } = asked;
        let content = self.content(engine.limits.content_bytes);
        Memory {
            kind: Kind::episode(),
            project: self.project.or_else(|| caller.project.clone()),
            source: Source {
                client: caller.client.clone(),
                credential: Some(caller.credential.to_string()),
                session: caller.session.clone(),
                interface: Some(Source::HOOK.to_owned()),
            },
            event_at: self.at.filter(|at| *at < now).map(EventTime::from),
            expires_at: Some(now.plus(EPISODE_LIFE)),
            provisional: true,
            ..Memory::new(engine.ids.next(now), content, now)
        }
    }

    /// The same turn of the same conversation, if it is there: several hooks may tell of one, and not all
    /// of them know the answer. A prompt that is said again and answered otherwise is another turn.
    fn find_same(
        &self,
        engine: &Engine,
        asked: Asked<'_>,
    ) -> Result<Option<(Memory, Sameness)>, EngineError> {
        let catalog = &engine.mind.catalog;
        let Some(kind) = catalog.word(Kind::episode().as_str()) else { return Ok(None) };
        // Also one that was confirmed or archived since was taken down once.
        let is_one = |entry: &Entry| {
            entry.kind == kind && entry.status != Status::Deleted && !entry.is_expired(asked.now)
        };
        let mut ids: Vec<MemoryId> =
            catalog.iter().filter(|(_, e)| is_one(e)).map(|(_, e)| e.id).collect();
        few::sort_by(&mut ids, |one, other| other.cmp(one));
        let limit = engine.limits.content_bytes;
        let whole = self.content(limit);
        let lone = Self { answer: String::new(), ..self.clone() }.content(limit);
        for id in ids.into_iter().take(LOOKED_AT) {
            let there = engine.read(id)?;
            let is_here = there.source.is_hook() && there.source.session == asked.caller.session;
            let sameness = compare(&there.content, &whole, &lone);
            if let Some(sameness) = sameness.filter(|_| is_here) {
                return Ok(Some((there, sameness)));
            }
        }
        Ok(None)
    }

    /// Both as one text, not longer than a memory may be.
    fn content(&self, most_bytes: usize) -> String {
        let said = [(USER, &self.prompt), (ASSISTANT, &self.answer)];
        let lines: Vec<String> = said
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(who, text)| format!("{who}{text}"))
            .collect();
        let content = lines.join("\n");
        foreign::cut(&content, most_bytes).to_owned()
    }
}

/// Holds what is there against a turn as it comes, with its answer and without.
fn compare(there: &str, whole: &str, lone: &str) -> Option<Sameness> {
    if there == whole {
        return Some(Sameness::Whole);
    }
    // An answer whose prompt nobody knows belongs to no other turn.
    if lone.is_empty() {
        return None;
    }
    match whole == lone {
        true => {
            let more = there.strip_prefix(lone)?.strip_prefix('\n')?;
            more.starts_with(ASSISTANT).then_some(Sameness::Whole)
        }
        false => (there == lone).then_some(Sameness::LacksAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(prompt: &str, answer: &str) -> Capture {
        Capture { prompt: prompt.to_owned(), answer: answer.to_owned(), ..Capture::default() }
    }

    #[test]
    fn a_turn_is_the_same_with_and_without_its_answer_and_another_with_another_one() {
        let whole = turn("is it red?", "yes").content(usize::MAX);
        assert_eq!(whole, "User: is it red?\nAssistant: yes");

        let compare = |there: &str, prompt: &str, answer: &str| {
            let (comes, lone) = (turn(prompt, answer), turn(prompt, ""));
            compare(there, &comes.content(usize::MAX), &lone.content(usize::MAX))
        };
        assert_eq!(compare(&whole, "is it red?", "yes"), Some(Sameness::Whole));
        assert_eq!(compare(&whole, "is it red?", ""), Some(Sameness::Whole));
        assert_eq!(compare(&whole, "is it red?", "no"), None);
        assert_eq!(compare(&whole, "is it", ""), None);
        assert_eq!(compare(&whole, "", "yes"), None);

        let lone = "User: is it red?";
        assert_eq!(compare(lone, "is it red?", "yes"), Some(Sameness::LacksAnswer));
        assert_eq!(compare(lone, "", "yes"), None);
    }

    #[test]
    fn a_turn_is_no_longer_than_a_memory_may_be() {
        assert_eq!(turn("\u{e9}\u{e9}", "x").content(9), "User: \u{e9}");
    }
}
