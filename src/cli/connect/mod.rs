//! `memoryd connect`: tells a client of this machine of the server, with a token of its own, and takes that
//! back again.
//!
//! The token is made and tried before anything is written, and taken back where the writing fails: the file
//! of a client names a token that works, or is as it was.

mod diff;
mod edit;
#[cfg(test)]
mod edit_tests;
mod file;
pub(super) mod found;
mod job;
mod json_edit;
mod json_text;
pub(super) mod probe;
pub(super) mod target;
mod toml_text;
mod undo;

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::arguments::ServerArguments;
use super::{Failed, Outcome, elsewhere, say, say_inline, say_json, tell};
use crate::cli::waiting::wait_for;
use crate::clients::{
    KEY_PLACE, KNOWN, KnownClient, Machine, Platform, ProjectFile, SERVER_NAME, find,
};
use crate::config::{Config, Surroundings};
use job::{Done, Job};
use target::Target;

// Which client, and which server it is told of. clap would take a doc comment for that of the verb.
#[derive(Debug, Clone, Args)]
pub(super) struct WhichClient {
    /// The client
    #[arg(value_parser = known())]
    client: &'static KnownClient,

    /// What the client calls the server
    #[arg(long, default_value = SERVER_NAME, value_parser = server_name)]
    name: String,

    /// The file of the project in this folder, which names the variable MEMORY_KEY instead of a key
    #[arg(long)]
    project: bool,

    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ConnectArguments {
    #[command(flatten)]
    which: WhichClient,

    /// Do it without being asked
    #[arg(long, short)]
    yes: bool,

    /// Take out what was written, and revoke the token
    #[arg(long, conflicts_with = "print")]
    undo: bool,

    /// Only print what would be written
    #[arg(long)]
    print: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ClientConfigArguments {
    #[command(flatten)]
    which: WhichClient,
}

impl ConnectArguments {
    /// Which server it is about.
    pub(super) fn server(&self) -> &ServerArguments {
        &self.which.server
    }
}

impl ClientConfigArguments {
    /// Which server it is about.
    pub(super) fn server(&self) -> &ServerArguments {
        &self.which.server
    }
}

/// Connects a client, or undoes that. `config_file` is the file of settings that was named.
pub(super) fn run(
    config: &Config,
    config_file: Option<&Path>,
    arguments: &ConnectArguments,
    wants_json: bool,
) -> Outcome {
    let which = &arguments.which;
    if arguments.print {
        return print(config, config_file, which, wants_json);
    }
    let around = Surroundings::of_process();
    // To take something out one need not know where the server is.
    let target = match arguments.undo {
        true => Target::find(config, &which.server, config_file)?,
        false => target_of(which, config, config_file)?,
    };
    let project = project_of(which)?;
    let job = Job {
        config,
        client: which.client,
        name: &which.name,
        place: place(which.client, project.as_ref(), &around)?,
        project,
        server: &which.server,
        target,
        variable: around.variable(crate::clients::KEY_VARIABLE).map(str::to_owned),
        is_agreed: arguments.yes,
        wants_json,
    };
    let done = wait_for(async {
        elsewhere::refuse(config, &which.server).await?;
        if arguments.undo { undo::undo(&job).await } else { job.connect().await }
    })?;
    show(&job, &done)
}

/// Prints what a client is told, with a place for the key.
pub(super) fn client_config(
    config: &Config,
    config_file: Option<&Path>,
    arguments: &ClientConfigArguments,
    wants_json: bool,
) -> Outcome {
    print(config, config_file, &arguments.which, wants_json)
}

fn print(
    config: &Config,
    config_file: Option<&Path>,
    which: &WhichClient,
    wants_json: bool,
) -> Outcome {
    let WhichClient { client, name, .. } = which;
    let target = target_of(which, config, config_file)?;
    let reach = target.reach(KEY_PLACE);
    let project = project_of(which)?;
    let entry = match &project {
        Some(file) => client.project_entry(file, &reach),
        None => client.entry(&reach),
    };
    let text = client.file_with(name, &entry);
    let place = place(client, project.as_ref(), &Surroundings::of_process())?;
    let trust = target.authority().and_then(|authority| client.how_to_trust(&authority));
    if wants_json {
        return say_json(&json!({
            "client": client.id,
            "file": place,
            "text": text,
            "entry": entry,
            "trust": trust,
            "then": client.then,
        }));
    }
    match &place {
        Some(place) => tell(&format!("into {}:", place.display())),
        None => tell(&format!("{} keeps it by itself:", client.title)),
    }
    say(text.trim_end())?;
    trust.into_iter().chain([client.then.to_owned()]).for_each(|line| tell(&line));
    Ok(())
}

fn show(job: &Job<'_>, done: &Done) -> Outcome {
    if job.wants_json {
        return say_json(&json!({
            "client": job.client.id,
            "file": job.place,
            "changed": done.is_changed,
            "backup": done.backup,
            "token": done.token,
            "tools": done.tools,
            "text": done.by_hand,
            "notes": done.notes,
        }));
    }
    if let Some(line) = &done.by_hand {
        say_inline(line)?;
    }
    done.notes.iter().for_each(|note| tell(note));
    Ok(())
}

/// The server, with a URL where the client has to be told one.
fn target_of(
    which: &WhichClient,
    config: &Config,
    config_file: Option<&Path>,
) -> Result<Target, Failed> {
    let target = Target::find(config, &which.server, config_file)?;
    if !which.client.starts_a_program() {
        target.require_url()?;
    }
    Ok(target)
}

/// The file of the project, if that is meant.
fn project_of(which: &WhichClient) -> Result<Option<ProjectFile>, Failed> {
    if !which.project {
        return Ok(None);
    }
    let title = which.client.title;
    let refusal = || {
        Failed::new(format!(
            "{title} has no file for a project in which a variable could stand for the key; leave --project out"
        ))
    };
    which.client.project.map(Some).ok_or_else(refusal)
}

/// Where it is written: the first of the places where there is a file, else the usual one. Nothing where it
/// is entered by hand.
fn place(
    client: &KnownClient,
    project: Option<&ProjectFile>,
    around: &Surroundings,
) -> Result<Option<PathBuf>, Failed> {
    if client.is_by_hand() {
        return Ok(None);
    }
    let places = match project {
        Some(file) => file.places.iter().map(|place| around.cwd.join(place)).collect(),
        None => places_of(client, around),
    };
    let there = places.iter().find(|place| place.symlink_metadata().is_ok());
    let place = there.or(places.first()).cloned();
    let title = client.title;
    let refusal =
        || Failed::new(format!("HOME is not set, so nobody knows where {title} keeps its file"));
    place.map(Some).ok_or_else(refusal)
}

/// Where the own file of a client may lie here.
fn places_of(client: &KnownClient, around: &Surroundings) -> Vec<PathBuf> {
    let variable = |name: &str| around.variable(name).map(str::to_owned);
    client.places(&Machine { platform: Platform::of_build(), variable: &variable })
}

fn known() -> impl TypedValueParser<Value = &'static KnownClient> {
    let ids = PossibleValuesParser::new(KNOWN.iter().map(|client| client.id));
    ids.try_map(|id| find(&id).ok_or("there is no such client"))
}

/// What every client takes for a name.
fn server_name(text: &str) -> Result<String, String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_name = (1..=64).contains(&text.len()) && text.chars().all(is_fit);
    let expected = || "a name of 1 to 64 characters of a-z, A-Z, 0-9, '-' and '_'".to_owned();
    is_name.then(|| text.to_owned()).ok_or_else(expected)
}
