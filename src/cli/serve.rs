use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::notify::Notifier;
use super::progress::Bar;
use super::{FILE_SIZE, Failed, Outcome, greeting};
use crate::config::{Config, Loaded, Supervisor};
use crate::logging::{self, Log};
use crate::model::{Clock, SystemClock};
use crate::server::{Control, Server};
use crate::store;

/// Signals that come so close are one: whoever stops a process group, as `timeout` and a terminal
/// do, often sends two.
const ONE_SIGNAL: Duration = Duration::from_secs(1);

/// What libraries say of every start and every client stands in our own lines already, and what
/// they say below warnings is of use to their own authors. For `actix_http` every client that speaks
/// something else or leaves early is an error, and it does not say which; `server/serving.rs` does, at
/// the level of debugging.
const LIBRARIES: &str = "actix_http=off,actix_server=warn,actix_web=warn,awc=warn,h2=warn,\
                         mio=warn,rmcp=off,rustls=warn,sled=warn,tokio_util=warn,tracing=warn";

/// Serves until a signal says stop.
pub(super) fn run(loaded: Loaded, supervisor: Supervisor) -> Outcome {
    let Loaded { config, notices } = loaded;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What the owner says of a library comes later, and counts.
    let filter = format!("{LIBRARIES},{}", config.log.level);
    let log = logging::start(&filter, config.log.file.as_deref(), Arc::clone(&clock))
        .map_err(|error| Failed::new(format!("log.level (LOG_LEVEL, RUST_LOG): {error}")))?;
    for notice in &notices {
        log::log!(notice.level, "{}", notice.text);
    }
    log_panics();
    let notifier = Notifier::new(supervisor);
    rt::System::new().block_on(serve(&config, &clock, log, notifier))
}

/// Panics are caught where they cost a request; here they only get their line. What they say may
/// hold somebody's text, so only the place is told.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if store::catches_panics() {
            return;
        }
        let place = panic.location().map_or_else(|| "somewhere".to_owned(), ToString::to_string);
        log::error!("a panic at {place}");
    }));
}

async fn serve(config: &Config, clock: &Arc<dyn Clock>, log: Log, notifier: Notifier) -> Outcome {
    // Before anybody can know that the server is there.
    let signals = Signals::listen()?;
    notifier.starting();
    let server =
        Server::start(config, clock, Some(Arc::new(Bar::new()))).map_err(Failed::because)?;
    let signals = rt::spawn(signals.obey(server.control(), log, notifier.clone()));
    greeting::greet(config, &server)?;
    // It begins when the loop turns, and by then the workers are there.
    let telling = rt::spawn(notifier.serving(server.address()));
    let served = server.run().await;
    signals.abort();
    telling.abort();
    served.map_err(Failed::because)?;
    log::info!("stopped");
    Ok(())
}

/// What may be asked of a running server from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// A file may not become longer (`ulimit -f`).
    file_size: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failed> {
        let listen = |kind| signal(kind).map_err(Failed::because);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            file_size: listen(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// SIGINT and SIGTERM stop in good order, and at once if they come again. SIGHUP reopens the
    /// log and reads the certificates again.
    async fn obey(mut self, control: Control, log: Log, notifier: Notifier) {
        loop {
            let Self { interrupt, terminate, hangup, file_size } = &mut self;
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = file_size.recv() => {
                    log::error!("the limit of this process for the length of a file is reached");
                }
                _ = hangup.recv() => {
                    log.reopen();
                    control.reload_certificates();
                }
            }
        }
        log::info!("stopping");
        notifier.stopping();
        let stopping = rt::spawn(async move { control.stop().await });
        self.ignore_for(ONE_SIGNAL).await;
        tokio::select! {
            // The server ends this task when it is down.
            () = async { drop(stopping.await); std::future::pending().await } => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        log::warn!("stopped at once by a second signal");
        // Everything acknowledged is on disk already.
        std::process::exit(1);
    }

    /// Passes over what comes meanwhile.
    async fn ignore_for(&mut self, span: Duration) {
        let end = rt::time::sleep(span);
        rt::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
        }
    }
}
