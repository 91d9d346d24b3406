//! Backups: made by whoever has the store open, looked at and restored by this process.

use std::path::Path;

use actix_web::http::Method;
use serde_json::{Map, Value};

use super::accounts::{Question, ask, listed, plain, text};
use super::arguments::BackupVerb;
use super::{Failed, Outcome, say, say_json};
use crate::actors::AdminRequest;
use crate::config::Config;
use crate::server::{backup_key, store_options};
use crate::store::{self, BackupContent, BackupError, StoreError};

const DAMAGED: u8 = 3;
const NO_BACKUP: u8 = 4;
const NEWER: u8 = 5;
const NOT_EMPTY: u8 = 6;

pub(super) fn run(config: &Config, verb: &BackupVerb, wants_json: bool) -> Outcome {
    let question =
        |method| Question { method, path: "/admin/backup".to_owned(), named: Map::new() };
    match verb {
        BackupVerb::Create { server } => {
            let request = |_| AdminRequest::CreateBackup;
            let made = ask(config, server, &question(Method::POST), request)?;
            if wants_json {
                return say_json(&made);
            }
            say(&format!("{}  {}", text(&made, "path"), told(&made)))
        }
        BackupVerb::List { server } => {
            let request = |_| AdminRequest::ListBackups;
            let found = ask(config, server, &question(Method::GET), request)?;
            if wants_json {
                return say_json(&found);
            }
            listed(&found, "backups").iter().try_for_each(|line| {
                let bytes = line.get("bytes").map(plain).unwrap_or_default();
                say(&format!("{}  {bytes} bytes  {}", text(line, "made_at"), text(line, "path")))
            })
        }
        BackupVerb::Verify { file } => {
            let content =
                store::verify_backup(file, backup_key(config).as_ref()).map_err(failed)?;
            show(&content, "whole", wants_json)
        }
        BackupVerb::Restore { file } => restore(config, file, wants_json),
    }
}

fn restore(config: &Config, file: &Path, wants_json: bool) -> Outcome {
    let dir = &config.server.data_dir;
    let (key, options) = (backup_key(config), store_options(config, None));
    let content = store::restore(file, key.as_ref(), dir, options).map_err(failed)?;
    show(&content, &format!("restored into {}", dir.display()), wants_json)
}

fn show(content: &BackupContent, done: &str, wants_json: bool) -> Outcome {
    let value = serde_json::to_value(content).map_err(Failed::because)?;
    if wants_json { say_json(&value) } else { say(&format!("{done}: {}", told(&value))) }
}

fn told(content: &Value) -> String {
    let number = |name: &str| content.get(name).map(plain).unwrap_or_default();
    let key = content.get("encrypted_with").and_then(Value::as_str);
    let key = key.map(|name| format!(", encrypted with the key {name}")).unwrap_or_default();
    format!(
        "{} memories of {} users, {} bytes, up to write {} of store {}{key}",
        number("memories"),
        number("users"),
        number("bytes"),
        number("seq"),
        number("store")
    )
}

fn failed(error: BackupError) -> Failed {
    let code = match &error {
        BackupError::Damaged { .. } => DAMAGED,
        BackupError::NoBackup { .. }
        | BackupError::Sealed { .. }
        | BackupError::Store(StoreError::Encrypted { .. } | StoreError::OtherKey { .. }) => {
            NO_BACKUP
        }
        BackupError::Newer { .. } | BackupError::Store(StoreError::NewerRecord { .. }) => NEWER,
        BackupError::NotEmpty { .. } => NOT_EMPTY,
        _ => 1,
    };
    Failed { code, ..Failed::because(error) }
}
