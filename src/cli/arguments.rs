use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::daemon::ServerUrl;
use crate::config::Flags;
use crate::model::{Clock, Secret, SystemClock, Timestamp, UserId};

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

    /// Write all memories of a user as JSON Lines
    Export(ExportArguments),

    /// Read memories from JSON Lines
    Import(ImportArguments),

    /// Make, list and take back the tokens with which clients come in
    Token(TokenArguments),

    /// Show who came, who was turned away, and what was done
    Audit(AuditArguments),

    /// Take changes back, or tell what that would do
    Undo(UndoArguments),

    /// Count what a user has stored
    Stats(StatsArguments),

    /// Verify the store; the server must not be running
    Check,

    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Clone, Args)]
pub(super) struct StdioArguments {
    #[command(flatten)]
    pub(super) server: ServerArguments,
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
    key: Option<String>,
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
}

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArguments {
    /// The file to read, or `-` for standard input
    pub(super) file: PathBuf,

    #[command(flatten)]
    pub(super) server: ServerArguments,

    /// Whose memories they become [default: those of the key's user]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct TokenArguments {
    #[command(subcommand)]
    pub(super) verb: TokenVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum TokenVerb {
    /// Make a token; it is printed this once
    Create(CreateToken),

    /// List the tokens, each by what it begins with
    List(ListTokens),

    /// Take a token back: the next request with it is refused
    Revoke(WhichToken),

    /// Make a revoked token good again
    Enable(WhichToken),

    /// Delete a token for good
    Delete(DeleteToken),

    /// Make a token that takes the place of another, which ends after a while
    Rotate(RotateToken),
}

#[derive(Debug, Clone, Args)]
pub(super) struct CreateToken {
    /// Whose memories it opens [default: the default user's]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    /// What it is called in lists and logs
    #[arg(long)]
    pub(super) name: Option<String>,

    /// Whom to write to
    #[arg(long)]
    pub(super) email: Option<String>,

    /// What it may do: read, write, instructions, admin [default: read,write]
    #[arg(long, alias = "scope", value_delimiter = ',', value_name = "SCOPE")]
    pub(super) scopes: Vec<String>,

    /// The project in which all that it does has to stay
    #[arg(long)]
    pub(super) project: Option<String>,

    /// For how many days it is good; 0 for ever [default: 365]
    #[arg(long, value_name = "DAYS")]
    pub(super) expires_days: Option<u32>,

    /// The tool sets that it is shown [default: those of the server]
    #[arg(long, value_delimiter = ',', value_name = "SET")]
    pub(super) tools: Vec<String>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ListTokens {
    /// Only those of this user
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct WhichToken {
    /// The token, what it begins with, or its name
    pub(super) token: String,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DeleteToken {
    #[command(flatten)]
    pub(super) which: WhichToken,

    /// Taken for scripts; nothing is asked either way
    #[arg(long, hide = true)]
    yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RotateToken {
    #[command(flatten)]
    pub(super) which: WhichToken,

    /// For how many hours the old one stays good [default: 24]
    #[arg(long, value_name = "HOURS")]
    pub(super) grace_hours: Option<u32>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct AuditArguments {
    /// Of so many days up to now
    #[arg(long)]
    pub(super) days: Option<u32>,

    /// From a moment on: a date, a time, or how long ago, such as 90s, 30m, 1h, 7d
    #[arg(long, value_parser = since)]
    pub(super) since: Option<Timestamp>,

    /// Only what is about this user
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    /// Only events of this kind, such as auth_failed
    #[arg(long)]
    pub(super) event: Option<String>,

    /// Only where somebody was turned away
    #[arg(long)]
    pub(super) failed: bool,

    /// Count by user, credential, address, event or reason
    #[arg(long, value_name = "WHAT")]
    pub(super) group_by: Option<String>,

    /// Only groups of at least so many; fails if there is one, for timers
    #[arg(long, requires = "group_by", value_name = "COUNT")]
    pub(super) min: Option<u32>,

    /// At most so many, the newest
    #[arg(long)]
    pub(super) limit: Option<u32>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct UndoArguments {
    /// One change, by its id
    #[arg(long, value_name = "ID")]
    pub(super) step: Option<String>,

    /// The last change of this memory
    #[arg(long, value_name = "ID")]
    pub(super) memory: Option<String>,

    /// The last change of this credential
    #[arg(long)]
    pub(super) last: bool,

    /// All changes of a session
    #[arg(long)]
    pub(super) session: Option<String>,

    /// All changes by a credential, such as that of an assistant that went wrong
    #[arg(long, value_name = "NAME")]
    pub(super) credential: Option<String>,

    /// Only from a moment on: a date, a time, or how long ago, such as 90s, 30m, 1h, 7d
    #[arg(long, value_parser = since)]
    pub(super) since: Option<Timestamp>,

    /// Erase what they stored for good, from the history too
    #[arg(long)]
    pub(super) purge: bool,

    /// Do it; without this it is only told
    #[arg(long, short)]
    pub(super) yes: bool,

    /// Whose memories [default: those of the key's user]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct StatsArguments {
    /// Whose
    #[arg(value_parser = UserId::parse)]
    pub(super) user: UserId,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

/// Reads a moment, or how long ago it was.
fn since(text: &str) -> Result<Timestamp, String> {
    let expected =
        || "expected a date, a time, or how long ago, such as 90s, 30m, 1h, 7d".to_owned();
    let text = text.trim();
    let units = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    let ago = units.iter().find_map(|(unit, ms)| {
        let count: i64 = text.strip_suffix(*unit)?.trim().parse().ok()?;
        (count >= 0).then(|| count.saturating_mul(*ms))
    });
    match ago {
        Some(ago) => Ok(Timestamp(SystemClock.now().0.saturating_sub(ago))),
        None => Timestamp::parse(text).map_err(|_| expected()),
    }
}

/// Flags that only some verbs use. They are taken everywhere, since scripts put them everywhere, but
/// the help of a verb shows what it uses.
const USED_BY: &[(&str, &[&str])] = &[
    ("host", &["serve"]),
    ("port", &["serve"]),
    ("api_key", &["serve"]),
    ("env_keys", &["serve"]),
    (
        "data_dir",
        &["serve", "stdio", "export", "import", "token", "audit", "undo", "stats", "check"],
    ),
    ("config", &["serve", "stdio", "export", "import", "token", "audit", "undo", "stats", "check"]),
    ("json", &["certs", "import", "token", "audit", "undo", "stats", "check"]),
];

impl CommandLine {
    /// Reads the command line of this process. One that makes no sense ends it with 2.
    pub(super) fn of_process() -> Self {
        let matches = Self::described().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The command line with the help of each verb.
    pub(super) fn described() -> Command {
        let mut command = Self::command();
        for (flag, verbs) in USED_BY {
            let Some(shown) = command.get_arguments().find(|known| known.get_id() == *flag) else {
                continue;
            };
            let hidden = shown.clone().hide(true);
            let others: Vec<String> = command
                .get_subcommands()
                .map(|verb| verb.get_name().to_owned())
                .filter(|verb| !verbs.contains(&verb.as_str()))
                .collect();
            for verb in others {
                let hidden = hidden.clone();
                command = command.mut_subcommand(verb, |verb| verb.arg(hidden));
            }
        }
        command
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

    pub(super) fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }

    fn key(&self) -> Option<String> {
        match self.verb.as_ref()? {
            Verb::Stdio(StdioArguments { server })
            | Verb::Export(ExportArguments { server, .. })
            | Verb::Import(ImportArguments { server, .. }) => server.key.clone(),
            Verb::Token(TokenArguments { verb }) => match verb {
                TokenVerb::Create(CreateToken { server, .. })
                | TokenVerb::List(ListTokens { server, .. })
                | TokenVerb::Revoke(WhichToken { server, .. })
                | TokenVerb::Enable(WhichToken { server, .. })
                | TokenVerb::Delete(DeleteToken { which: WhichToken { server, .. }, .. })
                | TokenVerb::Rotate(RotateToken { which: WhichToken { server, .. }, .. }) => {
                    server.key.clone()
                }
            },
            Verb::Undo(UndoArguments { server, .. })
            | Verb::Audit(AuditArguments { server, .. })
            | Verb::Stats(StatsArguments { server, .. }) => server.key.clone(),
            Verb::Serve | Verb::Certs(_) | Verb::Check | Verb::Completions { .. } => None,
        }
    }
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
    fn a_key_of_a_verb_is_no_key_of_the_server() {
        let flags = parse(&["memoryd", "stdio", "--key", "-starts-like-a-flag"]).flags();

        assert_eq!(flags.key.unwrap().reveal(), "-starts-like-a-flag");
        assert!(flags.api_keys.is_empty());
    }
}
