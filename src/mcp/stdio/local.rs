use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::desk::{Job, LineResponder, Outbox, Taken, cancelled, is_endless};
use crate::mcp::era::{Label, client_of, judge, judge_in_batch};
use crate::mcp::message::{Incoming, Refusal, RpcMessage, RpcRequest};
use crate::mcp::protocol::{Ask, Protocol, Reply};
use crate::mcp::version::Version;
use crate::model::Caller;

/// Answers out of this process.
#[allow(missing_debug_implementations, reason = "rmcp's peers hide what they hold")]
pub struct Local {
    protocol: Protocol,
    caller: Caller,
    client: Mutex<Connected>,
}

/// What a handshake left behind.
struct Connected {
    settled: Version,
    name: Option<String>,
}

/// How the revision of a request is found out.
type Judge = fn(&RpcRequest, Option<&Label<'_>>, Version) -> Result<Version, Refusal>;

impl Local {
    #[must_use]
    pub fn new(protocol: Protocol, caller: Caller) -> Self {
        let client = Mutex::new(Connected { settled: Version::NEWEST_LEGACY, name: None });
        Self { protocol, caller, client }
    }

    /// Makes a request ready to be asked. `judge` finds out the revision that it speaks.
    fn ask(&self, request: RpcRequest, judge: Judge) -> Result<Ask, Refusal> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let version = judge(&request, None, client.settled)?;
        let told = client_of(&request);
        if request.method == "initialize" && !version.is_modern() {
            client.settled = version;
            client.name.clone_from(&told);
        }
        let name = told.or_else(|| client.name.clone());
        let caller =
            Caller { client: name.or_else(|| self.caller.client.clone()), ..self.caller.clone() };
        Ok(Ask { caller, version, request, may_stream: true })
    }

    fn work(&self, ask: Ask, out: &Outbox) -> Taken {
        let (protocol, out, id) = (self.protocol.clone(), out.clone(), ask.request.id.clone());
        let is_endless = is_endless(&ask.request.method);
        let work = Box::pin(async move {
            match protocol.answer(ask).await {
                Reply::Whole(outcome) => drop(out.send(outcome.line).await),
                Reply::Stream(mut messages) => {
                    while let Some(outcome) = messages.next().await {
                        if out.send(outcome.line).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Taken::Work(Job { id, is_endless, work })
    }

    fn batch(&self, messages: Vec<Result<RpcMessage, Refusal>>, out: &Outbox) -> Taken {
        let asks: Vec<Result<Ask, Refusal>> = messages
            .into_iter()
            .filter_map(|message| match message {
                Ok(RpcMessage::Request(request)) => Some(self.ask(request, judge_in_batch)),
                Ok(RpcMessage::Notification { .. } | RpcMessage::Response) => None,
                Err(refusal) => Some(Err(refusal)),
            })
            .collect();
        if asks.is_empty() {
            return Taken::Nothing;
        }
        let (protocol, out) = (self.protocol.clone(), out.clone());
        let work = Box::pin(async move { drop(out.send(protocol.answer_all(asks).await).await) });
        Taken::Work(Job { id: Value::Null, is_endless: false, work })
    }
}

impl LineResponder for Local {
    fn take(&self, line: Vec<u8>, out: &Outbox) -> Taken {
        let settled = self.client.lock().unwrap_or_else(PoisonError::into_inner).settled;
        match Incoming::parse(&line, settled.has_batches()) {
            Ok(Incoming::One(RpcMessage::Request(request))) => match self.ask(request, judge) {
                Ok(ask) => self.work(ask, out),
                Err(refusal) => Taken::Answer(refusal.to_line()),
            },
            Ok(Incoming::One(RpcMessage::Notification { method, params })) => {
                cancelled(&method, &params).map_or(Taken::Nothing, Taken::GiveUp)
            }
            Ok(Incoming::One(RpcMessage::Response)) => Taken::Nothing,
            Ok(Incoming::Batch(messages)) => self.batch(messages, out),
            Err(refusal) => Taken::Answer(refusal.to_line()),
        }
    }
}
