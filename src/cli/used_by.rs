//! Which flags the help of a verb shows.

use clap::{Command, CommandFactory};

use super::arguments::CommandLine;

/// The verbs whose help shows a flag, by the shorter of two lists.
enum UsedBy {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

/// Flags that only some verbs use. They are taken everywhere, since scripts put them everywhere, but
/// the help of a verb shows what it uses.
const FLAGS: &[(&str, UsedBy)] = &[
    ("host", UsedBy::Only(&["serve", "config"])),
    ("port", UsedBy::Only(&["serve", "config"])),
    ("api_key", UsedBy::Only(&["serve", "selftest"])),
    ("env_keys", UsedBy::Only(&["serve", "config"])),
    ("data_dir", UsedBy::AllBut(&["certs", "completions"])),
    ("config", UsedBy::AllBut(&["certs", "completions"])),
    (
        "json",
        UsedBy::AllBut(&["completions", "export", "healthcheck", "password", "serve", "stdio"]),
    ),
];

impl UsedBy {
    fn includes(&self, verb: &str) -> bool {
        match self {
            Self::Only(verbs) => verbs.contains(&verb),
            Self::AllBut(verbs) => !verbs.contains(&verb),
        }
    }
}

impl CommandLine {
    /// The command line with the help of each verb.
    pub(super) fn described() -> Command {
        let mut command = Self::command();
        for (flag, used_by) in FLAGS {
            let Some(shown) = command.get_arguments().find(|known| known.get_id() == *flag) else {
                continue;
            };
            let hidden = shown.clone().hide(true);
            let others: Vec<String> = command
                .get_subcommands()
                .map(|verb| verb.get_name().to_owned())
                .filter(|verb| !used_by.includes(verb))
                .collect();
            for verb in others {
                let hidden = hidden.clone();
                command = command.mut_subcommand(verb, |verb| verb.arg(hidden));
            }
        }
        command
    }
}
