//! The clients that are known: what each is told of this server, in which file, and how it trusts it.
//!
//! The command line writes it, the pages show it, and `docs/CLIENTS.md` is held to it by a test. It reads
//! and writes no file, and refuses nothing: a client without a place on this machine has none.
//!
//! Begin reading at `table.rs`.

mod entry;
mod place;
mod table;

use std::path::PathBuf;

use serde_json::Value;

pub use place::{Machine, Platform};
pub use table::{KNOWN, find};

/// What the documents write where a key belongs.
pub const KEY_PLACE: &str = "YOUR_KEY";

/// What a client calls this server unless somebody says otherwise.
pub const SERVER_NAME: &str = "memory";

/// The variable that a file names which others may read, such as one of a repository.
pub const KEY_VARIABLE: &str = "MEMORY_KEY";

/// A client, and how it is told of a server.
#[derive(Debug, Clone, Copy)]
pub struct KnownClient {
    /// What the command line calls it.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
    pub syntax: ClientSyntax,
    /// The object or table of its file in which servers stand by their names.
    pub section: &'static str,
    /// Where its own file may lie, the usual place first. Empty where it has none.
    places: fn(&Machine<'_>) -> Vec<PathBuf>,
    pub project: Option<ProjectFile>,
    entry: fn(&Reach) -> Value,
    /// The command of its own that writes the same, for those who would rather type that.
    command: Option<fn(&Reach) -> String>,
    pub trust: Trust,
    /// What a person does afterwards.
    pub then: &'static str,
}

/// How a file of a client is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSyntax {
    /// JSON, and a comment makes the client refuse it.
    Json,
    /// JSON with comments and with commas before closing brackets.
    JsonWithComments,
    Toml,
    /// It keeps its settings elsewhere, and takes these lines by hand.
    ByHand,
}

/// The file of one project, which others may get to see.
#[derive(Debug, Clone, Copy)]
pub struct ProjectFile {
    /// Below the project, the usual place first.
    pub places: &'static [&'static str],
    /// How a value names a variable of the environment.
    pub variable: &'static str,
    /// Where that is said in other words than by a header.
    entry: Option<fn(&Reach) -> Value>,
}

/// How a client is brought to trust an authority that is not the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A variable of its environment names the file.
    Variable(&'static str),
    /// Such a variable, and the store of the system for its own windows.
    VariableAndSystem(&'static str),
    /// The store of the system alone.
    System,
    /// What is written names the file.
    Written,
}

/// How a client gets to a server, and with what key.
#[derive(Debug, Clone)]
pub struct Reach {
    /// The URL without `/mcp` and without a final slash.
    pub base: String,
    pub key: String,
    /// The program that speaks over standard input and output, and its arguments.
    pub program: Vec<String>,
}

impl KnownClient {
    /// Where its own file may lie on a machine, the usual place first.
    #[must_use]
    pub fn places(&self, machine: &Machine<'_>) -> Vec<PathBuf> {
        (self.places)(machine)
    }

    /// What stands under the name of the server in its own file.
    #[must_use]
    pub fn entry(&self, reach: &Reach) -> Value {
        (self.entry)(reach)
    }

    /// What stands there in the file of a project: no key, but the name of a variable.
    #[must_use]
    pub fn project_entry(&self, file: &ProjectFile, reach: &Reach) -> Value {
        let named = Reach { key: file.variable.to_owned(), ..reach.clone() };
        file.entry.unwrap_or(self.entry)(&named)
    }

    /// Whether it has no file that could be written.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        self.syntax == ClientSyntax::ByHand
    }

    /// Whether it is told of a program, and of no URL.
    #[must_use]
    pub fn starts_a_program(&self) -> bool {
        self.trust == Trust::Written
    }

    /// A whole file with nothing else in it, or the lines that are entered by hand.
    #[must_use]
    pub fn file_with(&self, name: &str, entry: &Value) -> String {
        entry::file_with(self.syntax, self.section, name, entry)
    }

    /// What is shown to be pasted: the command of the client, if it has one, and what goes into its file.
    #[must_use]
    pub fn to_paste(self, name: &str, reach: &Reach) -> String {
        let file = self.file_with(name, &self.entry(reach));
        match self.command {
            Some(command) => format!("{}\n\n{file}", command(reach)),
            None => file,
        }
    }

    /// What else a person has to do where the server shows a certificate of an authority of their own.
    #[must_use]
    pub fn how_to_trust(&self, authority: &str) -> Option<String> {
        let Self { title, .. } = self;
        match self.trust {
            Trust::Variable(name) => {
                Some(format!("set {name}={authority} in the environment that {title} starts from"))
            }
            Trust::VariableAndSystem(name) => Some(format!(
                "set {name}={authority} in the environment that {title} starts from, and add {authority} to the \
                 authorities of the system"
            )),
            Trust::System => Some(format!(
                "add {authority} to the authorities of the system, which {title} trusts"
            )),
            Trust::Written => None,
        }
    }
}

impl Reach {
    /// Where MCP is spoken.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/mcp", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../docs/CLIENTS.md");

    fn reach() -> Reach {
        Reach {
            base: "http://127.0.0.1:3000".to_owned(),
            key: KEY_PLACE.to_owned(),
            program: ["/path/to/memoryd", "stdio", "--data-dir", "/path/to/data"]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    fn indented(text: &str) -> String {
        let line = |line: &str| if line.is_empty() { String::new() } else { format!("    {line}") };
        text.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_document_says_of_every_client_what_is_written() {
        for client in &KNOWN {
            let heading = format!("\n## {}\n", client.title);
            let part = DOCUMENT.split(&heading).nth(1).unwrap_or_else(|| panic!("{heading}"));
            let part = part.split("\n## ").next().unwrap();
            let own = client.file_with(SERVER_NAME, &client.entry(&reach()));
            let project = client
                .project
                .map(|file| client.file_with(SERVER_NAME, &client.project_entry(&file, &reach())));
            for text in [Some(own), project].into_iter().flatten() {
                let text = indented(text.trim_end());
                assert!(part.contains(&text), "{} lacks\n{text}", client.id);
            }
            if let Some(command) = client.command {
                assert!(part.contains(&command(&reach())), "{}", command(&reach()));
            }
        }
    }

    #[test]
    fn what_others_may_read_names_a_variable_and_holds_no_key() {
        let secret = Reach { key: "mcp_secret".to_owned(), ..reach() };
        let mut count = 0;
        for client in &KNOWN {
            let Some(file) = client.project else { continue };
            count += 1;
            let text = client.project_entry(&file, &secret).to_string();

            assert!(!text.contains("mcp_secret"), "{text}");
            assert!(text.contains(KEY_VARIABLE), "{text}");
        }
        assert!(count >= 5, "{count}");
    }

    #[test]
    fn every_client_is_told_how_to_trust_an_authority_or_needs_not() {
        for client in &KNOWN {
            let told = client.how_to_trust("/home/me/ca.pem");

            assert_eq!(told.is_none(), client.trust == Trust::Written, "{}", client.id);
            assert!(told.is_none_or(|told| told.contains("/home/me/ca.pem")));
        }
    }
}
