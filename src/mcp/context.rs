//! What the handlers of the room share. It imports none of them, so that none of them has to know
//! another one that it does not use.

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

/// Who asks, for the handlers. It rides along in the extensions of a request.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    pub(super) caller: Caller,
}

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

/// Who asks. Every way into the protocol says so.
pub(super) fn caller_of(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let asker = context.extensions.get::<Asker>();
    let caller = asker.map(|asker| asker.caller.clone());
    caller.ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
}

/// What the caller is told of a failure, as an error of the protocol.
pub(super) fn refused(error: &Error) -> ErrorData {
    error.log();
    let data = serde_json::json!({ "code": error.code() });
    ErrorData::new(ErrorCode(error.code().rpc()), error.told(), Some(data))
}

/// Writes an answer of the engine as JSON. It holds nothing that JSON cannot say, so a failure is
/// a fault of ours.
pub(super) fn to_json(answer: &impl Serialize) -> Result<Value, ErrorData> {
    serde_json::to_value(answer).map_err(|error| {
        log::error!("an answer cannot be written as JSON: cause={error}");
        ErrorData::internal_error("the server failed to write its answer; its log says why", None)
    })
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
