use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject, Tool, ToolAnnotations,
};
use serde::Serialize;
use serde_json::Value;

use super::confirm::Confirming;
use super::render::Rendered;
use super::schema::input;
use crate::actors::CallError;
use crate::engine::{Arguments, EngineError, InvalidArguments, Said, Spoken, Verb};
use crate::mcp::context::{McpContext, to_json};
use crate::mcp::seal::Seal;
use crate::model::Caller;
use crate::model::foreign::inline;

/// One tool: what clients see of it, and what it does.
pub(super) struct ToolEntry {
    pub(super) tool: Tool,
    pub(super) run: Box<RunTool>,
    /// Whether it may ask the user before it acts.
    pub(super) confirms: bool,
    /// Whether a call of its name means this one and no other set's, by its arguments; the second
    /// says whether its set is listed.
    pub(super) claims: fn(&Arguments, bool) -> bool,
    /// Whether it is listed in the place of another set's of the same name.
    pub(super) takes_place: bool,
}

/// What a tool does: it reads its arguments, asks the session as often as it has to, and says what
/// came of it to a program and to a reader.
pub(super) type RunTool =
    dyn for<'a> Fn(&'a ToolCall<'a>, Arguments) -> RunningTool<'a> + Send + Sync;

pub(super) type RunningTool<'a> =
    Pin<Box<dyn Future<Output = Result<CallToolResponse, ToolFailure>> + Send + 'a>>;

/// A call on its way to its session.
pub(super) struct ToolCall<'a> {
    pub(super) mcp: &'a McpContext,
    pub(super) caller: &'a Caller,
    /// The way to the user, if the tool may ask and the client can be asked.
    pub(super) confirming: Option<Confirming>,
}

/// Why a call brought no answer.
pub(super) enum ToolFailure {
    /// The session refused; mostly a model can mend it.
    Refused(CallError),
    /// The request itself cannot be answered.
    Request(ErrorData),
}

impl ToolEntry {
    /// A tool that asks its session for one verb, with the arguments that the verb declares.
    pub(super) fn of<V: Spoken>(tool: Tool, render: fn(&V::Answer) -> Rendered) -> Self {
        Self {
            tool,
            run: Box::new(move |call, arguments| Box::pin(run_verb::<V>(call, arguments, render))),
            confirms: false,
            claims: never,
            takes_place: false,
        }
    }
}

impl ToolCall<'_> {
    /// Asks the session that the call is about.
    pub(super) async fn ask<V: Verb>(&self, verb: V) -> Result<V::Answer, CallError> {
        self.mcp.sessions().ask(self.caller, verb).await
    }

    pub(super) fn seal(&self) -> &Seal {
        self.mcp.seal()
    }
}

/// What clients see of a tool that takes the arguments of a verb.
pub(super) fn tool<V: Spoken>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    annotations: ToolAnnotations,
    output: Arc<JsonObject>,
) -> Tool {
    Tool::new(name, description, input(&V::fields()))
        .with_title(title)
        .with_annotations(annotations)
        .with_raw_output_schema(output)
}

/// Dresses an answer: whole for programs, as text for a reader. Several clients show a model nothing
/// but the part for programs, so what the text says above the memories stands there as well, first.
pub(super) fn answered(
    answer: &impl Serialize,
    rendered: Rendered,
    ignored: Vec<String>,
) -> Result<CallToolResponse, ToolFailure> {
    let Rendered { mut text, notice } = rendered;
    let mut structured = JsonObject::new();
    if let Some(notice) = notice {
        structured.insert("notice".to_owned(), notice.into());
    }
    if let Value::Object(fields) = to_json(answer)? {
        structured.extend(fields);
    }
    if !ignored.is_empty() {
        let names = ignored.iter().map(|name| inline(name)).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("\nIgnored, as this tool has no such arguments: {names}."));
        structured.insert("ignored".to_owned(), ignored.into());
    }
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(Value::Object(structured));
    Ok(result.into())
}

/// The name alone says that a tool is meant.
pub(super) fn never(_: &Arguments, _: bool) -> bool {
    false
}

async fn run_verb<V: Spoken>(
    call: &ToolCall<'_>,
    arguments: Arguments,
    render: fn(&V::Answer) -> Rendered,
) -> Result<CallToolResponse, ToolFailure> {
    let Said { verb, ignored } = V::parse(arguments)?;
    let answer = call.ask(verb).await?;
    answered(&answer, render(&answer), ignored)
}

impl From<CallError> for ToolFailure {
    fn from(error: CallError) -> Self {
        Self::Refused(error)
    }
}

impl From<InvalidArguments> for ToolFailure {
    fn from(invalid: InvalidArguments) -> Self {
        Self::Refused(EngineError::from(invalid).into())
    }
}

impl From<ErrorData> for ToolFailure {
    fn from(error: ErrorData) -> Self {
        Self::Request(error)
    }
}
