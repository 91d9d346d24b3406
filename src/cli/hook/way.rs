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
    pub(super) outlook: Outlook,
}

/// What a refusal says of other tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outlook {
    /// This turn would be refused for ever.
    Hopeless,
    /// This turn may be taken later, and others now.
    Later,
    /// Nothing would be taken now: nobody answers, the key is wrong, or it was too much.
    NothingNow,
}

/// Of one answer: far more than a context.
const ANSWER_LIMIT: usize = 1 << 20;

/// Hands a hook to a server.
pub(super) async fn over_route(channel: &Channel, parcel: &Parcel) -> Result<Value, Refusal> {
    let refusal = |told: String, outlook| Refusal { told, outlook };
    let path = format!("/api/v1/hooks/{}", parcel.hook.client.word());
    let project: Vec<(&str, &String)> =
        parcel.project.iter().map(|project| ("project", project)).collect();
    let request = channel.request(Method::POST, &path);
    let request = request.query(&project);
    let request = request.map_err(|error| refusal(error.to_string(), Outlook::Later))?;
    let sent = request.send_json(&parcel.hook.to_json()).await;
    let mut response = sent.map_err(|error| refusal(error.to_string(), Outlook::NothingNow))?;
    let status = response.status();
    let body = response.body().limit(ANSWER_LIMIT).await;
    let body = body.map_err(|error| refusal(error.to_string(), Outlook::Later))?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let detail = answer.get("detail").and_then(Value::as_str).unwrap_or_default();
    let told = format!("the server refused: {status} {detail}").trim_end().to_owned();
    Err(refusal(told, outlook(status)))
}

fn outlook(status: StatusCode) -> Outlook {
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => Outlook::Hopeless,
        // All go with the same key, and one wrong key after the other is what guessers send.
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => Outlook::NothingNow,
        _ => Outlook::Later,
    }
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
    let named =
        named.map_err(|error| Refusal { told: error.to_string(), outlook: Outlook::Hopeless })?;
    let folder = parcel.hook.folder.as_deref().map(str::as_bytes);
    let rule = match config.project.mode {
        ProjectMode::Auto => ProjectRule::Auto,
        // Whose memories they are was decided when the store was opened.
        ProjectMode::Manual | ProjectMode::Global => ProjectRule::Manual,
    };
    let project = named.or_else(|| rule.project(folder).unwrap_or_default());
    let done = carry_out(sessions, caller, sittings, &parcel.hook, project).await;
    done.map_err(|error| Refusal {
        outlook: match &error {
            CallError::Refused(EngineError::Invalid(_) | EngineError::TooLarge { .. }) => {
                Outlook::Hopeless
            }
            _ => Outlook::Later,
        },
        told: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_this_turn_or_another_may_be_taken() {
        for (status, expected) in [
            (400, Outlook::Hopeless),
            (401, Outlook::NothingNow),
            (403, Outlook::Later),
            (404, Outlook::Hopeless),
            (413, Outlook::Hopeless),
            (422, Outlook::Hopeless),
            (429, Outlook::NothingNow),
            (500, Outlook::Later),
            (503, Outlook::Later),
        ] {
            assert_eq!(outlook(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
