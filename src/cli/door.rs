use std::sync::Arc;

use super::Failed;
use super::daemon::Daemon;
use super::progress::Bar;
use crate::actors::Sessions;
use crate::config::Config;
use crate::model::{Caller, CredentialName, Scopes, SystemClock, UserId};
use crate::server::{open_store, session_settings};
use crate::store::Store;

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
    /// Must be called within an actix system.
    pub(super) fn open(config: &Config) -> Result<Self, Failed> {
        match Daemon::find(config) {
            Some(daemon) => Ok(Self::Daemon(daemon)),
            None => LocalStore::open(config).map(|local| Self::Local(Box::new(local))),
        }
    }
}

impl LocalStore {
    pub(super) fn open(config: &Config) -> Result<Self, Failed> {
        let settings = session_settings(config).map_err(Failed::because)?;
        let store = open_store(config, Some(Arc::new(Bar::new()))).map_err(Failed::because)?;
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
