use serde_json::{Value, json};

use super::OauthError;
use crate::model::{Scope, Scopes};

/// What a program can be allowed over OAuth. To instruct and to administer takes a key.
pub const OFFERED_SCOPES: [Scope; 2] = [Scope::Read, Scope::Write];

/// Where the protocol is spoken, under the origin.
const RESOURCE_PATH: &str = "/mcp";

/// The one origin under which clients find us, and which names us as their server: `https://host`, without
/// a path and a final slash. Clients make up paths below it, and these are the ones that they make up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer(String);

impl Issuer {
    /// Of a public URL that has no path, in the one spelling of the settings.
    #[must_use]
    pub fn of(public_url: &str) -> Self {
        Self(public_url.to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of the protocol, for which tokens are made.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{}{RESOURCE_PATH}", self.0)
    }

    /// Whether a request came to us under this name: `Host`, or what a trusted proxy says of it.
    #[must_use]
    pub fn is_host(&self, host: &str) -> bool {
        let (scheme, own) = self.0.split_once("://").unwrap_or_default();
        without_usual_port(scheme, &host.to_ascii_lowercase()).trim_end_matches('.') == own
    }

    /// Whether a client that asks for this resource means ours. Some name the origin alone.
    pub fn require_resource(&self, asked: Option<&str>) -> Result<(), OauthError> {
        let Some(asked) = asked else { return Ok(()) };
        let path = self.path_of(asked);
        let is_ours = path.is_some_and(|path| ["", "/", "/mcp", "/mcp/"].contains(&path));
        if is_ours { Ok(()) } else { Err(OauthError::InvalidTarget) }
    }

    /// What is told of the protected resource (RFC 9728).
    #[must_use]
    pub fn resource_document(&self) -> Value {
        json!({
            "resource": self.resource(),
            "authorization_servers": [self.0],
            "scopes_supported": OFFERED_SCOPES,
            "bearer_methods_supported": ["header"],
            "resource_name": "memoryd",
        })
    }

    /// What is told of the authorization server (RFC 8414). A client refuses one that does not say S256, and
    /// names itself by the address of a description only where that is fetched.
    #[must_use]
    pub fn server_document(&self, fetches_clients: bool) -> Value {
        let at = |path: &str| format!("{}{path}", self.0);
        json!({
            "issuer": self.0,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "registration_endpoint": at("/register"),
            "revocation_endpoint": at("/revoke"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported":
                ["none", "client_secret_post", "client_secret_basic"],
            "scopes_supported": ["read", "write", "offline_access"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": fetches_clients,
            "service_documentation": at("/"),
        })
    }

    /// Tells whoever has no token where to get one (RFC 9728, 5.1).
    #[must_use]
    pub fn challenge(&self, error: Option<&str>) -> String {
        let error = error.map(|error| format!("error=\"{error}\", ")).unwrap_or_default();
        let place = format!("{}/.well-known/oauth-protected-resource{RESOURCE_PATH}", self.0);
        format!("Bearer {error}resource_metadata=\"{place}\", scope=\"read write\"")
    }

    /// What stands behind our origin.
    fn path_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let own = origin(&format!("{scheme}://{authority}"))?;
        (own == self.0).then_some(path)
    }
}

/// Scopes as they are asked for. What is unknown or not offered is left out; nothing asked is all of them.
pub(super) fn offered(asked: Option<&str>) -> Scopes {
    let words = asked.unwrap_or_default().split_ascii_whitespace();
    let known = words.filter_map(Scope::parse).filter(|scope| OFFERED_SCOPES.contains(scope));
    let asked: Scopes = known.collect();
    if asked.is_empty() { Scopes::from_iter(OFFERED_SCOPES) } else { asked }
}

/// Scheme and authority as every spelling of them comes out.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    let authority = without_usual_port(&scheme, &authority);
    Some(format!("{scheme}://{}", authority.trim_end_matches('.')))
}

fn without_usual_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    let usual = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(usual).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_resource_has_several_spellings_and_no_other_is_ours() {
        let issuer = Issuer::of("https://memory.example.com");
        assert_eq!(issuer.resource(), "https://memory.example.com/mcp");

        for ours in [
            "https://memory.example.com/mcp",
            "https://memory.example.com/mcp/",
            "https://memory.example.com",
            "https://memory.example.com/",
            "https://MEMORY.example.com:443/mcp",
        ] {
            assert_eq!(issuer.require_resource(Some(ours)), Ok(()), "{ours}");
        }
        assert_eq!(issuer.require_resource(None), Ok(()));
        for foreign in [
            "http://memory.example.com/mcp",
            "https://memory.example.com/mcp2",
            "https://memory.example.com/mcp?x",
            "https://memory.example.com/mcp#x",
            "https://memory.example.com:8443/mcp",
            "https://memory.example.com.evil.example/mcp",
            "https://evil.example/mcp",
            "memory.example.com/mcp",
            "",
        ] {
            let refused = issuer.require_resource(Some(foreign));
            assert_eq!(refused, Err(OauthError::InvalidTarget), "{foreign}");
        }
    }

    #[test]
    fn a_host_is_ours_with_or_without_the_usual_port() {
        let issuer = Issuer::of("https://memory.example.com");
        for ours in ["memory.example.com", "Memory.example.com:443", "memory.example.com."] {
            assert!(issuer.is_host(ours), "{ours}");
        }
        for other in ["memory.example.com:80", "127.0.0.1", "a.memory.example.com", ""] {
            assert!(!issuer.is_host(other), "{other}");
        }
        assert!(Issuer::of("http://127.0.0.1:3000").is_host("127.0.0.1:3000"));
    }

    #[test]
    fn what_is_not_offered_is_not_asked_for() {
        let scopes = |asked| offered(asked).as_slice().to_vec();

        assert_eq!(scopes(None), OFFERED_SCOPES);
        assert_eq!(scopes(Some("offline_access")), OFFERED_SCOPES);
        assert_eq!(scopes(Some("read admin instructions openid")), [Scope::Read]);
        assert_eq!(scopes(Some(" write  read ")), OFFERED_SCOPES);
    }

    #[test]
    fn the_documents_name_us_and_say_what_clients_insist_on() {
        let issuer = Issuer::of("https://h");
        let server = issuer.server_document(false);

        assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(server["client_id_metadata_document_supported"], false);
        assert_eq!(issuer.server_document(true)["client_id_metadata_document_supported"], true);
        assert_eq!(
            (&server["issuer"], &server["token_endpoint"]),
            (&json!("https://h"), &json!("https://h/token"))
        );
        let resource = issuer.resource_document();
        assert_eq!(resource["scopes_supported"], json!(["read", "write"]));
        assert_eq!(
            issuer.challenge(Some("invalid_token")),
            "Bearer error=\"invalid_token\", \
             resource_metadata=\"https://h/.well-known/oauth-protected-resource/mcp\", \
             scope=\"read write\""
        );
    }
}
