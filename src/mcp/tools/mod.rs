//! The tools: a static table per set, and the one way from a call to a command and back.

mod confirm;
mod core;
mod render;
mod schema;

use std::fmt;

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
use crate::engine::{Answer, Arguments, Command, InvalidArguments};
use crate::error::Error;
use crate::model::{Caller, ToolSet, UserId};
pub(super) use render::memories as render_memories;

/// One tool: what clients see of it, how its arguments become a command, and how its answer reads.
pub(super) struct Entry {
    pub(super) tool: Tool,
    parse: fn(Arguments) -> Result<Command, InvalidArguments>,
    render: fn(&Value) -> String,
}

/// Which sets `tools/list` shows. Tools of every set can be called by name all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSets(Vec<ToolSet>);

impl ToolSets {
    #[must_use]
    pub fn new(sets: &[ToolSet]) -> Self {
        Self(sets.to_vec())
    }

    #[must_use]
    pub fn core() -> Self {
        Self::new(&[ToolSet::Core])
    }
}

/// The tools of a set, in the order in which they are listed.
fn entries(set: ToolSet) -> &'static [Entry] {
    match set {
        ToolSet::Core => core::entries(),
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tool.name)
    }
}

/// The tools of these sets, always in the same order.
pub(super) fn list(listed: &ToolSets) -> Vec<Tool> {
    let shown = ToolSet::ALL.into_iter().filter(|set| listed.0.contains(set));
    shown.flat_map(entries).map(|entry| entry.tool.clone()).collect()
}

/// The tool's name as a constant.
pub(super) fn label(name: &str) -> Option<&'static str> {
    find(name).map(|entry| &*entry.tool.name)
}

fn find(name: &str) -> Option<&'static Entry> {
    ToolSet::ALL.into_iter().flat_map(entries).find(|entry| entry.tool.name == name)
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
        let command = match (self.entry.parse)(Arguments::new(arguments)) {
            Ok(command) => command,
            Err(invalid) => return Ok(invalid_arguments(&invalid)),
        };
        match self.ask(command).await {
            Ok(answer) => Ok(self.dress(&answer)),
            Err(error) => failed(error),
        }
    }

    async fn ask(&self, command: Command) -> Result<Answer, CallError> {
        self.memory.sessions().call_for(self.caller, self.user.clone(), command).await
    }

    fn dress(&self, answer: &Answer) -> CallToolResult {
        let value = serde_json::to_value(answer).unwrap_or_default();
        let mut result =
            CallToolResult::success(vec![ContentBlock::text((self.entry.render)(&value))]);
        result.structured_content = Some(value);
        result
    }
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
    let face = error.face();
    if face.code == "insufficient_scope" {
        return Err(refused(&error));
    }
    error.log();
    Ok(failure(face.tool_code(), &error.told()))
}

fn failure(code: &str, message: &str) -> CallToolResult {
    CallToolResult::structured_error(json!({ "error": { "code": code, "message": message } }))
}
