use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use awc::{Client, Connector};

use super::Failed;
use crate::config::Config;
use crate::model::Secret;
use crate::tls;

/// A server that runs on the same data directory.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    /// Without a final slash.
    pub(super) url: String,
    pub(super) token: Secret,
    certificate: Option<std::path::PathBuf>,
}

/// The process is on this machine; if it does not take a connection by then, it never will.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Waking a large session may take a while.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Of one answer held in memory whole.
pub(super) const ANSWER_LIMIT: usize = 256 << 20;

impl Daemon {
    /// Finds the running server by the files that it keeps beside its data.
    pub(super) fn find(config: &Config) -> Option<Self> {
        let run_dir = &config.server.run_dir;
        let port: u16 = read(&run_dir.join(".mcp_port"))?.parse().ok()?;
        let token = Secret::new(read(&run_dir.join(".mcp_token"))?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        TcpStream::connect_timeout(&address, CONNECT_PATIENCE).ok()?;
        let certificate = config.tls.files().map(|(certificate, _)| certificate.to_owned());
        let scheme = if certificate.is_some() { "https" } else { "http" };
        Some(Self { url: format!("{scheme}://localhost:{port}"), token, certificate })
    }

    /// A server that somebody named, with the key of the settings.
    pub(super) fn at(url: &str, config: &Config) -> Result<Self, Failed> {
        let local = read(&config.server.run_dir.join(".mcp_token")).map(Secret::new);
        let token = config.keys().first().map(|key| key.secret.clone()).or(local);
        let token = token
            .ok_or_else(|| Failed("there is no key for that server; set MCP_API_KEY".to_owned()))?;
        let certificate = config.tls.files().map(|(certificate, _)| certificate.to_owned());
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token, certificate })
    }

    /// An HTTP client that presents the token and trusts the server's own certificate.
    pub(super) fn client(&self) -> Result<Client, Failed> {
        let client = Client::builder()
            .bearer_auth(self.token.reveal())
            .timeout(ANSWER_PATIENCE)
            .disable_redirects();
        let connector = match &self.certificate {
            None => Connector::new(),
            Some(certificate) => {
                let pinned = tls::pinned_client_config(certificate).map_err(Failed::because)?;
                Connector::new().rustls_0_23(pinned)
            }
        };
        Ok(client.connector(connector).finish())
    }
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
