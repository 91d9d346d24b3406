//! The names of the headers that the front reads and writes, as values: a text would be checked and
//! folded anew at every look.

use actix_web::http::header::HeaderName;

pub(super) static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(super) static X_MCP_TOKEN: HeaderName = HeaderName::from_static("x-mcp-token");
pub(super) static X_MCP_USER_ID: HeaderName = HeaderName::from_static("x-mcp-userid");
pub(super) static MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) static X_PROJECT_DIR: HeaderName = HeaderName::from_static("x-project-dir");
pub(super) static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(super) static X_INGRESS_PATH: HeaderName = HeaderName::from_static("x-ingress-path");
pub(super) static X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
pub(super) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
pub(super) static RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
pub(super) static RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
pub(super) static RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// A program of this machine asks whether this is the server whose files it has read.
pub(super) static CHALLENGE: HeaderName = HeaderName::from_static("x-memoryd-challenge");
/// The answer to it.
pub(super) static PROOF: HeaderName = HeaderName::from_static("x-memoryd-instance");
