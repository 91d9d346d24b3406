//! `memoryd healthcheck`: asks the server on this machine how it is, for an image that has no other
//! program in it.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::rt;

use super::daemon::Channel;
use super::waiting::wait_for;
use super::{Failed, Outcome, say};
use crate::auth::{ServerFile, seen_from_here};
use crate::config::{Config, Host, Port};

/// For connection and answer together. Supervisors give a check three seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Fails unless the server answers that it is well, which it does only while it can write.
pub(super) fn run(config: &Config) -> Outcome {
    let (address, is_tls) = place(config)?;
    let status = wait_for(async {
        let request = Channel::to_probe(address, is_tls)?.request(Method::GET, "/health");
        match rt::time::timeout(PATIENCE, request.send()).await {
            Ok(Ok(answer)) => Ok(answer.status()),
            Ok(Err(error)) => Err(Failed::new(format!("no answer from {address}: {error}"))),
            Err(_) => Err(Failed::new(format!("no answer from {address} within {PATIENCE:?}"))),
        }
    })?;
    match status.is_success() {
        true => say("healthy"),
        false => Err(Failed::new(format!("{address} answers {status}"))),
    }
}

/// Where the server listens, and whether with TLS: as its own file says, which knows of flags and of
/// a port that was found at the start, else as the settings say.
pub(super) fn place(config: &Config) -> Result<(SocketAddr, bool), Failed> {
    if let Some(file) = ServerFile::read(&config.server.run_dir) {
        return Ok((file.address(), file.scheme == "https"));
    }
    let Port::Number(port) = config.server.port else {
        let dir = config.server.run_dir.display();
        return Err(Failed::new(format!("no server runs: there is no .mcp_server in {dir}")));
    };
    let bound = match &config.server.host {
        Host::Address(address) => SocketAddr::new(*address, port),
        Host::Name(name) => {
            let found = (name.as_str(), port).to_socket_addrs().map_err(Failed::because)?;
            // The server binds to the first it can, version 4 before 6.
            let first = found.min_by_key(SocketAddr::is_ipv6);
            first.ok_or_else(|| Failed::new(format!("{name} has no address")))?
        }
    };
    Ok((seen_from_here(bound), config.tls.enabled))
}
