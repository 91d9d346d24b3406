//! What the handlers of the room share. It imports none of them, so that none of them has to know
//! another one that it does not use.

use std::sync::{Arc, OnceLock};

use rmcp::RoleServer;
use rmcp::model::{ErrorCode, ErrorData, PaginatedRequestParams};
use rmcp::service::RequestContext;
use serde::Serialize;
use serde_json::Value;

use super::seal::Seal;
use super::tool_sets::ToolSets;
use crate::actors::Sessions;
use crate::engine::Verb;
use crate::error::Error;
use crate::model::{Caller, Secret};

/// What stands behind the protocol: the sessions, what is listed, and the seal.
#[derive(Debug)]
pub(super) struct McpContext {
    sessions: Sessions,
    listed: ToolSets,
    seal: Seal,
}

/// Who asks, for the handlers, and where they leave what they have written. It rides along in the
/// extensions of a request.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) caller: Caller,
    pub(super) written: Written,
}

/// The structured content of an answer, as JSON that is written already: rmcp would carry it as a
/// tree only, to be written once more. All clones are one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Written(Arc<OnceLock<String>>);

impl McpContext {
    /// `secret` seals what clients carry for us between two requests; 32 bytes or more.
    pub(super) fn new(sessions: Sessions, listed: ToolSets, secret: &Secret) -> Self {
        Self { sessions, listed, seal: Seal::new(secret) }
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) fn listed(&self) -> &ToolSets {
        &self.listed
    }

    pub(super) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Asks a session something whose failure is a failure of the whole request.
    pub(super) async fn ask<V: Verb>(
        &self,
        caller: &Caller,
        verb: V,
    ) -> Result<V::Answer, ErrorData> {
        let answer = self.sessions.ask(caller, verb).await;
        answer.map_err(|error| refused(&Error::from(error)))
    }
}

impl Written {
    /// Leaves the structured content of the one answer that a request has.
    pub(super) fn leave(&self, json: String) -> Result<(), ErrorData> {
        self.0.set(json).map_err(|second| {
            log::error!("a request is answered twice, with {} bytes", second.len());
            failed_to_write()
        })
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Who asks, and where the answer is left. Every way into the protocol says so.
pub(super) fn asker_of(context: &RequestContext<RoleServer>) -> Result<&Asker, ErrorData> {
    let asker = context.extensions.get::<Asker>();
    asker.ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
}

pub(super) fn caller_of(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    Ok(asker_of(context)?.caller.clone())
}

/// What the caller is told of a failure, as an error of the protocol.
pub(super) fn refused(error: &Error) -> ErrorData {
    error.log();
    let data = serde_json::json!({ "code": error.code() });
    ErrorData::new(ErrorCode(error.code().rpc()), error.told(), Some(data))
}

/// Writes structured content, to be left as it is.
pub(super) fn written(structured: &impl Serialize) -> Result<String, ErrorData> {
    serde_json::to_string(structured).map_err(|error| unwritten(&error))
}

/// Writes an answer of the engine as JSON. It holds nothing that JSON cannot say, so a failure is
/// a fault of ours.
pub(super) fn to_json(answer: &impl Serialize) -> Result<Value, ErrorData> {
    serde_json::to_value(answer).map_err(|error| unwritten(&error))
}

fn unwritten(error: &serde_json::Error) -> ErrorData {
    log::error!("an answer cannot be written as JSON: cause={error}");
    failed_to_write()
}

fn failed_to_write() -> ErrorData {
    ErrorData::internal_error("the server failed to write its answer; its log says why", None)
}

/// Refuses a cursor to a list that has one page: nobody got it from here.
pub(super) fn only_page(page: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor.as_ref()) {
        Some(_) => Err(bad_cursor()),
        None => Ok(()),
    }
}

pub(super) fn bad_cursor() -> ErrorData {
    ErrorData::invalid_params("the cursor does not belong to this list; start without one", None)
}
