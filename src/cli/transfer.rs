use std::collections::VecDeque;
use std::io::{self, BufRead};

use actix_web::http::Method;

use super::daemon::{ANSWER_LIMIT, Channel, Daemon};
use super::door::Door;
use super::import_arguments::ImportArguments;
use super::progress::Bar;
use super::waiting::wait_for;
use super::{Failed, Outcome, say, say_json, tell};
use crate::actors::Sessions;
use crate::config::Config;
use crate::engine::{FileLine, ImportLines, Imported, LineCutter};
use crate::model::{Caller, MemoryId, UserId};
use crate::store::Progress;

/// Bytes of one request to a running server; a longer line travels alone.
const PART_BYTES: usize = 1 << 20;

/// The lines of what is imported, byte for byte.
struct Input {
    reader: Box<dyn BufRead>,
    cutter: LineCutter,
    ready: VecDeque<FileLine>,
    is_over: bool,
}

/// Lines that travel to a running server together.
#[derive(Default)]
struct Outbox {
    body: Vec<u8>,
    lines: usize,
    /// How many lines went before them.
    before: usize,
    /// The change that all of them are.
    step: Option<MemoryId>,
    confirms: bool,
    dry_run: bool,
}

/// Reads memories, one JSON object a line.
pub(super) fn import(
    config: &Config,
    arguments: &ImportArguments,
    reader: Box<dyn BufRead>,
    wants_json: bool,
) -> Outcome {
    let user = arguments.user_id.as_ref();
    let input = Input::new(reader);
    let (confirms, dry_run) = (arguments.confirm, arguments.dry_run);
    let told = wait_for(async {
        match Door::open(config, &arguments.server).await? {
            Door::Daemon(daemon) => {
                let outbox = Outbox { confirms, dry_run, ..Outbox::default() };
                import_to_daemon(&daemon, user, outbox, input).await
            }
            Door::Local(local) => {
                let lines = ImportLines::default().confirmed(confirms).tried(dry_run);
                let import = async |sessions: &Sessions, caller: &Caller| {
                    import_to_store(sessions, caller, lines, input).await
                };
                local.act(config, user, import).await
            }
        }
    })?;
    report(&told, dry_run, wants_json)
}

fn report(told: &Imported, dry_run: bool, wants_json: bool) -> Outcome {
    if wants_json {
        say_json(told)?;
    } else {
        let what = if dry_run { "would be imported" } else { "imported" };
        say(&format!(
            "{} {what}, {} there already, {} failed",
            told.imported, told.duplicates, told.failed
        ))?;
        if let Some(step) = told.step {
            tell(&format!("undone by: memoryd undo --step {step} --yes"));
        }
        for problem in &told.errors {
            tell(&format!("line {}: {}", problem.line, problem.problem));
        }
    }
    if told.failed > 0 {
        return Err(Failed::new(format!("{} lines could not be imported", told.failed)));
    }
    Ok(())
}

async fn import_to_daemon(
    daemon: &Daemon,
    user: Option<&UserId>,
    mut outbox: Outbox,
    mut input: Input,
) -> Result<Imported, Failed> {
    let channel = daemon.channel()?;
    let bar = Bar::counting("lines");
    let mut told = Imported::default();
    loop {
        let line = input.next_line()?;
        let is_over = line.is_none();
        match line {
            Some(FileLine::Whole(line)) => outbox.push(&line),
            Some(FileLine::TooLong) => {
                // An empty line in its place keeps the numbers of those behind it.
                outbox.push(b"");
                told.refuse(outbox.before + outbox.lines, FileLine::TOO_LONG);
            }
            None => {}
        }
        if outbox.lines > 0 && (is_over || outbox.body.len() >= PART_BYTES) {
            bar.advance(outbox.lines as u64);
            told.absorb(outbox.send(&channel, user).await?);
        }
        if is_over {
            bar.finish();
            return Ok(told);
        }
    }
}

async fn import_to_store(
    sessions: &Sessions,
    caller: &Caller,
    mut lines: ImportLines,
    mut input: Input,
) -> Result<Imported, Failed> {
    let bar = Bar::counting("lines");
    while let Some(line) = input.next_line()? {
        bar.advance(1);
        if let Some(part) = lines.take(line) {
            lines.note(sessions.ask(caller, part).await.map_err(Failed::because)?);
        }
    }
    if let Some(part) = lines.rest() {
        lines.note(sessions.ask(caller, part).await.map_err(Failed::because)?);
    }
    bar.finish();
    Ok(lines.told())
}

impl Input {
    fn new(reader: Box<dyn BufRead>) -> Self {
        Self { reader, cutter: LineCutter::default(), ready: VecDeque::new(), is_over: false }
    }

    fn next_line(&mut self) -> Result<Option<FileLine>, Failed> {
        while self.ready.is_empty() && !self.is_over {
            let piece = match self.reader.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            let len = piece.len();
            self.ready.extend(self.cutter.cut(piece));
            self.reader.consume(len);
            if len == 0 {
                self.is_over = true;
                self.ready.extend(self.cutter.end());
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl Outbox {
    fn push(&mut self, line: &[u8]) {
        if self.lines == 0 && self.before > 0 {
            // Of the first line that it gets the server takes off a byte-order mark; this is not the
            // first line of the file.
            self.body.push(b'\n');
        }
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
        self.lines += 1;
    }

    /// Sends the lines as they are. What comes back counts lines from the beginning of the file.
    async fn send(&mut self, channel: &Channel, user: Option<&UserId>) -> Result<Imported, Failed> {
        let before = self.before;
        let mut query = naming(user);
        let step = self.step.map(|step| step.to_string());
        query.extend(step.as_deref().map(|step| ("step", step)));
        query.extend(self.confirms.then_some(("confirm", "true")));
        query.extend(self.dry_run.then_some(("dry_run", "true")));
        let body = std::mem::take(&mut self.body);
        let mut told = post_lines(channel, &query, body, before).await?;
        // All but the first begin with an empty line.
        let numbered_from = before.saturating_sub(1);
        told.errors.iter_mut().for_each(|problem| problem.line += numbered_from);
        self.before += std::mem::take(&mut self.lines);
        self.step = self.step.or(told.step);
        Ok(told)
    }
}

/// Sends lines to a running server, which has had so many before them.
pub(super) async fn post_lines(
    channel: &Channel,
    query: &[(&str, &str)],
    body: Vec<u8>,
    before: usize,
) -> Result<Imported, Failed> {
    let request = channel.request(Method::POST, "/api/v1/import").query(&query);
    let request = request.map_err(Failed::because)?;
    let request = request.insert_header(("Content-Type", "application/x-ndjson"));
    let mut response = request.send_body(body).await.map_err(Failed::because)?;
    let status = response.status();
    let body = response.body().limit(ANSWER_LIMIT).await.map_err(Failed::because)?;
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() {
        let reason = answer.get("error").and_then(|e| e.as_str()).unwrap_or("no reason");
        return Err(Failed::new(format!("the server refused after {before} lines: {reason}")));
    }
    serde_json::from_value(answer).map_err(Failed::because)
}

/// Who names nobody means the owner of the key.
pub(super) fn naming(user: Option<&UserId>) -> Vec<(&'static str, &str)> {
    user.map(|user| ("user_id", user.as_str())).into_iter().collect()
}

fn unreadable(error: &io::Error) -> Failed {
    Failed::new(format!("cannot read the import: {error}"))
}
