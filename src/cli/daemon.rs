use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::dev::Service;
use actix_web::http::{Method, Uri};
use actix_web::rt::net::UnixStream;
use awc::{Client, ClientRequest, Connector};

use super::Failed;
use super::arguments::ServerArguments;
use super::door::caller;
use crate::auth::{self, SOCKET_FILE, ServerFile, StdioFile};
use crate::config::Config;
use crate::disk::SocketPath;
use crate::model::{Scope, Secret};
use crate::server::Sharing;
use crate::tls;

/// Somebody who has the store open: a server, or a stdio process that lets others in.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    road: Road,
    key: Secret,
    /// The token that it must prove to hold before each message, where another could take its place.
    proven_by: Option<Secret>,
}

/// How to get there.
#[derive(Debug, Clone)]
enum Road {
    /// The local socket in this folder: no address, no name, no TLS to be wrong about.
    Socket(PathBuf),
    /// The port that the run files name, where there can be no socket.
    Port { address: SocketAddr, scheme: String, certificate: Option<PathBuf> },
    /// Where somebody said that it is, without a final slash.
    Url { url: String, authorities: Vec<PathBuf> },
}

/// An open way to a server.
#[derive(Clone)]
pub(super) struct Channel {
    http: Client,
    url: String,
    /// Instead of what the URL's name leads to.
    address: Option<SocketAddr>,
}

/// A server on this machine takes a connection at once; one far away may need this.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long whoever listens may take to say who it is. A server never needs as much.
const ASK_PATIENCE: Duration = Duration::from_secs(2);
/// Waking a large session may take a while.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Of one answer held in memory whole.
pub(super) const ANSWER_LIMIT: usize = 256 << 20;

impl Daemon {
    /// The server that a verb is to talk to: the one that was named, else the one that has the data
    /// directory open, if any. Must be called within an actix system.
    pub(super) async fn of(
        arguments: &ServerArguments,
        config: &Config,
    ) -> Result<Option<Self>, Failed> {
        let Some(url) = &arguments.url else { return Ok(Self::find(config).await) };
        if let Some(key) = config.presented_key() {
            let authorities = arguments.ca.iter().chain(&config.tls.authority).cloned().collect();
            let road = Road::Url { url: url.base().to_owned(), authorities };
            return Ok(Some(Self { road, key: key.clone(), proven_by: None }));
        }
        // The token of the server on this machine is for no other.
        let server = ServerFile::read(&config.server.run_dir);
        let is_own = server.is_some_and(|server| url.leads_to(&server));
        let found = if is_own { Self::find(config).await } else { None };
        found.map(Some).ok_or_else(|| {
            Failed::new("there is no key for that server; give --key or set MCP_API_KEY".to_owned())
        })
    }

    /// Finds who has the data directory open by the files beside it. Whoever listens there is asked
    /// who it is before anything secret is sent: the files may be those of a dead process, and the
    /// port somebody else's by now.
    pub(super) async fn find(config: &Config) -> Option<Self> {
        let (run_dir, data_dir) = (&config.server.run_dir, &config.server.data_dir);
        let server = auth::read_token(run_dir);
        let stdio = StdioFile::read(run_dir).map(|file| file.token);
        let key = |token: &Secret| config.presented_key().unwrap_or(token).clone();
        let road = Road::Socket(run_dir.clone());
        if let Some(token) = &server
            && road.leads_to_holder_of(token, data_dir).await
        {
            return Some(Self { key: key(token), road, proven_by: None });
        }
        if let Some(token) = stdio
            && road.leads_to_holder_of(&token, data_dir).await
        {
            // Each of these processes was told its own key. That of the default user may be another
            // one in each, and is as good as the token.
            let is_as_good = caller(config, &Arc::default(), None).is_ok_and(|caller| {
                caller.user == config.project.default_user && caller.may(Scope::Admin)
            });
            let key = if is_as_good { token } else { key(&token) };
            return Some(Self { key, road, proven_by: None });
        }
        let (token, file) = (server?, ServerFile::read(run_dir)?);
        let (address, certificate) = (file.address(), file.certificate);
        let proven_by = certificate.is_none().then(|| token.clone());
        let road = Road::Port { address, scheme: file.scheme, certificate };
        let is_it = road.leads_to_holder_of(&token, data_dir).await;
        is_it.then(|| Self { key: key(&token), road, proven_by })
    }

    /// The store that this process itself has open.
    pub(super) fn own(sharing: &Sharing, config: &Config) -> Self {
        let road = match sharing.address() {
            None => Road::Socket(config.server.run_dir.clone()),
            Some(address) => Road::Port { address, scheme: "http".to_owned(), certificate: None },
        };
        let key = config.presented_key().unwrap_or(sharing.token()).clone();
        Self { road, key, proven_by: None }
    }

    /// Whether it is the one whose files lie on this machine.
    pub(super) fn is_local(&self) -> bool {
        !matches!(self.road, Road::Url { .. })
    }

    /// Whether it is the one that was found. The port of a server that is dead is anybody's, and no
    /// certificate tells them apart.
    pub(super) async fn is_still_there(&self, config: &Config) -> bool {
        match &self.proven_by {
            Some(token) => self.road.leads_to_holder_of(token, &config.server.data_dir).await,
            None => true,
        }
    }

    /// An HTTP client that presents the key and trusts the server's own certificate.
    pub(super) fn channel(&self) -> Result<Channel, Failed> {
        self.road.open(Some(&self.key))
    }

    /// The same for a stranger.
    pub(super) fn channel_without_key(&self) -> Result<Channel, Failed> {
        self.road.open(None)
    }
}

impl Channel {
    /// To whatever stands at this URL, as a stranger.
    pub(super) fn to(url: &str, authorities: Vec<PathBuf>) -> Result<Self, Failed> {
        Road::Url { url: url.to_owned(), authorities }.open(None)
    }

    /// The same with a key.
    pub(super) fn with_key(
        url: &str,
        authorities: Vec<PathBuf>,
        key: &Secret,
    ) -> Result<Self, Failed> {
        Road::Url { url: url.to_owned(), authorities }.open(Some(key))
    }

    /// To whatever serves on an address of this machine, as a stranger who looks at no certificate:
    /// one that has just run out must not make a supervisor end the server.
    pub(super) fn to_probe(address: SocketAddr, is_tls: bool) -> Result<Self, Failed> {
        let client = Client::builder().disable_redirects();
        let connector = Connector::new().timeout(CONNECT_PATIENCE);
        let (scheme, http) = if is_tls {
            let tls = tls::unchecked_client_config().map_err(Failed::because)?;
            ("https", client.connector(connector.rustls_0_23(tls)).finish())
        } else {
            ("http", client.connector(connector).finish())
        };
        let url = format!("{scheme}://localhost:{}", address.port());
        Ok(Self { http, url, address: Some(address) })
    }

    /// A request for a path that begins with a slash.
    pub(super) fn request(&self, method: Method, path: &str) -> ClientRequest {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match self.address {
            Some(address) => request.address(address),
            None => request,
        }
    }
}

impl Road {
    fn open(&self, key: Option<&Secret>) -> Result<Channel, Failed> {
        let mut client = Client::builder().timeout(ANSWER_PATIENCE).disable_redirects();
        if let Some(key) = key {
            client = client.bearer_auth(key.reveal());
        }
        let plain = || Connector::new().timeout(CONNECT_PATIENCE);
        let tls = match self {
            Self::Socket(folder) => {
                let dial =
                    Connector::new().connector(Dial(folder.clone())).timeout(CONNECT_PATIENCE);
                let http = client.connector(dial).finish();
                return Ok(Channel { http, url: "http://localhost".to_owned(), address: None });
            }
            Self::Port { certificate: Some(certificate), .. } => {
                Some(tls::pinned_client_config(certificate).map_err(Failed::because)?)
            }
            Self::Url { url, authorities } if is_https(url) => {
                Some(tls::client_config_beside_system(authorities).map_err(Failed::because)?)
            }
            Self::Port { certificate: None, .. } | Self::Url { .. } => None,
        };
        let http = match tls {
            Some(tls) => client.connector(plain().rustls_0_23(tls)).finish(),
            None => client.connector(plain()).finish(),
        };
        let (url, address) = match self {
            Self::Port { address, scheme, .. } => {
                (format!("{scheme}://localhost:{}", address.port()), Some(*address))
            }
            Self::Url { url, .. } => (url.clone(), None),
            Self::Socket(_) => (String::new(), None),
        };
        Ok(Channel { http, url, address })
    }

    /// Asks who is there and has that data open, and shows nothing.
    async fn leads_to_holder_of(&self, token: &Secret, data_dir: &Path) -> bool {
        let (Ok(challenge), Ok(channel)) = (auth::generate_key(), self.open(None)) else {
            return false;
        };
        let challenge = challenge.reveal();
        let asked = channel
            .request(Method::GET, "/health")
            .insert_header(("X-Memoryd-Challenge", challenge))
            .timeout(ASK_PATIENCE)
            .force_close();
        let Ok(answer) = asked.send().await else { return false };
        let proof = answer.headers().get("x-memoryd-instance");
        proof.is_some_and(|shown| {
            shown == auth::proof(token, data_dir, challenge.as_bytes()).as_str()
        })
    }
}

/// The address of a server as people paste it: with or without `/mcp` and a final slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerUrl(String);

impl ServerUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let expected = || "a URL such as https://nas.lan:3443".to_owned();
        let base = text.trim().trim_end_matches('/');
        let base = base.strip_suffix("/mcp").unwrap_or(base).trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| expected())?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_name = uri.host().is_some_and(|host| !host.is_empty());
        let is_bare = uri.query().is_none() && !base.contains('@');
        if is_web && has_name && is_bare { Ok(Self(base.to_owned())) } else { Err(expected()) }
    }

    pub(super) fn base(&self) -> &str {
        &self.0
    }

    /// Whether it names the port of a server of this machine.
    pub(super) fn leads_to(&self, server: &ServerFile) -> bool {
        let Ok(uri) = self.0.parse::<Uri>() else { return false };
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let name = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let address = name.parse::<IpAddr>();
        let is_here = name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback() || address == server.host);
        is_here && uri.port_u16().unwrap_or(usual) == server.port
    }
}

/// The same from a program that its user has told of none: then it comes as an empty text, or as the name of
/// the place in which it would stand (`${user_config.url}`).
#[derive(Debug, Clone)]
pub(super) struct PerhapsUrl(Option<ServerUrl>);

impl PerhapsUrl {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_open = text.trim().is_empty() || text.starts_with("${");
        if is_open { Ok(Self(None)) } else { ServerUrl::parse(text).map(|url| Self(Some(url))) }
    }

    pub(super) fn said(self) -> Option<ServerUrl> {
        self.0
    }
}

fn is_https(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Connects every request to the socket of one folder, whatever it names.
#[derive(Debug, Clone)]
struct Dial(PathBuf);

impl Service<ConnectInfo<Uri>> for Dial {
    type Response = Connection<Uri, UnixStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, asked: ConnectInfo<Uri>) -> Self::Future {
        let folder = self.0.clone();
        Box::pin(async move {
            let path = SocketPath::new(&folder, SOCKET_FILE).map_err(ConnectError::Io)?;
            let stream = UnixStream::connect(path.as_path()).await.map_err(ConnectError::Io)?;
            Ok(Connection::new(asked.request().clone(), stream))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_people_paste_it() {
        for (text, base) in [
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://localhost:3000/", "http://localhost:3000"),
            ("http://localhost:3000/mcp", "http://localhost:3000"),
            (" https://nas.lan/mcp/ ", "https://nas.lan"),
            ("https://example.com/memory/mcp", "https://example.com/memory"),
            ("http://[::1]:3000/mcp", "http://[::1]:3000"),
        ] {
            assert_eq!(ServerUrl::parse(text).unwrap().base(), base);
        }
        for odd in
            ["", "localhost:3000", "ftp://nas", "https://", "http://k@nas", "http://nas/?k=1"]
        {
            assert!(ServerUrl::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn only_a_url_of_this_machine_and_port_leads_to_its_server() {
        let server: ServerFile = serde_json::from_value(serde_json::json!({
            "scheme": "http", "host": "192.168.1.5", "port": 3000, "certificate": null,
            "instance": "0", "pid": 1, "version": "0",
        }))
        .unwrap();
        let leads = |url: &str| ServerUrl::parse(url).unwrap().leads_to(&server);

        assert!(leads("http://localhost:3000/mcp") && leads("http://192.168.1.5:3000"));
        assert!(leads("http://[::1]:3000") && leads("http://127.0.0.1:3000"));
        assert!(!leads("http://localhost:3001") && !leads("http://localhost"));
        assert!(!leads("http://192.168.1.6:3000") && !leads("http://nas:3000"));
    }
}
