use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message,
    ResponseActFuture, WrapFuture,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::timeout;

use super::registry::ActiveSession;
use super::{CallError, Change, PATIENCE, SessionSettings};
use crate::engine::{Answer, Applied, Command, Engine, EngineError};
use crate::model::{Caller, Clock, CredentialName, UserId};
use crate::retrieval::ModelId;
use crate::store::{Receipt, Store, StoreError};

/// How many calls may wait for one session. More than this many would wait longer than a client.
const PLACES: usize = 256;
/// How long a call waits for such a place before it is told that the server is busy.
const PLACE_PATIENCE: Duration = Duration::from_secs(5);
/// How often a session looks for expired memories, and writes down what was found how often.
const SWEEP: Duration = Duration::from_secs(60);
/// A subscriber that is further behind than this is told so, and reads everything anew.
const CHANGES: usize = 256;

/// Owns one session's engine and gives it one command at a time.
///
/// The engine is opened by the first call and given back when the session sleeps. After a failed
/// write or a panic it is dropped, because it may know what the store does not.
#[derive(Debug)]
pub(super) struct Session {
    /// Gone once the session has ended for good.
    store: Option<Store>,
    pub(super) user: UserId,
    pub(super) settings: SessionSettings,
    clock: Arc<dyn Clock>,
    pub(super) engine: Option<Engine>,
    /// Whether the embedder is at work for this session.
    pub(super) is_embedding: bool,
    last_call: Instant,
    changes: broadcast::Sender<Change>,
    uses: Uses,
}

/// Calls by credential since the session woke up; empty while it sleeps.
type Uses = Arc<Mutex<BTreeMap<CredentialName, u64>>>;

/// A way to reach one session. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SessionHandle {
    actor: Addr<Session>,
    places: Arc<Semaphore>,
    changes: broadcast::Sender<Change>,
    uses: Uses,
}

/// Asks a session to carry out a command. It keeps its place until the session is done with it,
/// even if the caller gave up waiting.
#[derive(Debug, Message)]
#[rtype(result = "Result<Answer, CallError>")]
struct Call {
    caller: Caller,
    command: Command,
    place: OwnedSemaphorePermit,
}

/// Asks a session to write what it still holds and give its memory back.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CallError>")]
struct Sleep {
    /// Whether it may wake up again.
    is_last: bool,
}

impl SessionHandle {
    pub(super) fn start(
        arbiter: &ArbiterHandle,
        store: Store,
        user: UserId,
        settings: SessionSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (changes, _) = broadcast::channel(CHANGES);
        let uses = Uses::default();
        let (own_changes, own_uses) = (changes.clone(), Arc::clone(&uses));
        let actor = Session::start_in_arbiter(arbiter, move |_| Session {
            store: Some(store),
            user,
            settings,
            clock,
            engine: None,
            is_embedding: false,
            last_call: Instant::now(),
            changes: own_changes,
            uses: own_uses,
        });
        Self { actor, places: Arc::new(Semaphore::new(PLACES)), changes, uses }
    }

    pub(super) fn is_running(&self) -> bool {
        self.actor.connected()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
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

    pub(super) async fn call(&self, caller: Caller, command: Command) -> Result<Answer, CallError> {
        // An actix mailbox promises one slot to every clone of its address, and each request has
        // its own clone, so the mailbox alone would let any number wait.
        let place = timeout(PLACE_PATIENCE, Arc::clone(&self.places).acquire_owned());
        let place = place.await.map_err(|_| CallError::Busy)?.map_err(|_| CallError::Stopped)?;
        self.actor.send(Call { caller, command, place }).timeout(PATIENCE).await?
    }

    pub(super) async fn sleep(&self) -> Result<(), CallError> {
        self.actor.send(Sleep { is_last: false }).timeout(PATIENCE).await?
    }

    /// Sleeps for good: nothing of the store is held any more when this returns.
    pub(super) async fn end(&self) -> Result<(), CallError> {
        self.actor.send(Sleep { is_last: true }).timeout(PATIENCE).await?
    }
}

impl Session {
    fn apply(&mut self, call: Command, caller: &Caller) -> Result<Applied, CallError> {
        let now = self.clock.now();
        let engine = self.awake()?;
        // A panic costs this command; the engine may be half changed, so it goes too.
        let outcome = catch_unwind(AssertUnwindSafe(|| engine.apply(call, caller, now)));
        match outcome {
            Ok(Ok(applied)) => Ok(applied),
            Ok(Err(error)) => {
                if matches!(error, EngineError::Store(_)) {
                    self.engine = None;
                }
                Err(error.into())
            }
            Err(_) => {
                log::error!("session {} failed at a command and starts anew", self.user);
                self.engine = None;
                Err(CallError::Panicked)
            }
        }
    }

    /// The engine, opened if it was asleep.
    fn awake(&mut self) -> Result<&mut Engine, CallError> {
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.open()?,
        };
        Ok(self.engine.insert(engine))
    }

    fn open(&self) -> Result<Engine, CallError> {
        let store = self.store.as_ref().ok_or(CallError::Stopped)?;
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let store = store.session(&self.user).map_err(EngineError::from)?;
            Engine::open(store, self.user.clone(), self.settings.limits, self.model())
        }));
        opened.map_err(|_| CallError::Panicked)?.map_err(CallError::from)
    }

    /// The model of the better embedder; nothing before that has shown itself.
    fn model(&self) -> Option<ModelId> {
        let model = self.settings.embedder.as_ref()?.model()?;
        Some(ModelId(model.digest()))
    }

    fn count_use(&mut self, credential: &CredentialName) {
        self.last_call = Instant::now();
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(credential) {
            Some(calls) => *calls += 1,
            None => drop(uses.insert(credential.clone(), 1)),
        }
    }

    /// Removes what has expired, and sleeps if nobody called for long.
    fn sweep(&mut self, context: &mut Context<Self>) {
        let now = self.clock.now();
        let is_idle = self.last_call.elapsed() >= self.settings.idle;
        let Some(engine) = &mut self.engine else { return };
        let swept = catch_unwind(AssertUnwindSafe(|| engine.sweep(now)));
        self.embed(context);
        match swept {
            Ok(Ok(receipt)) => self.after_sweep(receipt, is_idle, context),
            Ok(Err(error)) => {
                log::error!("session {}: cannot sweep: {error}", self.user);
                self.fall_asleep();
            }
            Err(_) => self.fall_asleep(),
        }
    }

    fn after_sweep(
        &mut self,
        receipt: Option<Receipt>,
        is_idle: bool,
        context: &mut Context<Self>,
    ) {
        if is_idle {
            self.fall_asleep();
        }
        if let Some(receipt) = receipt {
            let written = receipt.into_actor(self).map(|written, session, _| {
                session.settle(&written);
            });
            context.spawn(written);
        }
    }

    fn fall_asleep(&mut self) {
        self.engine = None;
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// After a failed write the engine knows more than the store.
    pub(super) fn settle(&mut self, written: &Result<(), StoreError>) {
        if let Err(error) = written {
            log::error!("session {}: a write failed: {error}", self.user);
            self.engine = None;
        }
    }

    fn tell(&self, written: Vec<crate::model::MemoryId>) {
        if self.changes.receiver_count() > 0 && !written.is_empty() {
            // Nobody listening any more is no failure.
            let _ = self.changes.send(Change { memories: written.into() });
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(PLACES);
        context.run_interval(SWEEP.min(self.settings.idle), Self::sweep);
    }
}

impl Handler<Call> for Session {
    type Result = ResponseActFuture<Self, Result<Answer, CallError>>;

    fn handle(&mut self, call: Call, context: &mut Context<Self>) -> Self::Result {
        let Call { caller, command, place } = call;
        self.count_use(&caller.credential);
        let applied = self.apply(command, &caller);
        self.embed(context);
        let (receipt, applied) = match applied {
            Ok(mut applied) => (applied.receipt.take(), Ok(applied)),
            Err(error) => (None, Err(error)),
        };
        let Some(receipt) = receipt else {
            drop(place);
            return Box::pin(actix::fut::ready(applied.map(|applied| applied.answer)));
        };
        // The next command may run while the disk works; this answer waits for it.
        Box::pin(receipt.into_actor(self).map(move |written, session, _| {
            drop(place);
            session.settle(&written);
            written.map_err(EngineError::from)?;
            let Applied { answer, written, .. } = applied?;
            session.tell(written);
            Ok(answer)
        }))
    }
}

impl Handler<Sleep> for Session {
    type Result = ResponseActFuture<Self, Result<(), CallError>>;

    fn handle(&mut self, Sleep { is_last }: Sleep, _: &mut Context<Self>) -> Self::Result {
        let now = self.clock.now();
        let swept = match &mut self.engine {
            Some(engine) => engine.sweep(now),
            None => Ok(None),
        };
        self.fall_asleep();
        if is_last {
            self.store = None;
        }
        match swept {
            Ok(Some(receipt)) => Box::pin(
                receipt
                    .into_actor(self)
                    .map(|written, _, _| Ok(written.map_err(EngineError::from)?)),
            ),
            Ok(None) => Box::pin(actix::fut::ready(Ok(()))),
            Err(error) => Box::pin(actix::fut::ready(Err(error.into()))),
        }
    }
}
