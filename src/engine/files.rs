//! The memories that are files, found by their paths.
//!
//! A file is a memory of the kind `file` with its path in the metadata; its text is that of the file,
//! byte for byte. Folders are there as long as there is something in them. What is here is made when
//! somebody first asks, and follows every write from then on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Engine, EngineError};
use crate::model::{Memory, MemoryId, Project, Status, Timestamp};

pub(super) const FILE: &str = "file";
/// The name in the metadata under which the path stands.
pub(super) const PATH: &str = "path";

/// One file, without its text.
#[derive(Debug, Clone)]
pub(super) struct FileNode {
    pub(super) path: String,
    pub(super) bytes: usize,
    pub(super) project: Option<Project>,
    expires: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub(super) struct Files {
    nodes: BTreeMap<MemoryId, FileNode>,
    paths: BTreeMap<String, BTreeSet<MemoryId>>,
}

impl FileNode {
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| end > now)
    }
}

impl Files {
    /// Takes a memory in, if it is a file.
    pub(super) fn enter(&mut self, memory: &Memory) {
        let path = memory.metadata.get(PATH).and_then(Value::as_str);
        let is_file = memory.kind.as_str() == FILE && memory.status == Status::Active;
        let Some(path) = path.filter(|_| is_file) else { return };
        self.paths.entry(path.to_owned()).or_default().insert(memory.id);
        let node = FileNode {
            path: path.to_owned(),
            bytes: memory.content.len(),
            project: memory.project.clone(),
            expires: memory.expires_at,
        };
        self.nodes.insert(memory.id, node);
    }

    pub(super) fn leave(&mut self, id: MemoryId) {
        let Some(node) = self.nodes.remove(&id) else { return };
        if let Some(ids) = self.paths.get_mut(&node.path) {
            ids.remove(&id);
            if ids.is_empty() {
                self.paths.remove(&node.path);
            }
        }
    }

    /// The files of a path, the first first.
    pub(super) fn at(&self, path: &str) -> impl Iterator<Item = (MemoryId, &FileNode)> {
        let ids = self.paths.get(path).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.nodes.get(id)?)))
    }

    /// All files below a folder, in the order of their paths.
    pub(super) fn below(&self, folder: &str) -> impl Iterator<Item = (MemoryId, &FileNode)> {
        let start = format!("{folder}/");
        let range = self.paths.range(start.clone()..);
        let within = range.take_while(move |(path, _)| path.starts_with(&start));
        within.flat_map(|(_, ids)| ids).filter_map(|id| Some((*id, self.nodes.get(id)?)))
    }
}

impl Engine {
    /// The files, gathered from the memories if nobody has asked before.
    pub(super) fn files(&mut self) -> Result<&Files, EngineError> {
        if self.mind.files.is_none() {
            let mut files = Files::default();
            for id in self.mind.catalog.ids_of_kinds(&[FILE]) {
                if let Some(memory) = self.store.get::<Memory>(&id)? {
                    files.enter(&memory);
                }
            }
            self.mind.files = Some(files);
        }
        Ok(self.mind.files.get_or_insert_default())
    }
}
