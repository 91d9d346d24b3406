//! Compares, while a store is open, what its start took on trust.
//!
//! It is the comparison that every other start makes before anybody is let in: each value of the trees with
//! what the whole journal says, and each frame with its checksum. Nobody writes meanwhile.
//!
//! Between two records it is looked whether somebody closes the store, who does not wait for it.
//!
//! | found | then |
//! |---|---|
//! | nothing | writes are taken; a stop in good order can be trusted again |
//! | the trees differ, or cannot be read | they are believed no more, built anew from the journal and kept aside; sessions that have read of them open anew; the next start compares before it opens |
//! | the journal is damaged, or cannot be read | reads go on, no session writes before the next start, which mends it from the trees or refuses, as ever |
//! | that the store is being closed | nothing more is read, and nothing is written: files and checkpoint are as this start found them and say that nothing came after the last stop, there is no note of a stop, and so the next start compares before it opens |

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::StoreError;
use super::checkpoint::Checkpoint;
use super::lock::patiently;
use super::rebuild::Digest;
use super::shared::Shared;
use super::trees::Broken;
use crate::disk;
use crate::journal::{Journal, JournalError, Seq};

/// For so long it is tried again while no file can be opened: at a start many clients come at once, and
/// descriptors come back when connections end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    AsItShouldBe,
    /// They are believed no more, and have to be built anew.
    TreesDiffer,
    /// Nobody writes any more.
    JournalDamaged,
    /// Somebody closes the store.
    GivenUp,
}

/// Why a comparison did not come to a good end.
#[derive(Debug)]
enum Unproven {
    Trees(Broken),
    Journal(StoreError),
    GivenUp,
}

/// Why nothing is written where the journal is not what it was.
const JOURNAL_DAMAGED: &str = "the journal cannot be read as it was written, as the log says; nothing \
                               is written to it any more, and the next start of memoryd mends it or \
                               says what helps";

/// Why nothing is written where the checkpoint could not be.
const NOT_TAKEN_BACK: &str = "the disk took no checkpoint after the start, so the store takes no writes; once \
                              there is room, start memoryd again";

/// Compares everything. What is not as it should be is dealt with as far as this run can.
pub(super) fn prove(shared: &Shared, journal: &Journal) -> Finding {
    let compared = || patiently(PATIENCE, || compare(shared, journal), lacks_files);
    match catch_unwind(AssertUnwindSafe(compared)) {
        Ok(Ok(())) => {
            log::debug!("everything was compared after the start, and is as it should be");
            Finding::AsItShouldBe
        }
        Ok(Err(Unproven::Trees(Broken(reason)))) => {
            // In this order: whoever opens a session in between finds trees that count no more.
            shared.trees().condemn(&reason);
            shared.proof.doubt();
            log::error!("what was read since the start may be wrong: {reason}; sessions open anew");
            Finding::TreesDiffer
        }
        Ok(Err(Unproven::Journal(error))) => {
            log::error!("{error}; {JOURNAL_DAMAGED}");
            shared.hold_writes(JOURNAL_DAMAGED);
            Finding::JournalDamaged
        }
        Ok(Err(Unproven::GivenUp)) => {
            log::info!("not everything was compared before the stop; the next start does it first");
            Finding::GivenUp
        }
        Err(_) => {
            log::error!("comparing after the start panicked; {JOURNAL_DAMAGED}");
            shared.hold_writes(JOURNAL_DAMAGED);
            Finding::JournalDamaged
        }
    }
}

/// Takes back, before anybody writes, that nothing came after the last checkpoint. Where writes are held it
/// stays so.
pub(super) fn take_back(shared: &Shared, last: &mut Checkpoint) {
    if shared.held().is_some() {
        return;
    }
    let taken_back = Checkpoint { is_final: false, ..last.clone() };
    let is_passing = |written: &io::Result<()>| written.as_ref().is_err_and(disk::is_out_of_files);
    match patiently(PATIENCE, || taken_back.write(&shared.dir), is_passing) {
        Ok(()) => *last = taken_back,
        Err(error) => {
            log::error!("{}: {error}; {NOT_TAKEN_BACK}", shared.dir.display());
            shared.hold_writes(NOT_TAKEN_BACK);
        }
    }
}

/// Whether nothing was learned, because no file could be opened.
fn lacks_files(compared: &Result<(), Unproven>) -> bool {
    matches!(
        compared,
        Err(Unproven::Journal(StoreError::Disk { source, .. })) if disk::is_out_of_files(source)
    )
}

fn compare(shared: &Shared, journal: &Journal) -> Result<(), Unproven> {
    // One that is tried again may have been given up meanwhile.
    go_on(shared)?;
    let may_go_on = || {
        #[cfg(test)]
        drop(shared.options.comparing.lock());
        go_on(shared)
    };
    let (trees, now) = shared.snapshot_ledger();
    let mut digest = Digest::default();
    journal.replay::<Unproven>(Seq::ZERO, journal.durable(), &mut |_, op| {
        may_go_on()?;
        digest.note(op);
        Ok(())
    })?;
    if digest.has_removals {
        shared.note_removal();
    }
    if digest.compare_while::<Unproven>(&trees, &may_go_on)? == now.counts {
        Ok(())
    } else {
        Err(Broken("the last checkpoint counted other keys".to_owned()).into())
    }
}

/// Fails where somebody closes the store.
fn go_on(shared: &Shared) -> Result<(), Unproven> {
    if shared.proof.is_given_up() { Err(Unproven::GivenUp) } else { Ok(()) }
}

impl From<Broken> for Unproven {
    fn from(broken: Broken) -> Self {
        Self::Trees(broken)
    }
}

impl From<JournalError> for Unproven {
    fn from(error: JournalError) -> Self {
        Self::Journal(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_want_of_file_descriptors_is_no_damage_and_is_waited_out() {
        let failed = |error: io::Error| {
            Err(Unproven::Journal(StoreError::disk("read", Path::new("journal"))(error)))
        };

        assert!(lacks_files(&failed(Errno::MFILE.into())));
        assert!(lacks_files(&failed(Errno::NFILE.into())));
        assert!(!lacks_files(&failed(Errno::IO.into())));
        assert!(!lacks_files(&Err(Broken("it differs".to_owned()).into())));
        assert!(!lacks_files(&Err(Unproven::GivenUp)));
        assert!(!lacks_files(&Ok(())));
    }
}
