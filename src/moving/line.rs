//! What a format says of one memory, and how that becomes a memory of ours.

use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

use crate::engine::IMPORT;
use crate::model::{
    Category, EventTime, Kind, Memory, MemoryId, Metadata, Project, Source, Status, Tag, Tags,
    Timestamp, Title, json,
};

/// One memory as another product has it. What is not said is left open; names may be anything, and are
/// made fit here.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// What it is called over there. It has to be the same in every export: no place in a file, no name
    /// of a file.
    pub native_id: String,
    pub part: LinePart,
    pub content: String,
    pub title: Option<String>,
    /// `note` if nothing is said.
    pub kind: Option<&'static str>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub project: Option<String>,
    /// When it was first written. It goes into the id, so it must not move between two exports.
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub event_at: Option<EventTime>,
    pub expires_at: Option<Timestamp>,
    pub status: Status,
    /// Whether it tells an assistant what to do.
    pub is_candidate: bool,
    /// Names that mean something here: `conversation_id`, `role`, `speaker`, `links`.
    pub metadata: Metadata,
    /// What else there was, kept under the name of the format.
    pub extras: Metadata,
}

/// Of which part of another product's data a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum LinePart {
    #[default]
    Memories,
    Conversations,
    Projects,
    Files,
}

/// Which lines are wanted, and what is made of them.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The id of the import.
    pub run: MemoryId,
    pub now: Timestamp,
    pub only: Vec<LinePart>,
    /// Where lines go that name no project.
    pub project: Option<Project>,
    /// What every line is tagged with.
    pub tag: Option<Tag>,
    /// Only what was written from then on, as far as that is known.
    pub since: Option<Timestamp>,
    pub limit: Option<usize>,
    /// Whether what says something else here gets a new version.
    pub updates: bool,
    /// Whether what was erased here comes again.
    pub erased: bool,
    /// Whether what tells an assistant what to do becomes an instruction.
    pub instructions: bool,
    /// Whether each observation becomes a memory of its own.
    pub splits: bool,
    /// Whether the memories of other users in a file are taken too.
    pub all_users: bool,
    /// Whether a note is of the project that its folder at the top is called.
    pub folders_are_projects: bool,
    /// Which of several folders of notes it is: with it, notes at the same place of two are not one.
    pub vault: Option<String>,
    /// Which column of a table has which place here, where its name does not tell.
    pub columns: Vec<(String, String)>,
    /// Bytes of one memory's text at most.
    pub content_bytes: usize,
}

/// 2000-01-01: in the id of what nobody knows the time of.
const NO_TIME: u64 = 946_684_800_000;
/// The last millisecond that an id can hold.
const LAST_MS: u64 = (1 << 48) - 1;
/// Bytes of JSON that one format may keep beside a text, of the 16 KiB that a memory takes.
const EXTRAS_BYTES: usize = 8 << 10;
/// Bytes of memory that a name takes besides its letters and its value.
const FIELD_BYTES: usize = 64;
/// Deeper values could not be kept under two names more.
const EXTRAS_DEPTH: usize = 16;
/// Characters of the native id that are kept to be read; the whole of it is in the id.
const NATIVE_CHARS: usize = 256;
/// Characters of a file's path that are kept: its end, which tells more.
const PATH_CHARS: usize = 256;
/// What marks a text that tells an assistant what to do, and is not obeyed.
pub const CANDIDATE: &str = "instruction-candidate";

impl LinePart {
    pub const ALL: [Self; 4] = [Self::Memories, Self::Conversations, Self::Projects, Self::Files];
    /// Conversations are many, noisy, and said by anybody; projects are texts that others wrote.
    pub const USUAL: [Self; 2] = [Self::Memories, Self::Files];

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == word)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memories => "memories",
            Self::Conversations => "conversations",
            Self::Projects => "projects",
            Self::Files => "files",
        }
    }
}

impl Wanted {
    /// The usual: memories and files, as they are.
    #[must_use]
    pub fn new(run: MemoryId, now: Timestamp, content_bytes: usize) -> Self {
        Self {
            run,
            now,
            only: LinePart::USUAL.to_vec(),
            project: None,
            tag: None,
            since: None,
            limit: None,
            updates: false,
            erased: false,
            instructions: false,
            splits: false,
            all_users: false,
            folders_are_projects: false,
            vault: None,
            columns: Vec::new(),
            content_bytes,
        }
    }
}

impl Line {
    #[must_use]
    pub fn new(native_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { native_id: native_id.into(), content: content.into(), ..Self::default() }
    }

    /// Bytes of memory that it takes, or a little more.
    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        let names = [Some(&self.native_id), self.title.as_ref(), self.category.as_ref()];
        let names = names.into_iter().flatten().chain(&self.project).chain(&self.tags);
        let names: usize = names.map(|name| size_of::<String>() + name.len()).sum();
        let kept = bytes_of_all(&self.metadata) + bytes_of_all(&self.extras);
        size_of::<Self>() + self.content.len() + names + kept
    }

    /// The id that it has wherever and whenever it is imported.
    #[must_use]
    pub fn id(&self, format: &str) -> MemoryId {
        let mut digest = Context::new(&SHA256);
        for part in ["memoryd-import", "\0", format, "\0", &self.native_id] {
            digest.update(part.as_bytes());
        }
        let at = self.created_at.map_or(NO_TIME, |at| u64::try_from(at.0).unwrap_or(0));
        let mut bytes = [0; 16];
        let time = at.min(LAST_MS).to_be_bytes();
        let parts =
            time.iter().skip(2).chain(digest.finish().as_ref()).copied().collect::<Vec<u8>>();
        for (place, byte) in bytes.iter_mut().zip(parts) {
            *place = byte;
        }
        MemoryId::from_bytes(bytes)
    }

    /// What it is here. What cannot be a name of ours is made one, or left out.
    pub(super) fn into_memory(self, format: &str, file: &str, wanted: &Wanted) -> Memory {
        let id = self.id(format);
        let created_at = self.created_at.unwrap_or(wanted.now);
        let project = self.project.as_deref().and_then(|name| Project::parse(&fit(name, 128)).ok());
        let category = self.category.as_deref().map(|name| fit(name, 64));
        let title = self.title.as_deref().map(|title| fit(title, 256));
        let obeys = self.is_candidate && wanted.instructions;
        let kind = if obeys { "instruction" } else { self.kind.unwrap_or("note") };
        let marks = (self.is_candidate && !obeys).then(|| CANDIDATE.to_owned());
        let tags = self.tags.iter().flat_map(|tag| tag.split(',')).map(|tag| fit(tag, 64));
        let tags = wanted.tag.iter().map(|tag| tag.as_str().to_owned()).chain(marks).chain(tags);
        let mut kept = Tags::default();
        kept.absorb(&Tags::from_vec(tags.filter_map(|tag| Tag::parse(&tag).ok()).collect()));
        let mut metadata = self.metadata;
        let extras = kept_extras(self.extras);
        if !extras.is_empty() {
            metadata.insert(format.to_owned(), Value::Object(extras));
        }
        let native_id = shown(self.native_id.chars().take(NATIVE_CHARS));
        let skipped = file.chars().count().saturating_sub(PATH_CHARS);
        let file = shown(file.chars().skip(skipped));
        metadata.insert(
            IMPORT.to_owned(),
            json!({
                "format": format, "run": wanted.run, "native_id": native_id, "file": file,
                "at": wanted.now,
            }),
        );
        Memory {
            title: title.and_then(|title| Title::parse(&title).ok()),
            kind: Kind::parse(kind).unwrap_or_default(),
            category: category.and_then(|name| Category::parse(&name).ok()),
            tags: kept,
            project: project.or_else(|| wanted.project.clone()),
            source: Source { client: Some(format!("import:{format}")), ..Source::default() },
            metadata,
            updated_at: self.updated_at.unwrap_or(created_at).max(created_at),
            event_at: self.event_at,
            expires_at: self.expires_at,
            status: self.status,
            ..Memory::new(id, self.content, created_at)
        }
    }
}

/// A name without control characters, and no longer than that many characters.
fn fit(name: &str, chars: usize) -> String {
    let plain = name.chars().map(|c| if c.is_control() { ' ' } else { c });
    let plain: String = plain.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().take(chars).collect()
}

fn shown(chars: impl Iterator<Item = char>) -> String {
    chars.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What there is room for, in its order; the names of the rest.
fn kept_extras(extras: Metadata) -> Metadata {
    let (mut kept, mut left_out, mut room) = (Metadata::new(), Vec::new(), EXTRAS_BYTES);
    for (name, value) in extras.into_iter().filter(|(_, value)| !json::is_blank(value)) {
        let size = serde_json::to_string(&value).map_or(usize::MAX, |text| text.len());
        let size = size.saturating_add(name.len()).saturating_add(4);
        if size <= room && json::depth(&value) <= EXTRAS_DEPTH {
            room -= size;
            kept.insert(name, value);
        } else if left_out.len() < 16 {
            left_out.push(Value::from(fit(&name, 64)));
        }
    }
    if !left_out.is_empty() {
        kept.insert("left_out".to_owned(), Value::Array(left_out));
    }
    kept
}

/// Bytes of memory that fields take, or a little more.
pub(super) fn bytes_of_all(fields: &Metadata) -> usize {
    let bytes = |(name, value): (&String, &Value)| FIELD_BYTES + name.len() + bytes_of(value);
    fields.iter().map(bytes).sum()
}

pub(super) fn bytes_of(value: &Value) -> usize {
    let within = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(bytes_of).sum(),
        Value::Object(fields) => bytes_of_all(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + within
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted::new(MemoryId::default(), Timestamp(1_767_225_600_000), 64 << 10)
    }

    #[test]
    fn an_id_follows_from_format_name_and_time_alone() {
        let line = Line { created_at: Some(Timestamp(1_700_000_000_000)), ..Line::new("a", "x") };
        let edited = Line { content: "y".to_owned(), ..line.clone() };

        assert_eq!(line.id("mem0"), edited.id("mem0"));
        assert_eq!(line.id("mem0").created_at(), Timestamp(1_700_000_000_000));
        assert_ne!(line.id("mem0"), line.id("claude"));
        assert_ne!(line.id("mem0"), Line { native_id: "b".to_owned(), ..line.clone() }.id("mem0"));
        let timeless = Line::new("a", "x");
        assert_eq!(timeless.id("mem0").created_at().to_string(), "2000-01-01T00:00:00.000Z");
        let memory = timeless.into_memory("mem0", "f", &wanted());
        assert_eq!(memory.created_at, wanted().now);
    }

    #[test]
    fn names_are_made_fit_and_what_is_too_large_is_left_out_and_named() {
        let mut line = Line::new("a\0b", "x");
        line.title = Some(format!("two\nlines {}", "t".repeat(300)));
        line.tags = vec!["a,b".to_owned(), " ".to_owned(), "x".repeat(80)];
        line.category = Some("\u{7}".to_owned());
        line.extras.insert("vector".to_owned(), json!(vec![0.25; 10_000]));
        line.extras.insert("hash".to_owned(), json!("ab"));

        let memory = line.into_memory("mem0", &"d/".repeat(300), &wanted());

        assert!(memory.title.unwrap().as_str().starts_with("two lines ttt"));
        assert_eq!(memory.tags.as_slice().len(), 3);
        assert_eq!(memory.category, None);
        assert_eq!(memory.metadata["mem0"], json!({ "hash": "ab", "left_out": ["vector"] }));
        assert_eq!(memory.metadata["import"]["native_id"], "a b");
        assert!(serde_json::to_string(&memory.metadata).unwrap().len() < EXTRAS_BYTES);
    }

    #[test]
    fn what_tells_an_assistant_what_to_do_is_a_note_unless_somebody_wants_it() {
        let line = Line { is_candidate: true, ..Line::new("a", "always obey") };

        let note = line.clone().into_memory("claude", "f", &wanted());
        let wanted = Wanted { instructions: true, ..wanted() };
        let instruction = line.into_memory("claude", "f", &wanted);

        assert_eq!((note.kind.as_str(), note.tags.as_slice()[0].as_str()), ("note", CANDIDATE));
        assert_eq!(
            (instruction.kind.as_str(), instruction.tags.as_slice().len()),
            ("instruction", 0)
        );
    }
}
