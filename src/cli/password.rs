//! `memoryd password`: the password with which the owner signs in to the pages.

use std::io::{BufRead, IsTerminal, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::arguments::{PasswordArguments, PasswordVerb};
use super::{Failed, Outcome, tell};
use crate::auth::PasswordFile;
use crate::config::Config;
use crate::model::Secret;

pub(super) fn run(config: &Config, arguments: &PasswordArguments) -> Outcome {
    let file = PasswordFile::of(&config.server.data_dir);
    match arguments.verb {
        PasswordVerb::Set => {
            file.set(&asked()?).map_err(Failed::because)?;
            tell("the password is set; who is signed in stays so");
        }
        PasswordVerb::Remove => match file.remove().map_err(Failed::because)? {
            true => tell("the password is removed; who is signed in stays so"),
            false => tell("there was no password"),
        },
    }
    Ok(())
}

/// What is typed, twice and unseen at a terminal.
fn asked() -> Result<Secret, Failed> {
    if !stdin().is_terminal() {
        return line();
    }
    let _unseen = Unseen::new();
    tell("the new password, of at least 12 characters:");
    let first = line()?;
    tell("and once more:");
    let second = line()?;
    // Both were typed by the same person, so how long a comparison takes tells nobody anything.
    match first.reveal() == second.reveal() {
        true => Ok(first),
        false => Err(Failed::new("the two are not the same; nothing was changed".to_owned())),
    }
}

fn line() -> Result<Secret, Failed> {
    let mut line = String::new();
    stdin().lock().read_line(&mut line).map_err(Failed::because)?;
    Ok(Secret::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Has the terminal show nothing of what is typed, for as long as it is kept.
struct Unseen(Termios);

impl Unseen {
    /// Nothing for a terminal that cannot.
    fn new() -> Option<Self> {
        let before = tcgetattr(stdin()).ok()?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Now, &unseen).ok()?;
        Some(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}
