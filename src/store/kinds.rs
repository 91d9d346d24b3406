//! Every kind of record that there is, said once.

use super::Key;
use super::audit_page::AuditPage;
use super::codec::{self, CodecError, Record};
use super::minds::MindMark;
use super::records::{ErasedImport, PastVersion, SessionNumber, StoredVector};
use super::vault::{self, Member, StoreKey};
use crate::journal::SessionNo;
use crate::model::{
    Access, AuditEvent, Grant, Memory, Number, RecallPage, Step, StepPage, Token, TrustedTime,
};

/// What must be known of a kind of record to work with its bytes.
#[derive(Debug, Clone, Copy)]
pub struct RecordKind {
    /// The first byte of every key.
    pub prefix: u8,
    pub owner: Owner,
    /// What messages and `docs/FORMAT.md` call it.
    pub name: &'static str,
    /// The newest layout. Older ones can be read as well.
    #[cfg(test)]
    pub version: u8,
    /// Decodes a record from its key, without the prefix, and its value. What is sealed is checked as
    /// far as its checksum.
    pub check: fn(&[u8], &[u8]) -> Result<(), CodecError>,
}

/// Whose tree the records lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    System,
    User,
}

/// Every [`Record`] of the program. A test looks for those that are missing here.
pub const RECORDS: &[RecordKind] = &[
    RecordKind::of::<SessionNumber>(Owner::System),
    RecordKind::of::<Token>(Owner::System),
    RecordKind::of::<AuditEvent>(Owner::System),
    RecordKind::of::<StoreKey>(Owner::System),
    RecordKind::of::<Member>(Owner::System),
    RecordKind::of::<TrustedTime>(Owner::System),
    RecordKind::of::<Grant>(Owner::System),
    RecordKind::of::<AuditPage>(Owner::System),
    RecordKind::of::<Memory>(Owner::User),
    RecordKind::of::<PastVersion>(Owner::User),
    RecordKind::of::<Access>(Owner::User),
    RecordKind::of::<StoredVector>(Owner::User),
    RecordKind::of::<Step>(Owner::User),
    RecordKind::of::<RecallPage>(Owner::User),
    RecordKind::of::<Number>(Owner::User),
    RecordKind::of::<StepPage>(Owner::User),
    RecordKind::of::<MindMark>(Owner::User),
    RecordKind::of::<ErasedImport>(Owner::User),
];

/// The kind of a record with this prefix in the tree of this session.
pub(super) fn find(session: SessionNo, prefix: u8) -> Option<&'static RecordKind> {
    let owner = if session == SessionNo::SYSTEM { Owner::System } else { Owner::User };
    RECORDS.iter().find(|kind| kind.owner == owner && kind.prefix == prefix)
}

impl RecordKind {
    const fn of<R: Record>(owner: Owner) -> Self {
        Self {
            prefix: R::PREFIX,
            owner,
            name: R::KIND,
            #[cfg(test)]
            version: R::VERSION,
            check: check::<R>,
        }
    }
}

fn check<R: Record>(key: &[u8], value: &[u8]) -> Result<(), CodecError> {
    let parsed = R::Key::from_bytes(key).ok_or(CodecError::Key)?;
    if vault::is_sealed(value) {
        return codec::unwrap(value).map(|_| ());
    }
    codec::decode::<R>(&parsed, value).map(|_| ())
}
