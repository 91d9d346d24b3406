//! Whose message has to wait until everything is compared (`store/proof.rs`), and how.
//!
//! Many sessions share a thread, so no session may block it for as long as all files take to be read. What may
//! write waits as a future of its session instead, which takes no other message before that: what one user
//! asks is carried out in the order in which it was asked, and what others ask goes on.

use actix::dev::{MessageResponse, OneshotSender};
use actix::{ActorFutureExt, AtomicResponse, Context, Message, MessageResult, WrapFuture};

use super::session::Session;
use crate::store::{Comparison, Store};

/// What comes of a message: an answer, or one that will be made.
pub(super) enum Turn<T> {
    Taken(T),
    Awaited(AtomicResponse<Session, T>),
}

impl Session {
    /// Has something done: at once, unless it may write and everything is still being compared.
    pub(super) fn take_turn<T: 'static>(
        &mut self,
        may_write: bool,
        context: &mut Context<Self>,
        work: impl FnOnce(&mut Self, &mut Context<Self>) -> T + 'static,
    ) -> Turn<T> {
        let comparison = if may_write { self.comparison() } else { None };
        match comparison {
            None => Turn::Taken(work(self, context)),
            Some(comparison) => {
                let later = comparison.into_actor(self);
                let later = later.map(|(), session, context| work(session, context));
                Turn::Awaited(AtomicResponse::new(Box::pin(later)))
            }
        }
    }

    /// Whether nothing is to be written yet that can be written later.
    pub(super) fn awaits_proof(&self) -> bool {
        self.comparison().is_some()
    }

    fn comparison(&self) -> Option<Comparison> {
        self.store.as_ref().and_then(Store::comparison)
    }
}

impl<M: Message> MessageResponse<Session, M> for Turn<M::Result> {
    fn handle(self, context: &mut Context<Session>, teller: Option<OneshotSender<M::Result>>) {
        match self {
            Self::Taken(answer) => {
                let answer = MessageResult::<M>(answer);
                MessageResponse::<Session, M>::handle(answer, context, teller);
            }
            Self::Awaited(answer) => {
                MessageResponse::<Session, M>::handle(answer, context, teller);
            }
        }
    }
}
