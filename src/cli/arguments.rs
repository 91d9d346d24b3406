use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::account_arguments::{
    AuditArguments, StatsArguments, TokenArguments, UndoArguments, UserArguments, WhyArguments,
};
use super::connect::{ClientConfigArguments, ConnectArguments};
use super::daemon::{PerhapsUrl, ServerUrl};
use super::doctor::DoctorArguments;
use super::grants::OauthArguments;
use super::hook::{self, HookArguments};
use super::import_arguments::ImportArguments;
use super::project::ProjectArguments;
use super::settings::ConfigArguments;
use crate::config::Flags;
use crate::model::{Secret, UserId};

/// A self-hosted memory server for AI assistants.
#[derive(Debug, Clone, Parser)]
#[command(name = "memoryd", version, about)]
pub(super) struct CommandLine {
    /// Print a new key and exit
    #[arg(long)]
    pub(super) generate_key: bool,

    /// Print results as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,

    /// Port to listen on, or `auto` for the first free one from 8501 to 8999 [default: 3000]
    #[arg(long, global = true, value_name = "PORT")]
    port: Option<String>,

    /// Where everything is stored [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Settings file [default: for `serve` ./config.toml; then the data directory's own, if it was
    /// named; then /etc/memoryd/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Accept this key (may be given several times)
    #[arg(long, global = true, value_name = "KEY", allow_hyphen_values = true)]
    api_key: Vec<String>,

    /// Take the keys from MCP_API_KEY or MCP_API_KEYS, and fail if there are none
    #[arg(long, global = true)]
    env_keys: bool,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum Verb {
    /// Serve MCP and REST (what happens without a verb)
    Serve,

    /// Serve MCP over standard input and output
    Stdio(StdioArguments),

    /// Make a local certificate authority and a server certificate
    Certs(CertsArguments),

    /// Write all memories of a user: as JSON Lines, notes or a table
    Export(ExportArguments),

    /// Read memories: lines of an export, or files of other products
    Import(Box<ImportArguments>),

    /// Make, list and take back the tokens with which clients come in
    Token(TokenArguments),

    /// List and take back what clients were allowed over OAuth
    Oauth(OauthArguments),

    /// List, export and erase users
    User(UserArguments),

    /// Show who came, who was turned away, and what was done
    Audit(AuditArguments),

    /// Copy the whole store, look at copies, and make a store of one
    Backup(BackupArguments),

    /// Take changes back, or tell what that would do
    Undo(UndoArguments),

    /// Show what was given to whom: which memories an assistant had, and for what question
    Why(WhyArguments),

    /// Make a link that signs a browser in to the pages of a running server
    Open(OpenArguments),

    /// Set or remove the password with which you sign in to the pages
    Password(PasswordArguments),

    /// Count what a user has stored
    Stats(StatsArguments),

    /// Ask a running server to do what it is there for, and tell what it did
    Selftest(SelftestArguments),

    /// Tell an assistant of the server, in its own file and with a token of its own, or take that back
    Connect(ConnectArguments),

    /// Print what an assistant is told of the server, and write nothing
    ClientConfig(ClientConfigArguments),

    /// Show the settings as they count
    Config(ConfigArguments),

    /// Look at all that a server needs and at the clients of this machine, and say what to do
    Doctor(DoctorArguments),

    /// What assistants start by themselves: gives a conversation its context, and keeps its turns
    Hook(HookArguments),

    /// Keep what is pinned of a project in the files that assistants read there
    Project(ProjectArguments),

    /// Ask the server on this machine how it is, for containers: 0 if it is well, else 1
    Healthcheck,

    /// Verify the store; the server must not be running
    Check(CheckArguments),

    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct OpenArguments {
    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct PasswordArguments {
    #[command(subcommand)]
    pub(super) verb: PasswordVerb,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum PasswordVerb {
    /// Set it: asked for twice at a terminal, else the first line of standard input
    Set,
    /// Remove it: then it takes a key, a token or `memoryd open`
    Remove,
}

#[derive(Debug, Clone, Args)]
pub(super) struct SelftestArguments {
    #[command(flatten)]
    pub(super) server: ServerArguments,
}

// The same as below, but for who leaves the server open: programs that start others fill in what they have.
#[derive(Debug, Clone, Args)]
pub(super) struct StdioArguments {
    /// The server, such as https://nas.lan:3443 [default: the one on the data directory, or the data
    /// directory itself if none runs]
    #[arg(long, value_parser = PerhapsUrl::parse)]
    url: Option<PerhapsUrl>,

    /// Another authority to trust, or the server's own certificate, as a PEM file (also by
    /// SSL_CERT_FILE)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The key to act with [default: that of MCP_API_KEY; without one, the default user with every
    /// right]
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<String>,
}

impl StdioArguments {
    /// Which server is meant.
    pub(super) fn server(&self) -> ServerArguments {
        let url = self.url.clone().and_then(PerhapsUrl::said);
        ServerArguments { url, ca: self.ca.clone(), key: self.key.clone() }
    }
}

// Which server a verb talks to, and as whom. clap would take a doc comment for that of the verb.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArguments {
    /// The server, such as https://nas.lan:3443 [default: the one on the data directory, or the data
    /// directory itself if none runs]
    #[arg(long, value_parser = ServerUrl::parse)]
    pub(super) url: Option<ServerUrl>,

    /// Another authority to trust, or the server's own certificate, as a PEM file (also by
    /// SSL_CERT_FILE)
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,

    /// The key to act with [default: that of MCP_API_KEY; without one, the default user with every
    /// right]
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub(super) key: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct CertsArguments {
    /// Where the files go
    #[arg(long, default_value = "certs", value_name = "DIR")]
    pub(super) out: PathBuf,

    /// Another name or address that the certificate is for (may be given several times). Those of
    /// this machine and those of the present certificate are kept by themselves
    #[arg(long, value_name = "NAME")]
    pub(super) name: Vec<String>,

    /// Make a new authority, which every client must then be told to trust
    #[arg(long)]
    pub(super) new_ca: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    pub(super) server: ServerArguments,

    /// Whose memories [default: those of the key's user]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    /// Write to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// How it is written
    #[arg(long, value_enum, default_value = "jsonl")]
    pub(super) format: ExportFormat,

    /// The folder for notes, a new one or an empty one
    #[arg(value_name = "DIR", required_if_eq("format", "markdown"))]
    pub(super) folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    /// One JSON object a line, with every version and what was deleted; comes back whole
    Jsonl,
    /// A folder of notes, each as it is now; comes back as that
    Markdown,
    /// What is in sight as a table for spreadsheets
    Csv,
}

#[derive(Debug, Clone, Args)]
pub(super) struct BackupArguments {
    #[command(subcommand)]
    pub(super) verb: BackupVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum BackupVerb {
    /// Make a backup now, into the folder of backup.dir; it is read back
    Create {
        #[command(flatten)]
        server: ServerArguments,
    },

    /// List the backups in that folder, the newest first
    List {
        #[command(flatten)]
        server: ServerArguments,
    },

    /// Read every byte of a backup and tell what it holds [exit codes: 3 damaged, 4 no backup or sealed
    /// with another key, 5 made by a newer memoryd]
    Verify {
        /// The backup
        file: PathBuf,
    },

    /// Make a store of a backup in --data-dir, which has to be empty or new [exit codes: those of
    /// verify, 6 not empty]
    Restore {
        /// The backup
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct CheckArguments {
    /// Keep what can be read of a store that does not start any more, and move the damaged files aside
    #[arg(long)]
    pub(super) salvage: bool,
}

impl CommandLine {
    /// Reads the command line of this process. One that makes no sense ends it with 2.
    pub(super) fn of_process() -> Self {
        let read = Self::described().try_get_matches();
        let read = read.and_then(|matches| Self::from_arg_matches(&matches));
        read.unwrap_or_else(|error| match error.use_stderr() && names_hook(std::env::args_os()) {
            true => hook::misused(&error),
            false => error.exit(),
        })
    }

    pub(super) fn verb(&self) -> Verb {
        self.verb.clone().unwrap_or(Verb::Serve)
    }

    pub(super) fn flags(&self) -> Flags {
        Flags {
            host: self.host.clone(),
            port: self.port.clone(),
            data_dir: self.data_dir.clone(),
            config: self.config.clone(),
            api_keys: self.api_key.iter().cloned().map(Secret::new).collect(),
            key: self.key().map(Secret::new),
            env_keys: self.env_keys,
            log_level: None,
            log_file: None,
        }
    }

    /// Whether the process list shows a key.
    pub(super) fn shows_a_key(&self) -> bool {
        !self.api_key.is_empty() || self.key().is_some()
    }

    /// The file of settings that was named.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    fn key(&self) -> Option<String> {
        match self.verb.as_ref()? {
            Verb::Stdio(arguments) => arguments.key.clone(),
            Verb::Export(ExportArguments { server, .. }) => server.key.clone(),
            Verb::Import(arguments) => arguments.server.key.clone(),
            // The guide of an older server names it so.
            Verb::Selftest(SelftestArguments { server }) => {
                server.key.clone().or_else(|| self.api_key.first().cloned())
            }
            Verb::Hook(arguments) => arguments.key(),
            Verb::Project(arguments) => arguments.server().key.clone(),
            Verb::User(arguments) => arguments.verb.server().key.clone(),
            Verb::Token(arguments) => arguments.verb.server().key.clone(),
            Verb::Oauth(arguments) => arguments.server().key.clone(),
            Verb::Connect(arguments) => arguments.server().key.clone(),
            Verb::ClientConfig(arguments) => arguments.server().key.clone(),
            Verb::Undo(UndoArguments { server, .. })
            | Verb::Why(WhyArguments { server, .. })
            | Verb::Audit(AuditArguments { server, .. })
            | Verb::Open(OpenArguments { server })
            | Verb::Stats(StatsArguments { server, .. }) => server.key.clone(),
            Verb::Backup(BackupArguments {
                verb: BackupVerb::Create { server } | BackupVerb::List { server },
            }) => server.key.clone(),
            Verb::Backup(_)
            | Verb::Serve
            | Verb::Certs(_)
            | Verb::Check(_)
            | Verb::Config(_)
            | Verb::Doctor(_)
            | Verb::Healthcheck
            | Verb::Password(_)
            | Verb::Completions { .. } => None,
        }
    }
}

/// Whether a command line that cannot be read is that of a hook: its first word that is a verb says so.
fn names_hook(words: impl Iterator<Item = OsString>) -> bool {
    let command = CommandLine::command();
    let is_verb = |word: &OsString| command.get_subcommands().any(|verb| *word == *verb.get_name());
    words.skip(1).find(is_verb).is_some_and(|verb| verb == "hook")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help_of(verb: &str) -> String {
        let mut command = CommandLine::described();
        command.build();
        command.find_subcommand_mut(verb).unwrap().render_long_help().to_string()
    }

    fn parse(line: &[&str]) -> CommandLine {
        let matches = CommandLine::described().try_get_matches_from(line).unwrap();
        CommandLine::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn the_help_of_a_verb_shows_what_it_uses() {
        CommandLine::described().debug_assert();
        for (verb, shown, hidden) in [
            ("serve", &["--port", "--api-key", "--data-dir"][..], &["--url", "--json"][..]),
            ("stdio", &["--url", "--ca", "--key", "--data-dir"], &["--port", "--env-keys"]),
            ("export", &["--url", "--user-id"], &["--host", "--json"]),
            ("certs", &["--out", "--json"], &["--data-dir", "--config", "--port"]),
            ("why", &["--client", "--data-dir", "--config", "--json"], &["--port"]),
            ("selftest", &["--url", "--data-dir", "--config", "--json"], &["--port"]),
            ("user", &["--data-dir", "--config", "--json"], &["--port"]),
        ] {
            let help = help_of(verb);
            for flag in shown {
                let is_there = help.split_whitespace().any(|word| word == *flag);
                assert!(is_there, "{verb} lacks {flag}: {help}");
            }
            for flag in hidden {
                let is_there = help.split_whitespace().any(|word| word == *flag);
                assert!(!is_there, "{verb} has {flag}: {help}");
            }
        }
    }

    #[test]
    fn a_flag_that_a_verb_does_not_use_is_taken_before_and_behind_it() {
        for line in [
            &["memoryd", "export", "--port", "8501", "--data-dir", "d"][..],
            &["memoryd", "--port", "8501", "--data-dir", "d", "export"],
            &["memoryd", "serve", "--port", "8501", "--data-dir", "d"],
            &["memoryd", "--port", "8501", "--data-dir", "d"],
        ] {
            let flags = parse(line).flags();
            assert_eq!(flags.port.as_deref(), Some("8501"), "{line:?}");
            assert_eq!(flags.data_dir, Some(PathBuf::from("d")), "{line:?}");
        }
    }

    #[test]
    fn a_hook_is_known_by_a_command_line_that_cannot_be_read() {
        let names = |line: &[&str]| names_hook(line.iter().map(OsString::from));

        assert!(names(&["memoryd", "hook", "codex", "Stop", "--no-such-flag"]));
        assert!(names(&["memoryd", "--data-dir", "", "hook"]));
        assert!(!names(&["memoryd", "import", "hook", "--no-such-flag"]));
        assert!(!names(&["hook", "--no-such-flag"]) && !names(&["memoryd"]));
    }

    #[test]
    fn a_key_of_a_verb_is_no_key_of_the_server() {
        let flags = parse(&["memoryd", "stdio", "--key", "-starts-like-a-flag"]).flags();

        assert_eq!(flags.key.unwrap().reveal(), "-starts-like-a-flag");
        assert!(flags.api_keys.is_empty());
    }
}
