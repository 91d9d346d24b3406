//! `memoryd project sync`: what is pinned of a project, in the files that assistants read there.
//!
//! A file has one block between two markers, which is made anew from the memories ([`block`]). What
//! somebody wrote within it becomes a proposal first: a provisional memory, which counts when its owner
//! has confirmed it. So nothing that comes with a repository is in force before that, and nothing that was
//! written is lost.

mod block;
mod file;
mod memories;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::arguments::ServerArguments;
use super::door::Door;
use super::{Failed, Outcome, say_inline, say_json, tell};
use crate::actors::Sessions;
use crate::auth::ProjectRule;
use crate::cli::waiting::wait_for;
use crate::config::{Config, ProjectMode};
use crate::model::{Caller, Project};
use block::{Edit, Layout, Pin, edits, shown};
use file::{FILES, ProjectFile};
use memories::Memories;

#[derive(Debug, Clone, Args)]
pub(super) struct ProjectArguments {
    #[command(subcommand)]
    verb: ProjectVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum ProjectVerb {
    /// Write what is pinned and the instructions of a project into CLAUDE.md, AGENTS.md, GEMINI.md and the
    /// rules of Cursor and Copilot, between markers; what was changed there becomes a proposal [exit code
    /// 1 with --check: something would change]
    Sync(SyncArguments),
}

#[derive(Debug, Clone, Args)]
struct SyncArguments {
    /// The folder of the project
    dir: PathBuf,

    /// Which project it is [default: what the folder is called, as project.mode has it]
    #[arg(long, value_name = "NAME", value_parser = Project::parse)]
    project: Option<Project>,

    /// Make the files that are not there
    #[arg(long)]
    create: bool,

    /// Only look whether something would change
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    server: ServerArguments,
}

/// One run over a folder.
struct FolderSync<'a> {
    arguments: &'a SyncArguments,
    folder: PathBuf,
    project: Project,
}

/// What became of it.
#[derive(Default)]
struct Told {
    /// The name of each file, and what was or would be done.
    files: Vec<(&'static str, &'static str)>,
    problems: Vec<String>,
    proposals: usize,
    changes: usize,
}

/// An edit, and the file that it stands in.
type Proposal = (&'static str, Edit);

impl ProjectArguments {
    pub(super) fn server(&self) -> &ServerArguments {
        let ProjectVerb::Sync(arguments) = &self.verb;
        &arguments.server
    }
}

pub(super) fn run(config: &Config, arguments: &ProjectArguments, wants_json: bool) -> Outcome {
    let ProjectVerb::Sync(arguments) = &arguments.verb;
    let sync = FolderSync::of(config, arguments)?;
    let told = wait_for(async {
        match Door::open_existing(config, &arguments.server).await? {
            Door::Daemon(daemon) => sync.carry_out(&Memories::Server(&daemon)).await,
            Door::Local(local) => {
                let work = async |sessions: &Sessions, caller: &Caller| {
                    sync.carry_out(&Memories::Store { sessions, caller }).await
                };
                local.act(config, None, work).await
            }
        }
    })?;
    told.report(&sync, wants_json)
}

impl<'a> FolderSync<'a> {
    fn of(config: &Config, arguments: &'a SyncArguments) -> Result<Self, Failed> {
        let named = arguments.dir.display();
        let folder = fs::canonicalize(&arguments.dir);
        let folder = folder.map_err(|error| Failed::new(format!("{named}: {error}")))?;
        if !folder.is_dir() {
            return Err(Failed::new(format!("{named} is no folder")));
        }
        let project = match &arguments.project {
            Some(project) => project.clone(),
            None => project_of(config, &folder)?,
        };
        Ok(Self { arguments, folder, project })
    }

    /// Proposals come before anything is written over them, and one that cannot be kept stays where it is.
    async fn carry_out(&self, memories: &Memories<'_>) -> Result<Told, Failed> {
        let pins = memories.pinned(&self.project).await?;
        let mut told = Told::default();
        let files = self.files(&mut told);
        let proposals = proposals(&files, &pins)?;
        told.proposals = proposals.len();
        if !self.arguments.check {
            memories.propose(&self.project, &proposals).await?;
        }
        for file in &files {
            let done = match file.wanted(&pins)? {
                None if file.is_new() => continue,
                None => "unchanged",
                Some(_) if self.arguments.check => {
                    told.changes += 1;
                    "would change"
                }
                Some(bytes) => match file.write(&self.folder, &bytes) {
                    Ok(()) => {
                        told.changes += 1;
                        "written"
                    }
                    Err(failed) => {
                        told.problems.push(failed.to_string());
                        continue;
                    }
                },
            };
            told.files.push((file.name, done));
        }
        Ok(told)
    }

    /// The files that are there, each once, or that are to be. One that cannot be dealt with is told.
    fn files(&self, told: &mut Told) -> Vec<ProjectFile> {
        let mut files: Vec<ProjectFile> = Vec::new();
        for wanted in FILES {
            let found = ProjectFile::find(&self.folder, wanted, self.arguments.create);
            let whole = found.and_then(|found| {
                found.as_ref().map(ProjectFile::layout).transpose()?;
                Ok(found)
            });
            match whole {
                Ok(Some(file)) if files.iter().all(|other| !other.is_same(&file)) => {
                    files.push(file);
                }
                Ok(_) => {}
                Err(failed) => told.problems.push(failed.to_string()),
            }
        }
        files
    }
}

/// What somebody wrote between the markers, each once, and nothing that is remembered as it stands there.
fn proposals(files: &[ProjectFile], pins: &[Pin]) -> Result<Vec<Proposal>, Failed> {
    let mut known: BTreeSet<String> = pins.iter().map(|pin| shown(&pin.content)).collect();
    let mut found = Vec::new();
    for file in files {
        let Layout::Marked { body, .. } = file.layout()? else { continue };
        for edit in edits(body) {
            if known.insert(shown(&edit.text)) {
                found.push((file.name, edit));
            }
        }
    }
    Ok(found)
}

/// What a folder is called where nobody says: by the name that its clients have, or by its own.
fn project_of(config: &Config, folder: &Path) -> Result<Project, Failed> {
    let unnamed =
        || Failed::new("the folder has no name that a project may have; give --project".to_owned());
    let path = folder.to_str().ok_or_else(unnamed)?;
    let project = match config.project.mode {
        ProjectMode::Auto => ProjectRule::Auto.project(Some(path.as_bytes())).unwrap_or_default(),
        ProjectMode::Manual | ProjectMode::Global => {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.and_then(|name| Project::parse(name).ok())
        }
    };
    project.ok_or_else(unnamed)
}

impl Told {
    fn report(&self, sync: &FolderSync<'_>, wants_json: bool) -> Outcome {
        if wants_json {
            let files = self.files.iter().map(|(name, done)| json!({ "file": name, "done": done }));
            say_json(&json!({
                "project": sync.project,
                "files": files.collect::<Vec<Value>>(),
                "proposals": self.proposals,
                "problems": self.problems,
            }))?;
        } else {
            self.files
                .iter()
                .try_for_each(|(name, done)| say_inline(&format!("{done:<12} {name}")))?;
            self.tell_more(sync);
        }
        if !self.problems.is_empty() {
            return Err(Failed::new(format!("{} files stay as they are", self.problems.len())));
        }
        match sync.arguments.check && (self.changes > 0 || self.proposals > 0) {
            true => Err(Failed::new("the files are not what memoryd would write".to_owned())),
            false => Ok(()),
        }
    }

    fn tell_more(&self, sync: &FolderSync<'_>) {
        for problem in &self.problems {
            tell(problem);
        }
        if self.files.is_empty() && self.problems.is_empty() {
            tell("none of the files is there; --create makes them");
        }
        if self.proposals > 0 {
            let (count, project) = (self.proposals, &sync.project);
            let will = if sync.arguments.check { "would become" } else { "became" };
            tell(&format!(
                "{count} texts that somebody wrote between the markers {will} proposals in {project}; they count \
                 when they are confirmed (/ui/inbox)"
            ));
        }
    }
}
