use serde_json::json;

use super::HookArguments;
use super::state::{State, switch};
use crate::cli::daemon::Daemon;
use crate::cli::elsewhere::named_data_dir;
use crate::cli::waiting::wait_for;
use crate::cli::{Failed, Outcome, say_inline, say_json};
use crate::config::Config;

/// `memoryd hook status`: what waits to be sent, whether hooks are on here, and what went wrong.
pub(in crate::cli) fn run(config: &Config, arguments: &HookArguments, wants_json: bool) -> Outcome {
    let state = State::open(Some(config), arguments)?.ok_or_else(|| {
        Failed::new(
            "nobody said where hooks keep anything: give --state-dir, or --data-dir (DATA_DIR)"
                .to_owned(),
        )
    })?;
    let server = arguments.server()?;
    let found = wait_for(Daemon::of(&server, config))?;
    let place = match (&server.url, found, named_data_dir(config)) {
        (Some(url), _, _) => url.base().to_owned(),
        (None, Some(_), _) => "the one on the data directory".to_owned(),
        (None, None, Some(_)) => "none runs; the data directory itself is asked".to_owned(),
        (None, None, None) => "none: give --url, or --data-dir (DATA_DIR)".to_owned(),
    };
    let folder = std::env::current_dir().map_err(Failed::because)?;
    let off = switch(&folder);
    let spool = state.spool();
    let (names, bytes, mishaps) = (spool.names(), spool.bytes(), state.mishaps());
    let goal = arguments.goal(config)?;
    let turns = names.iter().filter_map(|name| spool.read(name).ok().flatten());
    let elsewhere = turns.filter(|turn| !goal.takes(&turn.goal)).count();
    let waiting = names.len();
    if wants_json {
        return say_json(&json!({
            "state_dir": state.folder().display().to_string(),
            "server": place,
            "waiting": waiting,
            "waiting_bytes": bytes,
            "waiting_for_others": elsewhere,
            "off_by": off.map(|file| file.display().to_string()),
            "errors": mishaps,
        }));
    }
    say_inline(&format!("state    {}", state.folder().display()))?;
    say_inline(&format!("server   {place}"))?;
    say_inline(&format!(
        "waiting  {waiting} turns, {bytes} bytes; {elsewhere} of them for another server"
    ))?;
    match &off {
        Some(file) => say_inline(&format!("here     off, by {}", file.display()))?,
        None => say_inline("here     on")?,
    }
    let told = if mishaps.is_empty() { "none" } else { "the last one last" };
    say_inline(&format!("errors   {told}"))?;
    mishaps.iter().try_for_each(|one| {
        say_inline(&format!("         {} {} {}: {}", one.at, one.client, one.event, one.error))
    })
}
