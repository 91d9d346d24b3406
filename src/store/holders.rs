//! Who has a name and a key in trees of which parts are lost.

use std::collections::BTreeSet;

use super::rebuild::Build;
use super::records::SessionNumber;
use super::trees::{Entry, Trees};
use super::vault::{self, Member, StoreKey};
use super::{CodecError, Key, Record, StoreError, codec, kinds};
use crate::journal::{Op, SessionNo};
use crate::model::UserId;

/// What the records say of users and of their keys.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Records that are damaged in themselves.
    pub(super) bad: Vec<(SessionNo, Vec<u8>)>,
    /// Who has sealed values.
    pub(super) sealed: BTreeSet<SessionNo>,
    /// Who has a name.
    pub(super) users: BTreeSet<SessionNo>,
    /// Who has a key.
    pub(super) members: BTreeSet<SessionNo>,
}

impl Holders {
    /// Fails at a record of a newer program, which has lost nothing by being unknown here.
    pub(super) fn find(trees: &Trees) -> Result<Self, StoreError> {
        let mut found = Self::default();
        trees.survey::<StoreError>(&mut |op| {
            let (Some((prefix, key)), Some(value)) = (op.key.split_first(), op.value) else {
                return Ok(());
            };
            let kind = kinds::find(op.session, *prefix);
            let flaw = kind.and_then(|kind| Some((kind, (kind.check)(key, value).err()?)));
            match flaw {
                Some((kind, error @ CodecError::NewerVersion { .. })) => {
                    return Err(StoreError::unreadable(kind.name, error));
                }
                Some(_) => found.bad.push((op.session, op.key.to_vec())),
                None if vault::is_sealed(value) => {
                    found.sealed.insert(op.session);
                }
                None if op.session == SessionNo::SYSTEM => {
                    let number = number_of(*prefix, key, value);
                    found.users.extend(number);
                    found.members.extend(number.filter(|_| *prefix == Member::PREFIX));
                }
                None => {}
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Puts records of keys back of which only the checkpoint has a copy, as far as something is sealed with
    /// them.
    pub(super) fn restore(&mut self, build: &mut Build, kept: &[Entry]) -> Result<(), StoreError> {
        if self.sealed.is_empty() {
            return Ok(());
        }
        for (key, value) in kept {
            let of = key.split_first().and_then(|(prefix, key)| number_of(*prefix, key, value));
            // Somebody else may have the number since the copy was made.
            let is_used =
                of.is_none_or(|of| self.sealed.contains(&of) && !self.members.contains(&of));
            if is_used && build.trees.get(SessionNo::SYSTEM, key)?.is_none() {
                build.write(Op { session: SessionNo::SYSTEM, key, value: Some(value) })?;
                self.users.extend(of);
                self.members.extend(of);
            }
        }
        let records = vault::records(&build.trees)?;
        let is_openable = records.iter().any(|(key, _)| key.first() == Some(&StoreKey::PREFIX));
        if is_openable { Ok(()) } else { Err(StoreError::StoreKeyLost) }
    }
}

fn number_of(prefix: u8, key: &[u8], value: &[u8]) -> Option<SessionNo> {
    match prefix {
        SessionNumber::PREFIX => {
            let user = UserId::from_bytes(key)?;
            codec::decode::<SessionNumber>(&user, value).ok().map(|number| number.0)
        }
        Member::PREFIX => {
            let hash = Key::from_bytes(key)?;
            codec::decode::<Member>(&hash, value).ok().map(|member| member.number)
        }
        _ => None,
    }
}
