//! How a session falls asleep, and whether it keeps what it has made of its memories (`store/minds.rs`).
//!
//! That can be a hundred megabytes after one small change, and is written on the thread of the session. Clients may
//! say good-bye after each call, so whoever sends a session to sleep has it kept for no more than a hundredth of the
//! time. A stop keeps as much as it comes to while it may, and of a user who is to be erased nothing is written once
//! more.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use actix::{Context, Handler, Message};
use tokio::time::timeout;

use super::session::{Session, SessionHandle};
use super::turn::Turn;
use super::{CallError, PATIENCE};
use crate::engine::EngineError;
use crate::store::Receipt;

/// So many times as long as it took to keep something nothing is kept again, and no shorter than this.
const REST: u32 = 100;
const LEAST_REST: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });

/// Why a session sleeps.
#[derive(Debug, Clone, Copy)]
enum Why {
    /// Nobody called for long, or somebody asked for it. The next call wakes it.
    Quiet,
    /// The server stops. What is not kept before then is not.
    Stop { keep_until: Instant },
    /// Its user is about to be erased.
    Erasure,
}

/// Asks a session to write what it still holds and give its memory back. Answered with the receipt of what it
/// has written.
#[derive(Debug, Message)]
#[rtype(result = "Option<Receipt>")]
struct Sleep(Why);

impl Why {
    /// Whether it never wakes again.
    fn is_last(self) -> bool {
        matches!(self, Self::Stop { .. } | Self::Erasure)
    }
}

impl SessionHandle {
    pub(super) async fn sleep(&self) -> Result<(), CallError> {
        self.fall_asleep_in_time(Why::Quiet).await
    }

    /// Sleeps for good: nothing of the store is held any more when this returns. What it has made of its memories
    /// is kept if its turn comes before then.
    pub(super) async fn end(&self, keep_until: Instant) -> Result<(), CallError> {
        self.fall_asleep_in_time(Why::Stop { keep_until }).await
    }

    /// Sleeps for good, and keeps nothing, however long those take who are before it in the line.
    pub(super) async fn end_of_erased(&self) -> Result<(), CallError> {
        self.fall_asleep(Why::Erasure).await
    }

    async fn fall_asleep_in_time(&self, why: Why) -> Result<(), CallError> {
        timeout(PATIENCE, self.fall_asleep(why)).await.map_err(|_| CallError::Busy)?
    }

    async fn fall_asleep(&self, why: Why) -> Result<(), CallError> {
        match self.actor.send(Sleep(why)).await? {
            Some(receipt) => Ok(receipt.await.map_err(EngineError::from)?),
            None => Ok(()),
        }
    }
}

impl Session {
    /// Gives its memory back because nobody called for long.
    pub(super) fn doze_off(&mut self, context: &mut Context<Self>) {
        self.fall_asleep(Why::Quiet, context);
    }

    fn fall_asleep(&mut self, why: Why, context: &mut Context<Self>) {
        if self.engine.is_some() {
            self.leave(why, context);
        }
        self.engine = None;
        self.crowd.leave(&self.seat);
        // All of the session was freed on this thread, which may rest for long now.
        memoryd_heap::let_go();
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Has another session sleep where too many are awake.
    pub(super) fn make_room(&self) {
        let quiet = self.crowd.enter(&self.seat).and_then(|session| session.upgrade());
        if let Some(Err(error)) = quiet.map(|session| session.try_send(Sleep(Why::Quiet))) {
            // It has much to do after all.
            log::debug!("a session that was quiet stays awake: {error}");
        }
    }

    /// Writes what is to be written of an engine that is about to be dropped.
    fn leave(&mut self, why: Why, context: &mut Context<Self>) {
        let (keeps, began) = (self.keeps(why), Instant::now());
        let (left, _) = self.enter(context, |engine, _| {
            if keeps { engine.fall_asleep() } else { engine.give_up_place().map(|()| false) }
        });
        match left {
            Ok(false) => {}
            Ok(true) => {
                let rest = began.elapsed().saturating_mul(REST).max(LEAST_REST);
                self.rests_until = Instant::now().checked_add(rest);
            }
            Err(error) => {
                log::info!("session {}: nothing is kept for the next waking: {error}", self.user);
            }
        }
    }

    fn keeps(&self, why: Why) -> bool {
        let now = Instant::now();
        match why {
            Why::Quiet => self.rests_until.is_none_or(|until| now >= until),
            Why::Stop { keep_until } => now < keep_until,
            Why::Erasure => false,
        }
    }
}

impl Handler<Sleep> for Session {
    type Result = Turn<Option<Receipt>>;

    fn handle(&mut self, Sleep(why): Sleep, context: &mut Context<Self>) -> Self::Result {
        let holds = self.engine.is_some();
        self.take_turn(holds, context, move |session, context| {
            let newest = if holds { session.sweep(context) } else { None };
            session.fall_asleep(why, context);
            if why.is_last() {
                session.store = None;
            }
            newest
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use actix_web::rt;
    use serde_json::json;

    use super::super::tests::{House, adding, parsed};
    use super::*;
    use crate::engine::Search;
    use crate::model::{Caller, Scopes};

    /// Somewhat more memories than are needed in tests for anything to be kept.
    async fn filled() -> House {
        let house = House::build(Duration::from_secs(60));
        for number in 0..70 {
            house.add(&format!("the boiler was serviced on visit {number}")).await;
        }
        house
    }

    fn kept(house: &House) -> usize {
        fs::read_dir(house.dir.path().join(".minds")).map_or(0, Iterator::count)
    }

    async fn session(house: &House) -> SessionHandle {
        house.sessions.locate(&house.caller.user).await.unwrap()
    }

    #[actix_web::test]
    async fn who_sends_it_to_sleep_again_and_again_has_what_changed_kept_seldom() {
        let house = filled().await;
        house.sessions.sleep(&house.caller.user).await.unwrap();
        assert_eq!(kept(&house), 1);
        assert!(house.found("boiler").await > 0);
        house.sessions.sleep(&house.caller.user).await.unwrap();
        assert_eq!(kept(&house), 1, "nothing has changed");
        house.add("the boat was painted").await;

        house.sessions.sleep(&house.caller.user).await.unwrap();

        assert_eq!(kept(&house), 0);
        assert!(house.found("boat").await > 0);
        house.sessions.stop().await.unwrap();
        assert_eq!(kept(&house), 1, "a stop keeps what there is");
    }

    #[actix_web::test]
    async fn of_many_users_only_some_are_awake_and_whoever_comes_back_has_everything() {
        let house = House::build(Duration::from_secs(60));
        let users = ["ada", "bob", "cleo", "dan", "eve", "fay", "gus"];
        let callers = users.map(|user| Caller::of_test(user, "key", Scopes::all()));
        for caller in &callers {
            house.sessions.ask(caller, adding("the boat was painted")).await.unwrap();
        }

        let awake = async || house.sessions.active().await.unwrap().len();
        while awake().await > 4 {
            rt::task::yield_now().await;
        }

        for caller in &callers {
            let found = house.sessions.ask(caller, parsed::<Search>(json!({ "query": "boat" })));
            assert_eq!(found.await.unwrap().results.len(), 1, "{caller:?}");
        }
    }

    #[actix_web::test]
    async fn a_stop_keeps_nothing_once_its_time_is_over() {
        let house = filled().await;

        session(&house).await.end(Instant::now()).await.unwrap();

        assert_eq!(kept(&house), 0);
    }

    #[actix_web::test]
    async fn of_who_is_to_be_erased_nothing_is_written_once_more() {
        let house = filled().await;

        session(&house).await.end_of_erased().await.unwrap();

        assert_eq!(kept(&house), 0);
    }
}
