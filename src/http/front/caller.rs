use std::collections::hash_map::RandomState;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, Hash, Hasher};

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::{Client, names};
use crate::actors::Mistake;
use crate::auth::{AuthError, Carrier, Identity, Presented, ProjectRule};
use crate::error::Error;
use crate::model::{Caller, Interface, Origin, Project};

/// Enough to recognise a program by; what follows is details of its platform.
const MAX_CLIENT_CHARS: usize = 100;

/// Everything that a request brought to show who it is.
pub(super) fn presented(headers: &HeaderMap) -> Presented<'_> {
    let authorization = headers.get_all(AUTHORIZATION);
    let keys = headers.get_all(&names::X_API_KEY).chain(headers.get_all(&names::X_MCP_TOKEN));
    let users = headers.get_all(&names::X_MCP_USER_ID);
    Presented::parse(
        authorization
            .map(|line| (Carrier::Authorization, line.as_bytes()))
            .chain(keys.map(|line| (Carrier::Key, line.as_bytes())))
            .chain(users.map(|line| (Carrier::User, line.as_bytes()))),
    )
}

/// By what wrong credentials are known again. The key of the hash is made anew at each start, so
/// that it tells nothing of them.
pub(super) fn mistake(headers: &HeaderMap, key: &RandomState) -> Mistake {
    let mut hasher = key.build_hasher();
    let carriers = [&AUTHORIZATION, &names::X_API_KEY, &names::X_MCP_TOKEN, &names::X_MCP_USER_ID];
    for name in carriers {
        for line in headers.get_all(name) {
            (name.as_str(), line.as_bytes()).hash(&mut hasher);
        }
    }
    Mistake(hasher.finish())
}

/// The same for what somebody typed.
pub(super) fn mistyped(typed: &str, key: &RandomState) -> Mistake {
    Mistake(key.hash_one(("typed", typed)))
}

/// Puts together who is asking, and from where.
pub(super) fn caller(
    identity: Identity,
    projects: &ProjectRule,
    head: &RequestHead,
    client: Client,
) -> Result<Caller, Error> {
    let identity = Identity { user: projects.user(identity.user), ..identity };
    let headers = head.headers();
    let path = head.uri.path();
    let face = match client.is_owner {
        true => Interface::Local,
        false if path.starts_with("/mcp") => Interface::Mcp,
        false if path.starts_with("/ui/") => Interface::Browser,
        false => Interface::Rest,
    };
    let origin = Origin {
        client: program(headers),
        address: Some(client.address),
        session: session(headers),
        face,
    };
    Ok(identity.into_caller(project(projects, headers)?, origin))
}

fn project(projects: &ProjectRule, headers: &HeaderMap) -> Result<Option<Project>, Error> {
    let unreadable = || Error::BadHeader { name: "X-Project-Dir" };
    if !matches!(projects, ProjectRule::Auto) {
        return Ok(None);
    }
    let mut lines = headers.get_all(&names::X_PROJECT_DIR);
    let first = lines.next();
    if lines.any(|other| Some(other) != first) {
        return Err(unreadable());
    }
    projects.project(first.map(HeaderValue::as_bytes)).map_err(|_| unreadable())
}

/// What the client calls its session. There are none of ours; it only tells changes apart.
fn session(headers: &HeaderMap) -> Option<String> {
    let told = headers.get(&names::MCP_SESSION_ID)?.to_str().ok()?;
    let told: String = told.chars().filter(char::is_ascii_graphic).take(MAX_CLIENT_CHARS).collect();
    (!told.is_empty()).then_some(told)
}

/// The client program, as it names itself.
#[must_use]
pub fn program(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(USER_AGENT)?.to_str().ok()?;
    let agent: String = agent.chars().filter(|c| !c.is_control()).take(MAX_CLIENT_CHARS).collect();
    (!agent.is_empty()).then_some(agent)
}

/// A handler names `Caller` to learn who asks. Outside the guard there is none, and it fails shut.
impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| AuthError::Missing.into()))
    }
}
