//! What a session has submitted, and waits for.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::session::Session;
use crate::engine::Written;
use crate::store::Receipt;

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
    /// Waits for what was submitted, whoever else does, and tells what has changed when it is durable.
    pub(super) fn follow(&mut self, written: Written, context: &mut Context<Self>) {
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

    /// Drops an engine that knows what the store does not.
    pub(super) fn drop_lost(&mut self) {
        if self.followed.is_lost(self.opened) {
            self.engine = None;
        }
    }
}
