//! `memoryd hook`: what an assistant starts by itself at the moments of a conversation.
//!
//! Whatever happens, it ends within [`LIMIT`] and with 0, and says nothing but the JSON that its client
//! reads: with another exit code, or with words among it, clients hold up the user's prompt. So the work
//! is done on a thread of its own, which ends with the process, and what a death at any moment may cost
//! is on the disk before it is sent ([`spool`]). What went wrong is told by `memoryd hook status`.

mod spool;
mod state;
mod status;
mod way;
mod work;

use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;

use super::arguments::{CommandLine, ServerArguments};
use super::daemon::ServerUrl;
use super::elsewhere::named_data_dir;
use super::{Failed, say_json, tell};
use crate::config::Config;
use crate::hooks::{HookClient, Moment};
use spool::Goal;
pub(super) use status::run as status;
use work::Work;

#[derive(Debug, Clone, Args)]
pub(super) struct HookArguments {
    /// Whose hook it is: claude-code, codex, gemini, cursor or vscode. Or `status`: what waits to be
    /// sent, and what went wrong
    #[arg(value_name = "CLIENT")]
    client: String,

    /// The moment, as the client calls it [default: what its JSON says]
    event: Option<String>,

    /// The server, such as https://nas.lan:3443 [default: the one on the data directory, or the data
    /// directory itself if none runs]
    #[arg(long)]
    url: Option<String>,

    /// Another authority to trust, or the server's own certificate, as a PEM file (also by
    /// SSL_CERT_FILE)
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,

    /// The key to act with; everybody on this machine can read it there, unlike MCP_API_KEY
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<String>,

    /// The project of what is given and kept [default: none; with project.mode = "auto" the folder]
    #[arg(long, value_name = "NAME")]
    project: Option<String>,

    /// Where turns wait while the server is away [default: .hooks in the data directory, if it was
    /// named]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
}

/// All that a hook may take. What remains of the two seconds that are promised is for the start and the
/// end of the process on a slow machine.
const LIMIT: Duration = Duration::from_millis(1_700);

/// Carries out one start of a hook.
pub(super) fn run(line: &CommandLine, arguments: &HookArguments) -> ExitCode {
    let start = Instant::now();
    let left = || LIMIT.saturating_sub(start.elapsed());
    let (answers, answered) = mpsc::channel();
    let work = Work::new(line, arguments);
    let worker = std::thread::Builder::new().name("hook".to_owned());
    // It is not waited for: whoever reads standard input may wait for ever.
    let spawned = worker.spawn(move || work.carry_out(&answers));
    let answer = answered.recv_timeout(left()).unwrap_or_else(|_| silence(arguments));
    // A client that does not read has nothing to be told.
    let _ = say_json(&answer);
    if spawned.is_ok() {
        // Nothing else comes: this is the end of the work, or of its time.
        let _ = answered.recv_timeout(left());
    }
    ExitCode::SUCCESS
}

/// What is said where nothing can be said.
fn silence(arguments: &HookArguments) -> serde_json::Value {
    let moment = arguments.event.as_deref().map_or(Moment::Other, Moment::of_event);
    let client = HookClient::parse(&arguments.client);
    client.map_or_else(|| serde_json::json!({}), |client| client.answer(moment, None))
}

/// Ends the process for a command line that makes no sense, in a way that holds nobody up.
pub(super) fn misused(error: &clap::Error) -> ! {
    tell(&error.to_string());
    // A client that does not read has nothing to be told.
    let _ = say_json(&serde_json::json!({}));
    std::process::exit(0)
}

impl HookArguments {
    pub(super) fn is_status(&self) -> bool {
        self.client == "status"
    }

    pub(super) fn key(&self) -> Option<String> {
        said(&self.key).map(str::to_owned)
    }

    /// Which server is meant.
    fn server(&self) -> Result<ServerArguments, Failed> {
        let url = said(&self.url).map(ServerUrl::parse).transpose();
        let url = url.map_err(|expected| Failed::new(format!("--url: expected {expected}")))?;
        Ok(ServerArguments { url, ca: said(&self.ca).map(Into::into), key: self.key() })
    }

    /// For which server the turns of this start are.
    fn goal(&self, config: &Config) -> Result<Goal, Failed> {
        if let Some(url) = self.server()?.url {
            return Ok(Goal::Url(url.base().to_owned()));
        }
        let Some(data_dir) = named_data_dir(config) else { return Ok(Goal::Unsaid) };
        // It has many names, and may not be there yet.
        let real = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        Ok(Goal::Store(real.display().to_string()))
    }
}

/// A variable that is not set comes as an empty text.
fn said(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}
