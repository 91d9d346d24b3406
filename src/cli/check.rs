use super::{Failed, Outcome, say};
use crate::config::Config;
use crate::store::{Report, Store};

/// Verifies every frame and every record without changing anything.
pub(super) fn run(config: &Config, wants_json: bool) -> Outcome {
    let report = Store::check(&config.server.data_dir).map_err(Failed::because)?;
    if wants_json {
        say(&serde_json::to_string(&report).map_err(Failed::because)?)?;
    } else {
        tell_all(&report)?;
    }
    if report.is_healthy() {
        Ok(())
    } else {
        Err(Failed("the store is damaged; the next start mends what can be mended".to_owned()))
    }
}

fn tell_all(report: &Report) -> Outcome {
    let Report { journal_bytes, segments, operations, sessions, keys, .. } = report;
    say(&format!("journal   {journal_bytes} bytes in {segments} segments"))?;
    say(&format!("writes    {operations}, the last is number {}", report.last_seq))?;
    say(&format!("users     {sessions}"))?;
    say(&format!("records   {keys}"))?;
    if report.torn_bytes > 0 {
        say(&format!("unfinished write of {} bytes at the end", report.torn_bytes))?;
    }
    for problem in &report.problems {
        say(&format!("problem   {problem}"))?;
    }
    say(if report.is_healthy() { "all is well" } else { "something is wrong" })
}
