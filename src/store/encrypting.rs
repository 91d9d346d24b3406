//! Brings a store to the keys that it was opened with: encrypts one that is plain, and takes a new key of
//! the owner's.
//!
//! It runs before anybody else writes, in batches, each whole. Then the files are made anew, so that nothing
//! readable stays in older ones. Until all of that is done the key of the store says that it is not whole,
//! so that a start goes on where another was cut off.
//!
//! All of it stands in two places for a while. Where there is no room for that, the start is refused before
//! anything is written: whoever gave a key does not want to be served from plain files.

use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::value::PIECE_PREFIX;
use super::vault::{self, Seat, StoreKey, Vault};
use super::{OnlyKey, Receipt, StoreError, codec, session};
use crate::disk;
use crate::journal::{EncodedBatch, Journal, Seq, SessionNo};

/// How many bytes are sealed in one batch, about.
const BATCH_BYTES: usize = 1 << 20;

/// What is written beside what is stored before anything is removed, in times of it: sealed values in the
/// journal, a snapshot of them, and sled anew, which takes about twice as much. 2.8 to 3.2 were measured.
const ROOM_TIMES: u64 = 4;

/// What the journal takes in advance, and sled for its first value.
const ROOM_AT_LEAST: u64 = 16 << 20;

/// By how much a sealed value is longer: version and checksum, nonce, tag.
const SEAL_BYTES: u64 = 5 + 12 + 16;

/// What the keys in memory seal could not be opened by the next start, for they are not on the disk.
const NOT_SETTLED: &str = "the disk took no writes at the start, so the store was not brought to its \
                           encryption key; once it takes writes, start memoryd again";

/// `scrub` makes all files anew, but for what lies aside no longer than it is told. Only after it the store is said to be whole.
pub(super) fn settle(
    shared: &Arc<Shared>,
    journal: &Journal,
    scrub: &dyn Fn(Duration) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Some(vault) = shared.vault() else { return Ok(()) };
    if vault.pending().is_none() && !vault.takes_plain() {
        return Ok(());
    }
    if shared.trees().unwritable().is_some() {
        log::warn!("{NOT_SETTLED}");
        shared.hold_writes(NOT_SETTLED);
        return Ok(());
    }
    shared.proof.wait()?;
    // A damaged journal is mended by the next start, which comes back to this; the log says so.
    if shared.held().is_some() {
        return Ok(());
    }
    let work = Work { shared, journal, vault };
    // One in which everything was removed still has it in its files.
    let is_blank = shared.applied() == Seq::ZERO;
    if !is_blank {
        work.require_room()?;
    }
    // Of one in which nothing is left, such as after a salvage, that is all that its owner has.
    let keep_aside = if shared.is_empty() { shared.options.keep_aside } else { Duration::ZERO };
    if let Some(key) = vault.pending() {
        work.write_key(key)?;
    }
    if vault.takes_plain() && !is_blank {
        log::info!("the store in {} is being encrypted", shared.dir.display());
        work.enrol_users()?;
        for seat in work.seats() {
            work.seal_values(&seat)?;
        }
    }
    vault.refuse_plain();
    if !is_blank {
        scrub(keep_aside)?;
    }
    work.write_key(&vault.wrapped(true)?)
}

struct Work<'a> {
    shared: &'a Arc<Shared>,
    journal: &'a Journal,
    vault: &'a Vault,
}

impl Work<'_> {
    fn require_room(&self) -> Result<(), StoreError> {
        let Shared { dir, options, .. } = &**self.shared;
        let least = ROOM_AT_LEAST.saturating_add(options.journal.free_bytes);
        let needed = self.stored_bytes()?.saturating_mul(ROOM_TIMES).saturating_add(least);
        let free = disk::free_bytes(dir).map_err(StoreError::disk("ask for the room in", dir))?;
        if free < needed {
            return Err(StoreError::NoRoomToEncrypt { dir: dir.clone(), needed, free });
        }
        Ok(())
    }

    /// The size of all keys and values as they are once they are sealed.
    fn stored_bytes(&self) -> Result<u64, StoreError> {
        let trees = self.shared.sound_trees();
        let mut bytes = 0;
        for seat in self.seats() {
            for entry in trees.range(seat.number, vec![0]..=vec![PIECE_PREFIX]) {
                let (key, value) = entry?;
                bytes += (key.len() + value.len()) as u64 + SEAL_BYTES;
            }
        }
        Ok(bytes)
    }

    /// That of the system and those of all users.
    fn seats(&self) -> impl Iterator<Item = Seat> {
        let users = self.shared.user_ids().into_iter();
        let seats = users.filter_map(move |user| self.shared.seat(&user));
        std::iter::once(self.shared.system()).chain(seats)
    }

    fn write_key(&self, key: &StoreKey) -> Result<(), StoreError> {
        let mut batch = EncodedBatch::default();
        let value = codec::encode(key).map_err(StoreError::damaged::<StoreKey>)?;
        batch.put(SessionNo::SYSTEM, &session::full_key::<StoreKey>(&OnlyKey), &value)?;
        self.submit(batch)
    }

    /// Gives every user a key, and takes his name out of the one of his record.
    fn enrol_users(&self) -> Result<(), StoreError> {
        for user in self.shared.user_ids() {
            let Some(plain) = self.shared.seat(&user).filter(Seat::is_plain) else { continue };
            let (seat, value) = self.vault.enrol(&user, plain.number)?;
            let mut batch = EncodedBatch::default();
            batch.remove(SessionNo::SYSTEM, &plain.record)?;
            batch.put(SessionNo::SYSTEM, &seat.record, &value)?;
            self.submit(batch)?;
        }
        Ok(())
    }

    fn seal_values(&self, seat: &Seat) -> Result<(), StoreError> {
        let mut from = vec![0];
        loop {
            let (mut batch, mut bytes, mut last) = (EncodedBatch::default(), 0, None);
            let trees = self.shared.sound_trees();
            for entry in trees.range(seat.number, from..=vec![PIECE_PREFIX]) {
                let (key, value) = entry?;
                if vault::is_to_seal(seat.number, &key) && !vault::is_sealed(&value) {
                    bytes += key.len() + value.len();
                    batch.put(seat.number, &key, &seat.seal(&key, &value)?)?;
                }
                if bytes >= BATCH_BYTES {
                    last = Some(key);
                    break;
                }
            }
            if bytes > 0 {
                self.submit(batch)?;
            }
            match last {
                None => return Ok(()),
                // The least key behind it.
                Some(mut key) => {
                    key.push(0);
                    from = key;
                }
            }
        }
    }

    fn submit(&self, batch: EncodedBatch) -> Result<(), StoreError> {
        let submitted = self.journal.submit(batch, self.journal.epoch())?;
        Receipt::of(submitted.receipt).wait()
    }
}
