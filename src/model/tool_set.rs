/// A group of tools that is listed or not as a whole. A variant is a set whose tools exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolSet {
    Core,
    /// For whoever looks after what was stored.
    Admin,
    /// The MemoryOS server's.
    Memoryos,
    /// The AI-memory server's.
    AiMemory,
    /// The token-file server's.
    Remember,
    /// The Mem0 server's.
    Mem0,
    /// The official knowledge-graph server's.
    Graph,
    /// Anthropic's memory tool.
    Files,
    /// What ChatGPT's connectors want.
    Chatgpt,
}

impl ToolSet {
    /// Every set, in the order in which the tools are listed.
    pub const ALL: [Self; 9] = [
        Self::Core,
        Self::Admin,
        Self::Memoryos,
        Self::AiMemory,
        Self::Remember,
        Self::Mem0,
        Self::Graph,
        Self::Files,
        Self::Chatgpt,
    ];

    /// The name that settings know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Admin => "admin",
            Self::Memoryos => "memoryos",
            Self::AiMemory => "ai-memory",
            Self::Remember => "remember",
            Self::Mem0 => "mem0",
            Self::Graph => "graph",
            Self::Files => "files",
            Self::Chatgpt => "chatgpt",
        }
    }

    /// Finds the set of a name, whatever its case; nothing if there is no such set.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.name().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_known_by_its_name() {
        for set in ToolSet::ALL {
            assert_eq!(ToolSet::parse(set.name()), Some(set));
        }
        assert_eq!(ToolSet::parse("CORE"), Some(ToolSet::Core));
        for odd in ["", "cor", "core,"] {
            assert_eq!(ToolSet::parse(odd), None, "{odd}");
        }
    }
}
