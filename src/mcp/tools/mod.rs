//! The tools: a file a set, one arm from a set to its file, and the one way from a call to a verb
//! and back.

mod admin;
mod confirm;
mod core;
mod entry;
mod render;
mod schema;

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, Tool};
use rmcp::service::RequestContext;
use serde_json::json;

use super::context::{McpContext, caller_of, refused};
use super::progress::with_progress;
use super::tool_sets::ToolSets;
use crate::engine::Arguments;
use crate::error::{Code, Error};
use crate::model::ToolSet;
use confirm::Confirming;
use entry::{ToolCall, ToolEntry, ToolFailure};
pub(super) use render::memories as render_memories;

/// The tools of a set, in the order in which they are listed.
fn entries(set: ToolSet) -> &'static [ToolEntry] {
    match set {
        ToolSet::Core => core::entries(),
        ToolSet::Admin => admin::entries(),
    }
}

/// The tools of these sets, always in the same order.
pub(super) fn list(listed: &ToolSets) -> Vec<Tool> {
    let shown = ToolSet::ALL.iter().copied().filter(|set| listed.shows(*set));
    shown.flat_map(entries).map(|entry| entry.tool.clone()).collect()
}

/// The tool's name as a constant.
pub(super) fn label(name: &str) -> Option<&'static str> {
    find(name).map(|entry| &*entry.tool.name)
}

fn find(name: &str) -> Option<&'static ToolEntry> {
    ToolSet::ALL.iter().copied().flat_map(entries).find(|entry| entry.tool.name == name)
}

/// Carries out a call. A failure of the work is a result; only a call of nothing is an error.
pub(super) async fn call(
    mcp: &McpContext,
    call: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let Some(entry) = find(&call.name) else {
        let shown: String = call.name.chars().take(64).collect();
        return Err(ErrorData::invalid_params(format!("unknown tool {shown:?}"), None));
    };
    let caller = caller_of(&context)?;
    let confirming = if entry.confirms { Confirming::of(&caller, &call, &context) } else { None };
    // Whose memories are meant is a matter of the credential: a model would only invent a user.
    let arguments = Arguments::new(call.arguments.unwrap_or_default()).for_a_model();
    let asked = ToolCall { mcp, caller: &caller, confirming };
    match with_progress(&context, (entry.run)(&asked, arguments)).await? {
        Ok(response) => Ok(response),
        Err(failure) => failed(failure),
    }
}

/// Too small a scope is an error of the request, so that the transport can say which scope it
/// takes. Everything else is for the model to read.
fn failed(failure: ToolFailure) -> Result<CallToolResponse, ErrorData> {
    let error = match failure {
        ToolFailure::Request(error) => return Err(error),
        ToolFailure::Refused(error) => Error::from(error),
    };
    if error.code() == Code::InsufficientScope {
        return Err(refused(&error));
    }
    error.log();
    let told = json!({ "error": { "code": error.code().of_tool(), "message": error.told() } });
    Ok(CallToolResult::structured_error(told).into())
}
