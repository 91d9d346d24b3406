//! What a session has submitted, and who is told when it is durable.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Wake, Waker};

use actix::{Addr, AsyncContext, Context, Handler, Message};

use super::CallError;
use super::changes::Changes;
use super::session::Session;
use crate::engine::{EngineError, Written};
use crate::store::{Receipt, StoreError};

/// The newest receipt that is waited for, and which of the session's engines submitted it. Batches
/// that share an outcome are waited for once.
#[derive(Debug, Default)]
pub(super) struct Followed(Option<(Receipt, u64)>);

impl Followed {
    /// Notes the newest receipt. Returns one to wait for, unless its outcome is waited for already.
    fn note(&mut self, newest: &Receipt, engine: u64) -> Option<Receipt> {
        let is_waited_for =
            |(last, of): &(Receipt, u64)| *of == engine && last.shares_outcome(newest);
        if self.0.as_ref().is_some_and(is_waited_for) {
            return None;
        }
        self.0 = Some((newest.again(), engine));
        Some(newest.again())
    }

    /// Whether anything that an engine submitted is lost: then what it submitted last is, too.
    fn is_lost(&self, engine: u64) -> bool {
        let last = self.0.as_ref().filter(|(_, of)| *of == engine);
        last.is_some_and(|(receipt, _)| matches!(receipt.outcome(), Some(Err(_))))
    }
}

/// Tells what has changed as soon as a receipt comes true, on the thread that makes it true: to wake the
/// session for it takes longer than to tell. The session hears of what is lost.
struct Teller {
    changes: Changes,
    receipt: Receipt,
    session: Addr<Session>,
}

/// Tells a session that what it has submitted is lost.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Lost(StoreError);

impl Teller {
    /// Has it tell when the receipt comes true or fails, whoever else waits for that.
    fn watch(self) {
        let mut receipt = self.receipt.again();
        let waker = Waker::from(Arc::new(self));
        if Pin::new(&mut receipt).poll(&mut task::Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
    }
}

impl Wake for Teller {
    fn wake(self: Arc<Self>) {
        self.changes.tell_durable();
        if let Some(Err(error)) = self.receipt.outcome()
            && let Err(refused) = self.session.try_send(Lost(error))
        {
            log::debug!("a session learns of a lost write with its next call: {refused}");
        }
    }
}

impl Handler<Lost> for Session {
    type Result = ();

    fn handle(&mut self, Lost(error): Lost, _: &mut Context<Self>) {
        log::error!("session {}: a write failed: {error}", self.user);
        self.drop_lost();
    }
}

impl Session {
    /// Follows what a command has submitted, and brings the newest receipt there is.
    pub(super) fn follow_written(&mut self, context: &mut Context<Self>) -> Option<Receipt> {
        let engine = self.engine.as_mut()?;
        let (written, newest) = (engine.take_written(), engine.newest_receipt());
        if let Some(written) = written {
            self.follow(written, context);
        }
        newest
    }

    /// Sees to it that what has changed is told when it is durable, whoever waits for that or has left.
    fn follow(&mut self, written: Written, context: &mut Context<Self>) {
        if !written.changes.is_empty() {
            self.writing.note();
        }
        let receipt = self.followed.note(&written.receipt, self.opened);
        self.changes.note(written);
        if let Some(receipt) = receipt {
            let (changes, session) = (self.changes.clone(), context.address());
            Teller { changes, receipt, session }.watch();
        }
    }

    /// Drops an engine that a command has left half changed, or that knows what the store does not.
    pub(super) fn drop_spoilt(&mut self, error: &CallError) {
        match error {
            CallError::Panicked => {
                log::error!("session {} failed at a command and starts anew", self.user);
                self.engine = None;
            }
            CallError::Refused(EngineError::Store(StoreError::Lost)) => self.engine = None,
            _ => {}
        }
    }

    /// Drops an engine that knows what the store does not.
    pub(super) fn drop_lost(&mut self) {
        if self.followed.is_lost(self.opened) {
            self.engine = None;
        }
    }
}
