//! Wiring: builds every room from a [`Config`], connects them, and takes them down in good order.
//!
//! It refuses to start on settings, certificates or a store that are not right, before it takes the
//! port's first connection. Begin reading at [`Server::start`].

mod error;
mod expecting;
mod hand_over;
mod handshakes;
mod listen;
mod reload;
mod serving;
mod sharing;
mod wiring;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server as ActixServer, ServerHandle};
use actix_web::rt;

use crate::actors::{Backups, Sessions};
use crate::auth::{InstanceToken, KeptKey, Listening, RunFileError, RunFiles};
use crate::config::Config;
use crate::disk;
use crate::model::{Clock, Secret, Timestamp};
use crate::outward::{Internet, PublicInternet};
use crate::store::{Progress, Store};
pub use error::StartError;
use hand_over::Taken;
pub use sharing::{Sharing, SharingControl};
pub(crate) use wiring::{
    backup_key, kept_key, keyring, open_existing_store, open_store, session_settings, store_options,
};

/// How long connections are still taken after the files are gone by which programs of this machine
/// find it: who has just looked is in the system's queue, and would be cut off there.
const LAST_GUESTS: Duration = Duration::from_millis(100);

/// How often memory that is not used is given back to the system.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// How often it is looked whether a backup is due.
const BACKUP_LOOK: Duration = Duration::from_secs(60);

/// How long requests may finish after the signal to stop. With the sessions' last writes and the
/// store's last checkpoint the whole stop stays within 10 s.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// What the header `Date` can say: from 1970, which is also what a clock before it is taken for, up to the
/// year 9999.
const FIRST_DATE: Timestamp = Timestamp(1);
const LAST_DATE: Timestamp = Timestamp(253_402_300_799_999);

/// A server that is already listening. Await [`Server::run`] to serve.
#[allow(missing_debug_implementations, reason = "actix's server has no Debug")]
pub struct Server {
    address: SocketAddr,
    http: ActixServer,
    running: Running,
    certificates: Option<reload::Certificates>,
    kept_key: Option<KeptKey>,
}

/// What must be taken down when the listener has stopped.
struct Running {
    sessions: Sessions,
    store: Store,
    /// Nothing where nobody can be let in.
    run_files: Option<Arc<RunFiles>>,
    token: InstanceToken,
}

/// Tells a running server what signals ask for.
#[derive(Clone)]
#[allow(missing_debug_implementations, reason = "actix's handle has no Debug")]
pub struct Control {
    http: ServerHandle,
    sessions: Sessions,
    run_files: Option<Arc<RunFiles>>,
    certificates: Option<reload::Certificates>,
}

impl Server {
    /// Opens the store and takes the port. When this returns, a client can connect. Must be called
    /// within an actix system.
    pub fn start(
        config: &Config,
        clock: &Arc<dyn Clock>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<Self, StartError> {
        Self::start_on(&public_internet(), config, clock, progress)
    }

    /// The same on a network that a program made itself.
    pub fn start_on(
        internet: &Arc<dyn Internet>,
        config: &Config,
        clock: &Arc<dyn Clock>,
        progress: Option<Arc<dyn Progress>>,
    ) -> Result<Self, StartError> {
        require_time(clock)?;
        let open_files = disk::raise_open_files();
        // Certificates and models are read first: a mistake there must not touch anything.
        let certificates = reload::Certificates::open(config, clock)?;
        let settings = session_settings(config)?;
        let listener = listen::bind(&config.server)?;
        let address = listener.local_addr().map_err(StartError::listening)?;
        let options = wiring::serving_options(config, progress);
        let Taken { store, claim } = hand_over::take(config, &options)?;
        let needs_key = config.keys().is_empty() && !config.auth.disabled;
        let kept_key =
            needs_key.then(|| KeptKey::read_or_create(&config.server.data_dir)).transpose()?;
        let token = InstanceToken::generate(&config.server.data_dir)?;
        let certificate = config.tls.files().map(|(certificate, _)| certificate.to_owned());
        let listening = Listening { address, certificate };
        let mut run_files = run_files(config, &token, &listening)?;
        // Everybody can find this server now.
        drop(claim);
        let sessions = Sessions::start(store.clone(), settings, Arc::clone(clock))?;
        let parts = wiring::Parts {
            config,
            token: &token,
            kept: kept_key.as_ref(),
            sessions: &sessions,
            clock,
            internet,
            wanted: None,
        };
        let socket = run_files.as_mut().and_then(RunFiles::take_listener);
        let listeners = wiring::Listeners { port: Some(listener), socket };
        let http = wiring::http(&parts, listeners, certificates.as_ref(), open_files)?;
        let running = Running { sessions, store, run_files: run_files.map(Arc::new), token };
        Ok(Self { address, http, running, certificates, kept_key })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token of this run.
    #[must_use]
    pub fn token(&self) -> &Secret {
        self.running.token.secret()
    }

    /// The key that the first start made, where nobody configured one.
    #[must_use]
    pub fn kept_key(&self) -> Option<&KeptKey> {
        self.kept_key.as_ref()
    }

    #[must_use]
    pub fn control(&self) -> Control {
        Control {
            http: self.http.handle(),
            sessions: self.running.sessions.clone(),
            run_files: self.running.run_files.clone(),
            certificates: self.certificates.clone(),
        }
    }

    /// Serves until [`Control::stop`], then writes what is still held.
    pub async fn run(self) -> Result<(), StartError> {
        let watching = self.certificates.map(|certificates| rt::spawn(certificates.watch()));
        let backups = self.running.sessions.backups().clone();
        let backing_up = backups.are_scheduled().then(|| rt::spawn(back_up_when_due(backups)));
        let giving_back = Some(rt::spawn(give_memory_back()));
        let waking = Some(rt::spawn(wake_last(self.running.sessions.clone())));
        let served = self.http.await.map_err(StartError::listening);
        for task in [watching, backing_up, giving_back, waking].into_iter().flatten() {
            task.abort();
        }
        let stopped = self.running.take_down().await;
        served.and(stopped)
    }
}

fn public_internet() -> Arc<dyn Internet> {
    Arc::new(PublicInternet)
}

/// The dates of answers are written by a library that panics at any other year.
fn require_time(clock: &Arc<dyn Clock>) -> Result<(), StartError> {
    let now = clock.now();
    if (FIRST_DATE..=LAST_DATE).contains(&now) { Ok(()) } else { Err(StartError::Clock(now)) }
}

/// The files by which programs of this machine find the server. Where nothing can be written there are
/// none, and clients that know the address still find it.
fn run_files(
    config: &Config,
    token: &InstanceToken,
    listening: &Listening,
) -> Result<Option<RunFiles>, RunFileError> {
    let run_dir = &config.server.run_dir;
    match RunFiles::create(run_dir, token, listening) {
        Err(error) if disk::is_read_only(run_dir) => {
            log::warn!("programs of this machine do not find this server: {error}");
            Ok(None)
        }
        created => created.map(Some),
    }
}

/// What sessions that fell asleep and answers that were large have left behind.
async fn give_memory_back() {
    loop {
        rt::time::sleep(GIVE_BACK).await;
        match rt::task::spawn_blocking(memoryd_heap::give_back).await {
            Ok(has_given) => log::trace!("memory was given back: {has_given}"),
            Err(error) => log::error!("giving memory back panicked: {error}"),
        }
    }
}

/// Waking a large session takes a while, for which the first to come would have to wait.
async fn wake_last(sessions: Sessions) {
    if let Err(error) = sessions.wake_last().await {
        log::debug!("nobody is woken ahead: {error}");
    }
}

/// Looks once a minute, so that a machine that slept makes up for what it missed.
async fn back_up_when_due(backups: Backups) {
    loop {
        rt::time::sleep(BACKUP_LOOK).await;
        let backups = backups.clone();
        if rt::task::spawn_blocking(move || backups.make_if_due()).await.is_err() {
            log::error!("making a backup panicked");
        }
    }
}

impl Running {
    async fn take_down(self) -> Result<(), StartError> {
        let Self { sessions, store, run_files, .. } = self;
        if let Err(error) = sessions.stop().await {
            log::error!("a session could not write its last counts: {error}");
        }
        drop(sessions);
        // Before the store is given free: the next owner puts files of its own there.
        run_files.iter().for_each(|files| files.remove());
        let closed = rt::task::spawn_blocking(move || store.close()).await;
        match closed {
            Ok(()) => Ok(()),
            Err(panicked) => Err(StartError::Stop(panicked.to_string())),
        }
    }
}

impl Control {
    /// Takes no more connections and lets requests finish for a while.
    pub async fn stop(&self) {
        // Who comes from now on finds nobody, instead of a listener that does not listen any more.
        self.run_files.iter().for_each(|files| files.remove());
        rt::time::sleep(LAST_GUESTS).await;
        self.sessions.announce_stop();
        self.http.stop(true).await;
    }

    /// Reads the certificates again, whether or not the files look changed.
    pub fn reload_certificates(&self) {
        if let Some(certificates) = &self.certificates {
            certificates.force();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn running(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn a_clock_that_no_answer_can_tell_stops_the_start() {
        let started = |moment| {
            let clock: Arc<dyn Clock> = Arc::new(At(moment));
            require_time(&clock)
        };

        for wrong in [Timestamp(-1), Timestamp(0), Timestamp(253_402_300_800_000)] {
            assert!(matches!(started(wrong), Err(StartError::Clock(_))), "{wrong}");
        }
        assert!(started(Timestamp(1)).is_ok() && started(LAST_DATE).is_ok());
    }
}
