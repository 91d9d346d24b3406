use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject, Tool, ToolAnnotations,
};
use serde::Serialize;

use super::confirm::Confirming;
use super::render::Rendered;
use super::schema::input;
use crate::actors::CallError;
use crate::engine::{Arguments, EngineError, InvalidArguments, Said, Spoken, Verb};
use crate::mcp::context::{McpContext, Written, written};
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
    /// Where its structured content goes.
    pub(super) written: &'a Written,
}

/// Dresses what a session has said: see [`dressed`].
pub(super) type DressAnswer<A> = fn(&A, Vec<String>) -> Result<Dressed, ToolFailure>;

/// An answer that is ready, and must perhaps not be given out yet.
pub(super) struct Dressed {
    text: String,
    structured: String,
}

/// The structured content of an answer. Several clients show a model nothing else, so what the text
/// says above the memories stands here as well, first.
#[derive(Serialize)]
struct Structured<'a, A> {
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
    #[serde(flatten)]
    answer: &'a A,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
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
    pub(super) fn of<V: Spoken>(tool: Tool, dress: DressAnswer<V::Answer>) -> Self {
        Self {
            tool,
            run: Box::new(move |call, arguments| Box::pin(run_verb::<V>(call, arguments, dress))),
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

/// Dresses an answer: its structured content is written at once, and the text goes with the result.
pub(super) fn dressed<A: Serialize>(
    answer: &A,
    rendered: Rendered,
    ignored: Vec<String>,
) -> Result<Dressed, ToolFailure> {
    let Rendered { mut text, notice } = rendered;
    if !ignored.is_empty() {
        let names = ignored.iter().map(|name| inline(name)).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("\nIgnored, as this tool has no such arguments: {names}."));
    }
    let structured = written(&Structured { notice, answer, ignored })?;
    Ok(Dressed { text, structured })
}

/// The same of an answer that is given out.
pub(super) fn answered<A: Serialize>(
    call: &ToolCall<'_>,
    answer: &A,
    rendered: Rendered,
    ignored: Vec<String>,
) -> Result<CallToolResponse, ToolFailure> {
    dressed(answer, rendered, ignored)?.give(call)
}

/// The name alone says that a tool is meant.
pub(super) fn never(_: &Arguments, _: bool) -> bool {
    false
}

async fn run_verb<V: Spoken>(
    call: &ToolCall<'_>,
    arguments: Arguments,
    dress: DressAnswer<V::Answer>,
) -> Result<CallToolResponse, ToolFailure> {
    let Said { verb, ignored } = V::parse(arguments)?;
    // What is stored is told once it is on the disk, which works while the answer is dressed.
    let sessions = call.mcp.sessions();
    let answer = sessions.ask_and(call.caller, verb, |answer| dress(&answer, ignored)).await?;
    answer?.give(call)
}

impl Dressed {
    fn give(self, call: &ToolCall<'_>) -> Result<CallToolResponse, ToolFailure> {
        call.written.leave(self.structured)?;
        Ok(CallToolResult::success(vec![ContentBlock::text(self.text)]).into())
    }
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
