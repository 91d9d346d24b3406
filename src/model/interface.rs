use std::fmt;

use serde::Serialize;

/// Through what somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// MCP over HTTP.
    Mcp,
    /// MCP over standard input and output, or another program of the owner on this machine.
    Local,
    Rest,
    /// The pages of the dashboard.
    Browser,
    /// A verb of the command line that opened the store itself.
    Cli,
}

impl Interface {
    const ALL: [Self; 5] = [Self::Mcp, Self::Local, Self::Rest, Self::Browser, Self::Cli];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mcp => "mcp",
            Self::Local => "local",
            Self::Rest => "rest",
            Self::Browser => "browser",
            Self::Cli => "cli",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|face| face.word() == word)
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
