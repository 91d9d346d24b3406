use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server as ActixServer, ServerHandle};
use actix_web::rt;
use tokio::sync::Notify;

use super::hand_over::Wanted;
use super::wiring::{self, Listeners, Parts, open_store_within, session_settings};
use super::{LAST_GUESTS, Running, StartError, public_internet, require_time};
use crate::actors::Sessions;
use crate::auth::{InstanceToken, RunFiles};
use crate::config::{Config, HostPattern};
use crate::disk;
use crate::model::{Clock, Secret};
use crate::store::Progress;

/// One client has little to do at once, and those who join it little more.
const WORKERS: usize = 1;

/// The store of a stdio process, served to that process itself and to others of the same owner.
///
/// It is what a server serves, over the socket only. Where there can be no socket it is a port of
/// loopback that nobody else is told.
#[allow(missing_debug_implementations, reason = "actix's server has no Debug")]
pub struct Sharing {
    http: ActixServer,
    running: Running,
    address: Option<SocketAddr>,
    wanted: Wanted,
}

/// Tells a [`Sharing`] that runs what it is to do.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "actix's handle has no Debug")]
pub struct SharingControl {
    http: ServerHandle,
    sessions: Sessions,
    run_files: Option<Arc<RunFiles>>,
    wanted: Wanted,
}

impl Sharing {
    /// Opens the store, waiting no longer than this for another process to let go of it. Must be
    /// called within an actix system.
    pub fn start(
        config: &Config,
        clock: &Arc<dyn Clock>,
        progress: Option<Arc<dyn Progress>>,
        patience: Duration,
    ) -> Result<Self, StartError> {
        require_time(clock)?;
        let config = &inward(config);
        let settings = session_settings(config)?;
        let store = open_store_within(config, progress, patience)?;
        let token = InstanceToken::generate(&config.server.data_dir)?;
        let run_files = RunFiles::create_for_stdio(&config.server.run_dir, &token);
        let mut run_files = run_files.unwrap_or_else(|error| {
            log::warn!("nobody else can be let in: {error}");
            None
        });
        let socket = run_files.as_mut().and_then(RunFiles::take_listener);
        let port = match socket {
            Some(_) => None,
            None => {
                Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(StartError::listening)?)
            }
        };
        let address = port.as_ref().map(TcpListener::local_addr).transpose();
        let address = address.map_err(StartError::listening)?;
        let sessions = Sessions::start(store.clone(), settings, Arc::clone(clock))?;
        let wanted = Wanted::new(Notify::new());
        let kept = wiring::kept_key(config)?;
        let parts = Parts {
            config,
            token: &token,
            kept: kept.as_ref(),
            sessions: &sessions,
            clock,
            internet: &public_internet(),
            wanted: Some(&wanted),
        };
        let http =
            wiring::http(&parts, Listeners { port, socket }, None, disk::raise_open_files())?;
        let running = Running { sessions, store, run_files: run_files.map(Arc::new), token };
        Ok(Self { http, running, address, wanted })
    }

    /// The credential of this process for itself.
    #[must_use]
    pub fn token(&self) -> &Secret {
        self.running.token.secret()
    }

    /// Where it is reached if there is no socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    #[must_use]
    pub fn control(&self) -> SharingControl {
        SharingControl {
            http: self.http.handle(),
            sessions: self.running.sessions.clone(),
            run_files: self.running.run_files.clone(),
            wanted: Arc::clone(&self.wanted),
        }
    }

    /// Serves until [`SharingControl::stop`], then writes what is still held and lets go.
    pub async fn run(self) -> Result<(), StartError> {
        let served = self.http.await.map_err(StartError::listening);
        served.and(self.running.take_down().await)
    }
}

impl SharingControl {
    /// Comes back when a server wants the store.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Takes no more connections and lets requests finish for a while.
    pub async fn stop(&self) {
        // Who comes from now on finds nobody, and so knows that nothing was carried out.
        if let Some(files) = &self.run_files {
            files.remove();
            rt::time::sleep(LAST_GUESTS).await;
        }
        self.sessions.announce_stop();
        self.http.stop(true).await;
    }
}

/// What protects a server from the network has no use where there is none.
fn inward(config: &Config) -> Config {
    let mut config = config.clone();
    config.tls.enabled = false;
    config.tls.require = false;
    config.http.trusted_hosts = vec![HostPattern::Any];
    config.http.workers = WORKERS;
    config.rate_limit.requests = 0;
    config.auth.fail_limit = 0;
    config
}
