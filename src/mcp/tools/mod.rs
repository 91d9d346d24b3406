//! The tools: a file a set, one arm from a set to its file, and the one way from a call to a verb
//! and back.

mod admin;
mod chatgpt;
mod confirm;
mod core;
mod entry;
mod files;
mod graph;
mod lean;
mod older;
mod render;
mod schema;

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData, Tool};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::context::{Asker, McpContext, asker_of, refused};
use super::progress::with_progress;
use super::tool_sets::ToolSets;
use crate::engine::Arguments;
use crate::error::{Code, Error};
use crate::model::foreign::shortened;
use crate::model::{Caller, ToolSet};
use confirm::Confirming;
use entry::{ToolCall, ToolEntry, ToolFailure};
pub(super) use render::memories as render_memories;

/// The tools of a set, in the order in which they are listed.
fn entries(set: ToolSet) -> &'static [ToolEntry] {
    match set {
        ToolSet::Core => core::entries(),
        ToolSet::Admin => admin::entries(),
        ToolSet::Memoryos => older::memoryos(),
        ToolSet::AiMemory => older::ai_memory(),
        ToolSet::Remember => older::remember(),
        ToolSet::Mem0 => older::mem0(),
        ToolSet::Graph => graph::entries(),
        ToolSet::Files => files::entries(),
        ToolSet::Chatgpt => chatgpt::entries(),
    }
}

/// The tools of these sets, always in the same order, and no name twice.
pub(super) fn list(listed: &ToolSets) -> Vec<Tool> {
    let shown = ToolSet::ALL.iter().copied().filter(|set| listed.shows(*set));
    let mut tools: Vec<Tool> = Vec::new();
    for entry in shown.flat_map(entries) {
        match tools.iter_mut().find(|tool| tool.name == entry.tool.name) {
            None => tools.push(entry.tool.clone()),
            Some(tool) if entry.takes_place => *tool = entry.tool.clone(),
            Some(_) => {}
        }
    }
    tools
}

/// Tools as `tools/list` has them.
pub(super) fn as_json(tools: &[Tool]) -> Vec<Value> {
    tools.iter().filter_map(|tool| serde_json::to_value(tool).ok()).collect()
}

/// The tools that a caller is shown: of the sets that the credential names, else of those that are listed.
pub(super) fn shown_to(caller: &Caller, listed: &ToolSets) -> Vec<Tool> {
    match caller.tools.is_empty() {
        true => list(listed),
        false => list(&ToolSets::new(&caller.tools)),
    }
}

/// The tool's name as a constant.
pub(super) fn label(name: &str) -> Option<&'static str> {
    find(name).map(|entry| &*entry.tool.name)
}

fn find(name: &str) -> Option<&'static ToolEntry> {
    ToolSet::ALL.iter().copied().flat_map(entries).find(|entry| entry.tool.name == name)
}

/// The tool that a call means, where several sets have one of its name: a credential that was made for
/// another set than ours means that set's; else the arguments decide; else the set that is named first.
fn meant(
    name: &str,
    arguments: &Arguments,
    own: &[ToolSet],
    listed: &ToolSets,
) -> Option<&'static ToolEntry> {
    let of = |set: ToolSet| entries(set).iter().find(|entry| entry.tool.name == name);
    if let Some(fixed) = own.first().filter(|set| **set != ToolSet::Core)
        && let Some(entry) = of(*fixed)
    {
        return Some(entry);
    }
    let is_listed = |set| if own.is_empty() { listed.shows(set) } else { own.contains(&set) };
    let all = ToolSet::ALL.iter().copied();
    let claimed = all
        .clone()
        .find_map(|set| of(set).filter(|entry| (entry.claims)(arguments, is_listed(set))));
    let first = if own.is_empty() { listed.in_order() } else { own };
    claimed.or_else(|| first.iter().copied().chain(all).find_map(of))
}

/// Carries out a call. A failure of the work is a result; only a call of nothing is an error.
pub(super) async fn call(
    mcp: &McpContext,
    mut call: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let Asker { caller, written } = asker_of(&context)?;
    // Whose memories are meant is a matter of the credential: a model would only invent a user.
    let given = call.arguments.take().unwrap_or_default();
    let arguments = Arguments::new(given).for_a_model();
    let Some(entry) = meant(&call.name, &arguments, &caller.tools, mcp.listed()) else {
        let told = format!("unknown tool {:?}", shortened(&call.name));
        return Err(ErrorData::invalid_params(told, None));
    };
    let confirming = match entry.confirms {
        true => Confirming::of(caller, &call, arguments.values(), &context),
        false => None,
    };
    let asked = ToolCall { mcp, caller, confirming, written };
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
