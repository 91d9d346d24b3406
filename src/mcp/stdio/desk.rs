use std::future::Future;
use std::pin::Pin;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::mcp::message::Params;

/// Takes the lines of one client and makes work of them.
pub trait LineResponder {
    /// Takes one line, in the order of their coming.
    fn take(&self, line: Vec<u8>, out: &Outbox) -> Taken;
}

/// Where answers go: one line of JSON each, without its end.
pub type Outbox = mpsc::Sender<String>;

/// What a line asks for.
#[allow(missing_debug_implementations, reason = "a future has nothing to show")]
pub enum Taken {
    /// An answer that is known at once.
    Answer(String),
    /// The request with this id is to be given up.
    GiveUp(Value),
    /// Work that writes its own lines.
    Work(Job),
}

/// One request under way.
#[allow(missing_debug_implementations, reason = "a future has nothing to show")]
pub struct Job {
    pub id: Value,
    /// Whether it goes on until the client leaves.
    pub is_endless: bool,
    pub work: Pin<Box<dyn Future<Output = ()>>>,
}

/// Whether a request goes on until its client leaves.
#[must_use]
pub fn is_endless(method: &str) -> bool {
    method == "subscriptions/listen"
}

/// The id that a cancellation names.
#[must_use]
pub fn cancelled(method: &str, params: &Params) -> Option<Value> {
    let id = params.get("requestId").filter(|_| method == "notifications/cancelled");
    id.cloned()
}
