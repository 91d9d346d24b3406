//! `memoryd export`: every memory with its history as lines, or what it is now as notes or as a table.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use actix_web::http::Method;
use futures_util::StreamExt;

use super::arguments::{ExportArguments, ExportFormat};
use super::daemon::Daemon;
use super::door::Door;
use super::progress::Bar;
use super::transfer::naming;
use super::waiting::wait_for;
use super::{Failed, Outcome, tell};
use crate::actors::Sessions;
use crate::config::Config;
use crate::disk;
use crate::engine::{Export, ExportLine, FileLine, LineCutter, MoreVersions};
use crate::model::{Caller, Clock, Memory, Status, SystemClock, Timestamp, UserId};
use crate::moving::{CSV_END, CSV_HEAD, MemoryNote, csv_row};
use crate::store::Progress;

/// Where it goes, and in which form.
enum Sink {
    /// Lines as they come.
    Lines(Box<dyn Write>),
    Current(Current),
}

/// What memories are at a moment, without their history.
enum Current {
    /// Those that are in sight.
    Table(Box<dyn Write>, Timestamp),
    Notes(Notes),
}

/// A folder that is being filled. What was deleted is in none.
struct Notes {
    folder: PathBuf,
    now: Timestamp,
    count: usize,
}

/// Writes every memory of a user.
pub(super) fn export(config: &Config, arguments: &ExportArguments) -> Outcome {
    let user = arguments.user_id.as_ref();
    wait_for(async {
        let door = Door::open_existing(config, &arguments.server).await?;
        // Only now, so that a wrong folder leaves no empty file behind.
        let mut sink = Sink::open(arguments)?;
        match door {
            Door::Daemon(daemon) => from_daemon(&daemon, user, &mut sink).await?,
            Door::Local(local) => {
                let export = async |sessions: &Sessions, caller: &Caller| {
                    from_store(sessions, caller, &mut sink).await
                };
                local.act(config, user, export).await?;
            }
        }
        sink.finish()
    })
}

async fn from_daemon(daemon: &Daemon, user: Option<&UserId>, sink: &mut Sink) -> Outcome {
    let request = daemon.channel()?.request(Method::GET, "/api/v1/export");
    let request = request.query(&naming(user)).map_err(Failed::because)?;
    let mut response = request.send().await.map_err(Failed::because)?;
    if !response.status().is_success() {
        return Err(Failed::new(format!("the server refused: {}", response.status())));
    }
    let bar = Bar::counting("bytes");
    let mut cutter = LineCutter::default();
    while let Some(part) = response.next().await {
        let part = part.map_err(Failed::because)?;
        match sink {
            Sink::Lines(output) => output.write_all(&part).map_err(unwritable)?,
            Sink::Current(current) => {
                cutter.cut(&part).into_iter().try_for_each(|line| current.take_line(line))?;
            }
        }
        bar.advance(part.len() as u64);
    }
    bar.finish();
    Ok(())
}

async fn from_store(sessions: &Sessions, caller: &Caller, sink: &mut Sink) -> Outcome {
    let bar = Bar::counting("memories");
    let mut export = Export::first_page();
    loop {
        let page = sessions.ask(caller, export).await.map_err(Failed::because)?;
        for item in &page.items {
            match sink {
                Sink::Lines(output) => {
                    serde_json::to_writer(&mut *output, item).map_err(Failed::because)?;
                    output.write_all(b"\n").map_err(unwritable)?;
                }
                Sink::Current(current) => current.take_item(item)?,
            }
        }
        bar.advance(page.items.len() as u64);
        match page.next {
            Some(place) => export = Export::page_after(place),
            None => break,
        }
    }
    bar.finish();
    Ok(())
}

impl Sink {
    fn open(arguments: &ExportArguments) -> Result<Self, Failed> {
        let now = SystemClock.now();
        match (arguments.format, &arguments.folder, &arguments.output) {
            (ExportFormat::Markdown, Some(folder), None) => {
                Ok(Self::Current(Current::Notes(Notes::open(folder, now)?)))
            }
            (ExportFormat::Markdown, ..) => Err(Failed::new(
                "notes are written into a folder: --format markdown DIR".to_owned(),
            )),
            (_, Some(_), _) => {
                Err(Failed::new("a folder is for --format markdown; -o names a file".to_owned()))
            }
            (ExportFormat::Jsonl, None, output) => Ok(Self::Lines(opened(output.as_deref())?)),
            (ExportFormat::Csv, None, output) => {
                let mut output = opened(output.as_deref())?;
                write!(output, "{CSV_HEAD}{CSV_END}").map_err(unwritable)?;
                Ok(Self::Current(Current::Table(output, now)))
            }
        }
    }

    fn finish(self) -> Outcome {
        match self {
            Self::Lines(mut output) | Self::Current(Current::Table(mut output, _)) => {
                output.flush().map_err(unwritable)
            }
            Self::Current(Current::Notes(Notes { folder, count, .. })) => {
                tell(&format!("{count} notes in {}", folder.display()));
                Ok(())
            }
        }
    }
}

impl Current {
    /// Takes a line of an export. One that goes on with a history says nothing of now.
    fn take_line(&mut self, line: FileLine) -> Outcome {
        let FileLine::Whole(line) = line else {
            return Err(Failed::new(FileLine::TOO_LONG.to_owned()));
        };
        match serde_json::from_slice::<Memory>(&line) {
            Ok(memory) => self.take(&memory),
            Err(_) if serde_json::from_slice::<MoreVersions>(&line).is_ok() => Ok(()),
            Err(error) => Err(Failed::because(error)),
        }
    }

    fn take_item(&mut self, item: &ExportLine) -> Outcome {
        match item {
            ExportLine::Whole(whole) => self.take(&whole.memory),
            ExportLine::More(_) => Ok(()),
        }
    }

    fn take(&mut self, memory: &Memory) -> Outcome {
        match self {
            Self::Table(output, now) if memory.is_alive(*now) => {
                write!(output, "{}{CSV_END}", csv_row(memory)).map_err(unwritable)
            }
            Self::Table(..) => Ok(()),
            Self::Notes(notes) => notes.take(memory),
        }
    }
}

impl Notes {
    /// Nothing else may lie there: a note that was called otherwise before would come back as well.
    fn open(folder: &Path, now: Timestamp) -> Result<Self, Failed> {
        let uncreatable =
            |error: io::Error| Failed::new(format!("cannot create {}: {error}", folder.display()));
        disk::create_folder(folder).map_err(uncreatable)?;
        if fs::read_dir(folder).map_err(uncreatable)?.next().is_some() {
            let why = format!("{} is not empty; name a new folder", folder.display());
            return Err(Failed::new(why));
        }
        Ok(Self { folder: folder.to_owned(), now, count: 0 })
    }

    fn take(&mut self, memory: &Memory) -> Outcome {
        if memory.status == Status::Deleted || memory.is_expired(self.now) {
            return Ok(());
        }
        let MemoryNote { path, text } = MemoryNote::of(memory);
        let path = self.folder.join(path);
        if let Some(folder) = path.parent() {
            disk::create_folder(folder).map_err(unwritable)?;
        }
        create(&path)?.write_all(text.as_bytes()).map_err(unwritable)?;
        self.count += 1;
        Ok(())
    }
}

/// A file, or standard output.
fn opened(output: Option<&Path>) -> Result<Box<dyn Write>, Failed> {
    Ok(match output {
        Some(path) => Box::new(BufWriter::new(create(path)?)),
        None => Box::new(BufWriter::new(io::stdout())),
    })
}

/// What somebody remembers is nobody else's business.
fn create(path: &Path) -> Result<File, Failed> {
    let opened = disk::open_for_output(path);
    opened.map_err(|error| Failed::new(format!("cannot create {}: {error}", path.display())))
}

fn unwritable(error: impl Into<io::Error>) -> Failed {
    Failed::new(format!("cannot write the export: {}", error.into()))
}
