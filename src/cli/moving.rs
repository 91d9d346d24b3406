//! `memoryd import`: lines of an export, and what other products remembered.

use std::io;
use std::path::PathBuf;

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::account_arguments::UndoArguments;
use super::accounts::{Question, listed, plain, send, text};
use super::daemon::Channel;
use super::door::Door;
use super::import_arguments::ImportArguments;
use super::progress::Bar;
use super::transfer::{naming, post_lines};
use super::waiting::wait_for;
use super::{Failed, Outcome, say_inline, say_json, tell, transfer, undo};
use crate::actors::Sessions;
use crate::config::Config;
use crate::engine::{FileLine, ImportLines, Imported, ListImports};
use crate::model::{Caller, Clock, MemoryId, MemoryIds, SystemClock, UserId};
use crate::moving::{
    Bundle, LinePart, Moving, MovingBatch, MovingError, MovingReport, Recognised, Wanted,
    format_named,
};
use crate::store::Progress;

/// The exit code where nothing was recognised.
const NOTHING_KNOWN: u8 = 2;

/// Whom the lines are given, and how.
struct Delivery<'a> {
    user: Option<&'a UserId>,
    run: MemoryId,
    confirms: bool,
    dry_run: bool,
}

pub(super) fn import(config: &Config, arguments: &ImportArguments, wants_json: bool) -> Outcome {
    if let Some(run) = &arguments.undo {
        return take_back(config, arguments, run, wants_json);
    }
    if arguments.list {
        return list(config, arguments, wants_json);
    }
    let format = format_named(&arguments.format)?;
    let mut bundle = open(&arguments.sources)?;
    let recognised = Recognised::of(&mut bundle, format)?;
    if !recognised.is_own() {
        return move_in(config, arguments, bundle, recognised, wants_json);
    }
    if let Some(flag) = arguments.says_of_others() {
        let why = format!("lines of memoryd are taken as they are; {flag} is for other formats");
        return Err(Failed::new(why));
    }
    let reader = bundle.into_reader()?;
    transfer::import(config, arguments, reader, wants_json)
}

fn open(sources: &[PathBuf]) -> Result<Bundle, Failed> {
    let is_stdin = |source: &PathBuf| source.as_os_str() == "-";
    let bundle = match sources {
        [source] if is_stdin(source) => Bundle::of_stream("-", Box::new(io::stdin())),
        sources if sources.iter().any(is_stdin) => {
            return Err(Failed::new("standard input comes alone".to_owned()));
        }
        sources => Bundle::open(sources),
    };
    Ok(bundle?)
}

impl From<MovingError> for Failed {
    fn from(error: MovingError) -> Self {
        let code = match &error {
            MovingError::NothingKnown { .. }
            | MovingError::Ambiguous { .. }
            | MovingError::NoSuchFormat { .. } => NOTHING_KNOWN,
            _ => 1,
        };
        Self { text: error.to_string(), code }
    }
}

fn move_in(
    config: &Config,
    arguments: &ImportArguments,
    bundle: Bundle,
    recognised: Recognised,
    wants_json: bool,
) -> Outcome {
    let wanted = wanted(config, arguments);
    let delivery = Delivery {
        user: arguments.user_id.as_ref(),
        run: wanted.run,
        confirms: arguments.confirm,
        dry_run: arguments.dry_run,
    };
    let report = wait_for(async {
        let door = Door::open(config, &arguments.server).await?;
        let mut moving = Moving::start(bundle, recognised, wanted);
        let sent = match door {
            Door::Daemon(daemon) => {
                let channel = daemon.channel()?;
                carry(&mut moving, async |batch, before| {
                    delivery.post(&channel, batch, before).await
                })
                .await
            }
            Door::Local(local) => {
                let work = async |sessions: &Sessions, caller: &Caller| {
                    carry(&mut moving, async |batch, _| {
                        delivery.store(sessions, caller, batch).await
                    })
                    .await
                };
                local.act(config, delivery.user, work).await
            }
        };
        let run = moving.run();
        let report = moving.finish(delivery.dry_run);
        if let (Some(run), true) = (run, sent.is_err() || report.is_err()) {
            tell(&format!("what came before is stored; undone by: memoryd import --undo {run}"));
        }
        sent?;
        Ok::<_, Failed>(report?)
    })?;
    tell_of(&report, wants_json)?;
    if report.failed > 0 {
        return Err(Failed::new(format!("{} could not be imported", report.failed)));
    }
    Ok(())
}

fn wanted(config: &Config, arguments: &ImportArguments) -> Wanted {
    let now = SystemClock.now();
    let usual = Wanted::new(MemoryIds::default().next(now), now, config.limits.content_bytes);
    Wanted {
        only: match arguments.only.as_slice() {
            [] => LinePart::USUAL.to_vec(),
            only => only.to_vec(),
        },
        project: arguments.project.clone(),
        tag: arguments.tag.clone(),
        since: arguments.since,
        limit: arguments.limit,
        updates: arguments.update,
        erased: arguments.erased,
        instructions: arguments.instructions,
        splits: arguments.split.is_some(),
        all_users: arguments.all_users,
        folders_are_projects: arguments.project_from_folder,
        vault: arguments.vault.clone(),
        columns: arguments.map.clone(),
        ..usual
    }
}

/// Gives one batch after another to whoever takes them, with how many lines went before it.
async fn carry(
    moving: &mut Moving,
    mut give: impl AsyncFnMut(&MovingBatch, usize) -> Result<Imported, Failed>,
) -> Outcome {
    let bar = Bar::counting("lines");
    let mut before = 0;
    while let Some(batch) = moving.next().await {
        let told = give(&batch, before).await?;
        before += batch.lines.len();
        bar.advance(batch.lines.len() as u64);
        moving.note(&batch, told);
    }
    bar.finish();
    Ok(())
}

impl Delivery<'_> {
    async fn post(
        &self,
        channel: &Channel,
        batch: &MovingBatch,
        before: usize,
    ) -> Result<Imported, Failed> {
        let run = self.run.to_string();
        let mut query = naming(self.user);
        query.push(("run", &run));
        query.extend(self.confirms.then_some(("confirm", "true")));
        query.extend(self.dry_run.then_some(("dry_run", "true")));
        post_lines(channel, &query, batch.body(), before).await
    }

    async fn store(
        &self,
        sessions: &Sessions,
        caller: &Caller,
        batch: &MovingBatch,
    ) -> Result<Imported, Failed> {
        let lines = ImportLines::default().of_run(Some(self.run)).confirmed(self.confirms);
        let given = batch.lines.iter().cloned().map(FileLine::Whole);
        sessions.import(caller, lines.tried(self.dry_run), given).await.map_err(Failed::because)
    }
}

fn tell_of(report: &MovingReport, wants_json: bool) -> Outcome {
    if wants_json {
        return say_json(report);
    }
    report.lines().iter().try_for_each(|line| say_inline(line))?;
    if report.dry_run {
        tell("nothing was changed");
    } else if let Some(run) = report.run {
        tell(&format!("undone by: memoryd import --undo {run}"));
    }
    Ok(())
}

fn take_back(config: &Config, arguments: &ImportArguments, run: &str, wants_json: bool) -> Outcome {
    let undo = UndoArguments {
        step: Some(run.to_owned()),
        memory: None,
        last: false,
        session: None,
        credential: None,
        since: None,
        purge: false,
        wait: false,
        yes: !arguments.dry_run,
        user_id: arguments.user_id.clone(),
        server: arguments.server.clone(),
    };
    undo::run(config, &undo, wants_json)
}

fn list(config: &Config, arguments: &ImportArguments, wants_json: bool) -> Outcome {
    let user = arguments.user_id.as_ref();
    let mut named = Map::new();
    if let Some(user) = user {
        named.insert("user_id".to_owned(), json!(user));
    }
    let question = Question { method: Method::GET, path: "/api/v1/import".to_owned(), named };
    let told: Value = wait_for(async {
        match Door::open_existing(config, &arguments.server).await? {
            Door::Daemon(daemon) => send(&daemon, &question).await,
            Door::Local(local) => {
                let ask = async |sessions: &Sessions, caller: &Caller| {
                    let told = sessions.ask(caller, ListImports).await.map_err(Failed::because)?;
                    Ok(json!(told))
                };
                local.act(config, user, ask).await
            }
        }
    })?;
    if wants_json {
        return say_json(&told);
    }
    listed(&told, "imports").iter().try_for_each(|run| {
        let [id, at, format, file] = ["run", "at", "format", "file"].map(|name| text(run, name));
        let memories = run.get("memories").map(plain).unwrap_or_default();
        say_inline(&format!("{id}  {at}  {format}  {memories} memories  {file}"))
    })
}
