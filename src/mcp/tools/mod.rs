//! The tools: a static table per set, and the one way from a call to a command and back.

mod confirm;
mod core;
mod render;
mod schema;

use std::fmt;
use std::pin::Pin;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject,
    Tool,
};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::handler::{Memory, caller_of, refused};
use super::progress::with_progress;
use crate::actors::CallError;
use crate::engine::{Arguments, InvalidArguments, Spoken};
use crate::error::{Code, Error};
use crate::model::{Caller, UserId};
pub(super) use render::memories as render_memories;

/// One tool: what clients see of it, how its arguments become a command, and how its answer reads.
pub(super) struct Entry {
    pub(super) tool: Tool,
    run: for<'a> fn(&'a Asking<'a>, Arguments) -> Running<'a>,
    render: fn(&Value) -> String,
}

/// Which sets `tools/list` shows. Tools of every set can be called by name all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSets(Vec<&'static str>);

/// A name that is no tool set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown tool set {0:?}; known are core, memoryos, ai-memory, remember, mem0, graph, files, chatgpt"
)]
pub struct UnknownToolSet(String);

/// Where the tools of a set come from.
type Table = fn() -> &'static [Entry];

/// The sets in the order in which their tools are listed, each with its table.
const SETS: [(&str, Table); 8] = [
    ("core", core::entries),
    ("memoryos", nothing_yet),
    ("ai-memory", nothing_yet),
    ("remember", nothing_yet),
    ("mem0", nothing_yet),
    ("graph", nothing_yet),
    ("files", nothing_yet),
    ("chatgpt", nothing_yet),
];

fn nothing_yet() -> &'static [Entry] {
    &[]
}

impl ToolSets {
    #[must_use]
    pub fn core() -> Self {
        Self(vec!["core"])
    }

    /// Reads names with commas between them.
    pub fn parse(text: &str) -> Result<Self, UnknownToolSet> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = names.map(|name| {
            let found = SETS.iter().find(|(set, _)| *set == name);
            found.map(|(set, _)| *set).ok_or_else(|| UnknownToolSet(name.to_owned()))
        });
        known.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tool.name)
    }
}

/// The tools of these sets, always in the same order.
pub(super) fn list(listed: &ToolSets) -> Vec<Tool> {
    let shown = SETS.iter().filter(|(set, _)| listed.0.contains(set));
    shown.flat_map(|(_, entries)| entries()).map(|entry| entry.tool.clone()).collect()
}

/// The tool's name as a constant.
pub(super) fn label(name: &str) -> Option<&'static str> {
    find(name).map(|entry| &*entry.tool.name)
}

fn find(name: &str) -> Option<&'static Entry> {
    SETS.iter().flat_map(|(_, entries)| entries()).find(|entry| entry.tool.name == name)
}

/// Carries out a call. A failure of the work is a result; only a call of nothing is an error.
pub(super) async fn call(
    memory: &Memory,
    call: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let Some(entry) = find(&call.name) else {
        let shown: String = call.name.chars().take(64).collect();
        return Err(ErrorData::invalid_params(format!("unknown tool {shown:?}"), None));
    };
    let caller = caller_of(&context)?;
    let confirming = confirm::Round::of(&caller, &call, &context);
    let mut arguments = call.arguments.unwrap_or_default();
    let user = match take_user(&mut arguments) {
        Ok(user) => user,
        Err(invalid) => return Ok(invalid_arguments(&invalid).into()),
    };
    let work = async {
        let asking = Asking { memory, caller: &caller, user, entry };
        match &confirming {
            Some(round) => round.delete(&asking, arguments).await,
            None => asking.run(arguments).await.map(CallToolResponse::from),
        }
    };
    with_progress(&context, work).await?
}

/// A call on its way to its session.
struct Asking<'a> {
    memory: &'a Memory,
    caller: &'a Caller,
    /// Whose memories it is about, if the caller named somebody.
    user: Option<UserId>,
    entry: &'static Entry,
}

impl Asking<'_> {
    async fn run(&self, arguments: JsonObject) -> Result<CallToolResult, ErrorData> {
        match (self.entry.run)(self, Arguments::new(arguments)).await {
            Ok(answer) => Ok(self.dress(answer)),
            Err(Unfit::Arguments(invalid)) => Ok(invalid_arguments(&invalid)),
            Err(Unfit::Call(error)) => failed(error),
        }
    }

    fn dress(&self, value: Value) -> CallToolResult {
        let mut result =
            CallToolResult::success(vec![ContentBlock::text((self.entry.render)(&value))]);
        result.structured_content = Some(value);
        result
    }
}

/// A call under way.
type Running<'a> = Pin<Box<dyn Future<Output = Result<Value, Unfit>> + Send + 'a>>;

/// Why a call brought no answer.
enum Unfit {
    Arguments(InvalidArguments),
    Call(CallError),
}

fn run<'a, V: Spoken>(asking: &'a Asking<'a>, arguments: Arguments) -> Running<'a> {
    Box::pin(async move {
        let verb = V::parse(arguments).map_err(Unfit::Arguments)?;
        let sessions = asking.memory.sessions();
        let answer = sessions.ask_for(asking.caller, asking.user.clone(), verb).await;
        Ok(serde_json::to_value(answer.map_err(Unfit::Call)?).unwrap_or_default())
    })
}

/// Takes `user_id`, which every tool accepts and only an administrator can use for others.
fn take_user(arguments: &mut JsonObject) -> Result<Option<UserId>, InvalidArguments> {
    let Some(raw) = arguments.shift_remove("user_id").filter(|raw| !raw.is_null()) else {
        return Ok(None);
    };
    let parsed = raw.as_str().and_then(|raw| UserId::parse(raw).ok());
    let problem = "expected a user id of 1 to 128 characters without control characters";
    parsed.map(Some).ok_or_else(|| InvalidArguments::one("user_id", problem))
}

fn invalid_arguments(invalid: &InvalidArguments) -> CallToolResult {
    failure("validation_error", &invalid.to_string())
}

/// Too small a scope is an error of the request, so that the transport can say which scope it
/// takes. Everything else is for the model to read.
fn failed(error: CallError) -> Result<CallToolResult, ErrorData> {
    let error = Error::from(error);
    if error.code() == Code::InsufficientScope {
        return Err(refused(&error));
    }
    error.log();
    Ok(failure(error.code().of_tool(), &error.told()))
}

fn failure(code: &str, message: &str) -> CallToolResult {
    CallToolResult::structured_error(json!({ "error": { "code": code, "message": message } }))
}
