use std::collections::BTreeSet;

use serde::Serialize;

use super::Add;
use super::add::Times;
use crate::engine::arguments::Change;
use crate::engine::draft::{Draft, check_metadata};
use crate::engine::files::{FILE, FileNode, PATH};
use crate::engine::view::estimate_tokens;
use crate::engine::{Asked, AskedFor, Engine, EngineError, GivenOut, InvalidArguments, Verb};
use crate::model::{
    Caller, Given, Kind, Memory, MemoryId, Metadata, Project, Scope, Status, Title, folded,
};

/// What can be done with memories that are files. Paths are made of names with a `/` before each, and
/// are compared letter for letter; there is nothing above [`ROOT`].
#[derive(Debug, Clone)]
pub enum AskFiles {
    View(String),
    Create {
        path: String,
        text: String,
    },
    /// Replaces what is there once, and nothing that is there more often.
    Replace {
        path: String,
        old: String,
        new: String,
    },
    /// Before the line of this number; the first one has 0.
    Insert {
        path: String,
        line: i64,
        text: String,
    },
    Delete(String),
    Rename {
        from: String,
        to: String,
    },
}

/// The folder that is always there.
pub const ROOT: &str = "/memories";

/// What came of it. Where it says no, nothing was changed.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FileAnswer {
    Text {
        text: String,
        #[serde(skip)]
        given: Given,
    },
    /// What is in a folder, two levels deep: the rest of each path, with a `/` behind a folder's,
    /// and its bytes.
    Folder(Vec<(String, Option<usize>)>),
    Done,
    /// The new text, and the line in which the change begins; the first one has 0.
    Replaced {
        text: String,
        line: usize,
    },
    Missing,
    Exists,
    /// In which lines it begins; the first one has 1.
    NotOnce(Vec<usize>),
    /// How many lines there are.
    NoSuchLine(usize),
    IsRoot,
    /// A file stands where a folder is wanted.
    NoFolder,
    IntoItself,
}

impl Verb for AskFiles {
    type Answer = FileAnswer;

    fn scope(&self) -> Scope {
        if matches!(self, Self::View(_)) { Scope::Read } else { Scope::Write }
    }

    fn asking(&self, _: &Caller) -> Option<AskedFor> {
        let Self::View(path) = self else { return None };
        Some(AskedFor::File { path: path.clone() })
    }

    fn given(answer: &FileAnswer) -> GivenOut {
        match answer {
            FileAnswer::Text { given, .. } => GivenOut::of([*given]),
            _ => GivenOut::default(),
        }
    }

    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<FileAnswer, EngineError> {
        match self {
            Self::View(path) => engine.view_file(&path, asked),
            Self::Create { path, text } => engine.create_file(&path, text, asked),
            Self::Replace { path, old, new } => engine.replace_in_file(&path, &old, &new, asked),
            Self::Insert { path, line, text } => engine.insert_into_file(&path, line, &text, asked),
            Self::Delete(path) => engine.delete_files(&path, asked),
            Self::Rename { from, to } => engine.rename_files(&from, &to, asked),
        }
    }
}

impl Engine {
    fn view_file(&mut self, path: &str, asked: Asked<'_>) -> Result<FileAnswer, EngineError> {
        if let Some(file) = self.file_at(path, asked)? {
            self.touch(file.id, asked.now)?;
            let tokens = u32::try_from(estimate_tokens(&file.content)).unwrap_or(u32::MAX);
            let given = Given { id: file.id, version: file.version, score: None, tokens };
            return Ok(FileAnswer::Text { text: file.content, given });
        }
        let below = self.paths_below(path, asked)?;
        if below.is_empty() && path != ROOT {
            return Ok(FileAnswer::Missing);
        }
        Ok(FileAnswer::Folder(listing(path, &below)))
    }

    fn create_file(
        &mut self,
        path: &str,
        text: String,
        asked: Asked<'_>,
    ) -> Result<FileAnswer, EngineError> {
        if path == ROOT || self.is_anything_at(path, asked)? {
            return Ok(FileAnswer::Exists);
        }
        if self.is_below_a_file(path, asked)? {
            return Ok(FileAnswer::NoFolder);
        }
        self.check_content(&text)?;
        let named = Metadata::from_iter([(PATH.to_owned(), path.into())]);
        check_path(&named)?;
        let draft = Draft {
            kind: Kind::parse(FILE).map_or(Change::Keep, Change::Set),
            title: Title::parse(path).map_or(Change::Keep, Change::Set),
            metadata: Change::Set(named),
            ..Draft::default()
        };
        let add = Add { content: text, draft, ..Add::default() };
        let project = asked.caller.project.clone();
        let mut memory = add.into_memory(self, project, Times::default(), asked);
        self.screen(&mut memory, &mut BTreeSet::new())?;
        let mut write = self.begin()?;
        write.enter(&memory)?;
        self.commit(write)?;
        Ok(FileAnswer::Done)
    }

    fn replace_in_file(
        &mut self,
        path: &str,
        old: &str,
        new: &str,
        asked: Asked<'_>,
    ) -> Result<FileAnswer, EngineError> {
        let Some(file) = self.file_at(path, asked)? else { return Ok(FileAnswer::Missing) };
        let line_of = |at: usize| file.content.get(..at).unwrap_or_default().matches('\n').count();
        let Some(at) = file.content.find(old).filter(|_| !old.is_empty()) else {
            return Ok(FileAnswer::NotOnce(Vec::new()));
        };
        if file.content.matches(old).count() > 1 {
            let starts = starts(&file.content, old);
            return Ok(FileAnswer::NotOnce(starts.map(|at| line_of(at) + 1).collect()));
        }
        let line = line_of(at);
        let text = file.content.replacen(old, new, 1);
        let stored = self.put_text(&file, text, asked)?;
        Ok(FileAnswer::Replaced { text: stored, line })
    }

    fn insert_into_file(
        &mut self,
        path: &str,
        line: i64,
        text: &str,
        asked: Asked<'_>,
    ) -> Result<FileAnswer, EngineError> {
        let Some(file) = self.file_at(path, asked)? else { return Ok(FileAnswer::Missing) };
        let mut lines: Vec<&str> = file.content.split('\n').collect();
        let Some(at) = usize::try_from(line).ok().filter(|at| *at <= lines.len()) else {
            return Ok(FileAnswer::NoSuchLine(lines.len()));
        };
        lines.insert(at, text.strip_suffix('\n').unwrap_or(text));
        let text = lines.join("\n");
        self.put_text(&file, text, asked)?;
        Ok(FileAnswer::Done)
    }

    fn delete_files(&mut self, path: &str, asked: Asked<'_>) -> Result<FileAnswer, EngineError> {
        if path == ROOT {
            return Ok(FileAnswer::IsRoot);
        }
        let gone = self.ids_at(path, asked)?;
        if gone.is_empty() {
            return Ok(FileAnswer::Missing);
        }
        self.set_status(&gone, Status::Deleted, asked.now)?;
        Ok(FileAnswer::Done)
    }

    fn rename_files(
        &mut self,
        from: &str,
        to: &str,
        asked: Asked<'_>,
    ) -> Result<FileAnswer, EngineError> {
        if from == ROOT {
            return Ok(FileAnswer::IsRoot);
        }
        if to == ROOT || self.is_anything_at(to, asked)? {
            return Ok(FileAnswer::Exists);
        }
        let moved = self.ids_at(from, asked)?;
        if moved.is_empty() {
            return Ok(FileAnswer::Missing);
        }
        if to.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(FileAnswer::IntoItself);
        }
        if self.is_below_a_file(to, asked)? {
            return Ok(FileAnswer::NoFolder);
        }
        let mut write = self.begin()?;
        for id in moved {
            let before = self.read(id)?;
            let path = before.metadata.get(PATH).and_then(|path| path.as_str()).unwrap_or_default();
            let path = format!("{to}{}", path.strip_prefix(from).unwrap_or_default());
            let mut after = before.clone();
            after.title = Title::parse(&path).ok();
            after.metadata.insert(PATH.to_owned(), path.into());
            check_path(&after.metadata)?;
            write.replace(&before, after, asked.now)?;
            self.commit_if_full(&mut write)?;
        }
        self.commit(write)?;
        Ok(FileAnswer::Done)
    }

    /// Gives a file another text. Returns what is stored.
    fn put_text(
        &mut self,
        file: &Memory,
        text: String,
        asked: Asked<'_>,
    ) -> Result<String, EngineError> {
        self.check_content(&text)?;
        let mut after = Memory { content: text, ..file.clone() };
        self.screen(&mut after, &mut BTreeSet::new())?;
        let mut write = self.begin()?;
        let stored = match after == *file {
            true => after,
            false => write.replace(file, after, asked.now)?,
        };
        self.commit(write)?;
        Ok(stored.content)
    }

    fn file_at(&mut self, path: &str, asked: Asked<'_>) -> Result<Option<Memory>, EngineError> {
        let id = self.files()?.at(path).find(|(_, node)| sees(asked, node)).map(|(id, _)| id);
        id.map(|id| self.read(id)).transpose()
    }

    /// The file of a path, or all files below it.
    fn ids_at(&mut self, path: &str, asked: Asked<'_>) -> Result<Vec<MemoryId>, EngineError> {
        let files = self.files()?;
        let found = files.at(path).chain(files.below(path));
        Ok(found.filter(|(_, node)| sees(asked, node)).map(|(id, _)| id).collect())
    }

    fn paths_below(
        &mut self,
        path: &str,
        asked: Asked<'_>,
    ) -> Result<Vec<(String, usize)>, EngineError> {
        let below = self.files()?.below(path).filter(|(_, node)| sees(asked, node));
        Ok(below.map(|(_, node)| (node.path.clone(), node.bytes)).collect())
    }

    fn is_anything_at(&mut self, path: &str, asked: Asked<'_>) -> Result<bool, EngineError> {
        Ok(!self.ids_at(path, asked)?.is_empty())
    }

    /// Whether a file stands where a folder of the path would be.
    fn is_below_a_file(&mut self, path: &str, asked: Asked<'_>) -> Result<bool, EngineError> {
        let files = self.files()?;
        let mut folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        Ok(folders.any(|folder| files.at(folder).any(|(_, node)| sees(asked, node))))
    }
}

/// A path has to fit where it is kept.
fn check_path(metadata: &Metadata) -> Result<(), EngineError> {
    let told = |problem: String| InvalidArguments::one(PATH, &problem).into();
    check_metadata(metadata).map_err(told)
}

/// What a caller sees: the files of the project in which the caller stands, if there is one, and
/// nothing outside of what the credential is bound to.
fn sees(asked: Asked<'_>, node: &FileNode) -> bool {
    let Asked { caller, now } = asked;
    let own = node.project.as_ref().map(|own| folded(own.as_str()));
    let is_within = |project: &Option<Project>| {
        project.as_ref().is_none_or(|wanted| own.as_ref() == Some(&folded(wanted.as_str())))
    };
    node.is_alive(now) && is_within(&caller.project) && is_within(&caller.bound)
}

/// Where a text begins within another, also where it overlaps itself.
fn starts<'a>(text: &'a str, part: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.char_indices()
        .map(|(at, _)| at)
        .filter(move |at| text.get(*at..).is_some_and(|rest| rest.starts_with(part)))
}

/// Children and grandchildren of a folder, each folder before what is in it, names in order. Hidden
/// ones and `node_modules` are passed over, with all that is in them.
fn listing(folder: &str, files: &[(String, usize)]) -> Vec<(String, Option<usize>)> {
    let mut found: BTreeSet<(Vec<&str>, Option<usize>)> = BTreeSet::new();
    for (path, bytes) in files {
        let rest = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        let names: Vec<&str> = rest.unwrap_or_default().split('/').collect();
        let is_hidden = |name: &&str| name.starts_with('.') || *name == "node_modules";
        for depth in 1..=names.len().min(2) {
            let shown = names.get(..depth).unwrap_or_default();
            if shown.iter().any(is_hidden) {
                break;
            }
            let is_file = depth == names.len();
            found.insert((shown.to_vec(), is_file.then_some(*bytes)));
        }
    }
    let told = |(names, bytes): (Vec<&str>, Option<usize>)| {
        let end = if bytes.is_none() { "/" } else { "" };
        (format!("{}{end}", names.join("/")), bytes)
    };
    found.into_iter().map(told).collect()
}
