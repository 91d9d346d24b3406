//! How a store changes hands.
//!
//! A stdio process that has the store open serves others over the socket until its client leaves or
//! a server wants the store. The server first makes a claim beside the run files, so that no other
//! stdio process takes the store in the moment in which it is free. Then it asks over the socket,
//! with the token that `.mcp_stdio` holds. The owner answers at once, finishes what is under way,
//! closes the store, and is a client like the others from then on. The claim ends when the server
//! has written its run files, by which everybody finds it.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use tokio::sync::Notify;

use crate::auth::{Carrier, Claim, InstanceToken, Presented, SOCKET_FILE, StdioFile};
use crate::config::Config;
use crate::disk::SocketPath;
use crate::error::Error;
use crate::store::{Store, StoreError, StoreOptions};

const PATH: &str = "/internal/hand-over";

/// How long one try to open the store waits, before the files are looked at again.
const TRY: Duration = Duration::from_millis(200);
/// How long a server before this one may take for its last breath.
const LAST_BREATH: Duration = Duration::from_secs(3);
/// How long a stdio process may take to let go: its requests have half of it.
const LETTING_GO: Duration = Duration::from_secs(15);
/// How long it may take to say that it will.
const ANSWER: Duration = Duration::from_secs(3);

/// Wakes whoever has to let go of the store.
pub(super) type Wanted = Arc<Notify>;

/// The store of a server, and its word to have it while it gets ready.
pub(super) struct Taken {
    pub(super) store: Store,
    pub(super) claim: Option<Claim>,
}

/// Opens the store for a server, and asks a stdio process that has it open to let go.
pub(super) fn take(config: &Config, options: &StoreOptions) -> Result<Taken, StoreError> {
    let run_dir = &config.server.run_dir;
    let start = Instant::now();
    let mut claim = None;
    let (mut tried, mut asked) = (None, false);
    loop {
        let options = StoreOptions { lock_patience: TRY, ..options.clone() };
        let locked = match Store::open(&config.server.data_dir, options) {
            Ok(store) => return Ok(Taken { store, claim }),
            Err(locked @ StoreError::Locked { .. }) => locked,
            Err(error) => return Err(error),
        };
        let owner = StdioFile::read(run_dir);
        if let Some(owner) = owner.filter(|owner| tried != Some(owner.pid)) {
            claim = claim.or_else(|| claim_in(run_dir));
            tried = Some(owner.pid);
            match ask(run_dir, &owner) {
                Ok(()) => asked = true,
                Err(error) => log::warn!("process {} keeps the store: {error}", owner.pid),
            }
        }
        let patience = if asked { LETTING_GO } else { LAST_BREATH };
        if start.elapsed() >= patience {
            return Err(locked);
        }
    }
}

/// Lets the holder of the token ask for the store, where it can be had.
pub(super) fn route(wanted: Option<Wanted>) -> impl FnOnce(&mut ServiceConfig) {
    move |app: &mut ServiceConfig| {
        if let Some(wanted) = wanted {
            app.app_data(web::Data::from(wanted))
                .service(web::resource(PATH).route(web::post().to(answer)));
        }
    }
}

/// Says yes before it happens: the answer would not outlive it.
#[allow(clippy::unused_async, reason = "a handler is async")]
async fn answer(
    request: HttpRequest,
    token: web::Data<InstanceToken>,
    wanted: web::Data<Notify>,
) -> Result<HttpResponse, Error> {
    let lines = request.headers().get_all(AUTHORIZATION);
    let lines = lines.map(|line| (Carrier::Authorization, line.as_bytes()));
    // Other credentials than the token of the files say nothing about whose machine this is.
    if !token.is_shown_by(&Presented::parse(lines)) {
        return Err(Error::NoRoute);
    }
    wanted.notify_one();
    Ok(HttpResponse::Accepted().json(json!({ "status": "letting go" })))
}

/// A file system without locks has no claims either; then the first to open the store has it.
fn claim_in(run_dir: &Path) -> Option<Claim> {
    Claim::make(run_dir).unwrap_or_else(|error| {
        log::warn!("cannot claim the store in {}: {error}", run_dir.display());
        None
    })
}

fn ask(run_dir: &Path, owner: &StdioFile) -> io::Result<()> {
    let mut stream = UnixStream::connect(SocketPath::new(run_dir, SOCKET_FILE)?.as_path())?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let token = owner.token.reveal();
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    if status.starts_with("HTTP/1.1 202") {
        return Ok(());
    }
    Err(io::Error::other(format!("it answered {:?}", status.trim())))
}
