//! Which flags the help of a verb shows.

use clap::{Command, CommandFactory};

use super::arguments::CommandLine;

/// Flags that only some verbs use. They are taken everywhere, since scripts put them everywhere, but
/// the help of a verb shows what it uses.
const USED_BY: &[(&str, &[&str])] = &[
    ("host", &["serve", "config"]),
    ("port", &["serve", "config"]),
    ("api_key", &["serve", "selftest"]),
    ("env_keys", &["serve", "config"]),
    (
        "data_dir",
        &[
            "serve",
            "stdio",
            "export",
            "import",
            "token",
            "oauth",
            "audit",
            "undo",
            "stats",
            "open",
            "password",
            "check",
            "backup",
            "connect",
            "client-config",
            "config",
            "doctor",
            "hook",
            "project",
            "healthcheck",
        ],
    ),
    (
        "config",
        &[
            "serve",
            "stdio",
            "export",
            "import",
            "token",
            "oauth",
            "user",
            "audit",
            "undo",
            "stats",
            "open",
            "password",
            "check",
            "backup",
            "doctor",
            "connect",
            "client-config",
            "config",
            "hook",
            "project",
            "healthcheck",
        ],
    ),
    (
        "json",
        &[
            "certs",
            "import",
            "token",
            "oauth",
            "user",
            "audit",
            "undo",
            "stats",
            "open",
            "check",
            "backup",
            "doctor",
            "connect",
            "client-config",
            "config",
            "hook",
            "project",
        ],
    ),
];

impl CommandLine {
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
}
