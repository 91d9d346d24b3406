//! Concurrency. The only room that knows actix: who owns what, and how to ask.
//!
//! [`Sessions::ask`] is the one door: there the scope is checked. Behind it the registry finds the
//! session's actor, and the actor gives the verb to its engine. Nothing else may hold an engine.
//!
//! Begin reading at [`Sessions`], then `session.rs`.
//!
//! It refuses a caller without the scope, a call that finds no place in line in time, and every call
//! once the server stops.

mod accounts;
mod arbiters;
mod backups;
mod changes;
mod clock_watch;
#[cfg(test)]
mod comparing_tests;
mod crowd;
mod followed;
mod given;
mod limiter;
mod meaning;
mod places;
mod registry;
mod session;
mod sleeping;
#[cfg(test)]
mod tests;
mod turn;
mod users;
mod why;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::identity;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, MailboxError};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;

use crate::auth::oauth::GrantPolicy;
use crate::auth::{self, AuthError, TokenError};
use crate::embedding::{Embedder, Purpose};
use crate::engine::{EngineError, FileLine, ImportLines, Imported, Limits, Verb};
use crate::model::{AuditKind, Caller, Clock, MemoryId, Scope, UserId};
use crate::retrieval::emphasized;
use crate::store::{BackupError, Comparison, Store, StoreError, Usage};
pub use accounts::{
    Accounts, AdminRequest, AskedFrom, AuditPart, AuditPlace, NewToken, Rotation, TokenChange,
};
pub use backups::{BackupSettings, Backups, list_backups};
pub use changes::ChangeNotice;
use clock_watch::ClockWatch;
use given::GivenCounts;
pub use limiter::*;
use meaning::ToRead;
pub use registry::ActiveSession;
use registry::{Directory, ListActive, Locate, Registry, StopAll};
use session::SessionHandle;
pub use users::Erased;

/// How long a caller waits for an answer. The command may still be carried out afterwards.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what is still compared after the start may take when the server stops. Who waits to write then
/// has an answer while requests may still finish, and of most stores everything is compared by then.
const LAST_COMPARING: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 2_000 });

/// So long a stop goes on to keep what sessions have made of their memories, which takes as long as the disk does.
/// The others write what they counted, and are read anew when they wake.
const LAST_KEEPING: Duration = Duration::from_secs(5);

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    #[error(transparent)]
    Denied(#[from] AuthError),

    #[error(transparent)]
    Refused(#[from] EngineError),

    /// Both are what the caller sent or is, and nothing else.
    #[error("Access denied: Memory {id} does not belong to user {user}")]
    Foreign { id: MemoryId, user: UserId },

    #[error(transparent)]
    Token(#[from] TokenError),

    #[error("the backup is not good: {0}")]
    Backup(BackupError),

    #[error("the server is too busy to answer in time; try again in a moment")]
    Busy,

    #[error("the server is shutting down")]
    Stopped,

    #[error("the session failed at this command and has started anew")]
    Panicked,
}

impl CallError {
    /// Whether the caller asked for more than the credential gives.
    fn is_denial(&self) -> bool {
        use EngineError::{Bound, Denied, Guest};
        matches!(
            self,
            Self::Denied(_) | Self::Foreign { .. } | Self::Refused(Denied { .. } | Bound | Guest)
        )
    }
}

/// How sessions are kept.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    pub limits: Limits,
    /// A better embedder than the built-in table, if there is one.
    pub embedder: Option<Embedder>,
    /// After this long without a call a session gives its memory back.
    pub idle: Duration,
    /// How long the audit remembers.
    pub keep_audit: Duration,
    /// How long what users allow programs to do is good.
    pub grants: GrantPolicy,
    pub backups: BackupSettings,
}

/// A handle to every session. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions {
    registry: Addr<Registry>,
    running: Directory,
    embedder: Option<Embedder>,
    accounts: Accounts,
    backups: Backups,
    clock: ClockWatch,
    given: GivenCounts,
    content_limit: usize,
    store: Store,
    stopping: Arc<watch::Sender<bool>>,
}

impl Sessions {
    /// Must be called within an actix system. Fails if what the system keeps cannot be read.
    pub fn start(
        store: Store,
        settings: SessionSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let embedder = settings.embedder.clone();
        let backups = Backups::new(store.clone(), settings.backups.clone(), Arc::clone(&clock));
        let clock = ClockWatch::open(&store, clock)?;
        let accounts = Accounts::start(&store, &clock, settings.keep_audit, settings.grants)?;
        let content_limit = settings.limits.content_bytes;
        let given = GivenCounts::default();
        let registry = Registry::new(store.clone(), settings, clock.clone(), given.clone());
        let running = registry.directory();
        let registry = registry.start();
        let stopping = Arc::new(watch::Sender::new(false));
        Ok(Self {
            registry,
            running,
            embedder,
            accounts,
            backups,
            clock,
            given,
            content_limit,
            store,
            stopping,
        })
    }

    /// Asks the caller's session something, and brings the answer back.
    pub async fn ask<V: Verb>(&self, caller: &Caller, verb: V) -> Result<V::Answer, CallError> {
        self.ask_and(caller, verb, identity).await
    }

    /// The same, with the answer dressed as soon as the session has made it: where it must not be given
    /// out before it is durable, the disk works meanwhile. What was dressed in vain is dropped.
    pub async fn ask_and<V: Verb, T>(
        &self,
        caller: &Caller,
        verb: V,
        dress: impl FnOnce(V::Answer) -> T,
    ) -> Result<T, CallError> {
        let since = Instant::now();
        let session = self.admit(caller, verb.scope()).await?;
        let verb = self.with_vector(&session, verb).await;
        let (deed, awaits_scrub) = (verb.deed(), verb.awaits_scrub());
        match session.ask(caller.clone(), verb, since, dress).await {
            Ok(dressed) => {
                self.note_done(caller, deed, awaits_scrub).await?;
                Ok(dressed)
            }
            Err(error) => Err(self.note_refused(caller, error).await),
        }
    }

    /// The session of a caller, if the caller may ask for this.
    ///
    /// What knows nothing of the verb stands apart, so that the program has it once and not for every verb.
    async fn admit(&self, caller: &Caller, needed: Scope) -> Result<SessionHandle, CallError> {
        self.permit(caller, auth::require(caller, needed))?;
        // A call may be one of many of a body or a stream that began while the token was good.
        if let Some(token) = &caller.token
            && !self.accounts.book().is_open(token, self.accounts.now())
        {
            return Err(AuthError::Rejected.into());
        }
        self.locate(&caller.user).await
    }

    async fn note_done(
        &self,
        caller: &Caller,
        deed: Option<(AuditKind, String)>,
        awaits_scrub: bool,
    ) -> Result<(), CallError> {
        if let Some((event, what)) = deed {
            self.accounts.note_deed(event, caller, what);
        }
        if awaits_scrub { self.scrub().await } else { Ok(()) }
    }

    async fn note_refused(&self, caller: &Caller, error: CallError) -> CallError {
        let error = self.told_apart(caller, error).await;
        if error.is_denial() {
            self.accounts.note_denial(caller, &error);
        }
        error
    }

    /// Has the caller's session take lines that are all there, a part after another.
    pub async fn import(
        &self,
        caller: &Caller,
        mut lines: ImportLines,
        given: impl IntoIterator<Item = FileLine>,
    ) -> Result<Imported, CallError> {
        for line in given {
            if let Some(part) = lines.take(line) {
                lines.note(self.ask(caller, part).await?);
            }
        }
        if let Some(part) = lines.rest() {
            lines.note(self.ask(caller, part).await?);
        }
        Ok(lines.told())
    }

    /// Asks the session of the user that the call names, if the caller may, and dresses the answer.
    pub async fn ask_for<V: Verb, T>(
        &self,
        caller: &Caller,
        user: Option<UserId>,
        verb: V,
        dress: impl FnOnce(V::Answer) -> T,
    ) -> Result<T, CallError> {
        let acting = match user {
            None => Cow::Borrowed(caller),
            user => Cow::Owned(self.acting_for(caller, user)?),
        };
        self.ask_and(&acting, verb, dress).await
    }

    /// The caller as whom a call acts that names a user, if the caller may.
    pub fn acting_for(&self, caller: &Caller, user: Option<UserId>) -> Result<Caller, AuthError> {
        self.permit(caller, auth::acting_for(caller, user))
    }

    /// A memory that is somebody else's is another thing than one that is nobody's.
    async fn told_apart(&self, caller: &Caller, error: CallError) -> CallError {
        let CallError::Refused(EngineError::NotFound { id }) = error else { return error };
        let (store, user) = (self.store.clone(), caller.user.clone());
        let looked = tokio::task::spawn_blocking(move || store.is_of_another(id, &user)).await;
        match looked {
            Ok(Ok(true)) => CallError::Foreign { id, user: caller.user.clone() },
            Ok(Ok(false)) => error,
            Ok(Err(broken)) => EngineError::from(broken).into(),
            Err(_) => CallError::Panicked,
        }
    }

    /// Tells the audit of a refusal.
    fn permit<T>(&self, caller: &Caller, allowed: Result<T, AuthError>) -> Result<T, AuthError> {
        allowed.inspect_err(|denied| self.accounts.note_denial(caller, denied))
    }

    /// Notes that somebody has come, who has not asked for anything yet.
    pub async fn greet(&self, caller: &Caller) -> Result<(), CallError> {
        self.locate(&caller.user).await?.greet(caller.credential.clone()).await
    }

    /// Listens to what is written to a user's memories from now on.
    pub async fn changes(
        &self,
        user: &UserId,
    ) -> Result<broadcast::Receiver<ChangeNotice>, CallError> {
        self.locate(user).await?.subscribe().await
    }

    /// The number of the last change of a user's memories, as a [`ChangeNotice`] has it.
    pub async fn last_change(&self, user: &UserId) -> Result<u64, CallError> {
        Ok(self.locate(user).await?.last_change())
    }

    /// Lets a session give its memory back; the next call wakes it.
    pub async fn sleep(&self, user: &UserId) -> Result<(), CallError> {
        self.locate(user).await?.sleep().await
    }

    /// Wakes the session of whoever was there last, who then finds it awake.
    pub async fn wake_last(&self) -> Result<(), CallError> {
        let store = self.store.clone();
        let last = tokio::task::spawn_blocking(move || store.last_user()).await;
        let last = last.map_err(|_| CallError::Panicked)?.map_err(EngineError::from)?;
        match last {
            Some(user) => self.locate(&user).await?.wake().await,
            None => Ok(()),
        }
    }

    /// The sessions that are awake, one for each credential that uses them.
    pub async fn active(&self) -> Result<Vec<ActiveSession>, CallError> {
        Ok(self.registry.send(ListActive).await?)
    }

    /// The tokens and the audit.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The copies of the whole store.
    #[must_use]
    pub fn backups(&self) -> &Backups {
        &self.backups
    }

    /// Turns true when the server is about to stop, so that open streams can end in good order.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Says that the server is about to stop. Calls are still taken; what waits until everything is compared
    /// is not waited for much longer. Must be called within an actix system.
    pub fn announce_stop(&self) {
        self.stopping.send_replace(true);
        if let Some(comparison) = self.store.comparison() {
            actix::spawn(end_soon(comparison));
        }
    }

    /// Bytes of one memory's text at most.
    #[must_use]
    pub fn content_limit(&self) -> usize {
        self.content_limit
    }

    /// Whether writes are taken now.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// Why no writes are taken now, if that is so.
    #[must_use]
    pub fn storage_problem(&self) -> Option<String> {
        self.store.problem()
    }

    /// Why nothing is erased now because its time is over, if that is so.
    #[must_use]
    pub fn clock_doubt(&self) -> Option<String> {
        self.clock.doubt()
    }

    /// How many tokens of memories each client was given since the start, by estimate.
    #[must_use]
    pub fn tokens_given(&self) -> BTreeMap<String, u64> {
        self.given.all()
    }

    /// A better embedder than the built-in table, if there is one.
    #[must_use]
    pub fn embedder(&self) -> Option<&Embedder> {
        self.embedder.as_ref()
    }

    /// What the data directory takes up.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.store.usage()
    }

    /// The size of the disk of the data directory, and what is free of it.
    #[must_use]
    pub fn disk(&self) -> Option<(u64, u64)> {
        self.store.disk()
    }

    /// Puts every session to sleep for good. Later calls are refused, and no actor holds the store
    /// any more.
    pub async fn stop(&self) -> Result<(), CallError> {
        if let Some(comparison) = self.store.comparison() {
            end_soon(comparison).await;
        }
        let (mut outcome, keep_until) = (Ok(()), Instant::now() + LAST_KEEPING);
        for session in self.registry.send(StopAll).await? {
            // One that cannot write its counts keeps no other from it.
            outcome = outcome.and(session.end(keep_until).await);
        }
        outcome.and(self.accounts.stop().await)
    }

    /// Has the better embedder, if there is one, look at the question of a verb. When it is away
    /// the question goes on without, and is answered by its words.
    async fn with_vector<V: Verb>(&self, session: &SessionHandle, mut verb: V) -> V {
        if self.embedder.as_ref().is_some_and(|embedder| !embedder.is_away())
            && let Some(question) = verb.question()
        {
            let read = ToRead { text: question.text, asker: question.asker };
            if let Some(vector) = self.vector_of(session, read).await {
                *question.vector = Some(vector);
            }
        }
        verb
    }

    async fn vector_of(&self, session: &SessionHandle, read: ToRead) -> Option<Vec<f32>> {
        let embedder = self.embedder.as_ref()?;
        // Whatever is wrong with the session, the verb itself will meet and tell.
        let texts = session.prepare(read).await.ok()?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        match embedder.embed(&texts, Purpose::Query).await {
            Ok(vectors) => emphasized(vectors),
            Err(error) => {
                log::debug!("a question goes without its vector: {error}");
                None
            }
        }
    }

    async fn locate(&self, user: &UserId) -> Result<SessionHandle, CallError> {
        match self.running.find(user) {
            Some(session) => Ok(session),
            None => self.registry.send(Locate(user.clone())).await?,
        }
    }
}

async fn end_soon(comparison: Comparison) {
    if timeout(LAST_COMPARING, comparison.clone()).await.is_err() {
        comparison.give_up();
    }
}

impl From<MailboxError> for CallError {
    fn from(error: MailboxError) -> Self {
        match error {
            MailboxError::Timeout => Self::Busy,
            MailboxError::Closed => Self::Stopped,
        }
    }
}
