use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{Issuer, OauthError, Pairs, digest_of, pkce};
use crate::model::percent::decoded_form;
use crate::model::{OauthClient, Secret};

/// What is asked of the token endpoint. There are no other grants: with open registration any that knows no
/// user would let strangers in.
#[derive(Debug)]
pub enum TokenAsk {
    /// Changes a code for tokens.
    Code { code: Secret, verifier: Secret, redirect: Option<String> },
    /// Changes a refresh token for new tokens.
    Refresh { token: Secret },
}

/// Whom a client says that it is, and how it shows that.
#[derive(Debug)]
pub struct ClientClaim {
    pub id: String,
    secret: Option<Secret>,
    /// Refusals answer a header with a header.
    pub is_basic: bool,
}

impl TokenAsk {
    pub fn parse(pairs: &Pairs, issuer: &Issuer) -> Result<Self, OauthError> {
        pairs.refuse_repeated()?;
        let secret = |name, missing| {
            let found = pairs.first(name).map(|text| Secret::new(text.to_owned()));
            found.ok_or(OauthError::InvalidRequest(missing))
        };
        let asked = match pairs.first("grant_type") {
            Some("authorization_code") => Self::Code {
                code: secret("code", "code is missing")?,
                verifier: secret("code_verifier", "code_verifier is missing")?,
                redirect: pairs.first("redirect_uri").map(str::to_owned),
            },
            Some("refresh_token") => {
                Self::Refresh { token: secret("refresh_token", "refresh_token is missing")? }
            }
            Some(_) => return Err(OauthError::UnsupportedGrantType),
            None => return Err(OauthError::InvalidRequest("grant_type is missing")),
        };
        issuer.require_resource(pairs.first("resource"))?;
        Ok(asked)
    }

    /// Whether a verifier is that of a challenge.
    #[must_use]
    pub fn verifies(verifier: &Secret, challenge: &str) -> bool {
        pkce::verifies(verifier.reveal(), challenge)
    }
}

impl ClientClaim {
    /// Reads the body and the line of `Authorization`. Both may say it, if they say the same: one SDK sends
    /// both, one client sends the header though it was told otherwise.
    pub fn parse(pairs: &Pairs, authorization: Option<&str>) -> Result<Self, OauthError> {
        let basic = authorization.and_then(basic).transpose()?;
        let is_basic = basic.is_some();
        let (body_id, body_secret) = (pairs.one("client_id")?, pairs.one("client_secret")?);
        let (basic_id, basic_secret) = basic.unzip();
        let basic_secret = basic_secret.filter(|secret| !secret.is_empty());
        let id = same(body_id, basic_id.as_deref())?;
        let secret = same(body_secret, basic_secret.as_deref())?;
        let id = id.ok_or(OauthError::InvalidRequest("client_id is missing"))?.to_owned();
        Ok(Self { id, secret: secret.map(|secret| Secret::new(secret.to_owned())), is_basic })
    }

    /// Whether it is this client. One that has no secret shows none that matters.
    #[must_use]
    pub fn is_of(&self, client: &OauthClient) -> bool {
        let shown = self.secret.as_ref().map(|secret| digest_of(secret.reveal()));
        let is_secret_good = match (client.secret, shown) {
            (None, _) => true,
            (Some(own), Some(shown)) => own.0.ct_eq(&shown.0).into(),
            (Some(_), None) => false,
        };
        self.id == client.id && is_secret_good
    }
}

fn same<'a>(body: Option<&'a str>, basic: Option<&'a str>) -> Result<Option<&'a str>, OauthError> {
    match (body, basic) {
        (Some(body), Some(basic)) if body != basic => Err(OauthError::InvalidClient),
        (Some(one), _) | (None, Some(one)) => Ok(Some(one)),
        (None, None) => Ok(None),
    }
}

/// Id and secret of `Basic`, percent-encoded as RFC 6749 (2.3.1) has it. Another scheme is nobody's here.
fn basic(line: &str) -> Option<Result<(String, String), OauthError>> {
    let (scheme, text) = line.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let read = || {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        Some((decoded_form(id)?, decoded_form(secret)?))
    };
    Some(read().ok_or(OauthError::InvalidClient))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::oauth::pinned_client;
    use crate::model::ClientAuth;

    fn claim(body: &str, line: Option<&str>) -> Result<ClientClaim, OauthError> {
        ClientClaim::parse(&Pairs::parse(body).unwrap(), line)
    }

    fn basic_line(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn a_client_says_who_it_is_in_the_body_in_the_header_or_in_both() {
        let plain = pinned_client("https://claude.ai/oauth/claude-code-client-metadata").unwrap();
        let client = OauthClient {
            id: "mc_1".to_owned(),
            secret: Some(digest_of("s:1")),
            auth: ClientAuth::Post,
            ..plain
        };
        let line = basic_line("mc_1:s%3A1");
        let line = line.as_str();

        for (body, line) in [
            ("client_id=mc_1&client_secret=s%3A1", None),
            ("", Some(line)),
            ("client_id=mc_1", Some(line)),
            ("client_id=mc_1&client_secret=s%3A1", Some(line)),
            ("client_id=mc_1&client_secret=s%3A1", Some("Bearer something")),
        ] {
            assert!(claim(body, line).unwrap().is_of(&client), "{body} {line:?}");
        }
        for (body, line) in [
            ("client_id=mc_1", None),
            ("client_id=mc_1&client_secret=wrong", None),
            ("client_id=mc_2&client_secret=s%3A1", None),
        ] {
            assert!(!claim(body, line).unwrap().is_of(&client), "{body}");
        }
        assert_eq!(claim("client_id=mc_2", Some(line)).unwrap_err(), OauthError::InvalidClient);
        assert_eq!(claim("", Some("Basic !!")).unwrap_err(), OauthError::InvalidClient);
        assert_eq!(claim("", None).unwrap_err().word(), "invalid_request");
        assert_eq!(claim("client_id=a&client_id=a", None).unwrap_err().word(), "invalid_request");
    }

    #[test]
    fn a_public_client_needs_no_secret() {
        let client = pinned_client("https://claude.ai/oauth/claude-code-client-metadata").unwrap();
        let id = "https%3A%2F%2Fclaude.ai%2Foauth%2Fclaude-code-client-metadata";

        assert!(claim(&format!("client_id={id}"), None).unwrap().is_of(&client));
        let line = basic_line(&format!("{id}:"));
        assert!(claim("", Some(&line)).unwrap().is_of(&client));
    }

    #[test]
    fn only_two_grants_are_known() {
        let ask =
            |body: &str| TokenAsk::parse(&Pairs::parse(body).unwrap(), &Issuer::of("https://h"));
        let word = |body: &str| ask(body).unwrap_err().word();

        for other in [
            "client_credentials",
            "password",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "implicit",
        ] {
            assert_eq!(word(&format!("grant_type={other}&code=x")), "unsupported_grant_type");
        }
        assert_eq!(word("code=x"), "invalid_request");
        assert_eq!(word("grant_type=authorization_code&code=x"), "invalid_request", "no verifier");
        assert_eq!(word("grant_type=refresh_token"), "invalid_request");
        assert_eq!(
            word("grant_type=refresh_token&refresh_token=a&refresh_token=b"),
            "invalid_request"
        );
        let elsewhere = "grant_type=refresh_token&refresh_token=a&resource=https://other/mcp";
        assert_eq!(word(elsewhere), "invalid_target");
        assert!(ask("grant_type=refresh_token&refresh_token=a&resource=https://h/mcp").is_ok());
    }
}
