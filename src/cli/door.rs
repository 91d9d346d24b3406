use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;

use super::Failed;
use super::arguments::ServerArguments;
use super::daemon::Daemon;
use super::elsewhere;
use super::progress::Bar;
use crate::actors::Sessions;
use crate::auth::{self, Carrier, Claim, Credentials, Identity, Presented, TokenBook};
use crate::config::{Config, ProjectMode};
use crate::model::{Caller, Clock, CredentialName, Interface, Origin, Scopes, SystemClock, UserId};
use crate::server::{kept_key, keyring, open_existing_store, open_store, session_settings};
use crate::store::{Progress, Store, StoreError};

/// The way to the memories: through whoever has the store open, or through the store itself.
pub(super) enum Door {
    Daemon(Daemon),
    Local(Box<LocalStore>),
}

/// A store that this process opened for one verb.
pub(super) struct LocalStore {
    sessions: Sessions,
    store: Store,
}

/// How a store is opened: one that is there, or a new one if there is none.
type Open = fn(&Config, Option<Arc<dyn Progress>>) -> Result<Store, StoreError>;

/// How long a verb waits while the store changes hands.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long between two looks at a claim.
const PAUSE: Duration = Duration::from_millis(50);

impl Door {
    /// Makes a store where there is none. Must be called within an actix system.
    pub(super) async fn open(config: &Config, server: &ServerArguments) -> Result<Self, Failed> {
        Self::find(config, server, open_store).await
    }

    /// For verbs that only read: without a store they fail. Must be called within an actix system.
    pub(super) async fn open_existing(
        config: &Config,
        server: &ServerArguments,
    ) -> Result<Self, Failed> {
        Self::find(config, server, open_existing_store).await
    }

    /// Who holds the lock may be about to listen, or about to go, so both are tried in turn.
    async fn find(config: &Config, server: &ServerArguments, open: Open) -> Result<Self, Failed> {
        let start = Instant::now();
        loop {
            if let Some(daemon) = Daemon::of(server, config).await? {
                return Ok(Self::Daemon(daemon));
            }
            // A server that is about to have the store is waited for, and then it is the way.
            if Claim::is_made(&config.server.run_dir) && start.elapsed() < PATIENCE {
                rt::time::sleep(PAUSE).await;
                continue;
            }
            elsewhere::refuse(config, server).await?;
            match open(config, Some(Arc::new(Bar::new()))) {
                Ok(store) => return Ok(Self::Local(Box::new(LocalStore::start(config, store)?))),
                Err(StoreError::Locked { .. }) if start.elapsed() < PATIENCE => {}
                Err(error) => return Err(Failed::because(error)),
            }
        }
    }
}

impl LocalStore {
    /// Does something as whom this verb acts for, and gives the directory free whatever comes of it.
    pub(super) async fn act<T>(
        self,
        config: &Config,
        user: Option<&UserId>,
        work: impl AsyncFnOnce(&Sessions, &Caller) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let done = match caller(config, self.sessions.accounts().book(), user) {
            Ok(caller) => work(&self.sessions, &caller).await,
            Err(failed) => Err(failed),
        };
        self.close().await.and(done)
    }

    fn start(config: &Config, store: Store) -> Result<Self, Failed> {
        let settings = session_settings(config).map_err(Failed::because)?;
        let sessions = Sessions::start(store.clone(), settings, Arc::new(SystemClock))
            .map_err(Failed::because)?;
        Ok(Self { sessions, store })
    }

    /// Writes what is still held, and gives the directory free.
    async fn close(self) -> Result<(), Failed> {
        let Self { sessions, store } = self;
        sessions.stop().await.map_err(Failed::because)?;
        // Who is asked nothing any more lets go of the store while it is closed: a verb may open it again.
        drop(sessions);
        let closed = rt::task::spawn_blocking(move || store.close()).await;
        closed.map_err(Failed::because)
    }
}

/// Whom a verb acts for where no server says it: the owner of the key that was given, by the same
/// rules as a server's. Who gives none sits at the machine, and may do everything with the store
/// that they can read anyway.
pub(super) fn caller(
    config: &Config,
    tokens: &Arc<TokenBook>,
    user: Option<&UserId>,
) -> Result<Caller, Failed> {
    let mut identity = identity(config, tokens)?;
    if config.project.mode == ProjectMode::Global {
        identity.user = config.project.default_user.clone();
    }
    let origin = Origin {
        client: Some("memoryd".to_owned()),
        address: None,
        session: None,
        face: Interface::Cli,
    };
    let caller = identity.into_caller(None, origin);
    auth::acting_for(&caller, user.cloned()).map_err(Failed::because)
}

fn identity(config: &Config, tokens: &Arc<TokenBook>) -> Result<Identity, Failed> {
    let Some(key) = config.presented_key().filter(|_| !config.auth.disabled) else {
        let credential = CredentialName::parse("local").map_err(Failed::because)?;
        let user = config.project.default_user.clone();
        return Ok(Identity::of_key(user, credential, Scopes::all()));
    };
    let kept = kept_key(config).map_err(Failed::because)?;
    let keyring = keyring(config, kept.as_ref()).map_err(Failed::because)?;
    let known = Credentials::new(keyring, Arc::clone(tokens));
    let presented = Presented::parse([(Carrier::Key, key.reveal().as_bytes())]);
    let verified = known.verify(&presented, SystemClock.now());
    verified.map(|good| good.identity).map_err(|_| {
        Failed::new(
            "no server runs, and the key that was given is none of those in the settings and no token; \
             without a key this acts for the default user"
                .to_owned(),
        )
    })
}
