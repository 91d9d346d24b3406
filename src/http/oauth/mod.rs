//! OAuth 2.1 on the wire: discovery, registration, the question to the user, tokens. What is allowed is
//! decided in [`crate::auth::oauth`]; here requests are read and answers worded as clients expect them.
//!
//! Everything is there under the public name alone (`front/public_host.rs`), and nobody needs a credential
//! of ours to come so far: what a stranger can begin is counted, bounded and forgotten. A user signs in at
//! `/ui/login`, and is always asked.

mod answers;
mod authorize;
mod consent;
mod describing;
mod discovery;
mod face;
mod register;
mod token;

use super::front::Guard;
use super::route::{Row, delete, get, post};

pub use face::OauthFace;

const TOLD_TO_ALL: Guard = Guard::Open("a client asks how to sign in before it can");
const WITH_A_SECRET: Guard = Guard::Open("what is sent here is itself what shows who one is");
const SIGNS_IN: Guard = Guard::Visitor("who is sent here signs in first");

/// The routes, which the description of the API leaves out: clients read the documents that are served here.
pub(super) fn rows() -> Vec<Row> {
    let resource = |path| get(path).guard(TOLD_TO_ALL).to(discovery::resource);
    let server = |path| get(path).guard(TOLD_TO_ALL).to(discovery::server);
    vec![
        resource("/.well-known/oauth-protected-resource"),
        resource("/.well-known/oauth-protected-resource/mcp"),
        server("/.well-known/oauth-authorization-server"),
        server("/.well-known/oauth-authorization-server/mcp"),
        post("/register").guard(TOLD_TO_ALL).to(register::register),
        get("/register/{client}").guard(WITH_A_SECRET).to(register::show),
        delete("/register/{client}").guard(WITH_A_SECRET).to(register::remove),
        get("/authorize").guard(SIGNS_IN).to(authorize::begin),
        get("/authorize/pending/{request}").guard(SIGNS_IN).to(authorize::ask),
        post("/authorize/pending/{request}").guard(SIGNS_IN).to(authorize::answer),
        post("/token").guard(WITH_A_SECRET).to(token::exchange),
        post("/revoke").guard(WITH_A_SECRET).to(token::revoke),
    ]
}
