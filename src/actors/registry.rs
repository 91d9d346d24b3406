use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use actix::{Actor, Context, Handler, Message, WeakAddr};

use super::arbiters::Arbiters;
use super::clock_watch::ClockWatch;
use super::crowd::Crowd;
use super::given::GivenCounts;
use super::session::{Session, SessionHandle, Surroundings};
use super::{CallError, SessionSettings};
use crate::model::{CredentialName, UserId};
use crate::store::Store;

/// Knows which actor owns which session, and starts the missing ones.
#[derive(Debug)]
pub(super) struct Registry {
    /// Gone once everything has stopped.
    store: Option<Store>,
    settings: SessionSettings,
    clock: ClockWatch,
    given: GivenCounts,
    crowd: Crowd<WeakAddr<Session>>,
    arbiters: Arbiters,
    running: Directory,
    /// Users who have no session for now.
    barred: BTreeSet<UserId>,
}

/// The ways to the sessions that run. The registry writes it; callers read it themselves, because a
/// question to another thread costs more than most commands.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory(Arc<RwLock<BTreeMap<UserId, SessionHandle>>>);

/// Asks for the way to a session that is not in the directory. Nothing once the registry has stopped.
#[derive(Debug, Message)]
#[rtype(result = "Result<SessionHandle, CallError>")]
pub(super) struct Locate(pub(super) UserId);

/// Asks who is awake.
#[derive(Debug, Message)]
#[rtype(result = "Vec<ActiveSession>")]
pub(super) struct ListActive;

/// Takes no more calls. Returns the sessions, which are still to be put to sleep.
#[derive(Debug, Message)]
#[rtype(result = "Vec<SessionHandle>")]
pub(super) struct StopAll;

/// One credential's use of a session that is awake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    pub user: UserId,
    pub credential: CredentialName,
    /// Calls since the session woke up.
    pub calls: u64,
}

impl ActiveSession {
    /// The same for the same user and credential as long as the process lives: 24 bits.
    #[must_use]
    pub fn fingerprint(&self) -> u32 {
        let mut hasher = DefaultHasher::new();
        (&self.user, &self.credential).hash(&mut hasher);
        u32::try_from(hasher.finish() >> 40).unwrap_or_default()
    }
}

impl Registry {
    pub(super) fn new(
        store: Store,
        settings: SessionSettings,
        clock: ClockWatch,
        given: GivenCounts,
    ) -> Self {
        Self {
            store: Some(store),
            settings,
            clock,
            given,
            crowd: Crowd::default(),
            arbiters: Arbiters::default(),
            running: Directory::default(),
            barred: BTreeSet::new(),
        }
    }

    pub(super) fn directory(&self) -> Directory {
        self.running.clone()
    }

    /// Takes a user's session out of reach, or lets there be one again.
    pub(super) fn bar(
        &mut self,
        user: UserId,
        is_barred: bool,
    ) -> Result<Option<SessionHandle>, CallError> {
        if !is_barred {
            self.barred.remove(&user);
            return Ok(None);
        }
        let session = self.running.write().remove(&user);
        // Who bars a user that is barred already would take the end of another's work for its own.
        if self.barred.insert(user) { Ok(session) } else { Err(CallError::Busy) }
    }

    fn start_session(&mut self, user: &UserId) -> Option<SessionHandle> {
        let store = self.store.clone()?;
        let arbiter = self.arbiters.place(user);
        let surroundings = Surroundings {
            settings: self.settings.clone(),
            clock: self.clock.clone(),
            given: self.given.clone(),
            crowd: self.crowd.clone(),
        };
        Some(SessionHandle::start(&arbiter, store, user.clone(), surroundings))
    }
}

impl Directory {
    /// The way to a session whose actor is alive.
    pub(super) fn find(&self, user: &UserId) -> Option<SessionHandle> {
        self.read().get(user).filter(|session| session.is_running()).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<UserId, SessionHandle>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<UserId, SessionHandle>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actor for Registry {
    type Context = Context<Self>;
}

impl Handler<Locate> for Registry {
    type Result = Result<SessionHandle, CallError>;

    fn handle(&mut self, Locate(user): Locate, _: &mut Context<Self>) -> Self::Result {
        // Somebody else may have asked in the meantime.
        if let Some(session) = self.running.find(&user) {
            return Ok(session);
        }
        if self.barred.contains(&user) {
            return Err(CallError::Busy);
        }
        let session = self.start_session(&user).ok_or(CallError::Stopped)?;
        self.running.write().insert(user, session.clone());
        Ok(session)
    }
}

impl Handler<ListActive> for Registry {
    type Result = Vec<ActiveSession>;

    fn handle(&mut self, _: ListActive, _: &mut Context<Self>) -> Self::Result {
        let running = self.running.read();
        running.iter().flat_map(|(user, session)| session.active(user)).collect()
    }
}

impl Handler<StopAll> for Registry {
    type Result = Vec<SessionHandle>;

    fn handle(&mut self, _: StopAll, _: &mut Context<Self>) -> Self::Result {
        self.store = None;
        std::mem::take(&mut *self.running.write()).into_values().collect()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.arbiters.stop();
    }
}
