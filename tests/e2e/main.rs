//! The server as a client sees it: a real socket, a real store, the real routes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]
#![allow(clippy::needless_pass_by_value, reason = "json! makes values, not references")]
#![allow(unreachable_pub, reason = "nothing in a test binary is reachable")]

mod arguments;
mod browser;
mod budget;
mod chooses;
mod clock;
mod context;
mod dashboard;
mod expiry;
mod finding;
mod front;
mod given;
mod guard;
mod harness;
mod hooks;
mod ingress;
mod isolation;
mod languages;
mod life;
mod limits;
mod looking;
mod matrix;
mod meaning;
mod memories;
mod moving;
mod oauth;
mod oauth_client;
mod oauth_described;
mod oauth_waiting;
mod oauth_walls;
mod older;
mod pages;
mod rest;
mod secrets;
mod sets;
mod showing;
mod storage;
mod storm;
mod tokens;
mod transfer;
mod undo;
mod waking;
mod words;
