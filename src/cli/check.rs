use super::{Failed, Outcome, say, say_json};
use crate::config::Config;
use crate::store::{Report, Salvage, Store};

/// Verifies every frame and every record without changing anything.
pub(super) fn run(config: &Config, wants_json: bool) -> Outcome {
    let report = Store::check(&config.server.data_dir).map_err(Failed::because)?;
    if wants_json {
        say_json(&report)?;
    } else {
        tell_all(&report)?;
    }
    let why = match report.problems.is_empty() {
        true if report.is_healthy() => return Ok(()),
        true => "the store holds records of a newer memoryd, which are not damaged: use that one",
        false => "the store is damaged; the next start mends it if it can, and says so if not",
    };
    Err(Failed::new(why.to_owned()))
}

/// Keeps what can be read of a store that does not start any more.
pub(super) fn salvage(config: &Config, wants_json: bool) -> Outcome {
    let salvage = Store::salvage(&config.server.data_dir).map_err(Failed::because)?;
    if wants_json {
        return say_json(&salvage);
    }
    tell_salvage(&salvage)
}

fn tell_salvage(salvage: &Salvage) -> Outcome {
    let Salvage { keys, memories, lost_batches, unknown, gone_memories, gone_ids, .. } = salvage;
    say(&format!("kept      {memories} memories, {keys} records in all"))?;
    if salvage.is_whole {
        return say("nothing is lost: what was damaged could be mended");
    }
    for (from, to) in lost_batches {
        say(&format!("lost      the writes {from} to {to}"))?;
    }
    for sentence in unknown {
        say(&format!("unknown   {sentence}"))?;
    }
    if *gone_memories > 0 {
        let named = gone_ids.join(", ");
        say(&format!("gone      {gone_memories} memories of which only a trace is left: {named}"))?;
    }
    for path in &salvage.moved_to {
        say(&format!("aside     {}", path.display()))?;
    }
    say("the store can be started again")
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
    if report.newer_records > 0 {
        say(&format!("newer     {} records that this program cannot read", report.newer_records))?;
    }
    for problem in &report.problems {
        say(&format!("problem   {problem}"))?;
    }
    say(if report.is_healthy() { "all is well" } else { "something is wrong" })
}
