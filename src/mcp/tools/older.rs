//! The tool sets of older servers, made from their calls.

use std::sync::LazyLock;

use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};

use super::entry::{ToolCall, ToolEntry, ToolFailure};
use super::schema::{adding, changing, destroying, input, output, reading};
use crate::older::{Asking, Effect, OlderCall, ai_memory, mem0_tools, memoryos, token_file};

/// The tools of the MemoryOS server.
pub(super) fn memoryos() -> &'static [ToolEntry] {
    static ENTRIES: LazyLock<Vec<ToolEntry>> = LazyLock::new(|| entries(&memoryos::CALLS));
    &ENTRIES
}

/// The tools of the AI-memory server.
pub(super) fn ai_memory() -> &'static [ToolEntry] {
    static ENTRIES: LazyLock<Vec<ToolEntry>> = LazyLock::new(|| entries(&ai_memory::CALLS));
    &ENTRIES
}

/// The tools of the token-file server.
pub(super) fn remember() -> &'static [ToolEntry] {
    static ENTRIES: LazyLock<Vec<ToolEntry>> = LazyLock::new(|| entries(&token_file::CALLS));
    &ENTRIES
}

/// The tools of the Mem0 server.
pub(super) fn mem0() -> &'static [ToolEntry] {
    static ENTRIES: LazyLock<Vec<ToolEntry>> = LazyLock::new(|| entries(&mem0_tools::CALLS));
    &ENTRIES
}

fn entries(calls: &'static [&'static OlderCall]) -> Vec<ToolEntry> {
    calls.iter().map(|call| entry(call)).collect()
}

fn entry(call: &'static OlderCall) -> ToolEntry {
    let tool = Tool::new(call.name, call.about, input(&call.fields()))
        .with_title(call.title)
        .with_annotations(annotations(call.effect))
        .with_raw_output_schema(output(answer(call)));
    ToolEntry {
        tool,
        run: Box::new(move |asked: &ToolCall<'_>, arguments| {
            let asking = Asking { sessions: asked.mcp.sessions(), caller: asked.caller };
            Box::pin(async move {
                let told = (call.run)(asking, arguments).await.map_err(ToolFailure::Refused)?;
                let mut result = CallToolResult::success(vec![ContentBlock::text(told.text)]);
                result.structured_content = Some(Value::Object(told.body));
                Ok(result.into())
            })
        }),
        confirms: false,
        claims: call.claims,
        takes_place: call.takes_place,
    }
}

fn annotations(effect: Effect) -> ToolAnnotations {
    match effect {
        Effect::Reads => reading(),
        Effect::Adds => adding(),
        Effect::Changes => changing(),
        Effect::Destroys => destroying(),
    }
}

fn answer(call: &OlderCall) -> Value {
    let named = call.answer.iter().map(|(name, kind)| {
        let schema = if *kind == "array" {
            json!({ "type": kind, "items": {} })
        } else {
            json!({ "type": kind })
        };
        ((*name).to_owned(), schema)
    });
    Value::Object(named.collect::<JsonObject>())
}
