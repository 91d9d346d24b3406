//! What the hooks of assistants bring, and what they get: context that nobody asked for, and a place for
//! the turns of a conversation.
//!
//! An assistant starts its hooks by itself, at the moments of a conversation that it has names for: a
//! session begins, the user says something, the assistant has answered. A hook brings JSON and takes
//! JSON. Five clients call the same moments by other names; here they are the same.
//!
//! What goes out is what its owner confirmed, fenced as data. What comes in is bared of what must not be
//! kept ([`Saying`]) before anything is done with it, and what is kept of it is provisional.
//!
//! It refuses nothing that a client may send: an event that it does not know is answered by silence.
//! What a session refuses it hands on.
//!
//! Begin reading at [`Hook`], then `work.rs`.

mod client;
mod hook;
mod saying;
mod sitting;
mod work;

pub use client::{HookClient, Moment};
pub use hook::Hook;
pub use saying::Saying;
pub use sitting::{Sitting, Sittings};
pub use work::carry_out;
