//! Clients that name themselves by the address of their description (CIMD), where that is fetched: which
//! addresses are taken, what a description has to say, and for how long it is believed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use super::{OauthError, Registration};
use crate::model::percent::decoded;
use crate::model::{OauthClient, Timestamp};

/// Longer ones are none that a client needs.
const MAX_URL_BYTES: usize = 512;
/// A description is looked at again after so long at least, and at most.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// A host that fails is left alone for so long.
const RETRY: Duration = Duration::from_secs(60);
/// So old may a good copy be that stands in while its host fails.
const OLDEST: Duration = Duration::from_secs(30 * 86_400);
/// A household has a few clients. The one that was asked for least recently gives way.
const MOST: usize = 64;

/// The address of a description, which is the id of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUrl(String);

/// What is known of a client, as far as one may go by it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Known(OauthClient),
    /// Its host failed just now, and there is no copy.
    Failed,
    /// It is time to look.
    Due,
}

/// Why a description is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDescription {
    #[error("it is no JSON object")]
    NoObject,
    #[error("its client_id is not its own address")]
    OtherId,
    #[error("it names no redirect URI that can be used, or more than 10")]
    NoRedirect,
    #[error("it wants the client to show a secret; only public clients are taken by their address")]
    Secret,
}

/// Descriptions that were fetched. Shared by all workers, and locked for some lines.
#[derive(Debug, Default)]
pub struct Descriptions(Mutex<Vec<Described>>);

/// The one that was asked for last stands last.
#[derive(Debug)]
struct Described {
    url: ClientUrl,
    /// The last good copy, and when it was fetched.
    copy: Option<(OauthClient, Timestamp)>,
    look_again: Timestamp,
}

impl ClientUrl {
    /// Reads a client's id as the address of its description; nothing if it is none that is fetched: https,
    /// the usual port, a name in small letters, a path, and nothing that two readers could read as two.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && !b"\"#'<>\\^`{|}".contains(&byte);
        if id.len() > MAX_URL_BYTES || !id.bytes().all(is_fit) {
            return None;
        }
        let (authority, rest) = split(id)?;
        let path = rest.split('?').next().unwrap_or_default();
        let is_part = |part: &str| decoded(part).is_some_and(|part| part != "." && part != "..");
        let is_path = path.len() > 1 && path.starts_with('/') && path.split('/').all(is_part);
        (is_path && is_name(host_of(authority))).then(|| Self(id.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its host.
    #[must_use]
    pub fn host(&self) -> &str {
        split(&self.0).map(|(authority, _)| host_of(authority)).unwrap_or_default()
    }

    /// Reads the description that stood at this address.
    pub fn describe(&self, body: &[u8], now: Timestamp) -> Result<OauthClient, BadDescription> {
        let told: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| BadDescription::NoObject)?;
        if told.get("client_id").and_then(Value::as_str) != Some(self.as_str()) {
            return Err(BadDescription::OtherId);
        }
        // One client prefers a key of its own, and goes without where we do not offer that.
        let is_none = |value: &Value| value.as_str() == Some("none");
        let others = told.get("token_endpoint_auth_methods_supported").and_then(Value::as_array);
        let may_be_public = told.get("token_endpoint_auth_method").is_none_or(is_none)
            || others.is_some_and(|others| others.iter().any(is_none));
        if !may_be_public {
            return Err(BadDescription::Secret);
        }
        let read = Registration::parse(&told);
        let read = read.map_err(|_: OauthError| BadDescription::NoRedirect)?;
        Ok(read.into_public_client(self.0.clone(), now))
    }
}

impl Descriptions {
    /// What is known of a client without asking its host.
    #[must_use]
    pub fn get(&self, url: &ClientUrl, now: Timestamp) -> Standing {
        let mut all = self.lock();
        let Some(at) = all.iter().position(|one| one.url == *url) else { return Standing::Due };
        let one = all.remove(at);
        let standing = match one.good_copy(now) {
            _ if now >= one.look_again => Standing::Due,
            Some(client) => Standing::Known(client),
            None => Standing::Failed,
        };
        all.push(one);
        standing
    }

    /// Keeps a client that was just described, for as long as its host says, within bounds.
    pub fn keep(&self, url: ClientUrl, client: OauthClient, keep_for: Duration, now: Timestamp) {
        let look_again = now.plus(keep_for.clamp(SHORTEST, LONGEST));
        self.put(Described { url, copy: Some((client, now)), look_again });
    }

    /// Notes that a host failed. The last good copy stands in, if there is one.
    #[must_use]
    pub fn fail(&self, url: ClientUrl, now: Timestamp) -> Option<OauthClient> {
        let copy = self.lock().iter().find(|one| one.url == url).and_then(|one| one.copy.clone());
        let failed = Described { url, copy, look_again: now.plus(RETRY) };
        let stands_in = failed.good_copy(now);
        self.put(failed);
        stands_in
    }

    /// Notes that what stands there is of no use, whatever stood there before.
    pub fn refuse(&self, url: ClientUrl, now: Timestamp) {
        self.put(Described { url, copy: None, look_again: now.plus(RETRY) });
    }

    fn put(&self, described: Described) {
        let mut all = self.lock();
        all.retain(|one| one.url != described.url);
        all.push(described);
        let surplus = all.len().saturating_sub(MOST);
        all.drain(..surplus);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Described>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Described {
    fn good_copy(&self, now: Timestamp) -> Option<OauthClient> {
        let fresh = self.copy.as_ref().filter(|(_, fetched)| now.since(*fetched) <= OLDEST);
        fresh.map(|(client, _)| client.clone())
    }
}

/// Host and port, and what stands behind them.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("https://")?;
    Some(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
}

fn host_of(authority: &str) -> &str {
    authority.strip_suffix(":443").unwrap_or(authority)
}

/// A name of the public DNS: small letters, more than one label, and no number that some reader takes for an
/// address.
fn is_name(host: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_fit);
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.contains('.')
        && host.split('.').all(is_label)
        && last.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::ClientAuth;

    const URL: &str = "https://client.example/oauth/client.json";

    fn later(seconds: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_secs(seconds))
    }

    fn url() -> ClientUrl {
        ClientUrl::parse(URL).unwrap()
    }

    fn described(change: &Value) -> Result<OauthClient, BadDescription> {
        let mut told = json!({
            "client_id": URL,
            "client_name": "Example",
            "redirect_uris": ["https://client.example/cb", "javascript:alert(1)"],
            "logo_uri": "https://client.example/logo.png",
        });
        told.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        url().describe(told.to_string().as_bytes(), later(1))
    }

    #[test]
    fn an_id_is_fetched_if_it_is_an_address_that_has_one_meaning() {
        for (fine, host) in [
            (URL, "client.example"),
            ("https://client.example:443/c", "client.example"),
            ("https://a-1.client.example/c/%7Euser?v=1", "a-1.client.example"),
        ] {
            assert_eq!(ClientUrl::parse(fine).unwrap().host(), host, "{fine}");
        }
        let long = format!("https://client.example/{}", "x".repeat(512));
        for odd in [
            "http://client.example/c",
            "HTTPS://client.example/c",
            "https://Client.example/c",
            "https://client.example",
            "https://client.example/",
            "https://client.example?c",
            "https://client.example/?c",
            "https://client.example:8443/c",
            "https://client.example:/c",
            "https://user@client.example/c",
            "https://user:pw@client.example/c",
            "https://client.example/c#f",
            "https://client.example/a/../c",
            "https://client.example/a/./c",
            "https://client.example/%2e%2E/c",
            "https://client.example/%2e/c",
            "https://client.example/.%2e",
            "https://client.example/%zz",
            "https://client.example/a b",
            "https://client.example\\@evil.example/c",
            "https://localhost/c",
            "https://127.0.0.1/c",
            "https://0x7f.0x1/c",
            "https://[::1]/c",
            "https://client.example./c",
            "https://.example/c",
            "https:///c",
            "mc_1",
            "",
            long.as_str(),
        ] {
            assert_eq!(ClientUrl::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_description_has_its_own_address_and_makes_a_public_client() {
        let client = described(&json!({})).unwrap();
        assert_eq!((client.id.as_str(), client.name.as_str()), (URL, "Example"));
        assert_eq!(client.redirect_uris, ["https://client.example/cb"]);
        assert_eq!(
            (client.auth, client.secret, client.registration),
            (ClientAuth::None, None, None)
        );

        for fine in [
            json!({ "token_endpoint_auth_method": "none" }),
            json!({
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
            }),
        ] {
            assert_eq!(described(&fine).unwrap().auth, ClientAuth::None, "{fine}");
        }
        for (odd, refusal) in [
            (json!({ "client_id": format!("{URL}/") }), BadDescription::OtherId),
            (json!({ "client_id": URL.to_uppercase() }), BadDescription::OtherId),
            (json!({ "client_id": null }), BadDescription::OtherId),
            (json!({ "redirect_uris": ["javascript:alert(1)"] }), BadDescription::NoRedirect),
            (json!({ "redirect_uris": URL }), BadDescription::NoRedirect),
            (json!({ "token_endpoint_auth_method": "client_secret_post" }), BadDescription::Secret),
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), BadDescription::Secret),
        ] {
            assert_eq!(described(&odd), Err(refusal), "{odd}");
        }
        for odd in ["", "[]", "{", "\"x\""] {
            let refused = url().describe(odd.as_bytes(), later(1));
            assert_eq!(refused, Err(BadDescription::NoObject), "{odd}");
        }
    }

    #[test]
    fn a_description_is_believed_for_as_long_as_it_says_within_bounds() {
        let client = described(&json!({})).unwrap();
        for (says, believed) in [(0, 300), (3_600, 3_600), (90 * 86_400, 86_400)] {
            let all = Descriptions::default();
            assert_eq!(all.get(&url(), later(0)), Standing::Due);
            all.keep(url(), client.clone(), Duration::from_secs(says), later(0));

            let known = Standing::Known(client.clone());
            assert_eq!(all.get(&url(), later(believed - 1)), known, "{says}");
            assert_eq!(all.get(&url(), later(believed)), Standing::Due, "{says}");
        }
    }

    #[test]
    fn while_a_host_fails_its_last_good_copy_stands_in_for_a_month() {
        let client = described(&json!({})).unwrap();
        let all = Descriptions::default();
        assert_eq!(all.fail(url(), later(0)), None);
        assert_eq!(all.get(&url(), later(59)), Standing::Failed);
        assert_eq!(all.get(&url(), later(60)), Standing::Due);

        all.keep(url(), client.clone(), Duration::ZERO, later(60));
        let month = 60 + 30 * 86_400;
        assert_eq!(all.fail(url(), later(month)), Some(client.clone()));
        assert_eq!(all.get(&url(), later(month)), Standing::Known(client));
        assert_eq!(all.get(&url(), later(month + 1)), Standing::Failed);
        assert_eq!(all.fail(url(), later(month + 60)), None, "it is too old by now");

        all.keep(url(), described(&json!({})).unwrap(), Duration::ZERO, later(month + 120));
        all.refuse(url(), later(month + 500));
        assert_eq!(all.get(&url(), later(month + 501)), Standing::Failed);
        assert_eq!(all.fail(url(), later(month + 560)), None, "no older copy stands in");
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let all = Descriptions::default();
        let client = described(&json!({})).unwrap();
        all.keep(url(), client, Duration::ZERO, later(0));

        for n in 0..1_000 {
            let other = ClientUrl::parse(&format!("https://client.example/{n}")).unwrap();
            assert_eq!(all.fail(other, later(1)), None);
            assert!(matches!(all.get(&url(), later(1)), Standing::Known(_)), "it is in use");
        }
        assert_eq!(all.lock().len(), MOST);
    }
}
