//! Where formats put their lines: what is not wanted is left out here, equal texts collapse, long ones
//! are cut, and what remains goes on its way.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use super::MovingError;
use super::line::{CANDIDATE, Line, LinePart, Wanted};
use super::split::split;
use super::tally::Tally;
use crate::engine::{MovedLine, NOTES_FORMAT, OnChange};
use crate::model::{Kind, Memory, Tag, Tags, Timestamp};

/// Formats whose files are called the same in every project, as `CLAUDE.md` is: the project that they are
/// for tells them apart.
const SAME_IN_EVERY_PROJECT: &[&str] = &["claude-code", "cursor"];

/// A line that is ready to be imported.
#[derive(Debug)]
pub struct Carried {
    /// One JSON object, without an end of line.
    pub line: Vec<u8>,
    /// Where it comes from, for whoever is told that it could not be taken.
    pub place: String,
}

/// Takes the lines of one import after another.
pub struct Out<'a> {
    wanted: &'a Wanted,
    deliver: &'a mut dyn FnMut(Carried) -> Result<(), MovingError>,
    format: &'static str,
    /// What is being read, and which element of it.
    file: String,
    number: usize,
    tally: Tally,
    /// What waits in case that the same text comes with an earlier date.
    held: Vec<(String, Line)>,
    held_bytes: usize,
    /// What the format keeps until it has read all.
    kept_bytes: usize,
    /// Where in `held` a text is.
    places: HashMap<u64, usize>,
    /// Texts that have gone, by digest.
    gone: HashSet<u64>,
    /// Digests of the texts of this run by their ids, of which a part is enough to tell them apart.
    ids: HashMap<u64, u64>,
    taken: usize,
}

/// Bytes of lines that wait. Memories of one product are rarely more; of what is, the first wins. An import of
/// 200 MB is to take no more than 64 MiB, with what is known of all its lines besides.
const HELD_BYTES: usize = 16 << 20;
/// Bytes of what one format keeps until it has read all, such as the entities of a graph.
const KEPT_BYTES: usize = 256 << 20;
/// Bytes of memory that one element takes besides what is in it.
const ELEMENT_BYTES: usize = 1 << 10;
/// Stands between a file and the number of an element.
const NUMBER_MARK: &str = " #";

impl std::fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<'a> Out<'a> {
    pub(super) fn new(
        wanted: &'a Wanted,
        deliver: &'a mut dyn FnMut(Carried) -> Result<(), MovingError>,
    ) -> Self {
        Self {
            wanted,
            deliver,
            format: "",
            file: String::new(),
            number: 0,
            tally: Tally::default(),
            held: Vec::new(),
            held_bytes: 0,
            kept_bytes: 0,
            places: HashMap::new(),
            gone: HashSet::new(),
            ids: HashMap::new(),
            taken: 0,
        }
    }

    /// What is wanted of this import.
    #[must_use]
    pub fn wanted(&self) -> &'a Wanted {
        self.wanted
    }

    /// Whether lines of a part are wanted, so that nobody has to make them.
    #[must_use]
    pub fn wants(&self, part: LinePart) -> bool {
        self.wanted.only.contains(&part)
    }

    /// Takes a line.
    pub fn line(&mut self, mut line: Line) -> Result<(), MovingError> {
        if let (true, None, Some(project)) =
            (SAME_IN_EVERY_PROJECT.contains(&self.format), &line.project, &self.wanted.project)
        {
            line.native_id = format!("{project}:{}", line.native_id);
        }
        let at = line.event_at.map(|event| event.at).or(line.created_at);
        if !self.admits(line.part, &line.content, at)? {
            return Ok(());
        }
        let place = self.place();
        if repeats_are_meant(line.part) {
            return self.send(&place, line);
        }
        self.hold(place, line)
    }

    /// Takes a memory that was ours already, as it is: with its id, and as often as it comes elsewhere.
    pub fn memory(&mut self, mut memory: Memory) -> Result<(), MovingError> {
        let at = Some(memory.moment().at);
        if !self.admits(LinePart::Memories, &memory.content, at)? {
            return Ok(());
        }
        let obeys = memory.kind.is_instruction();
        let is_obeyed = self.wanted.instructions;
        let mark = (obeys && !is_obeyed).then(|| Tag::parse(CANDIDATE).ok()).flatten();
        if mark.is_some() {
            memory.kind = Kind::note();
        }
        let tags = self.wanted.tag.iter().cloned().chain(mark).collect();
        memory.tags.absorb(&Tags::from_vec(tags));
        memory.project = memory.project.or_else(|| self.wanted.project.clone());
        let place = self.place();
        self.pass_on(&place, memory, true)
    }

    /// Passes over an element that is none of what is taken.
    pub fn skip(&mut self, why: &str) {
        self.skip_many(why, 1);
    }

    /// Passes over an element of a part that is not wanted.
    pub fn skip_part(&mut self, part: LinePart) {
        self.skip(&format!("not asked for: {}", part.name()));
    }

    /// Tells of an element that cannot be read.
    pub fn fail(&mut self, problem: &str) {
        let place = self.place();
        self.tally.fail(place, problem);
    }

    /// Tells of a file that cannot be read.
    pub(super) fn refuse(&mut self, error: &MovingError) {
        let (file, problem) = error.told();
        self.tally.fail(file, &problem);
    }

    /// Counts an element of so many bytes that a format keeps until it has read all. Returns whether
    /// there is room for it; where there is none, that is told.
    pub(super) fn keeps(&mut self, bytes: usize) -> bool {
        self.kept_bytes = self.kept_bytes.saturating_add(ELEMENT_BYTES).saturating_add(bytes);
        let has_room = self.kept_bytes <= KEPT_BYTES;
        if !has_room {
            self.fail("is more than can be kept until all is read");
        }
        has_room
    }

    /// Counts a text in which something had to be replaced.
    pub(super) fn mended(&mut self) {
        self.tally.mended += 1;
    }

    /// Reads something without counting what is passed over or wrong: it is read again.
    pub(super) fn look_only<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, MovingError>,
    ) -> Result<T, MovingError> {
        let before = (
            self.tally.skipped.clone(),
            self.tally.failures.clone(),
            self.tally.failed,
            self.tally.mended,
        );
        let done = work(self);
        let tally = &mut self.tally;
        (tally.skipped, tally.failures, tally.failed, tally.mended) = before;
        done
    }

    /// Names the file that is being read.
    pub fn file(&mut self, path: &str) {
        path.clone_into(&mut self.file);
        self.number = 0;
    }

    /// Names the element of the file that is being read, counted from 1.
    pub fn at(&mut self, number: usize) {
        self.number = number;
    }

    pub(super) fn begin(&mut self, format: &'static str, files: usize) {
        self.format = format;
        self.kept_bytes = 0;
        *self.tally.formats.entry(format).or_default() += files;
    }

    pub(super) fn note_unknown(&mut self, files: usize) {
        self.skip_many("files of no known format", files);
    }

    pub(super) fn note_passed_over(&mut self, files: usize) {
        self.skip_many("files that hold no text, links, and folders of programs", files);
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) -> Result<(), MovingError> {
        self.held_bytes = 0;
        self.gone.extend(self.places.drain().map(|(digest, _)| digest));
        for (place, line) in std::mem::take(&mut self.held) {
            self.send(&place, line)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Tally, MovingError> {
        self.flush()?;
        Ok(self.tally)
    }

    /// Whether something is wanted; if it is, it counts as taken.
    fn admits(
        &mut self,
        part: LinePart,
        content: &str,
        at: Option<Timestamp>,
    ) -> Result<bool, MovingError> {
        if !self.wants(part) {
            self.skip_part(part);
            return Ok(false);
        }
        if content.trim().is_empty() {
            self.skip("empty");
            return Ok(false);
        }
        if let (Some(since), Some(at)) = (self.wanted.since, at)
            && at < since
        {
            self.skip("older than asked for");
            return Ok(false);
        }
        if self.wanted.limit.is_some_and(|limit| self.taken >= limit) {
            return Err(MovingError::Enough);
        }
        self.taken += 1;
        Ok(true)
    }

    fn skip_many(&mut self, why: &str, count: usize) {
        if count > 0 {
            *self.tally.skipped.entry(why.to_owned()).or_default() += count;
        }
    }

    fn place(&self) -> String {
        match self.number {
            0 => self.file.clone(),
            number => format!("{}{NUMBER_MARK}{number}", self.file),
        }
    }

    /// Keeps a line for a while: of equal texts the one with the earliest date goes.
    fn hold(&mut self, place: String, line: Line) -> Result<(), MovingError> {
        let digest = digest(&line, self.wanted);
        if self.gone.contains(&digest) {
            self.repeat(kind_of(&line));
            return Ok(());
        }
        if let Some(there) = self.places.get(&digest).and_then(|at| self.held.get_mut(*at)) {
            let kind = kind_of(&line);
            if is_earlier(&line, &there.1) {
                self.held_bytes += line.bytes();
                *there = (place, line);
            }
            self.repeat(kind);
            return Ok(());
        }
        self.held_bytes += place.len() + line.bytes();
        self.places.insert(digest, self.held.len());
        self.held.push((place, line));
        if self.held_bytes > HELD_BYTES { self.flush() } else { Ok(()) }
    }

    fn repeat(&mut self, kind: &str) {
        *self.tally.duplicates.entry(kind.to_owned()).or_default() += 1;
    }

    fn send(&mut self, place: &str, line: Line) -> Result<(), MovingError> {
        if line.content.len() <= self.wanted.content_bytes {
            return self.send_one(place, line);
        }
        let parts = split(&line.content, self.wanted.content_bytes);
        let count = parts.len();
        for (n, part) in parts.into_iter().enumerate().map(|(n, part)| (n + 1, part)) {
            if part.trim().is_empty() {
                continue;
            }
            let mut one = Line { content: part.to_owned(), ..bare(&line) };
            one.native_id = format!("{}#{n}", line.native_id);
            one.title = line.title.as_ref().map(|title| numbered(title, n, count));
            let of = line.id(self.format).to_string();
            // By this the ranker knows that they belong together.
            one.metadata.entry("conversation_id").or_insert_with(|| json!(of));
            one.metadata.insert("part".to_owned(), json!({ "of": of, "n": n, "count": count }));
            self.send_one(place, one)?;
        }
        Ok(())
    }

    fn send_one(&mut self, place: &str, line: Line) -> Result<(), MovingError> {
        let has_twin = repeats_are_meant(line.part);
        let file = place.rsplit_once(NUMBER_MARK).map_or(place, |(file, _)| file);
        let memory: Memory = line.into_memory(self.format, file, self.wanted);
        self.pass_on(place, memory, has_twin)
    }

    fn pass_on(&mut self, place: &str, memory: Memory, has_twin: bool) -> Result<(), MovingError> {
        let (id, text) = (tail_of(&memory), digest_of_words(&memory.content));
        match self.ids.get(&id) {
            Some(there) if *there == text => {
                self.repeat(memory.kind.as_str());
                return Ok(());
            }
            Some(_) => {
                self.skip("other texts under the id of one that came before");
                return Ok(());
            }
            None => {
                self.ids.insert(id, text);
            }
        }
        self.tally.note(&memory);
        let moved = if self.wanted.updates { OnChange::Update } else { OnChange::Keep };
        let is_note = self.format == NOTES_FORMAT;
        let takes_erased = self.wanted.erased;
        match serde_json::to_vec(&MovedLine { memory, moved, has_twin, is_note, takes_erased }) {
            Ok(line) => (self.deliver)(Carried { line, place: place.to_owned() }),
            Err(error) => {
                self.tally.fail(place.to_owned(), &error.to_string());
                Ok(())
            }
        }
    }
}

fn kind_of(line: &Line) -> &'static str {
    line.kind.unwrap_or("note")
}

/// Turns of a dialogue are short and alike, and two files may have the same text.
fn repeats_are_meant(part: LinePart) -> bool {
    matches!(part, LinePart::Conversations | LinePart::Files | LinePart::Projects)
}

/// Whether a line was written before another, as far as both say.
fn is_earlier(line: &Line, there: &Line) -> bool {
    match (line.created_at, there.created_at) {
        (Some(at), Some(other)) => at < other,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// The same for texts that differ only in white space and in how their characters are composed.
fn digest(line: &Line, wanted: &Wanted) -> u64 {
    let mut hasher = DefaultHasher::new();
    let project = wanted.project.as_ref().map(|project| project.as_str());
    line.project.as_deref().or(project).hash(&mut hasher);
    line.kind.hash(&mut hasher);
    let composed: String = line.content.nfkc().collect();
    for word in composed.split_whitespace() {
        word.hash(&mut hasher);
    }
    hasher.finish()
}

fn digest_of_words(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.split_whitespace().for_each(|word| word.hash(&mut hasher));
    hasher.finish()
}

/// Half of the bytes that stand for the name in an id.
fn tail_of(memory: &Memory) -> u64 {
    let bytes = memory.id.to_bytes();
    bytes.iter().skip(8).fold(0, |tail, byte| (tail << 8) | u64::from(*byte))
}

/// The line without its text.
fn bare(line: &Line) -> Line {
    Line {
        native_id: String::new(),
        content: String::new(),
        title: None,
        category: line.category.clone(),
        tags: line.tags.clone(),
        project: line.project.clone(),
        metadata: line.metadata.clone(),
        extras: line.extras.clone(),
        ..*line
    }
}

/// What a title may have, with room for the number.
const TITLE_CHARS: usize = 240;

fn numbered(title: &str, n: usize, count: usize) -> String {
    let title: String = title.chars().take(TITLE_CHARS).collect();
    format!("{title} ({n}/{count})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moving::tests::usual;

    #[test]
    fn a_format_keeps_no_more_than_there_is_room_for() {
        let wanted = usual();
        let mut deliver = |_| Ok(());
        let mut out = Out::new(&wanted, &mut deliver);

        assert!(out.keeps(KEPT_BYTES - ELEMENT_BYTES) && !out.keeps(0));
        assert_eq!(out.tally.failed, 1);
        out.begin("other", 1);
        assert!(out.keeps(0));
    }

    #[test]
    fn lines_that_keep_much_besides_their_text_do_not_wait_for_all_others() {
        let (wanted, mut sent) = (usual(), 0);
        let mut deliver = |_| {
            sent += 1;
            Ok(())
        };
        let mut out = Out::new(&wanted, &mut deliver);

        for n in 0..HELD_BYTES >> 20 {
            let mut line = Line::new(n.to_string(), n.to_string());
            line.extras.insert("page".to_owned(), "x".repeat(1 << 20).into());
            out.line(line).unwrap();
        }

        drop(out);
        assert_eq!(sent, HELD_BYTES >> 20);
    }
}
