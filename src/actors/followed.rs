//! What a session has submitted, and waits for.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::CallError;
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

    /// Waits for what was submitted, whoever else does, and tells what has changed when it is durable.
    fn follow(&mut self, written: Written, context: &mut Context<Self>) {
        if !written.changes.is_empty() {
            self.writing.note();
        }
        let receipt = self.followed.note(&written.receipt, self.opened);
        self.changes.note(written);
        let Some(receipt) = receipt else { return };
        context.spawn(receipt.into_actor(self).map(|outcome, session, _| {
            session.changes.tell_durable();
            if let Err(error) = outcome {
                log::error!("session {}: a write failed: {error}", session.user);
                session.drop_lost();
            }
        }));
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
