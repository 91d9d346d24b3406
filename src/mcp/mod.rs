//! The Model Context Protocol, without a transport: checked messages in, messages out.
//!
//! HTTP and standard input both end here. [`Incoming::parse`] reads a body, [`judge`] finds out
//! which revision it speaks, [`Protocol::answer`] has rmcp dispatch it to the handlers of this
//! room. Both eras are served without protocol sessions.
//!
//! The files of the room form no circle: what several of them share stands in a file that knows
//! none of them, such as `context` for the handlers.
//!
//! It refuses what the revisions do not allow, in the order that they lay down, and reads leniently
//! what older clients write; who may call was settled before.
//!
//! Begin reading at `protocol.rs`, whose head has the way of a message, then `tools`.

mod about;
mod completions;
mod context;
mod deaf;
mod dispatcher;
mod era;
mod fixtures;
mod handler;
mod lenient;
mod message;
mod meta;
mod methods;
mod progress;
mod prompts;
mod protocol;
mod request;
mod resources;
mod seal;
pub mod stdio;
mod subscriptions;
#[cfg(test)]
mod tests;
mod tool_lists;
mod tool_sets;
mod tools;
mod version;

pub use era::{Label, SingleHeader, client_of, judge, judge_in_batch};
pub use message::{
    HEADER_MISMATCH, INTERNAL_ERROR, Incoming, METHOD_NOT_FOUND, MISSING_CAPABILITY, Params,
    Refusal, RpcMessage, RpcRequest, UNSUPPORTED_VERSION,
};
pub use protocol::{Ask, Messages, Protocol, Reply, ReplyLine, add_fixtures};
pub use tool_sets::ToolSets;
pub use version::Version;

/// The tool that a request calls as a constant, for figures; nothing if there is no such tool.
#[must_use]
pub fn tool_label(request: &RpcRequest) -> Option<&'static str> {
    let name = request.params.get("name").and_then(serde_json::Value::as_str);
    name.filter(|_| request.method == "tools/call").and_then(tools::label)
}

/// Every core tool as `tools/list` shows it.
#[must_use]
pub fn tool_list() -> Vec<serde_json::Value> {
    tools::as_json(&tools::list(&ToolSets::core()))
}
