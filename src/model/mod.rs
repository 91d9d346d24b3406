//! Plain data that every room speaks: identifiers, names, time, memories, scopes, the caller.
//!
//! Nothing here does IO, and nothing here can fail except parsing.
//!
//! It refuses names and times that are none. Begin reading at `memory.rs`.

mod audit;
mod certificate;
mod event_time;
pub mod few;
pub mod foreign;
mod grant;
mod id;
mod interface;
pub mod json;
mod memory;
mod name;
pub mod percent;
mod recall;
mod scope;
mod secret;
mod step;
mod time;
mod token;
mod tool_set;
mod trusted_time;

pub use audit::{AuditEvent, AuditKind};
pub use certificate::{CertificateStanding, CertificateState};
pub use event_time::EventTime;
pub use grant::{AccessTicket, ClientAuth, Grant, OauthClient, RefreshTicket};
pub use id::{InvalidId, MemoryId, MemoryIds};
pub use interface::Interface;
pub use memory::{Access, LeanMemory, Memory, Metadata, Number, Priority, Source, Status};
pub use name::{
    Category, CredentialName, InvalidName, Kind, Project, Tag, Tags, Title, UserId, folded,
};
pub use recall::{Given, Recall, RecallPage};
pub use scope::{Scope, Scopes};
pub use secret::{Secret, SecretKey, SecretScreen};
pub use step::{Author, Step, StepChange, StepPage};
pub use time::{Clock, InvalidTime, SystemClock, Timestamp};
pub use token::{GRANT_START, TOKEN_START, Token, TokenDigest, TokenPrefix, TokenState};
pub use tool_set::ToolSet;
pub use trusted_time::{ClockNews, TrustedTime};
