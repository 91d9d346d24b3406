use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::InstanceToken;
use super::run_files::Listening;
use crate::model::Secret;

pub(super) const TOKEN_FILE: &str = ".mcp_token";
pub(super) const PORT_FILE: &str = ".mcp_port";
pub(super) const SERVER_FILE: &str = ".mcp_server";
pub(super) const STDIO_FILE: &str = ".mcp_stdio";

/// What `.mcp_server` says: where a server listens, and which run of it this is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerFile {
    /// `http` or `https`.
    pub scheme: String,
    /// The address that it is bound to, which may stand for every address.
    pub host: IpAddr,
    pub port: u16,
    /// The file with the certificate that is shown, as a whole path.
    pub certificate: Option<PathBuf>,
    /// Names this run, and opens nothing.
    pub instance: String,
    pub pid: u32,
    pub version: String,
}

/// What `.mcp_stdio` says of a stdio process that has the store open.
#[derive(Debug, Clone, Deserialize)]
pub struct StdioFile {
    pub token: Secret,
    pub pid: u32,
}

/// Reads `.mcp_token`, the token of a server that may be dead.
#[must_use]
pub fn read_token(run_dir: &Path) -> Option<Secret> {
    let text = read(&run_dir.join(TOKEN_FILE))?;
    Some(Secret::new(text.trim().to_owned())).filter(|token| !token.reveal().is_empty())
}

/// Where a program of the same machine connects to, if a server is bound to this address.
#[must_use]
pub fn seen_from_here(bound: SocketAddr) -> SocketAddr {
    let host = match bound.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    SocketAddr::new(host, bound.port())
}

impl ServerFile {
    /// Reads it; nothing if there is none, or none that makes sense.
    #[must_use]
    pub fn read(run_dir: &Path) -> Option<Self> {
        serde_json::from_str(&read(&run_dir.join(SERVER_FILE))?).ok()
    }

    /// Where a program of the same machine connects to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        seen_from_here(SocketAddr::new(self.host, self.port))
    }

    pub(super) fn new(token: &InstanceToken, listening: &Listening) -> Self {
        let Listening { address, certificate } = listening;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let absolute = |path: &PathBuf| std::path::absolute(path).ok();
        // JSON can hold no other names. Without it the socket is the only door.
        let certificate =
            certificate.as_ref().and_then(absolute).filter(|path| path.to_str().is_some());
        Self {
            scheme: scheme.to_owned(),
            host: address.ip(),
            port: address.port(),
            certificate,
            instance: token.instance(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        json!(self).to_string().into_bytes()
    }
}

impl StdioFile {
    /// Reads it; nothing if there is none, or none that makes sense.
    #[must_use]
    pub fn read(run_dir: &Path) -> Option<Self> {
        serde_json::from_str(&read(&run_dir.join(STDIO_FILE))?).ok()
    }

    pub(super) fn new(token: &InstanceToken) -> Self {
        Self { token: token.secret().clone(), pid: std::process::id() }
    }

    /// A secret shows only as `***` wherever else it is written.
    pub(super) fn to_json(&self) -> Vec<u8> {
        json!({ "token": self.token.reveal(), "pid": self.pid }).to_string().into_bytes()
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_on_this_machine() {
        let token = InstanceToken::generate(Path::new(".")).unwrap();
        for (bound, reached) in [
            ("0.0.0.0:3000", "127.0.0.1:3000"),
            ("[::]:3000", "[::1]:3000"),
            ("192.168.1.5:80", "192.168.1.5:80"),
            ("[::1]:3000", "[::1]:3000"),
        ] {
            let listening = Listening { address: bound.parse().unwrap(), certificate: None };

            let file = ServerFile::new(&token, &listening);

            assert_eq!(file.address(), reached.parse().unwrap());
        }
    }

    #[test]
    fn the_file_of_a_server_holds_no_token_and_a_whole_path() {
        let token = InstanceToken::generate(Path::new(".")).unwrap();
        let certificate = Some(PathBuf::from("certs/server.pem"));
        let address = "127.0.0.1:1".parse().unwrap();

        let file = ServerFile::new(&token, &Listening { address, certificate });

        let text = String::from_utf8(file.to_json()).unwrap();
        assert!(!text.contains(token.secret().reveal()), "{text}");
        assert_eq!(file.scheme, "https");
        assert!(file.certificate.unwrap().is_absolute());
    }
}
