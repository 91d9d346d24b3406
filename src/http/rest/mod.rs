//! The handlers of the canonical REST API: of `/api/v1` what is more than one verb, and what belongs
//! to the server itself.

mod accounts;
mod admin;
mod events;
mod hooks;
mod memories;
mod public;
mod transfer;
mod why;

pub(super) use accounts::*;
pub(super) use admin::*;
pub(super) use events::*;
pub(super) use hooks::*;
pub(super) use memories::*;
pub(super) use public::*;
pub(super) use transfer::*;
pub(super) use why::*;
