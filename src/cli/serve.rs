use std::sync::Arc;

use actix_web::rt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::progress::Bar;
use super::{Failed, Outcome, say};
use crate::config::{Config, Loaded};
use crate::logging::{self, Log};
use crate::model::{Clock, SystemClock};
use crate::server::{Control, Server};

/// How much of a key is shown, so that it can be recognized.
const SHOWN_OF_KEY: usize = 16;

/// Serves until a signal says stop.
pub(super) fn run(loaded: Loaded) -> Outcome {
    let Loaded { config, notices } = loaded;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // What libraries say of every start and every client stands in our own lines already.
    let filter = format!("actix_server=warn,rmcp=off,tracing=warn,{}", config.log.level);
    let log = logging::start(&filter, config.log.file.as_deref(), Arc::clone(&clock))
        .map_err(|error| Failed(format!("log.level (LOG_LEVEL, RUST_LOG): {error}")))?;
    for notice in &notices {
        log::log!(notice.level, "{}", notice.text);
    }
    log_panics();
    rt::System::new().block_on(serve(&config, &clock, log))
}

/// Panics are caught where they cost a request; here they only get their line. What they say may
/// hold somebody's text, so only the place is told.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "somewhere".to_owned(), ToString::to_string);
        log::error!("a panic at {place}");
    }));
}

async fn serve(config: &Config, clock: &Arc<dyn Clock>, log: Log) -> Outcome {
    // Before anybody can know that the server is there.
    let signals = Signals::listen()?;
    let server =
        Server::start(config, clock, Some(Arc::new(Bar::new()))).map_err(Failed::because)?;
    let signals = rt::spawn(signals.obey(server.control(), log));
    greet(config, &server)?;
    let served = server.run().await;
    signals.abort();
    served.map_err(Failed::because)?;
    log::info!("stopped");
    Ok(())
}

/// What may be asked of a running server from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failed> {
        let listen = |kind| signal(kind).map_err(Failed::because);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// SIGINT and SIGTERM stop in good order, and at once if they come again. SIGHUP reopens the
    /// log and reads the certificates again.
    async fn obey(mut self, control: Control, log: Log) {
        loop {
            let Self { interrupt, terminate, hangup } = &mut self;
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => {
                    log.reopen();
                    control.reload_certificates();
                }
            }
        }
        log::info!("stopping");
        let stopping = rt::spawn(async move { control.stop().await });
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
}

/// What the guides of older servers look for, and what a newcomer needs next.
fn greet(config: &Config, server: &Server) -> Outcome {
    let port = server.address().port();
    let host = if config.server.host.is_loopback() {
        "localhost".to_owned()
    } else {
        config.server.host.to_string()
    };
    let scheme = if config.tls.enabled { "https" } else { "http" };
    let url =
        config.server.public_url.clone().unwrap_or_else(|| format!("{scheme}://{host}:{port}"));
    let token: String = server.token().reveal().chars().take(SHOWN_OF_KEY).collect();
    let (token_path, _) = server.run_files();

    logging::announce(&format!("Starting MCP Memory Server on {host}:{port}"));
    logging::announce(&format!("Port {port} saved to .mcp_port"));
    logging::announce("Authentication token saved to .mcp_token");
    logging::announce(&format!("Authentication token: {token}... (keep this secret!)"));
    let has_own_key = !config.keys().is_empty();
    if !has_own_key && !config.auth.disabled {
        say(&format!("🔑 Generated API Key: {token}..."))?;
        say(&format!("   The whole key is in {}", token_path.display()))?;
    }
    say(&format!("   Address: {url}  (MCP at {url}/mcp, REST at {url}/api/v1)"))?;
    let key = if has_own_key {
        "YOUR_KEY".to_owned()
    } else {
        format!("$(cat '{}')", token_path.display())
    };
    say("   For Claude Code, paste:")?;
    say(&format!(
        "   claude mcp add --transport http memory {url}/mcp --header \"Authorization: Bearer {key}\""
    ))?;
    let state = if config.auth.disabled { "disabled" } else { "enabled" };
    logging::announce(&format!(
        "MCP Memory Server started successfully with authentication {state}"
    ));
    Ok(())
}
