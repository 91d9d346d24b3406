//! Where the messages of a stdio client go, and what happens when that is gone.
//!
//! A client always talks to somebody who has the store open: to a server, to another stdio process,
//! or, if there is none, to a [`Sharing`] of its own process, which others can join. Whoever has
//! the store may go at any moment. Then every client looks for the next one, and the first to get
//! the lock of the data directory is it:
//!
//! ```text
//! is somebody there?      yes: go on with them
//! has a server a claim?   yes: wait, and look again
//! is the lock free?       yes: open the store, serve it, and go on with ourselves
//!                         no:  wait, and look again
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt;
use tokio::sync::Mutex;

use crate::auth::Claim;
use crate::cli::Failed;
use crate::cli::arguments::ServerArguments;
use crate::cli::daemon::{Channel, Daemon};
use crate::config::Config;
use crate::model::{Clock, SystemClock};
use crate::server::{Sharing, SharingControl, StartError};

/// How long a message waits for somebody to have the store open. A large store takes its time.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long between two looks: too short to be felt, long enough to cost nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// Where messages go now, found anew when it is gone.
pub(super) struct Seats {
    config: Config,
    server: ServerArguments,
    now: Rc<RefCell<Option<Seat>>>,
    /// Of the last seat, so that one that is gone is given up once.
    number: Cell<u64>,
    /// One looks; the others take what it finds.
    looking: Mutex<()>,
    own: Rc<RefCell<Option<Own>>>,
}

/// Somebody who has the store open.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) channel: Channel,
    daemon: Daemon,
    pub(super) is_local: bool,
    /// Whether the client acts as a key of its own, which does not change with the server.
    pub(super) has_own_key: bool,
    number: u64,
}

/// The store in this process.
struct Own {
    daemon: Daemon,
    control: SharingControl,
    /// Ends when the store is closed.
    serving: rt::task::JoinHandle<Result<(), StartError>>,
}

impl Seats {
    pub(super) fn new(config: &Config, server: &ServerArguments) -> Self {
        Self {
            config: config.clone(),
            server: server.clone(),
            now: Rc::new(RefCell::new(None)),
            number: Cell::new(0),
            looking: Mutex::new(()),
            own: Rc::new(RefCell::new(None)),
        }
    }

    /// Where to send a message.
    pub(super) async fn take(&self) -> Result<Seat, Failed> {
        let _looking = self.looking.lock().await;
        if let Some(seat) = self.now.borrow().clone() {
            return Ok(seat);
        }
        let daemon = self.look().await?;
        let number = self.number.get() + 1;
        let (channel, is_local) = (daemon.channel()?, daemon.is_local());
        let has_own_key = self.config.presented_key().is_some();
        let seat = Seat { channel, daemon, is_local, has_own_key, number };
        self.number.set(number);
        self.now.replace(Some(seat.clone()));
        Ok(seat)
    }

    /// Whether a seat's owner is who was found there.
    pub(super) async fn is_still_there(&self, seat: &Seat) -> bool {
        seat.daemon.is_still_there(&self.config).await
    }

    /// Gives up a seat whose owner is gone.
    pub(super) fn leave(&self, gone: &Seat) {
        let mut now = self.now.borrow_mut();
        if now.as_ref().is_some_and(|seat| seat.number == gone.number) {
            *now = None;
        }
    }

    /// Closes the store if it is open in this process.
    pub(super) async fn close(&self) -> Result<(), Failed> {
        let own = self.own.take();
        match own {
            Some(own) => own.close().await,
            None => Ok(()),
        }
    }

    async fn look(&self) -> Result<Daemon, Failed> {
        let start = Instant::now();
        loop {
            if let Some(own) = self.own.borrow().as_ref() {
                return Ok(own.daemon.clone());
            }
            if let Some(daemon) = Daemon::of(&self.server, &self.config).await? {
                return Ok(daemon);
            }
            let mut told = "a server is about to start, but does not".to_owned();
            if !Claim::is_made(&self.config.server.run_dir) {
                match self.open() {
                    Ok(()) => continue,
                    Err(error) if error.is_locked() => told = error.to_string(),
                    Err(error) => return Err(Failed::because(error)),
                }
            }
            if start.elapsed() >= PATIENCE {
                return Err(Failed::new(told));
            }
            rt::time::sleep(PAUSE).await;
        }
    }

    /// Opens the store in this process, and lets others in until a server wants it.
    fn open(&self) -> Result<(), StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sharing = Sharing::start(&self.config, &clock, None, Duration::ZERO)?;
        let daemon = Daemon::own(&sharing, &self.config);
        let control = sharing.control();
        let serving = rt::spawn(sharing.run());
        let (own, now) = (Rc::clone(&self.own), Rc::clone(&self.now));
        self.own.replace(Some(Own { daemon, control: control.clone(), serving }));
        rt::spawn(async move {
            control.wanted().await;
            // Messages that come from now on wait for the server.
            now.replace(None);
            let wanted = own.take();
            let Some(wanted) = wanted else { return };
            // What was acknowledged is on the disk, and whoever opens the store next says what is
            // wrong with it.
            if let Err(failed) = wanted.close().await {
                log::error!("the store did not close: {failed}");
            }
        });
        Ok(())
    }
}

impl Own {
    async fn close(self) -> Result<(), Failed> {
        self.control.stop().await;
        match self.serving.await {
            Ok(closed) => closed.map_err(Failed::because),
            Err(panicked) => Err(Failed::because(panicked)),
        }
    }
}
