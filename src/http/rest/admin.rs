use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};

use crate::actors::{ActiveSession, Sessions};
use crate::error::Error;
use crate::http::Face;
use crate::http::metrics::{Metrics, Others};
use crate::model::{Caller, Scope};

/// Lists who uses the server now, by the names of their credentials.
pub(in crate::http) async fn sessions(
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let active = sessions.active().await?;
    let names: Vec<String> = active.iter().map(label).collect();
    Ok(HttpResponse::Ok().json(json!({ "active_sessions": names.len(), "sessions": names })))
}

/// Counts what the server did since its start. Without the scope `admin` one sees one's own calls.
pub(in crate::http) async fn stats(
    caller: Caller,
    sessions: web::Data<Sessions>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, Error> {
    let is_admin = caller.may(Scope::Admin);
    let active = sessions.active().await?;
    let own = active.iter().filter(|session| is_admin || session.credential == caller.credential);
    let names: Vec<String> = own.map(label).collect();
    let own = json!({ "active_sessions": names.len(), "sessions": names });
    if !is_admin {
        let requests = json!({
            "requests": metrics.requests_of(caller.credential.as_str()),
            "uptime_seconds": metrics.uptime().as_secs(),
        });
        return Ok(HttpResponse::Ok().json(Joined { own, rest: requests, storage: None }));
    }
    let usage = sessions.usage();
    let storage = json!({
        "journal_bytes": usage.journal_bytes,
        "tree_bytes": usage.sled_bytes,
        "users": usage.sessions,
        "writable": sessions.is_writable(),
    });
    let own = json!({
        "active_sessions": names.len(),
        "sessions": names,
        "tokens_given_by_client": sessions.tokens_given(),
    });
    let told = Joined { own, rest: metrics.stats_json(), storage: Some(storage) };
    Ok(HttpResponse::Ok().json(told))
}

/// The same figures for Prometheus. Open to loopback and to the scope `admin`.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(in crate::http) async fn metrics(
    metrics: web::Data<Metrics>,
    sessions: web::Data<Sessions>,
    face: web::Data<Face>,
) -> HttpResponse {
    let certificate = face.certificate.as_ref().map(|certificate| certificate());
    let ends = certificate.map(|certificate| (certificate.not_after, certificate.chain_not_after));
    let (certificate_ends, chain_ends) = ends.unwrap_or_default();
    let usage = sessions.usage();
    let others = Others {
        journal_bytes: usage.journal_bytes,
        tree_bytes: usage.sled_bytes,
        disk: sessions.disk(),
        tokens_given: &sessions.tokens_given(),
        is_writable: sessions.is_writable(),
        backup_age: sessions.backups().age(),
        certificate_ends,
        chain_ends,
    };
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(metrics.prometheus(&others))
}

/// Figures of several sources as one object.
#[derive(Serialize)]
struct Joined {
    #[serde(flatten)]
    own: Value,
    #[serde(flatten)]
    rest: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<Value>,
}

/// A name that tells sessions apart and holds nothing of a key.
fn label(session: &ActiveSession) -> String {
    format!("{}-{:06x}", session.credential, session.fingerprint())
}
