use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use awc::error::PayloadError;
use awc::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use awc::http::{StatusCode, Uri};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::internet::{HTTPS_PORT, Internet};
use super::public::is_public;
use crate::tls::{self, TlsClient, TlsError};

/// From the first question to the last byte. Somebody waits at a browser.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of one document.
const MOST_BYTES: usize = 16 * 1024;

/// Looking a name up takes a thread for as long as the system likes, also when nobody waits for it any more.
static LOOKUPS: Semaphore = Semaphore::const_new(2);

/// Fetches what stands at addresses that others name.
#[derive(Debug)]
pub struct Documents {
    internet: Arc<dyn Internet>,
    tls: TlsClient,
    patience: Duration,
}

/// What stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub body: Vec<u8>,
    /// How long it may be kept by its own word; nothing said is no time.
    pub keep_for: Duration,
}

/// Why nothing can be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum OutwardError {
    #[error(
        "oauth.fetch_clients is set, but no certificates of public authorities are installed here; install the \
         package ca-certificates, or unset it"
    )]
    NoAuthorities,

    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why a document was not fetched. Nothing of it stands in the message, nor an address of the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("it is no https address on port 443")]
    Url,

    #[error("its host cannot be looked up")]
    Unresolved { cause: String },

    #[error("its host is not on the public internet")]
    NotPublic,

    #[error("its host cannot be reached, or its certificate is not good")]
    Unreachable { cause: String },

    #[error("its host did not answer within {after:?}")]
    TimedOut { after: Duration },

    #[error("its host answered with the status {status}, not 200; redirects are not followed")]
    Status { status: u16 },

    #[error("it is not JSON by its content type")]
    NotJson,

    #[error("it is longer than {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
}

impl Documents {
    pub fn new(internet: Arc<dyn Internet>) -> Result<Self, OutwardError> {
        let authorities = internet.authorities();
        if authorities.is_empty() {
            return Err(OutwardError::NoAuthorities);
        }
        let tls = tls::client_config(&authorities)?;
        Ok(Self { internet, tls, patience: PATIENCE })
    }

    /// With less of it than a person has.
    #[cfg(test)]
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same over another network.
    #[cfg(test)]
    pub(super) fn over(self, internet: Arc<dyn Internet>) -> Self {
        Self { internet, ..self }
    }

    /// Fetches a document of JSON, from a host that everybody reaches.
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let fetched = timeout(self.patience, self.fetch_patiently(url)).await;
        fetched.unwrap_or(Err(FetchError::TimedOut { after: self.patience }))
    }

    async fn fetch_patiently(&self, url: &str) -> Result<Fetched, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
        let host = host_of(&uri).ok_or(FetchError::Url)?;
        let address = self.address_of(host.to_owned()).await?;
        // A client of its own: a connection that is kept could be another host's.
        let client = super::client(Some(self.tls.clone()), None);
        let request = client.get(uri).address(self.internet.door_of(address));
        let sent = request.insert_header((ACCEPT, "application/json")).send().await;
        let unreachable = |cause: String| FetchError::Unreachable { cause };
        let mut response = sent.map_err(|error| unreachable(error.to_string()))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status { status: response.status().as_u16() });
        }
        if !is_json(response.headers()) {
            return Err(FetchError::NotJson);
        }
        let keep_for = keep_for(response.headers());
        let body = response.body().limit(MOST_BYTES).await.map_err(|error| match error {
            PayloadError::Overflow => FetchError::TooLarge { limit_bytes: MOST_BYTES },
            error => unreachable(error.to_string()),
        })?;
        Ok(Fetched { body: body.to_vec(), keep_for })
    }

    /// The address that is connected to. The name is looked up once, for a second look could find another;
    /// and if one of its addresses is not for everybody, whoever has the name wants us to go there.
    async fn address_of(&self, host: String) -> Result<IpAddr, FetchError> {
        let unresolved = |cause: String| FetchError::Unresolved { cause };
        let turn = LOOKUPS.acquire().await.map_err(|error| unresolved(error.to_string()))?;
        let internet = Arc::clone(&self.internet);
        let look = move || {
            let _turn = turn;
            Ok::<_, io::Error>((internet.resolve(&host)?, internet.own_addresses()?))
        };
        let looked = spawn_blocking(look).await.map_err(|error| unresolved(error.to_string()))?;
        let (found, own) = looked.map_err(|error| unresolved(error.to_string()))?;
        if found.iter().any(|address| !is_public(*address) || own.contains(address)) {
            return Err(FetchError::NotPublic);
        }
        found.first().copied().ok_or_else(|| unresolved("no address".to_owned()))
    }
}

impl FetchError {
    /// Whether its host says that nothing stands there any more (RFC 9110, 15.5.5 and 15.5.11).
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Status { status: 404 | 410 })
    }

    /// What went wrong with the network, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unresolved { cause } | Self::Unreachable { cause } => Some(cause),
            _ => None,
        }
    }
}

/// The host of an https address without a user name, on the usual port.
fn host_of(uri: &Uri) -> Option<&str> {
    let is_usual = uri.port_u16().is_none_or(|port| port == HTTPS_PORT);
    let is_plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let is_https = uri.scheme_str() == Some("https");
    uri.host().filter(|host| is_https && is_usual && is_plain && !host.is_empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    let line = headers.get(CONTENT_TYPE).and_then(|line| line.to_str().ok()).unwrap_or_default();
    let kind = line.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// What `Cache-Control` says (RFC 9111, 5.2.2).
fn keep_for(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).filter_map(|line| line.to_str().ok());
    let words: Vec<String> = lines
        .flat_map(|line| line.split(','))
        .map(|word| word.trim().to_ascii_lowercase())
        .collect();
    if words.iter().any(|word| word == "no-store" || word.starts_with("no-cache")) {
        return Duration::ZERO;
    }
    let seconds = words.iter().find_map(|word| word.strip_prefix("max-age="));
    let seconds = seconds.and_then(|seconds| seconds.trim_matches('"').parse::<u32>().ok());
    Duration::from_secs(seconds.unwrap_or_default().into())
}
