//! `memoryd doctor`: looks at everything that a server needs, whether one runs or not, and says what to do.

mod checks;
mod clients;
mod public;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Failed, Outcome, say_inline, say_json};
use crate::cli::waiting::wait_for;
use crate::config::Loaded;

#[derive(Debug, Clone, Args)]
pub(super) struct DoctorArguments {
    /// Ask the server by its public URL, as clients on the internet do, and look at nothing else
    #[arg(long)]
    public: bool,

    /// The URL [default: that of server.public_url (PUBLIC_URL)]
    #[arg(long, value_name = "URL", requires = "public")]
    url: Option<String>,

    /// Another authority to trust, as a PEM file. Clients on the internet will not
    #[arg(long, value_name = "FILE", requires = "public")]
    ca: Option<PathBuf>,
}

/// What was looked at, and how it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: Health,
    told: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Ok,
    /// It works, and may not for long, or not as its owner thinks.
    Warn,
    Fail,
}

impl Finding {
    fn ok(check: &'static str, told: impl Into<String>) -> Self {
        Self { check, state: Health::Ok, told: told.into(), todo: None }
    }

    fn warn(check: &'static str, told: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, state: Health::Warn, told: told.into(), todo: Some(todo.into()) }
    }

    fn fail(check: &'static str, told: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check, state: Health::Fail, told: told.into(), todo: Some(todo.into()) }
    }
}

impl Health {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok  ",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// Prints a line a finding, and what to do. It fails if something does not work; a warning is none.
pub(super) fn run(
    loaded: Result<Loaded, Failed>,
    arguments: &DoctorArguments,
    wants_json: bool,
) -> Outcome {
    if arguments.public {
        let authority = arguments.ca.as_deref();
        return public::run(&loaded?.config, arguments.url.as_deref(), authority, wants_json);
    }
    let findings = match &loaded {
        Ok(loaded) => wait_for(checks::all(loaded)),
        Err(failed) => {
            let todo = "mend what is named; nothing else was looked at";
            vec![Finding::fail("settings", failed.to_string(), todo)]
        }
    };
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (failed, warned) = (count(Health::Fail), count(Health::Warn));
    if wants_json {
        say_json(&json!({ "checks": findings, "failed": failed, "warned": warned }))?;
    } else {
        for Finding { check, state, told, todo } in &findings {
            say_inline(&format!("{} {check:<12} {told}", state.word()))?;
            if let Some(todo) = todo {
                say_inline(&format!("                  -> {todo}"))?;
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failed::new(format!("{failed} of {} checks failed", findings.len()))),
    }
}
