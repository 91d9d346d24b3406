use std::sync::Arc;

use super::Failed;
use super::daemon::Daemon;
use super::progress::Bar;
use crate::actors::Sessions;
use crate::config::Config;
use crate::model::{Caller, CredentialName, Scopes, SystemClock, UserId};
use crate::server::{open_existing_store, open_store, session_settings};
use crate::store::{Progress, Store, StoreError};

/// The way to the memories: through the running server, or through the store if none runs.
pub(super) enum Door {
    Daemon(Daemon),
    Local(Box<LocalStore>),
}

/// A store that this process opened for one verb.
pub(super) struct LocalStore {
    pub(super) sessions: Sessions,
    store: Store,
}

impl Door {
    /// Makes a store where there is none. Must be called within an actix system.
    pub(super) fn open(config: &Config) -> Result<Self, Failed> {
        Self::find(config, LocalStore::open)
    }

    /// For verbs that only read: without a store they fail. Must be called within an actix system.
    pub(super) fn open_existing(config: &Config) -> Result<Self, Failed> {
        Self::find(config, LocalStore::open_existing)
    }

    fn find(
        config: &Config,
        open: fn(&Config) -> Result<LocalStore, Failed>,
    ) -> Result<Self, Failed> {
        match Daemon::find(config) {
            Some(daemon) => Ok(Self::Daemon(daemon)),
            None => open(config).map(|local| Self::Local(Box::new(local))),
        }
    }
}

impl LocalStore {
    pub(super) fn open(config: &Config) -> Result<Self, Failed> {
        Self::open_with(config, open_store)
    }

    fn open_existing(config: &Config) -> Result<Self, Failed> {
        Self::open_with(config, open_existing_store)
    }

    fn open_with(
        config: &Config,
        open: impl FnOnce(&Config, Option<Arc<dyn Progress>>) -> Result<Store, StoreError>,
    ) -> Result<Self, Failed> {
        let settings = session_settings(config).map_err(Failed::because)?;
        let store = open(config, Some(Arc::new(Bar::new()))).map_err(Failed::because)?;
        let sessions = Sessions::start(store.clone(), settings, Arc::new(SystemClock));
        Ok(Self { sessions, store })
    }

    /// Writes what is still held, and gives the directory free.
    pub(super) async fn close(self) -> Result<(), Failed> {
        self.sessions.stop().await.map_err(Failed::because)?;
        let store = self.store;
        let closed = actix_web::rt::task::spawn_blocking(move || store.close()).await;
        closed.map_err(Failed::because)
    }
}

/// Who sits at the machine may do everything with the store they can read anyway.
pub(super) fn owner(config: &Config, user: Option<&str>) -> Result<Caller, Failed> {
    let user = match user {
        Some(user) => UserId::parse(user).map_err(Failed::because)?,
        None => config.project.default_user.clone(),
    };
    Ok(Caller {
        user,
        credential: CredentialName::parse("local").map_err(Failed::because)?,
        scopes: Scopes::all(),
        project: None,
        client: Some("memoryd".to_owned()),
        address: None,
    })
}
