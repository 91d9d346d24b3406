//! What is done only once everything is compared (`store/proof.rs`).
//!
//! The keeper's thread takes tokens back, so nothing may hold it up for as long as all files take to be read.
//! Until then what is taken back is shut in the book alone, what was used is noted there, events stay
//! counted, and whatever else writes stands in line. All of it is made up for as soon as the comparison has
//! ended, and before anything that is asked later: first what is late, then the line, then the audit.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::mem::take;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::sync::oneshot;

use super::keeper::{After, Answered, Keeper};
use crate::actors::CallError;
use crate::auth::TokenError;
use crate::engine::EngineError;
use crate::model::{AuditEvent, Token, TokenPrefix, TokenState};

/// Whoever takes back what is shut already waits no longer than this. A small store is compared by then.
const SHUT_PATIENCE: Duration = Duration::from_secs(2);

const NOT_COMPARED: &str = "everything is still compared after the start";

/// Something that writes.
type Job = Box<dyn FnOnce(&mut Keeper, &mut Context<Keeper>) + Send>;

/// What waits until everything is compared.
#[derive(Default)]
pub(super) struct Held {
    /// Whether the keeper waits to make up for it.
    is_awaited: bool,
    line: VecDeque<Job>,
    /// Tokens whose last use is not on the disk.
    used: HashSet<TokenPrefix>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("is_awaited", &self.is_awaited)
            .field("line", &self.line.len())
            .field("used", &self.used)
            .finish()
    }
}

impl Keeper {
    /// Whether a write would hold up the thread until everything is compared. What is held back for it is
    /// made up for right after that.
    pub(super) fn holds_back(&mut self, context: &mut Context<Self>) -> bool {
        if self.held.is_awaited {
            return true;
        }
        let comparison = self.open.as_ref().and_then(|open| open.store.comparison());
        let Some(comparison) = comparison else { return false };
        self.held.is_awaited = true;
        context.spawn(comparison.into_actor(self).map(|(), keeper, context| {
            keeper.make_up(context);
            keeper.keep_clock();
            keeper.sweep_on(context);
        }));
        true
    }

    /// Does what writes once everything is compared, in the order in which it was asked.
    pub(super) fn once_compared<T: Send + 'static>(
        &mut self,
        context: &mut Context<Self>,
        job: impl FnOnce(&mut Self, &mut Context<Self>) -> Answered<T> + Send + 'static,
    ) -> Answered<T> {
        if !self.holds_back(context) {
            return job(self, context);
        }
        let (teller, told) = oneshot::channel();
        self.held.line.push_back(Box::new(
            move |keeper: &mut Self, context: &mut Context<Self>| {
                let answer = job(keeper, context);
                context.spawn(answer.map(move |answer, _, _| {
                    // Whoever does not wait any more has no use for it.
                    let _ = teller.send(answer);
                }));
            },
        ));
        let answer = told.into_actor(self);
        Box::pin(answer.map(|answer, _, _| answer.unwrap_or(Err(CallError::Stopped))))
    }

    /// The same of what is shut already. Where it takes long, that much is told before it is written.
    pub(super) fn once_compared_or_shut<T: Send + 'static>(
        &mut self,
        context: &mut Context<Self>,
        job: impl FnOnce(&mut Self, &mut Context<Self>) -> Answered<T> + Send + 'static,
    ) -> Answered<T> {
        let is_held = self.holds_back(context);
        let answer = self.once_compared(context, job);
        if !is_held {
            return answer;
        }
        Box::pin(answer.timeout(SHUT_PATIENCE).map(|answer, _, _| {
            answer.unwrap_or_else(|()| {
                Err(TokenError::OnlyShut { why: NOT_COMPARED.to_owned() }.into())
            })
        }))
    }

    /// Shuts every token that is meant, before anything is written of it.
    pub(super) fn shut(&mut self, which: &str) -> Result<(), CallError> {
        let now = self.clock.now();
        for token in self.book.find(which)? {
            self.take_back(token, now);
        }
        Ok(())
    }

    /// Notes a use that is written later.
    pub(super) fn hold_use(&mut self, prefix: TokenPrefix) {
        let now = self.clock.now();
        if prefix.is_of_grant() {
            if self.book.grants().used(&prefix, now).is_some() {
                self.late_grants.insert(prefix);
            }
        } else if self.book.used(&prefix, now).is_some() {
            self.held.used.insert(prefix);
        }
    }

    /// Writes what is still to be written, unless that would have to wait.
    pub(super) fn catch_up(&mut self, context: &mut Context<Self>) {
        if !self.holds_back(context) {
            self.make_up(context);
        }
    }

    /// Writes what is still to be written.
    pub(super) fn make_up(&mut self, context: &mut Context<Self>) {
        self.held.is_awaited = false;
        self.write_used();
        self.write_late(context);
        for job in take(&mut self.held.line) {
            job(self, context);
        }
        self.append_counted();
    }

    /// Keeps in mind what has to be written once the disk takes it, and says so.
    pub(super) fn only_shut(
        &mut self,
        late: Vec<(After, AuditEvent)>,
        error: &EngineError,
    ) -> CallError {
        self.unwritten.extend(late);
        TokenError::OnlyShut { why: error.to_string() }.into()
    }

    /// Writes what could not be written before.
    pub(super) fn write_late(&mut self, context: &mut Context<Self>) {
        self.write_late_grants(context);
        if self.unwritten.is_empty() {
            return;
        }
        let (changed, told): (Vec<After>, Vec<AuditEvent>) = self.unwritten.iter().cloned().unzip();
        let Ok(receipt) = self.put_tokens(&changed, &told) else { return };
        let late = take(&mut self.unwritten);
        context.spawn(receipt.into_actor(self).map(move |durable, keeper, _| match durable {
            Ok(()) => changed.iter().for_each(|(token, stays)| keeper.settle(token, *stays)),
            Err(_) => keeper.unwritten.extend(late),
        }));
    }

    /// What opens nothing any more is left alone, as ever: another word of it may be on its way to the disk.
    fn write_used(&mut self) {
        let prefixes = take(&mut self.held.used);
        if prefixes.is_empty() {
            return;
        }
        let now = self.clock.now();
        let is_used = |token: &Token| {
            prefixes.contains(&token.prefix) && token.state(now) == TokenState::Active
        };
        let used: Vec<Token> = self.book.list().into_iter().filter(is_used).collect();
        let written = self.write(|batch, _| {
            used.iter().for_each(|token| batch.put(&token.digest, token));
        });
        if let Err(error) = written {
            log::debug!("the last use of {} tokens is not written: {error}", used.len());
        }
    }
}
