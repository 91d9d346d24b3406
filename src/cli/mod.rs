//! The verbs of the command line and what they print.
//!
//! It refuses a command line that makes no sense with exit code 2, and whatever fails with 1 and one
//! line; a hook ends with 0 whatever happens. What a verb asks of the memories it asks through [`door`]:
//! the running server, or the store.
//!
//! Begin reading at [`run`], then the file of a verb.

mod account_arguments;
mod accounts;
mod arguments;
mod backup;
mod certs;
mod check;
mod connect;
mod daemon;
mod doctor;
mod door;
mod elsewhere;
mod export;
mod grants;
mod greeting;
mod healthcheck;
mod hook;
mod import_arguments;
mod machine;
mod moving;
mod notify;
mod open;
mod password;
mod progress;
mod project;
mod selftest;
mod serve;
mod settings;
mod stdio;
mod transfer;
mod undo;
mod used_by;
mod waiting;
mod why;

use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Loaded, Reader, Supervisor, Surroundings};
use crate::mcp;
use crate::model::foreign::{self, inline};
use crate::store;
use arguments::{CommandLine, Verb};

/// What a verb returns: nothing more to say, or a line for standard error.
type Outcome = Result<(), Failed>;

/// Why a verb failed, in words for the person who typed it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Failed {
    text: String,
    /// The exit code.
    code: u8,
}

impl Failed {
    fn new(text: String) -> Self {
        Self { text, code: 1 }
    }

    fn because(error: impl std::fmt::Display) -> Self {
        Self::new(error.to_string())
    }
}

/// What is said of a file or a folder that could not be written.
fn unwritable(path: &Path) -> impl Fn(std::io::Error) -> Failed {
    move |error| Failed::new(format!("cannot write {}: {error}", path.display()))
}

/// Runs the program. 0 is success, 1 a failure, 2 a command line that makes no sense; more than that
/// is told by the verb that uses it.
#[must_use]
pub fn run() -> ExitCode {
    let line = CommandLine::of_process();
    // It keeps a promise of its own about its end, whatever happens.
    if let Verb::Hook(arguments) = line.verb()
        && !arguments.is_status()
    {
        // Without that a hook is ended by the signal, as any program is.
        let _ = outlive_file_limit();
        return hook::run(&line, &arguments);
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !store::catches_panics() {
            usual(panic);
        }
    }));
    match outlive_file_limit().and_then(|()| carry_out(&line)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            complain(&failed);
            ExitCode::from(failed.code)
        }
    }
}

/// [`run`] with the tools, resources and prompts that the official MCP conformance suite asks for.
/// For `memoryd-fixtures` only.
#[must_use]
pub fn run_with_fixtures() -> ExitCode {
    mcp::add_fixtures();
    run()
}

/// `SIGXFSZ`, the same number on Linux and macOS.
const FILE_SIZE: i32 = 25;

/// A file may not become longer (`ulimit -f`). Once somebody has listened for the signal, the write fails
/// instead of the process; what listens stays in place when its runtime is gone.
fn outlive_file_limit() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failed::because)?;
    let _within = runtime.enter();
    signal(SignalKind::from_raw(FILE_SIZE)).map(drop).map_err(Failed::because)
}

fn carry_out(line: &CommandLine) -> Outcome {
    if line.generate_key {
        let key = crate::auth::generate_key().map_err(Failed::because)?;
        if line.json {
            return say_json(&serde_json::json!({ "key": key.reveal() }));
        }
        return say(&format!("🔑 Generated new API key: {}", key.reveal()));
    }
    if line.shows_a_key() {
        tell(
            "warning: a key on the command line stands in the process list (ps), which every account of \
             this machine reads; give it in MCP_API_KEY, or in a file that MCP_API_KEY_FILE names",
        );
    }
    let wants_json = line.json;
    match line.verb() {
        Verb::Completions { shell } => {
            let mut command = CommandLine::described();
            clap_complete::generate(shell, &mut command, "memoryd", &mut std::io::stdout());
            Ok(())
        }
        Verb::Certs(arguments) => certs::run(&arguments, wants_json),
        Verb::Serve => {
            let around = Surroundings::of_process();
            let supervisor = Supervisor::of(&around, std::process::id());
            serve::run(load(line, Reader::Serve)?, supervisor)
        }
        Verb::Healthcheck => healthcheck::run(&config(line)?),
        Verb::Stdio(arguments) => stdio::run(&config(line)?, &arguments),
        Verb::Export(arguments) => export::export(&config(line)?, &arguments),
        Verb::Import(arguments) => moving::import(&config(line)?, &arguments, wants_json),
        Verb::Token(arguments) => accounts::token(&config(line)?, &arguments.verb, wants_json),
        Verb::Oauth(arguments) => grants::run(&config(line)?, &arguments, wants_json),
        Verb::Connect(arguments) => {
            connect::run(&config(line)?, line.config_file(), &arguments, wants_json)
        }
        Verb::ClientConfig(arguments) => {
            connect::client_config(&config(line)?, line.config_file(), &arguments, wants_json)
        }
        Verb::Config(arguments) => {
            settings::run(&load(line, Reader::Serve)?, &arguments, wants_json)
        }
        Verb::Doctor(arguments) => doctor::run(load(line, Reader::Verb), &arguments, wants_json),
        Verb::User(arguments) => accounts::user(&config(line)?, &arguments.verb, wants_json),
        Verb::Audit(arguments) => accounts::audit(&config(line)?, &arguments, wants_json),
        Verb::Backup(arguments) => backup::run(&config(line)?, &arguments.verb, wants_json),
        Verb::Undo(arguments) => undo::run(&config(line)?, &arguments, wants_json),
        Verb::Why(arguments) => why::run(&config(line)?, &arguments, wants_json),
        Verb::Password(arguments) => password::run(&config(line)?, &arguments),
        Verb::Open(arguments) => open::run(&config(line)?, &arguments, wants_json),
        Verb::Stats(arguments) => accounts::stats(&config(line)?, &arguments, wants_json),
        Verb::Hook(arguments) => hook::status(&config(line)?, &arguments, wants_json),
        Verb::Project(arguments) => project::run(&config(line)?, &arguments, wants_json),
        Verb::Selftest(arguments) => selftest::run(&config(line)?, &arguments, wants_json),
        Verb::Check(wanted) if wanted.salvage => check::salvage(&config(line)?, wants_json),
        Verb::Check(_) => check::run(&config(line)?, wants_json),
    }
}

/// The settings of a verb that may have been started anywhere.
fn config(line: &CommandLine) -> Result<Config, Failed> {
    Ok(load(line, Reader::Verb)?.config)
}

/// A flag that makes no sense ends the process, as every mistake of the command line does.
fn load(line: &CommandLine, reader: Reader) -> Result<Loaded, Failed> {
    if let Some(path) = line.config_file().filter(|path| !path.exists()) {
        misused(&format!("--config {}: there is no such file", path.display()));
    }
    match Config::load(&line.flags(), &Surroundings::of_process(), reader) {
        Ok(loaded) => Ok(loaded),
        Err(error) if error.is_of_a_flag() => misused(&error.to_string()),
        Err(error) => Err(Failed::because(error)),
    }
}

fn misused(told: &str) -> ! {
    CommandLine::described().error(ErrorKind::ValueValidation, told).exit()
}

/// Writes one line to standard output. A closed pipe is not worth a word.
#[allow(clippy::print_stdout, reason = "this is the command line's output")]
fn say(text: &str) -> Outcome {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failed::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes one line with words of others in it, none of which can move the cursor of a terminal, end the
/// line, or turn its letters round.
fn say_inline(text: &str) -> Outcome {
    say(&inline(text))
}

/// Writes an answer as JSON, with the same in mind.
fn say_json(told: &impl Serialize) -> Outcome {
    let text = serde_json::to_string(told).map_err(Failed::because)?;
    say(&foreign::json(&text))
}

/// Writes a line for the person, beside the output.
#[allow(clippy::print_stderr, reason = "this is for the person, not for a pipe")]
fn tell(text: &str) {
    for line in text.split('\n') {
        eprintln!("{}", inline(line));
    }
}

fn complain(failed: &Failed) {
    tell(&format!("error: {failed}"));
}
