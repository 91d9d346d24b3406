//! Keeps what can be read of a store that neither copy can mend any more.
//!
//! The start refuses such a store, because going on would lose something in silence. Here somebody has
//! decided to go on without it. The base is the newest state that is whole, sled's or a snapshot's;
//! over it come all later frames whose checksum is right. What is missing is told. Nothing is removed:
//! the damaged files lie aside afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::check::Copy;
use super::checkpoint::Checkpoint;
use super::holders::Holders;
use super::lock::Lock;
use super::minds::MindMark;
use super::rebuild::{self, Build, generation_path};
use super::records::{PastVersion, SessionNumber};
use super::survey::Survey;
use super::trees::{Broken, Entry, Trees};
use super::{
    OnlyKey, Record, StoreError, StoreOptions, aside, check, codec, minds, premises, recovery,
    session, vault,
};
use crate::journal::{Folder, Op, Ownership, Seq, SessionNo, StoreId, Wrecks};
use crate::model::{Memory, MemoryId, UserId};

/// Whoever lost a thousand memories has more use for their number than for their names.
const NAMED_MEMORIES: usize = 50;

/// What became of a damaged store.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Salvage {
    /// Whether anything is lost at all. If not, journal and sled could mend each other.
    pub is_whole: bool,
    /// Live keys that were kept, and memories among them.
    pub keys: u64,
    pub memories: u64,
    /// Batches of which nothing is left, from and to, both included. Each is one write.
    pub lost_batches: Vec<(Seq, Seq)>,
    /// What else is not known, in whole sentences.
    pub unknown: Vec<String>,
    /// Memories of which something is left, but not the memory; at most fifty are named.
    pub gone_memories: u64,
    pub gone_ids: Vec<String>,
    /// Where the damaged files are now.
    pub moved_to: Vec<PathBuf>,
}

/// What is read, in this order.
struct Sources {
    /// The newest state that is whole.
    base: Base,
    wrecks: Wrecks,
    /// Kept until everything is read.
    _copy: Copy,
}

enum Base {
    Trees(Box<Trees>, Seq),
    /// Of a snapshot, or of nothing.
    Journal(Seq),
}

/// The memories of each user, and those of which there are earlier versions.
type Texts = BTreeMap<SessionNo, (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>)>;

/// What is noticed on the way.
#[derive(Default)]
struct Notes {
    last: Seq,
    lost: Vec<(Seq, Seq)>,
}

pub(super) fn salvage(dir: &Path, options: &StoreOptions) -> Result<Salvage, StoreError> {
    premises::enter(dir)?;
    let _lock = Lock::take(dir, options.lock_patience)?;
    match recovery::recover(dir, options) {
        Ok(recovered) => {
            let keys = recovered.counts.values().sum();
            let memories = count_memories(&recovered.trees)?;
            return Ok(Salvage { is_whole: true, keys, memories, ..Salvage::default() });
        }
        Err(StoreError::Unrecoverable { .. }) => {}
        Err(other) => return Err(other),
    }
    let survey = check::look(dir, options)?;
    let sources = Sources::find(dir, options, &survey)?;
    let store = sources.store(&survey)?;
    let mut notes = Notes::default();
    let generation = survey.generations.last().map_or(1, |newest| newest + 1);
    let generation = generation.max(survey.generation() + 1);
    let bytes = survey.folder.bytes();
    let mut build = rebuild::build(dir, options, (store, generation), bytes, &mut |visitor| {
        sources.replay(&mut notes, visitor)
    })?;
    let mut salvage = Salvage { lost_batches: notes.lost.clone(), ..Salvage::default() };
    salvage.tell_unknown(&survey, &sources, &notes);
    let kept_keys = survey.checkpoint.as_ref().map_or(&[][..], |checkpoint| &checkpoint.keys);
    salvage.look_through(&mut build, kept_keys)?;
    let seq = notes.last.max(survey.acknowledged()).max(survey.folder.last_seq()).after();
    drop(sources);
    salvage.put_in_place(dir, survey, build, Ownership::of(store), seq)?;
    Ok(salvage)
}

impl Sources {
    fn find(dir: &Path, options: &StoreOptions, survey: &Survey) -> Result<Self, StoreError> {
        let generation = survey.generation();
        let copy = Copy::make(&generation_path(dir, generation), dir)?;
        let wrecks = Wrecks::find(&dir.join("journal"), survey.identity())?;
        let whole = wrecks.files.iter().rev().find(|wreck| wreck.is_whole_snapshot);
        let snapshot = whole.map_or(Seq::ZERO, |wreck| wreck.place().0);
        let trees = whole_trees(&copy.path, generation, options, survey);
        let base = match trees {
            Ok((trees, applied)) if applied >= snapshot => Base::Trees(Box::new(trees), applied),
            Ok(_) => Base::Journal(snapshot),
            Err(Broken(reason)) => {
                log::warn!("sled cannot be used: {reason}");
                Base::Journal(snapshot)
            }
        };
        Ok(Self { base, wrecks, _copy: copy })
    }

    /// Whose they are. Of files that do not know it a new store is made.
    fn store(&self, survey: &Survey) -> Result<StoreId, StoreError> {
        let known = survey.identity().map(|identity| identity.store);
        let named = match (known, &self.base) {
            (None, Base::Trees(trees, _)) => Some(trees.store()?),
            (known, _) => known,
        };
        let named = named.filter(|store| *store != StoreId::UNNAMED);
        Ok(named.unwrap_or_else(StoreId::random))
    }

    fn replay(
        &self,
        notes: &mut Notes,
        visitor: &mut dyn FnMut(Seq, Op<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (from, is_in_trees) = match &self.base {
            Base::Trees(trees, applied) => {
                trees.survey::<StoreError>(&mut |op| visitor(*applied, op))?;
                (*applied, true)
            }
            Base::Journal(seq) => (*seq, false),
        };
        notes.last = from;
        for wreck in &self.wrecks.files {
            let (place, is_of_snapshot) = wreck.place();
            // The base holds it already, unless it is the base.
            if is_of_snapshot && (place < from || (place == from && is_in_trees)) {
                continue;
            }
            wreck.visit::<StoreError>(from, &mut |seq, op| {
                if !is_of_snapshot {
                    notes.see(seq);
                }
                visitor(seq, op)
            })?;
            if is_of_snapshot {
                notes.last = notes.last.max(place);
            }
        }
        Ok(())
    }
}

impl Base {
    fn seq(&self) -> Seq {
        match self {
            Self::Trees(_, seq) | Self::Journal(seq) => *seq,
        }
    }
}

impl Notes {
    fn see(&mut self, seq: Seq) {
        if seq > self.last.after() {
            self.lost.push((self.last.after(), seq.before()));
        }
        self.last = self.last.max(seq);
    }
}

impl Salvage {
    fn tell_unknown(&mut self, survey: &Survey, sources: &Sources, notes: &Notes) {
        let (last, acknowledged) = (notes.last, survey.acknowledged());
        if last < acknowledged {
            self.lost_batches.push((last.after(), acknowledged));
        }
        for (path, reason) in &sources.wrecks.lost {
            self.unknown.push(format!("Nothing could be read of {}: {reason}.", path.display()));
        }
        let bad =
            sources.wrecks.files.iter().filter(|wreck| wreck.place() > (sources.base.seq(), true));
        for wreck in bad.filter(|wreck| wreck.place().1 && !wreck.is_whole_snapshot) {
            self.unknown.push(format!("Parts of {} could not be read.", wreck.path.display()));
        }
        if let Some(problem) = &survey.bad_checkpoint {
            self.unknown.push(format!("The checkpoint was of no use: {problem}."));
        }
        if !survey.is_final() || last != acknowledged {
            let last = last.max(acknowledged);
            self.unknown
                .push(format!("Whether anything was written after batch {last} is not known."));
        }
    }

    /// Counts what was kept, gives users without a name one, and finds what points to nothing.
    fn look_through(&mut self, build: &mut Build, kept_keys: &[Entry]) -> Result<(), StoreError> {
        let mut holders = Holders::find(&build.trees)?;
        self.drop_bad(build, &holders.bad)?;
        holders.restore(build, kept_keys)?;
        // Nothing opens them any more, and whoever gets the number next must not meet them.
        let mut lost = &holders.sealed - &holders.members;
        lost.remove(&SessionNo::SYSTEM);
        self.drop_sealed(build, &lost)?;
        drop_marks(build)?;
        for (session, (memories, traces)) in texts_in(&build.trees)? {
            self.memories += memories.len() as u64;
            for id in traces.difference(&memories) {
                self.gone_memories += 1;
                if self.gone_ids.len() < NAMED_MEMORIES {
                    let id = <[u8; 16]>::try_from(id.as_slice()).map(MemoryId::from_bytes);
                    self.gone_ids.extend(id.map(|id| id.to_string()));
                }
            }
            if !holders.users.contains(&session) {
                self.name_user(build, session)?;
            }
        }
        self.keys = build.counts.values().sum();
        Ok(())
    }

    fn drop_bad(
        &mut self,
        build: &mut Build,
        bad: &[(SessionNo, Vec<u8>)],
    ) -> Result<(), StoreError> {
        for (session, key) in bad {
            build.write(Op { session: *session, key, value: None })?;
        }
        if !bad.is_empty() {
            self.unknown.push(format!("{} records were damaged in themselves.", bad.len()));
        }
        Ok(())
    }

    /// What is plain, as in a store whose encryption was cut off, stays.
    fn drop_sealed(
        &mut self,
        build: &mut Build,
        lost: &BTreeSet<SessionNo>,
    ) -> Result<(), StoreError> {
        if lost.is_empty() {
            return Ok(());
        }
        let mut sealed = BTreeMap::<SessionNo, Vec<Vec<u8>>>::new();
        build.trees.survey::<StoreError>(&mut |op| {
            if lost.contains(&op.session) && op.value.is_some_and(vault::is_sealed) {
                sealed.entry(op.session).or_default().push(op.key.to_vec());
            }
            Ok(())
        })?;
        for (session, keys) in sealed {
            for key in &keys {
                build.write(Op { session, key, value: None })?;
            }
            let count = keys.len();
            self.unknown.push(format!(
                "The key of user {session} is lost, and {count} records that nothing else opens."
            ));
        }
        Ok(())
    }

    /// The name of whom records belong to may be lost while they are not.
    fn name_user(&mut self, build: &mut Build, session: SessionNo) -> Result<(), StoreError> {
        let name = format!("salvaged-{session}");
        let Ok(user) = UserId::parse(&name) else { return Ok(()) };
        let damaged = StoreError::damaged::<SessionNumber>;
        let value = codec::encode(&SessionNumber(session)).map_err(damaged)?;
        let key = session::full_key::<SessionNumber>(&user);
        build.write(Op { session: SessionNo::SYSTEM, key: &key, value: Some(&value) })?;
        self.unknown.push(format!("Whose memories those of user {name} were is not known."));
        Ok(())
    }

    /// The new files have their names before the old ones go aside; a crash in between finds one or
    /// the other whole.
    fn put_in_place(
        &mut self,
        dir: &Path,
        survey: Survey,
        build: Build,
        identity: Ownership,
        seq: Seq,
    ) -> Result<(), StoreError> {
        let Survey { mut folder, generations, .. } = survey;
        let old_checkpoint = Checkpoint::path(dir);
        let aside = aside::next_name(dir, &dir.join("journal"))?;
        // They may tell of what is lost.
        minds::remove_all(dir)?;
        folder.belong_to(identity);
        let folder: Folder = folder.replace::<StoreError>(seq, &aside, |put| {
            build.trees.survey::<StoreError>(&mut |op| Ok(put(op)?)).map(|_| ())
        })?;
        self.moved_to.push(aside);
        if old_checkpoint.exists() {
            self.moved_to.push(aside::keep_copy(dir, &old_checkpoint)?);
        }
        let applied = folder.last_seq();
        build.trees.set_applied(applied)?;
        let generation = build.trees.generation();
        let counts = build.counts;
        let (is_final, keys, has_removals) = (true, vault::records(&build.trees)?, true);
        let checkpoint =
            Checkpoint { identity, is_final, keys, has_removals, generation, applied, counts };
        checkpoint.conclude(dir, &build.trees)?;
        for old in generations {
            let path = generation_path(dir, old);
            let aside = aside::next_name(dir, &path)?;
            std::fs::rename(&path, &aside).map_err(StoreError::disk("move aside", &path))?;
            self.moved_to.push(aside);
        }
        Ok(())
    }
}

/// The batch that took a mark along may be lost, and later ones not: what is left is of no file that was kept.
fn drop_marks(build: &mut Build) -> Result<(), StoreError> {
    let key = session::full_key::<MindMark>(&OnlyKey);
    let sessions: Vec<SessionNo> = build.counts.keys().copied().collect();
    for session in sessions.into_iter().filter(|session| *session != SessionNo::SYSTEM) {
        build.write(Op { session, key: &key, value: None })?;
    }
    Ok(())
}

fn texts_in(trees: &Trees) -> Result<Texts, StoreError> {
    let mut seen = Texts::new();
    trees.survey::<StoreError>(&mut |op| {
        let Some((prefix, key)) = op.key.split_first() else { return Ok(()) };
        if op.session == SessionNo::SYSTEM {
            return Ok(());
        }
        let (memories, traces) = seen.entry(op.session).or_default();
        match (*prefix, key.get(..16)) {
            (Memory::PREFIX, Some(id)) => memories.insert(id.to_vec()),
            (PastVersion::PREFIX, Some(id)) => traces.insert(id.to_vec()),
            _ => false,
        };
        Ok(())
    })?;
    Ok(seen)
}

/// Trees that can be read to their last value.
fn whole_trees(
    path: &Path,
    generation: u64,
    options: &StoreOptions,
    survey: &Survey,
) -> Result<(Trees, Seq), Broken> {
    let trees = Trees::open(path, generation, options.cache_bytes);
    let trees = trees.map_err(|error| Broken(error.to_string()))?;
    survey.own_trees(trees.store()?)?;
    let counts = trees.survey::<Broken>(&mut |_| Ok(()))?;
    let applied = trees.applied()?;
    if applied == Seq::ZERO && counts.is_empty() {
        return Err(Broken("it is empty".to_owned()));
    }
    // sled loses keys in silence. Where the checkpoint speaks of the same moment it is noticed.
    let counted = survey.checkpoint.as_ref().filter(|checkpoint| checkpoint.applied == applied);
    if counted.is_some_and(|checkpoint| checkpoint.counts != counts) {
        return Err(Broken("it does not hold the keys that it held".to_owned()));
    }
    Ok((trees, applied))
}

fn count_memories(trees: &Trees) -> Result<u64, StoreError> {
    let mut memories = 0;
    trees.survey::<StoreError>(&mut |op| {
        let is_memory = op.session != SessionNo::SYSTEM && op.key.first() == Some(&Memory::PREFIX);
        memories += u64::from(is_memory);
        Ok(())
    })?;
    Ok(memories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SecretKey, Timestamp};
    use crate::store::vault::{Seat, StoreKey, Vault};
    use crate::store::{EncryptionKeys, SealingKey};

    const ONE: SessionNo = SessionNo(1);

    fn put(build: &mut Build, session: SessionNo, key: &[u8], value: &[u8]) {
        build.write(Op { session, key, value: Some(value) }).unwrap();
    }

    /// Trees of an encrypted store without users.
    fn encrypted(dir: &Path) -> (Build, Vault) {
        let (options, named) = (StoreOptions::default(), (StoreId([7; 16]), 1));
        let mut build = rebuild::build(dir, &options, named, 0, &mut |_| Ok(())).unwrap();
        let current = SealingKey::new(&SecretKey::new([1; 32]));
        let keys = EncryptionKeys { current, previous: None };
        let vault = Vault::open(&build.trees, Some(&keys)).unwrap().unwrap();
        let value = codec::encode(vault.pending().unwrap()).unwrap();
        put(&mut build, SessionNo::SYSTEM, &session::full_key::<StoreKey>(&OnlyKey), &value);
        (build, vault)
    }

    /// The place of a user, and the record that says so.
    fn enrolled(vault: &Vault, name: &str) -> (Seat, Entry) {
        let (seat, value) = vault.enrol(&UserId::parse(name).unwrap(), ONE).unwrap();
        let record = (seat.record.clone(), value);
        (seat, record)
    }

    fn memory(number: u128) -> Entry {
        let id = MemoryId::from_bytes(number.to_be_bytes());
        let value = codec::encode(&Memory::new(id, "tea".to_owned(), Timestamp(1))).unwrap();
        (session::full_key::<Memory>(&id), value)
    }

    #[test]
    fn of_an_encryption_that_was_cut_off_what_no_key_opens_goes_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (mut build, vault) = encrypted(dir.path());
        let (seat, _lost) = enrolled(&vault, "ada");
        let ada = session::full_key::<SessionNumber>(&UserId::parse("ada").unwrap());
        put(&mut build, SessionNo::SYSTEM, &ada, &codec::encode(&SessionNumber(ONE)).unwrap());
        let ((sealed, text), (plain, other)) = (memory(1), memory(2));
        put(&mut build, ONE, &sealed, &seat.seal(&sealed, &text).unwrap());
        put(&mut build, ONE, &plain, &other);
        let mut salvage = Salvage::default();

        salvage.look_through(&mut build, &[]).unwrap();

        assert_eq!((salvage.memories, salvage.unknown.len()), (1, 1), "{salvage:?}");
        assert_eq!(build.trees.get(ONE, &sealed).unwrap(), None);
        assert_eq!(build.trees.get(ONE, &plain).unwrap(), Some(other));
    }

    #[test]
    fn a_number_that_somebody_else_has_by_now_goes_back_to_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let (mut build, vault) = encrypted(dir.path());
        let (_, erased) = enrolled(&vault, "ada");
        let (seat, (record, value)) = enrolled(&vault, "eve");
        put(&mut build, SessionNo::SYSTEM, &record, &value);
        let (key, text) = memory(1);
        put(&mut build, ONE, &key, &seat.seal(&key, &text).unwrap());
        let mut salvage = Salvage::default();

        salvage.look_through(&mut build, std::slice::from_ref(&erased)).unwrap();

        assert_eq!((salvage.memories, salvage.unknown.len()), (1, 0), "{salvage:?}");
        assert_eq!(build.trees.get(SessionNo::SYSTEM, &erased.0).unwrap(), None);
    }
}
