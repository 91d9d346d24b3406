use super::issuer::offered;
use super::{Issuer, OauthError, Pairs, Redirect, pkce};
use crate::model::percent::encoded;
use crate::model::{Grant, OauthClient, Scopes, TokenPrefix};

/// Longer ones are no state of a client, and would not fit into a URL.
const MAX_STATE_BYTES: usize = 4 * 1024;

/// What a client asks a user for, once it is known that the answer goes to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizeRequest {
    pub client: OauthClient,
    /// As it was asked for, one of the client's own.
    pub redirect: String,
    pub state: Option<String>,
    pub challenge: String,
    pub scopes: Scopes,
}

/// What a user has allowed, on its way to the client by a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// Without tokens as yet.
    pub grant: Grant,
    pub redirect: String,
    pub challenge: String,
    /// The token with which the user had signed in, if it was one. The code is good for as long as that.
    pub by: Option<TokenPrefix>,
}

/// Why nobody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadAsk {
    /// It is not known who would hear of it: only the person at the browser is told.
    Page(&'static str),
    /// The client is told.
    Told { redirect: String, state: Option<String>, error: OauthError },
}

impl AuthorizeRequest {
    /// Reads the query of the authorization endpoint. Who the client is and where the answer goes comes
    /// before everything else, and what is wrong with either is never told to an address of the request.
    pub fn parse(
        pairs: &Pairs,
        issuer: &Issuer,
        find: impl FnOnce(&str) -> Option<OauthClient>,
    ) -> Result<Self, BadAsk> {
        let twice = |_| BadAsk::Page("The request names its client or its return address twice.");
        let id = pairs.one("client_id").map_err(twice)?;
        let client = id.and_then(find).ok_or(BadAsk::Page(
            "The program that sent you here is not known to this server, or not any more. Remove the \
             connection there, and add it again.",
        ))?;
        let asked =
            match (pairs.one("redirect_uri").map_err(twice)?, client.redirect_uris.as_slice()) {
                (Some(asked), _) => asked.to_owned(),
                (None, [only]) => only.clone(),
                (None, _) => String::new(),
            };
        if !client.redirect_uris.iter().any(|known| Redirect::matches(known, &asked)) {
            return Err(BadAsk::Page(
                "The program that sent you here wants the answer at an address that is not its own. \
                 Nothing was sent there.",
            ));
        }
        let state = pairs.first("state").map(str::to_owned);
        match read(pairs, issuer) {
            Ok((challenge, scopes)) => {
                Ok(Self { client, redirect: asked, state, challenge, scopes })
            }
            Err(error) => Err(BadAsk::Told { redirect: asked, state, error }),
        }
    }
}

fn read(pairs: &Pairs, issuer: &Issuer) -> Result<(String, Scopes), OauthError> {
    pairs.refuse_repeated()?;
    if pairs.first("state").is_some_and(|state| state.len() > MAX_STATE_BYTES) {
        return Err(OauthError::InvalidRequest("the state is longer than 4 KiB"));
    }
    match pairs.first("response_type") {
        Some("code") => {}
        Some(_) => return Err(OauthError::UnsupportedResponseType),
        None => return Err(OauthError::InvalidRequest("response_type is missing")),
    }
    let challenge = pairs.first("code_challenge").filter(|text| pkce::is_challenge(text));
    let challenge =
        challenge.ok_or(OauthError::InvalidRequest("code_challenge is needed (RFC 7636)"))?;
    if pairs.first("code_challenge_method") != Some("S256") {
        return Err(OauthError::InvalidRequest("code_challenge_method must be S256"));
    }
    issuer.require_resource(pairs.first("resource"))?;
    Ok((challenge.to_owned(), offered(pairs.first("scope"))))
}

/// Where a browser is sent with an answer.
#[must_use]
pub fn answer_url(redirect: &str, answer: &[(&str, &str)]) -> String {
    let mut url = redirect.to_owned();
    for (name, value) in answer {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        url.push_str(&encoded(value));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::oauth::pinned_client;
    use crate::model::Scope;

    const CLIENT: &str = "client_id=https%3A%2F%2Fclaude.ai%2Foauth%2Fclaude-code-client-metadata";
    const BACK: &str = "redirect_uri=http%3A%2F%2Flocalhost%3A3118%2Fcallback";
    const REST: &str = "response_type=code&code_challenge_method=S256&state=a%2Fb%20c&\
                        code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn parsed(query: &str) -> Result<AuthorizeRequest, BadAsk> {
        let pairs = Pairs::parse(query).unwrap();
        AuthorizeRequest::parse(&pairs, &Issuer::of("https://h"), pinned_client)
    }

    #[test]
    fn a_good_request_is_understood() {
        let asked = parsed(&format!("{CLIENT}&{BACK}&{REST}&scope=read+admin&resource=https://h/"))
            .unwrap();

        assert_eq!(asked.redirect, "http://localhost:3118/callback");
        assert_eq!(
            (asked.state.as_deref(), asked.scopes.as_slice()),
            (Some("a/b c"), &[Scope::Read][..])
        );
    }

    #[test]
    fn where_the_answer_would_go_is_settled_first() {
        for query in [
            format!("{BACK}&{REST}"),
            format!("client_id=mc_unknown&{BACK}&{REST}"),
            format!("{CLIENT}&{CLIENT}&{BACK}&{REST}"),
            format!("{CLIENT}&{BACK}&{BACK}&{REST}"),
            format!("{CLIENT}&{REST}"),
            format!("{CLIENT}&{REST}&redirect_uri=https%3A%2F%2Fevil.example%2Fcallback"),
            format!("{CLIENT}&{REST}&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fcallback%2Fx"),
            format!("{CLIENT}&{REST}&redirect_uri=javascript%3Aalert(1)"),
        ] {
            assert!(matches!(parsed(&query), Err(BadAsk::Page(_))), "{query}");
        }
    }

    #[test]
    fn what_else_is_wrong_the_client_is_told() {
        let unsaid = REST.replace("code_challenge_method=S256&", "");
        let elsewhere = format!("{REST}&resource=https://other/mcp");
        let two_resources = format!("{REST}&resource=https://h/mcp&resource=https://h/mcp");
        let two_scopes = format!("{REST}&scope=read&scope=write");
        let downgraded = REST.replace("S256", "plain");
        let without = REST.replace("code_challenge=", "x=");
        let token = REST.replace("response_type=code", "response_type=token");
        for (rest, word) in [
            (downgraded.as_str(), "invalid_request"),
            (unsaid.as_str(), "invalid_request"),
            (without.as_str(), "invalid_request"),
            (token.as_str(), "unsupported_response_type"),
            (elsewhere.as_str(), "invalid_target"),
            (two_resources.as_str(), "invalid_request"),
            (two_scopes.as_str(), "invalid_request"),
        ] {
            let Err(BadAsk::Told { redirect, state, error }) =
                parsed(&format!("{CLIENT}&{BACK}&{rest}"))
            else {
                panic!("{rest}");
            };
            assert_eq!((redirect.as_str(), error.word()), ("http://localhost:3118/callback", word));
            assert_eq!(state.as_deref(), Some("a/b c"));
        }
    }

    #[test]
    fn an_answer_is_put_behind_what_is_there() {
        assert_eq!(
            answer_url("https://a.b/cb?x=1", &[("code", "mac_1"), ("state", "a b&c")]),
            "https://a.b/cb?x=1&code=mac_1&state=a%20b%26c"
        );
        assert_eq!(
            answer_url("cursor://x/cb", &[("iss", "https://h")]),
            "cursor://x/cb?iss=https%3A%2F%2Fh"
        );
    }
}
