use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use super::{Issuer, OauthError, Redirect, RedirectKind, digest_of, new_client_id};
use crate::auth::{RandomnessFailed, generate_key};
use crate::model::foreign::inline;
use crate::model::{ClientAuth, OauthClient, Secret, Timestamp};

/// Some editors register three at once; nobody needs more than this.
const MOST_URIS: usize = 10;
/// Longer names are there to push something out of sight.
const MAX_NAME_CHARS: usize = 64;
const UNNAMED: &str = "a program without a name";

/// What a client says of itself when it registers (RFC 7591). What we have no use for is left out, and what
/// cannot be used is dropped, as long as something is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    name: String,
    redirect_uris: Vec<String>,
    auth: ClientAuth,
}

/// A client that has just registered, with what it is told once.
#[derive(Debug)]
pub struct Registered {
    pub client: OauthClient,
    secret: Option<Secret>,
    token: Secret,
}

impl Registration {
    pub fn parse(told: &Map<String, Value>) -> Result<Self, OauthError> {
        let uris = told.get("redirect_uris").and_then(Value::as_array);
        let uris = uris.ok_or(OauthError::InvalidRedirectUri)?;
        if uris.len() > MOST_URIS {
            return Err(OauthError::InvalidClientMetadata("more than 10 redirect URIs"));
        }
        let usable =
            uris.iter().filter_map(Value::as_str).filter(|uri| Redirect::parse(uri).is_some());
        let redirect_uris: Vec<String> = usable.map(str::to_owned).collect();
        if redirect_uris.is_empty() {
            return Err(OauthError::InvalidRedirectUri);
        }
        // Who does not say it is public, whatever RFC 7591 has as its default. What we do not know we do
        // not give, and the answer says what there is instead.
        let auth = told.get("token_endpoint_auth_method").and_then(Value::as_str);
        let auth = auth.and_then(ClientAuth::parse).unwrap_or(ClientAuth::None);
        let name = told.get("client_name").and_then(Value::as_str).unwrap_or_default();
        Ok(Self { name: shown_name(name), redirect_uris, auth })
    }

    /// Makes a client of it.
    pub fn register(self, now: Timestamp) -> Result<Registered, RandomnessFailed> {
        let is_public = self.auth == ClientAuth::None;
        let secret = if is_public { None } else { Some(generate_key()?) };
        let token = generate_key()?;
        let client = OauthClient {
            id: new_client_id()?,
            name: self.name,
            redirect_uris: self.redirect_uris,
            auth: self.auth,
            secret: secret.as_ref().map(|secret| digest_of(secret.reveal())),
            registration: Some(digest_of(token.reveal())),
            registered_at: now,
        };
        Ok(Registered { client, secret, token })
    }

    /// The same without a secret, under an id that the client has already.
    pub(super) fn into_public_client(self, id: String, now: Timestamp) -> OauthClient {
        OauthClient {
            id,
            name: self.name,
            redirect_uris: self.redirect_uris,
            auth: ClientAuth::None,
            secret: None,
            registration: None,
            registered_at: now,
        }
    }
}

impl Registered {
    /// The answer to the registration.
    #[must_use]
    pub fn document(&self, issuer: &Issuer) -> Value {
        let mut told = client_document(&self.client, issuer);
        if let Some(told) = told.as_object_mut() {
            if let Some(secret) = &self.secret {
                told.insert("client_secret".to_owned(), json!(secret.reveal()));
                // A whole number: a client refuses 0.0. It means never.
                told.insert("client_secret_expires_at".to_owned(), json!(0));
            }
            told.insert("registration_access_token".to_owned(), json!(self.token.reveal()));
        }
        told
    }
}

/// What is told of a client that is there (RFC 7592).
#[must_use]
pub fn client_document(client: &OauthClient, issuer: &Issuer) -> Value {
    let kinds = client.redirect_uris.iter().filter_map(|uri| Redirect::parse(uri));
    let is_web = kinds.map(|redirect| redirect.kind).all(|kind| kind == RedirectKind::Web);
    json!({
        "client_id": client.id,
        "client_id_issued_at": client.registered_at.0.div_euclid(1_000),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth.word(),
        "application_type": if is_web { "web" } else { "native" },
        // Without it one client never asks for any.
        "scope": "read write",
        "registration_client_uri": format!("{}/register/{}", issuer.as_str(), client.id),
    })
}

/// Whether whoever sends this line of `Authorization` registered the client.
#[must_use]
pub fn manages_client(client: &OauthClient, authorization: Option<&str>) -> bool {
    let line = authorization.and_then(|line| line.trim().split_once(' '));
    let token = line.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let shown = token.map(|(_, token)| digest_of(token.trim()));
    client.registration.zip(shown).is_some_and(|(own, shown)| own.0.ct_eq(&shown.0).into())
}

/// A name as a person may be shown it: on one line, no letters turned round, and an end.
fn shown_name(name: &str) -> String {
    let shown: String = inline(name.trim()).chars().take(MAX_NAME_CHARS).collect();
    if shown.is_empty() { UNNAMED.to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(told: &Value) -> Result<Registration, OauthError> {
        Registration::parse(told.as_object().unwrap())
    }

    #[test]
    fn what_cannot_be_used_is_dropped_as_long_as_something_is_left() {
        let cursor = parsed(&json!({
            "redirect_uris": [
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback",
                "http://localhost:8787/callback",
                "javascript:alert(1)", 7, "http://evil.example/cb",
            ],
            "client_name": "Cursor",
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
            "software_statement": { "no": "matter" },
        }));
        assert_eq!(cursor.unwrap().redirect_uris.len(), 3);

        let many = ["https://a.b/"; 11];
        for (odd, refusal) in [
            (json!({}), OauthError::InvalidRedirectUri),
            (json!({ "redirect_uris": "https://a.b/" }), OauthError::InvalidRedirectUri),
            (json!({ "redirect_uris": [] }), OauthError::InvalidRedirectUri),
            (json!({ "redirect_uris": ["javascript:1"] }), OauthError::InvalidRedirectUri),
        ] {
            assert_eq!(parsed(&odd), Err(refusal));
        }
        let refused = parsed(&json!({ "redirect_uris": many })).unwrap_err();
        assert_eq!(refused.word(), "invalid_client_metadata");
    }

    #[test]
    fn a_client_is_public_unless_it_wants_a_secret() {
        let issuer = Issuer::of("https://h");
        let register = |told: Value| parsed(&told).unwrap().register(Timestamp(1_999)).unwrap();

        let public = register(json!({ "redirect_uris": ["http://localhost/cb"] }));
        let told = public.document(&issuer);
        assert_eq!(told["token_endpoint_auth_method"], "none");
        assert!(told.get("client_secret").is_none() && public.client.secret.is_none());
        assert_eq!(
            (&told["client_id_issued_at"], &told["application_type"]),
            (&json!(1), &json!("native"))
        );
        assert_eq!(told["scope"], "read write");

        let confidential = register(json!({
            "redirect_uris": ["https://a.b/cb"],
            "token_endpoint_auth_method": "client_secret_post",
        }));
        let told = confidential.document(&issuer);
        let secret = told["client_secret"].as_str().unwrap();
        assert_eq!(confidential.client.secret, Some(digest_of(secret)));
        assert_eq!(told["client_secret_expires_at"].to_string(), "0", "not 0.0");
        assert_eq!(told["application_type"], "web");
        let token = format!("Bearer {}", told["registration_access_token"].as_str().unwrap());
        assert!(manages_client(&confidential.client, Some(&token)));
        for wrong in
            [None, Some("Bearer x"), Some(token.trim_start_matches("Bearer ")), Some("Bearer ")]
        {
            assert!(!manages_client(&confidential.client, wrong), "{wrong:?}");
        }
        let again = client_document(&confidential.client, &issuer);
        assert!(again.get("client_secret").is_none(), "it is shown once");
    }

    #[test]
    fn a_name_is_short_and_turns_nothing_round() {
        assert_eq!(shown_name("  Claude Code (memory) "), "Claude Code (memory)");
        assert_eq!(shown_name(""), UNNAMED);
        assert!(!shown_name("a\u{202e}b\nc").contains(['\u{202e}', '\n']));
        assert_eq!(shown_name(&"x".repeat(500)).len(), MAX_NAME_CHARS);
    }
}
