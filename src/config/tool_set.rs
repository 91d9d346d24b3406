use log::Level;

use super::Notice;
use super::parse::{self, Parsed};
use super::source::Raw;

/// A group of tools that is listed or not as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolSet {
    Core,
    Memoryos,
    AiMemory,
    Remember,
    Mem0,
    Graph,
    Files,
    Chatgpt,
}

const ALL: [ToolSet; 8] = [
    ToolSet::Core,
    ToolSet::Memoryos,
    ToolSet::AiMemory,
    ToolSet::Remember,
    ToolSet::Mem0,
    ToolSet::Graph,
    ToolSet::Files,
    ToolSet::Chatgpt,
];

impl ToolSet {
    /// The name that `tools.sets` knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Memoryos => "memoryos",
            Self::AiMemory => "ai-memory",
            Self::Remember => "remember",
            Self::Mem0 => "mem0",
            Self::Graph => "graph",
            Self::Files => "files",
            Self::Chatgpt => "chatgpt",
        }
    }

    /// Whether this version has its tools.
    #[must_use]
    pub fn is_available(self) -> bool {
        self == Self::Core
    }

    pub(super) fn parse_list(raw: &Raw) -> Parsed<Vec<Self>> {
        let expected = format!("one or more of {}", ALL.map(Self::name).join(", "));
        let by_name =
            |item: &str| ALL.into_iter().find(|set| set.name().eq_ignore_ascii_case(item));
        let sets = parse::list(raw, &expected, by_name)?;
        if sets.is_empty() { Err(expected) } else { Ok(sets) }
    }

    /// Leaves out what this version does not have, and says so.
    pub(super) fn keep_available(asked: Vec<Self>, notices: &mut Vec<Notice>) -> Vec<Self> {
        let mut kept = Vec::new();
        for set in asked {
            if !set.is_available() {
                let text = format!("tools.sets: {} is not available in this version", set.name());
                notices.push(Notice { level: Level::Warn, text });
            } else if !kept.contains(&set) {
                kept.push(set);
            }
        }
        if kept.is_empty() {
            let text = "tools.sets: nothing of it is available, so core is listed".to_owned();
            notices.push(Notice { level: Level::Warn, text });
            kept.push(Self::Core);
        }
        kept
    }
}
