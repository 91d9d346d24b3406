//! The program as its owner runs it: processes of their own, killed and started again.
//!
//! Apart from the tests with a server inside the test's own process: for the moment between a fork and
//! an exec a child holds every lock of its parent, so a store closed in that moment stays locked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]
#![allow(clippy::needless_pass_by_value, reason = "json! makes values, not references")]
#![allow(unreachable_pub, reason = "nothing in a test binary is reachable")]

mod backup;
mod connecting;
mod crash;
mod doctor;
mod doors;
mod encryption;
mod folders;
mod hooks;
mod keys;
mod moving;
mod pages;
mod process;
mod projects;
mod service;
mod sharing;
mod starting;
mod strain;
mod transfer;

/// Opens every test server, with every scope.
pub const KEY: &str = "test-key-0123456789abcdef0123456789";
