//! The handlers of the canonical REST API: of `/api/v1` what is more than one verb, and what belongs
//! to the server itself.

mod admin;
mod events;
mod memories;
mod public;
mod transfer;

pub(super) use admin::{metrics, sessions, stats};
pub(super) use events::events;
pub(super) use memories::add;
pub(super) use public::{health, ready, root, tools};
pub(super) use transfer::{export, import};
