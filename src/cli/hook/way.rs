//! How a hook comes to its memories: over the route of whoever has the store open, or in the store itself.

use actix_web::http::{Method, StatusCode};
use serde_json::Value;

use super::spool::Parcel;
use crate::actors::{CallError, Sessions};
use crate::auth::ProjectRule;
use crate::cli::daemon::Channel;
use crate::config::{Config, ProjectMode};
use crate::engine::EngineError;
use crate::hooks::{Sittings, carry_out};
use crate::model::{Caller, Project};

/// Why something was not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) told: String,
    /// Whether it would be refused for ever.
    pub(super) is_final: bool,
}

/// Of one answer: far more than a context.
const ANSWER_LIMIT: usize = 1 << 20;

/// Hands a hook to a server.
pub(super) async fn over_route(channel: &Channel, parcel: &Parcel) -> Result<Value, Refusal> {
    let passing = |told: String| Refusal { told, is_final: false };
    let path = format!("/api/v1/hooks/{}", parcel.hook.client.word());
    let project: Vec<(&str, &String)> =
        parcel.project.iter().map(|project| ("project", project)).collect();
    let request = channel.request(Method::POST, &path);
    let request = request.query(&project).map_err(|error| passing(error.to_string()))?;
    let sent = request.send_json(&parcel.hook.to_json()).await;
    let mut response = sent.map_err(|error| passing(error.to_string()))?;
    let status = response.status();
    let body = response.body().limit(ANSWER_LIMIT).await;
    let body = body.map_err(|error| passing(error.to_string()))?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default();
    Err(Refusal {
        told: format!("the server refused: {status} {detail}").trim_end().to_owned(),
        is_final: matches!(
            status,
            StatusCode::BAD_REQUEST
                | StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::UNPROCESSABLE_ENTITY
        ),
    })
}

/// Does the same where no server runs.
pub(super) async fn in_store(
    config: &Config,
    sessions: &Sessions,
    caller: &Caller,
    sittings: &Sittings,
    parcel: &Parcel,
) -> Result<Value, Refusal> {
    let named = parcel.project.as_deref().map(Project::parse).transpose();
    let named = named.map_err(|error| Refusal { told: error.to_string(), is_final: true })?;
    let folder = parcel.hook.folder.as_deref().map(str::as_bytes);
    let rule = match config.project.mode {
        ProjectMode::Auto => ProjectRule::Auto,
        // Whose memories they are was decided when the store was opened.
        ProjectMode::Manual | ProjectMode::Global => ProjectRule::Manual,
    };
    let project = named.or_else(|| rule.project(folder).unwrap_or_default());
    let done = carry_out(sessions, caller, sittings, &parcel.hook, project).await;
    done.map_err(|error| Refusal {
        is_final: matches!(
            &error,
            CallError::Refused(EngineError::Invalid(_) | EngineError::TooLarge { .. })
        ),
        told: error.to_string(),
    })
}
