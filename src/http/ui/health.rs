use std::path::Path;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use serde_json::Value;

use super::about::AboutServer;
use super::csrf;
use super::form::FormBody;
use super::overview::warnings;
use super::page::{Page, respond, see_other};
use super::sessions::{BrowserSession, BrowserSessions};
use super::text::{PageText, PageTime};
use super::told::told_list;
use super::view::{bytes, counted, counted_of};
use crate::actors::{AdminRequest, CallError, Sessions};
use crate::config::EffectiveSetting;
use crate::engine::CountVectors;
use crate::error::Error;
use crate::http::Face;
use crate::model::{Scope, Timestamp};

/// The purpose of the form of this page.
const BACKUP: &str = "backup";

#[derive(Template)]
#[template(path = "ui/health.html")]
struct HealthPage {
    page: Page,
    facts: Vec<(&'static str, PageText)>,
    warnings: Vec<PageText>,
    backups: Vec<BackupRow>,
    settings: Vec<SettingRow>,
    csrf: String,
}

/// A setting as it counts.
struct SettingRow {
    key: &'static str,
    value: PageText,
    source: PageText,
    is_default: bool,
}

#[derive(Deserialize)]
struct Told {
    path: String,
    bytes: u64,
    made_at: Timestamp,
}

struct BackupRow {
    path: PageText,
    /// The file, by which it is asked for.
    name: String,
    size: String,
    made: PageTime,
}

/// How the server is, and which backups there are.
pub(in crate::http) async fn health(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    face: web::Data<Face>,
    about: web::Data<AboutServer>,
) -> Result<HttpResponse, Error> {
    let backups = match session.may(Scope::Admin) {
        true => listed(&sessions, &session).await?,
        false => Vec::new(),
    };
    let vectors = match session.may(Scope::Read) {
        true => sessions.ask(&session.caller, CountVectors).await?,
        false => None,
    };
    let page = HealthPage {
        page: Page::of(&request, Some(&session), "Health and backups"),
        facts: facts(&sessions, &face, &session, vectors),
        warnings: warnings(&sessions, &face, &session),
        backups,
        settings: settings(&about, &session),
        csrf: session.csrf(BACKUP),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// Makes a backup now, which is read back before this answers.
pub(in crate::http) async fn back_up(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, BACKUP, form.csrf())?;
    let made = sessions.administer(&session.caller, AdminRequest::CreateBackup).await?;
    let path = made.get("path").and_then(Value::as_str).unwrap_or_default();
    let size = made.get("bytes").and_then(Value::as_u64).map(bytes).unwrap_or_default();
    browsers.leave_note(
        &session,
        format!("The backup {path} is made and read back: {size}."),
        None,
    );
    Ok(see_other("/ui/health"))
}

/// Reads a backup back, and says what it holds.
pub(in crate::http) async fn verify(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
    browsers: web::Data<BrowserSessions>,
    form: FormBody,
) -> Result<HttpResponse, Error> {
    csrf::check(&request, &session, BACKUP, form.csrf())?;
    let name = form.get("name").to_owned();
    let told = match sessions.verify_backup(&session.caller, name.clone()).await {
        Ok(Some(read)) => format!(
            "The backup {name} was read back whole: {} memories of {} users.",
            counted(read.memories),
            counted(read.users)
        ),
        Ok(None) => format!("There is no backup {name} any more."),
        Err(CallError::Backup(error)) => format!("The backup {name} is of no use: {error}."),
        Err(error) => return Err(error.into()),
    };
    browsers.leave_note(&session, told, None);
    Ok(see_other("/ui/health"))
}

async fn listed(sessions: &Sessions, session: &BrowserSession) -> Result<Vec<BackupRow>, Error> {
    let asked = AdminRequest::ListBackups;
    let backups: Vec<Told> = told_list(sessions, session, asked, "backups").await?;
    let row = |told: Told| BackupRow {
        path: PageText::of(&told.path),
        name: file_of(&told.path),
        size: bytes(told.bytes),
        made: PageTime::of(told.made_at),
    };
    Ok(backups.into_iter().map(row).collect())
}

/// The last part of a path.
fn file_of(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Every setting with who said so, for those who may know. Secrets are not in it.
fn settings(about: &AboutServer, session: &BrowserSession) -> Vec<SettingRow> {
    let settings = about.settings.iter().filter(|_| session.may(Scope::Admin));
    let row = |setting: &EffectiveSetting| SettingRow {
        key: setting.key,
        value: PageText::of(&setting.value),
        source: PageText::of(&setting.source),
        is_default: setting.source == "default",
    };
    settings.map(row).collect()
}

fn facts(
    sessions: &Sessions,
    face: &Face,
    session: &BrowserSession,
    vectors: Option<(usize, usize)>,
) -> Vec<(&'static str, PageText)> {
    let keys = if face.is_guarded { "needed" } else { "not needed" };
    let is_writable = if sessions.is_writable() { "takes writes" } else { "only reads" };
    let mut facts = vec![
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Store", is_writable.to_owned()),
        ("A memory may have", bytes(u64::try_from(sessions.content_limit()).unwrap_or(u64::MAX))),
        ("Keys", keys.to_owned()),
        ("Meaning is told by", model(sessions)),
    ];
    if let Some((read, all)) = vectors {
        let (read, all) = (counted_of(read), counted_of(all));
        facts.push(("Read for meaning", format!("{read} of {all} memories")));
    }
    if session.may(Scope::Admin) {
        let usage = sessions.usage();
        facts.push(("Journal", bytes(usage.journal_bytes)));
        facts.push(("Trees", bytes(usage.sled_bytes)));
        if let Some((_, free)) = sessions.disk() {
            facts.push(("Free on the disk", bytes(free)));
        }
        facts.push(("Users", usage.sessions.to_string()));
        if let Some(certificate) = &face.certificate {
            facts.push(("Certificate", certificate().to_string()));
        }
    }
    facts.into_iter().map(|(name, text)| (name, PageText::of(&text))).collect()
}

/// What tells the meaning of texts.
fn model(sessions: &Sessions) -> String {
    let Some(embedder) = sessions.embedder() else { return "the built-in table".to_owned() };
    let name = embedder.model().map_or_else(|| "a model".to_owned(), |model| model.to_string());
    match embedder.is_away() {
        true => format!("{name}, which does not answer now"),
        false => name,
    }
}
