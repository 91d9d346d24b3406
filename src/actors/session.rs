//! The owner of one session's engine.
//!
//! Everything that touches the engine goes through [`Session::enter`]: it opens the engine if it
//! sleeps, catches a panic, and takes what was submitted. What was submitted is followed
//! (`followed.rs`): when its receipt comes true the subscribers are told, whoever has called meanwhile and
//! whether or not the caller still waits, without waking the session; when it fails the engine is
//! dropped, because it knows what the store does not. A refusal drops nothing.
//!
//! The answer of a verb that may write waits for the newest receipt of the session, also if the verb
//! itself had nothing left to write: "it is there already" must not be said of what is still on its
//! way to the disk. It waits at its caller's ([`SessionHandle::ask`]), who makes use of the time and is
//! woken by the journal itself.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::{
    Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, SpawnHandle, WeakAddr,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::timeout;

use super::changes::Changes;
use super::clock_watch::ClockWatch;
use super::crowd::{Crowd, Seat};
use super::followed::Followed;
use super::given::GivenCounts;
use super::meaning::{ToRead, Writing};
use super::places::{PLACE_PATIENCE, free_place, free_places};
use super::registry::ActiveSession;
use super::turn::Turn;
use super::{CallError, ChangeNotice, PATIENCE, SessionSettings};
use crate::engine::{Asker, Engine, EngineError, MemoryChange, Verb};
use crate::model::{Caller, CredentialName, Timestamp, UserId};
use crate::retrieval::ModelDigest;
use crate::store::{Receipt, Store};

/// How many calls may wait for one session. More than this many would wait longer than a client.
const PLACES: usize = 256;
/// How many answers that only read may be made and not yet taken over: they can hold megabytes until they
/// are written as JSON. Those of writes are small, and wait for the disk together.
const ANSWERS: usize = 4;
/// How often a session looks for expired memories, and writes down what was found how often.
const SWEEP: Duration = Duration::from_secs(60);
/// Timers are set anew after this long: a clock that is set reaches them no sooner.
const LONGEST_WATCH: Duration = Duration::from_secs(3_600);

/// Owns one session's engine and gives it one command at a time.
///
/// The engine is opened by the first call and given back when the session sleeps. After a lost write
/// or a panic it is dropped, because it may know what the store does not.
#[derive(Debug)]
pub(super) struct Session {
    /// Gone once the session has ended for good.
    pub(super) store: Option<Store>,
    pub(super) user: UserId,
    pub(super) settings: SessionSettings,
    clock: ClockWatch,
    pub(super) engine: Option<Engine>,
    /// How many engines there were. A receipt of an earlier one says nothing of this one.
    pub(super) opened: u64,
    pub(super) followed: Followed,
    /// Memories whose time ran out up to here have been told of.
    ended_until: Timestamp,
    /// When the next memory's time runs out, and what wakes the session then.
    next_end: Option<(Timestamp, SpawnHandle)>,
    pub(super) writing: Writing,
    /// Whether the embedder is at work for this session.
    pub(super) is_embedding: bool,
    /// Whether the embedder is tried again when nobody writes.
    pub(super) awaits_quiet: bool,
    last_call: Instant,
    pub(super) changes: Changes,
    pub(super) uses: Uses,
    given: GivenCounts,
    /// Before then nobody who sends it to sleep has anything kept.
    pub(super) rests_until: Option<Instant>,
    pub(super) crowd: Crowd<WeakAddr<Self>>,
    pub(super) seat: Seat<WeakAddr<Self>>,
}

/// What a session has of the house around it.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) settings: SessionSettings,
    pub(super) clock: ClockWatch,
    pub(super) given: GivenCounts,
    pub(super) crowd: Crowd<WeakAddr<Session>>,
}

/// Calls by credential since the session woke up; empty while it sleeps.
type Uses = Arc<Mutex<BTreeMap<CredentialName, u64>>>;

/// A way to reach one session. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SessionHandle {
    pub(super) actor: Addr<Session>,
    places: Arc<Semaphore>,
    pub(super) answers: Arc<Semaphore>,
    changes: Changes,
    uses: Uses,
    writing: Writing,
}

/// Asks a session something. It keeps its place until the session is done with it, even if the
/// caller gave up waiting, and for as long as the caller waits for the disk.
struct Call<V> {
    caller: Caller,
    verb: V,
    /// When it was asked, before it waited for anything.
    since: Instant,
    place: OwnedSemaphorePermit,
}

impl<V: Verb> Message for Call<V> {
    type Result = Reply<V::Answer>;
}

/// What came of a call. It must not be said before its receipt has come true.
struct Reply<A> {
    answer: Result<A, CallError>,
    awaits: Option<(Receipt, OwnedSemaphorePermit)>,
}

/// Tells a session that somebody has come, who has not asked for anything yet.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Greet(CredentialName);

/// Tells a session that somebody listens or may soon come, so that it wakes and watches over what ends.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Wake;

impl SessionHandle {
    pub(super) fn start(
        arbiter: &ArbiterHandle,
        store: Store,
        user: UserId,
        surroundings: Surroundings,
    ) -> Self {
        let Surroundings { settings, clock, given, crowd } = surroundings;
        let changes = Changes::begin(clock.now());
        let uses = Uses::default();
        let writing = Writing::default();
        let (own_changes, own_uses) = (changes.clone(), Arc::clone(&uses));
        let own_writing = writing.clone();
        let actor = Session::start_in_arbiter(arbiter, move |context| Session {
            store: Some(store),
            user,
            settings,
            ended_until: clock.now(),
            clock,
            engine: None,
            opened: 0,
            followed: Followed::default(),
            next_end: None,
            is_embedding: false,
            awaits_quiet: false,
            writing: own_writing,
            last_call: Instant::now(),
            changes: own_changes,
            uses: own_uses,
            given,
            rests_until: None,
            crowd,
            seat: Seat::of(context.address().downgrade()),
        });
        let [places, answers] = [PLACES, ANSWERS].map(|most| Arc::new(Semaphore::new(most)));
        Self { actor, places, answers, changes, uses, writing }
    }

    pub(super) fn is_running(&self) -> bool {
        self.actor.connected()
    }

    /// Notes who has come.
    pub(super) async fn greet(&self, credential: CredentialName) -> Result<(), CallError> {
        Ok(self.actor.send(Greet(credential)).timeout(PATIENCE).await?)
    }

    /// Listens from now on.
    pub(super) async fn subscribe(&self) -> Result<broadcast::Receiver<ChangeNotice>, CallError> {
        let changes = self.changes.subscribe();
        self.wake().await?;
        Ok(changes)
    }

    /// Wakes it, and does not count as a use of it.
    pub(super) async fn wake(&self) -> Result<(), CallError> {
        Ok(self.actor.send(Wake).timeout(PATIENCE).await?)
    }

    /// The number of the last change.
    pub(super) fn last_change(&self) -> u64 {
        self.changes.last()
    }

    pub(super) fn active(&self, user: &UserId) -> Vec<ActiveSession> {
        let uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let active = uses.iter().map(|(credential, calls)| ActiveSession {
            user: user.clone(),
            credential: credential.clone(),
            calls: *calls,
        });
        active.collect()
    }

    /// Asks something, and dresses the answer while it waits for the disk.
    pub(super) async fn ask<V: Verb, T>(
        &self,
        caller: Caller,
        verb: V,
        since: Instant,
        dress: impl FnOnce(V::Answer) -> T,
    ) -> Result<T, CallError> {
        let (place, _answer) = free_places(&self.places, &self.answers, verb.may_write()).await?;
        let call = Call { caller, verb, since, place };
        timeout(PATIENCE, self.answer(call, dress)).await.map_err(|_| CallError::Busy)?
    }

    async fn answer<V: Verb, T>(
        &self,
        call: Call<V>,
        dress: impl FnOnce(V::Answer) -> T,
    ) -> Result<T, CallError> {
        let Reply { answer, awaits } = self.actor.send(call).await?;
        let answer = answer.map(dress);
        let Some((receipt, _place)) = awaits else { return answer };
        let durable = receipt.await;
        self.changes.tell_durable();
        let answer = answer?;
        durable.map_err(EngineError::from)?;
        Ok(answer)
    }

    /// Asks how a text is to be read, ahead of its verb. While others are written a newcomer is not
    /// read, and nobody is asked.
    pub(super) async fn prepare(&self, read: ToRead) -> Result<Vec<String>, CallError> {
        if read.asker == Asker::Newcomer && self.writing.is_recent() {
            return Ok(Vec::new());
        }
        let _place = free_place(&self.places, PLACE_PATIENCE).await?;
        self.actor.send(read).timeout(PATIENCE).await?
    }
}

impl Session {
    /// Has something done with the engine, and follows what it submitted. The receipt comes true
    /// when all that was submitted so far, by whomever, is durable.
    pub(super) fn enter<T>(
        &mut self,
        context: &mut Context<Self>,
        work: impl FnOnce(&mut Engine, Timestamp) -> Result<T, EngineError>,
    ) -> (Result<T, CallError>, Option<Receipt>) {
        let now = self.clock.now();
        let engine = match self.awake(now) {
            Ok(engine) => engine,
            Err(error) => return (Err(error), None),
        };
        // A panic costs this command; the engine may be half changed, so it goes too.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(engine, now)));
        let newest = self.follow_written(context);
        let outcome = match outcome {
            Ok(outcome) => outcome.map_err(CallError::from),
            Err(_) => Err(CallError::Panicked),
        };
        if let Err(error) = &outcome {
            self.drop_spoilt(error);
        }
        (outcome, newest)
    }

    /// The engine, opened if it was asleep. Opening waits for what an earlier one has submitted.
    fn awake(&mut self, now: Timestamp) -> Result<&mut Engine, CallError> {
        // Who was told of a loss may ask again before the session has heard of it.
        self.drop_lost();
        // One that has read what turned out to be wrong is as good as none.
        let engine = match self.engine.take().filter(Engine::is_sound) {
            Some(engine) => engine,
            None => self.open(now)?,
        };
        Ok(self.engine.insert(engine))
    }

    fn open(&mut self, now: Timestamp) -> Result<Engine, CallError> {
        let store = self.store.as_ref().ok_or(CallError::Stopped)?;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let store = store.session(&self.user).map_err(EngineError::from)?;
            Engine::open(store, self.user.clone(), self.settings.limits, self.model())
        }));
        let engine = opened.map_err(|_| CallError::Panicked)?.map_err(CallError::from)?;
        self.opened += 1;
        self.make_room();
        if !self.changes.has_listeners() {
            self.ended_until = now;
        }
        Ok(engine)
    }

    /// The model of the better embedder; nothing before that has shown itself.
    fn model(&self) -> Option<ModelDigest> {
        let model = self.settings.embedder.as_ref()?.model()?;
        Some(ModelDigest(model.digest()))
    }

    fn end_call(&mut self, since: Instant, context: &mut Context<Self>) {
        let engine = self.engine.as_mut();
        if let Some((client, tokens)) = engine.and_then(|engine| engine.take_given(since.elapsed()))
        {
            self.given.add(client.as_deref(), tokens);
        }
        self.embed(context);
        self.watch_ends(context);
    }

    fn count_use(&mut self, credential: &CredentialName) {
        self.last_call = Instant::now();
        self.seat.note_call();
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(credential) {
            Some(calls) => *calls += 1,
            None => drop(uses.insert(credential.clone(), 1)),
        }
    }

    fn carry_out<V: Verb>(
        &mut self,
        call: Call<V>,
        context: &mut Context<Self>,
    ) -> Reply<V::Answer> {
        let Call { caller, verb, since, place } = call;
        let may_write = verb.may_write();
        let (answer, newest) = self.enter(context, |engine, now| engine.ask(verb, &caller, now));
        self.end_call(since, context);
        // The next command may run while the disk works; this answer waits for it.
        let awaits = newest.filter(|_| may_write).map(|receipt| (receipt, place));
        Reply { answer, awaits }
    }

    /// Looks after a session that is awake, and puts it to sleep if nobody called for long.
    fn look_after(&mut self, context: &mut Context<Self>) {
        if self.awaits_proof() {
            return;
        }
        if self.engine.is_some() {
            self.sweep(context);
            self.embed(context);
        }
        if self.last_call.elapsed() >= self.settings.idle {
            self.doze_off(context);
        }
    }

    /// Tells of what has expired, and removes what cannot be brought back.
    pub(super) fn sweep(&mut self, context: &mut Context<Self>) -> Option<Receipt> {
        let erasable = self.clock.erasable();
        let (swept, newest) = self.enter(context, |engine, now| engine.sweep(now, erasable));
        if let Err(error) = swept {
            log::warn!("session {}: cannot sweep: {error}", self.user);
        }
        self.tell_ended(context);
        newest
    }

    /// Tells of what has expired.
    fn tell_ended(&mut self, context: &mut Context<Self>) {
        // What was erased just now is told when that is durable, and not twice.
        let now = self.clock.now();
        // A clock that was far ahead hides nothing that ends since it is right.
        let after = if self.ended_until.is_far_ahead_of(now) { now } else { self.ended_until };
        let (ended, _) = self.enter(context, |engine, now| Ok((engine.ended(after, now), now)));
        if let Ok((ended, now)) = ended {
            self.ended_until = now.max(after);
            self.changes.tell(ended.into_iter().map(MemoryChange::ended).collect(), None);
        }
        self.watch_ends(context);
    }

    /// Sees to it that somebody who listens hears of a memory's end when it comes. While the session
    /// cannot be opened, it is tried again now and then.
    fn watch_ends(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        let next = match &self.engine {
            Some(engine) => engine.next_end(now),
            None => Some(now.plus(SWEEP)),
        };
        if next == self.next_end.map(|(end, _)| end) {
            return;
        }
        if let Some((_, timer)) = self.next_end.take() {
            context.cancel_future(timer);
        }
        if let Some(end) = next {
            let timer = context.run_later(end.since(now).min(LONGEST_WATCH), |session, context| {
                session.next_end = None;
                // Nobody listens to a session that sleeps: whoever comes wakes it.
                if session.awaits_proof() {
                    session.tell_ended(context);
                } else if session.engine.is_some() || session.changes.has_listeners() {
                    session.sweep(context);
                }
            });
            self.next_end = Some((end, timer));
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(PLACES);
        context.run_interval(SWEEP.min(self.settings.idle), Self::look_after);
    }
}

impl<V: Verb> Handler<Call<V>> for Session {
    type Result = Turn<Reply<V::Answer>>;

    fn handle(&mut self, call: Call<V>, context: &mut Context<Self>) -> Self::Result {
        self.count_use(&call.caller.credential);
        let may_write = call.verb.may_write();
        self.take_turn(may_write, context, |session, context| session.carry_out(call, context))
    }
}

impl Handler<Greet> for Session {
    type Result = ();

    fn handle(&mut self, Greet(credential): Greet, _: &mut Context<Self>) {
        self.count_use(&credential);
    }
}

impl Handler<Wake> for Session {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Context<Self>) {
        let (opened, _) = self.enter(context, |_, _| Ok(()));
        if let Err(error) = opened {
            log::warn!("session {}: cannot watch what ends: {error}", self.user);
        }
        self.watch_ends(context);
    }
}
