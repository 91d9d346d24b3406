use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use super::frame::{FRAMES_START, Frame, Header};
use super::segment::Segment;
use super::snapshot::Draft;
use super::{
    EncodedBatch, Expected, Faults, Folder, Journal, JournalError, JournalOptions, Op, Seq,
    SessionNo, Sink, StoreId, SyncHook, Thaw,
};

type Seen = Arc<Mutex<Vec<Seq>>>;

/// Remembers what it was given.
struct Notebook(Seen);

impl Sink for Notebook {
    fn apply(&mut self, group: &[(Seq, EncodedBatch)]) {
        self.0.lock().unwrap().extend(group.iter().map(|(seq, _)| *seq));
    }
}

struct Bomb;

impl Sink for Bomb {
    fn apply(&mut self, _group: &[(Seq, EncodedBatch)]) {
        panic!("a sink that breaks its promise");
    }
}

fn batch(text: &str) -> EncodedBatch {
    let mut batch = EncodedBatch::default();
    batch.put(SessionNo(1), text.as_bytes(), text.as_bytes()).unwrap();
    batch
}

fn start(dir: &Path, options: &JournalOptions) -> (Journal, Seen) {
    let seen = Seen::default();
    let sink = Box::new(Notebook(Arc::clone(&seen)));
    (Journal::start(Folder::open(dir, Expected::default()).unwrap(), sink, options).unwrap(), seen)
}

fn write(journal: &Journal, text: &str) -> Result<Seq, JournalError> {
    let submitted = journal.submit(batch(text), journal.epoch())?;
    submitted.receipt.wait()?;
    Ok(submitted.seq)
}

/// The keys of all operations, in order.
fn keys(folder: &Folder) -> Vec<String> {
    let mut keys = Vec::new();
    let mut visitor = |_: Seq, op: Op<'_>| {
        keys.push(String::from_utf8(op.key.to_vec()).unwrap());
        Ok::<(), JournalError>(())
    };
    folder.replay(Seq::ZERO, &mut visitor).unwrap();
    keys
}

/// A segment with these frames, each a seq with the durable seq of its time.
fn segment(dir: &Path, frames: &[(u64, u64)]) -> (std::path::PathBuf, Vec<usize>) {
    let header = Header::segment(StoreId::UNNAMED, Seq(1), Seq::ZERO);
    let mut bytes = header.to_bytes();
    let mut starts = Vec::new();
    for (seq, durable) in frames {
        starts.push(bytes.len());
        let batch = batch(&format!("frame {seq}"));
        Frame { seq: Seq(*seq), durable: Seq(*durable), payload: batch.payload() }
            .append_to(&mut bytes, header.salt);
    }
    starts.push(bytes.len());
    let path = dir.join("00000000000000000001.log");
    fs::write(&path, bytes).unwrap();
    (path, starts)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_was_announced_is_written_whether_it_comes_at_once_later_or_never() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, seen) = start(dir.path(), &JournalOptions::default());

    for n in 1..=60 {
        journal.announce();
        if n % 3 == 0 {
            // Others have looked out for nothing, and sleep.
            std::thread::yield_now();
            assert_eq!(write(&journal, "x").unwrap(), Seq(n / 3));
        }
    }
    journal.announce();
    journal.close();

    assert_eq!(seen.lock().unwrap().len(), 20);
}

#[test]
fn pages_of_a_torn_group_may_arrive_in_any_order() {
    let dir = tempfile::tempdir().unwrap();
    // Frames 3 to 5 were one write: when they were written, only 2 was durable.
    let (path, starts) = segment(dir.path(), &[(1, 0), (2, 1), (3, 2), (4, 2), (5, 2)]);
    flip(&path, starts[2] + 30);

    let folder = Folder::open(dir.path(), Expected::default()).unwrap();

    assert!(folder.damage().is_empty());
    assert_eq!((folder.last_seq(), folder.torn().unwrap().offset), (Seq(2), starts[2] as u64));
}

#[test]
fn a_bad_frame_before_later_writes_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (path, starts) = segment(dir.path(), &[(1, 0), (2, 1), (3, 1), (4, 3), (5, 4)]);

    // Every byte of frames 2 and 3, the length and the seq among them.
    for at in starts[1]..starts[3] {
        flip(&path, at);
        let folder = Folder::open(dir.path(), Expected::default()).unwrap();
        let [damage] = folder.damage() else { panic!("byte {at}: {:?}", folder.damage()) };
        assert_eq!((damage.to, folder.last_seq()), (Seq(3), Seq(5)), "byte {at}");
        assert!(keys(&folder).ends_with(&["frame 4".to_owned(), "frame 5".to_owned()]));
        flip(&path, at);
    }
}

#[test]
fn what_looks_like_a_frame_inside_a_value_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (path, starts) = segment(dir.path(), &[(1, 0), (2, 1)]);
    let mut forged = Vec::new();
    Frame { seq: Seq(9), durable: Seq(8), payload: batch("forged").payload() }
        .append_to(&mut forged, 7);
    flip(&path, starts[1] + 25);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(forged);
    fs::write(&path, bytes).unwrap();

    let folder = Folder::open(dir.path(), Expected::default()).unwrap();

    assert!(folder.damage().is_empty());
    assert_eq!(keys(&folder), ["frame 1"]);
}

#[test]
fn frames_that_nobody_acknowledged_do_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    // 3 and 4 were written, but their sync failed; a later segment says that only 2 counts.
    let (_, _) = segment(dir.path(), &[(1, 0), (2, 1), (3, 2), (4, 2)]);
    let header = Header::segment(StoreId::UNNAMED, Seq(5), Seq(2));
    let mut bytes = header.to_bytes();
    Frame { seq: Seq(5), durable: Seq(2), payload: batch("frame 5").payload() }
        .append_to(&mut bytes, header.salt);
    fs::write(dir.path().join("00000000000000000005.log"), bytes).unwrap();

    let folder = Folder::open(dir.path(), Expected::default()).unwrap();

    assert!(folder.damage().is_empty() && folder.torn().is_none());
    assert_eq!(keys(&folder), ["frame 1", "frame 2", "frame 5"]);
}

#[test]
fn a_segment_that_is_missing_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let small = JournalOptions { segment_bytes: 300, ..JournalOptions::default() };
    let (journal, _) = start(dir.path(), &small);
    for number in 0..20 {
        write(&journal, &format!("number {number}")).unwrap();
    }
    drop(journal);
    let mut paths: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 3);
    assert_eq!(keys(&Folder::open(dir.path(), Expected::default()).unwrap()).len(), 20);

    fs::remove_file(&paths[1]).unwrap();

    assert_eq!(Folder::open(dir.path(), Expected::default()).unwrap().damage().len(), 1);
    fs::remove_file(&paths[0]).unwrap();
    assert_eq!(Folder::open(dir.path(), Expected::default()).unwrap().damage().len(), 1);
}

#[test]
fn the_sink_sees_every_batch_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, seen) = start(dir.path(), &JournalOptions::default());
    let receipts: Vec<_> =
        (0..500).map(|n| journal.submit(batch(&n.to_string()), 0).unwrap().receipt).collect();
    receipts.into_iter().for_each(|receipt| receipt.wait().unwrap());

    assert_eq!(*seen.lock().unwrap(), (1..=500).map(Seq).collect::<Vec<_>>());
    assert!(journal.syncs() < 250, "{} syncs", journal.syncs());
    drop(journal);
    let (journal, _) = start(dir.path(), &JournalOptions::default());
    assert_eq!(write(&journal, "next").unwrap(), Seq(501));
}

#[test]
fn too_much_at_once_is_refused_and_keeps_no_place() {
    let dir = tempfile::tempdir().unwrap();
    let options = JournalOptions { queue_bytes: 3_000, ..JournalOptions::default() };
    let (journal, _) = start(dir.path(), &options);
    let large = "x".repeat(1_000);
    let mut receipts = Vec::new();

    let refused = (0..200).filter(|_| match journal.submit(batch(&large), 0) {
        Ok(submitted) => {
            receipts.push(submitted.receipt);
            false
        }
        Err(error) => matches!(error, JournalError::Busy),
    });
    let refused = refused.count();

    receipts.into_iter().for_each(|receipt| receipt.wait().unwrap());
    assert!(refused > 0);
    write(&journal, &large).unwrap();
    drop(journal);
    assert_eq!(keys(&Folder::open(dir.path(), Expected::default()).unwrap()).len(), 201 - refused);
}

#[test]
fn a_failed_sync_loses_the_group_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let options = JournalOptions { faults: Arc::clone(&faults), ..JournalOptions::default() };
    let (journal, seen) = start(dir.path(), &options);
    write(&journal, "kept").unwrap();
    faults.syncs.store(1, SeqCst);

    assert!(matches!(write(&journal, "lost"), Err(JournalError::Unavailable { .. })));

    assert_eq!(journal.epoch(), 1);
    assert!(matches!(journal.submit(batch("x"), 1), Err(JournalError::Unavailable { .. })));
    assert_eq!(*seen.lock().unwrap(), [Seq(1)]);
    drop(journal);
    assert_eq!(keys(&Folder::open(dir.path(), Expected::default()).unwrap()), ["kept"]);
}

#[test]
fn a_sync_hook_stands_before_every_sync() {
    let dir = tempfile::tempdir().unwrap();
    let (announce, announced) = std::sync::mpsc::channel();
    let (allow, allowed) = std::sync::mpsc::channel();
    let allowed = Mutex::new(allowed);
    let hook = SyncHook::new(move || {
        announce.send(()).unwrap();
        allowed.lock().unwrap().recv().unwrap()
    });
    let options = JournalOptions { sync_hook: Some(hook), ..JournalOptions::default() };
    let (journal, seen) = start(dir.path(), &options);

    let first = journal.submit(batch("kept"), 0).unwrap().receipt;
    announced.recv().unwrap();
    let early = (journal.durable(), seen.lock().unwrap().len());
    allow.send(Ok(())).unwrap();
    first.wait().unwrap();
    let second = journal.submit(batch("lost"), 0).unwrap().receipt;
    announced.recv().unwrap();
    allow.send(Err(std::io::ErrorKind::StorageFull.into())).unwrap();

    assert!(matches!(second.wait(), Err(JournalError::Unavailable { .. })));
    assert_eq!(early, (Seq::ZERO, 0));
    assert_eq!(*seen.lock().unwrap(), [Seq(1)]);
}

#[test]
fn a_segment_without_a_file_descriptor_grows_until_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let options = JournalOptions {
        segment_bytes: 300,
        faults: Arc::clone(&faults),
        ..JournalOptions::default()
    };
    let (journal, _) = start(dir.path(), &options);
    write(&journal, &"x".repeat(400)).unwrap();
    faults.descriptors.store(5, SeqCst);

    for number in 0..8 {
        write(&journal, &format!("number {number}")).unwrap();
    }

    assert_eq!((journal.epoch(), faults.descriptors.load(SeqCst)), (0, 0));
    drop(journal);
    let folder = Folder::open(dir.path(), Expected::default()).unwrap();
    assert!(folder.damage().is_empty());
    assert_eq!((keys(&folder).len(), folder.segment_count()), (9, 2));
}

#[test]
fn a_first_segment_waits_for_a_file_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    faults.descriptors.store(3, SeqCst);
    let options = JournalOptions { faults, ..JournalOptions::default() };
    let (journal, _) = start(dir.path(), &options);

    write(&journal, "patient").unwrap();

    assert_eq!((journal.epoch(), journal.failure()), (0, None));
}

/// Opens a folder as if its disk took no writes, which it does from the next moment on.
fn start_frozen(dir: &Path, thaw: Thaw) -> Journal {
    let folder = Folder::open(dir, Expected::default()).unwrap();
    let sink = Box::new(Notebook(Seen::default()));
    Journal::start_frozen(folder, sink, thaw, &JournalOptions::default()).unwrap()
}

#[test]
fn nothing_is_written_to_a_disk_that_took_nothing_before_its_owner_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (path, starts) = segment(dir.path(), &[(1, 0), (2, 1), (3, 2)]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..starts[2] + 9]).unwrap();
    let (asked, asking) = std::sync::mpsc::channel();
    let (answer, answers) = std::sync::mpsc::channel::<std::io::Result<()>>();
    let thaw = Box::new(move || {
        asked.send(()).unwrap();
        answers.recv().unwrap()
    });

    let journal = start_frozen(dir.path(), thaw);

    assert!(matches!(journal.submit(batch("early"), 1), Err(JournalError::Unavailable { .. })));
    asking.recv().unwrap();
    answer.send(Err(std::io::ErrorKind::ReadOnlyFilesystem.into())).unwrap();
    asking.recv().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read(&path).unwrap().len(), starts[2] + 9, "nothing is cut either");
    answer.send(Ok(())).unwrap();
    wait_until_taken(&journal);
    write(&journal, "thawed").unwrap();
    drop(journal);
    let folder = Folder::open(dir.path(), Expected::default()).unwrap();
    assert_eq!(keys(&folder), ["frame 1", "frame 2", "thawed"]);
    assert!(folder.blemishes().is_empty(), "the torn end is cut");
}

#[test]
fn a_segment_without_frames_does_not_go_with_those_that_a_snapshot_replaces() {
    let dir = tempfile::tempdir().unwrap();
    segment(dir.path(), &[(1, 0)]);
    let empty = Header::segment(StoreId::UNNAMED, Seq(2), Seq(1)).to_bytes();
    fs::write(dir.path().join("00000000000000000002.log"), empty).unwrap();
    let journal = start_frozen(dir.path(), Box::new(|| Ok(())));
    wait_until_taken(&journal);

    journal.write_snapshot().unwrap();
    journal.discard_stale().unwrap();

    write(&journal, "after it").unwrap();
    drop(journal);
    let folder = Folder::open(dir.path(), Expected::default()).unwrap();
    assert_eq!(keys(&folder), ["frame 1", "after it"]);
}

fn wait_until_taken(journal: &Journal) {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    for _ in 0..200 {
        if journal.unavailable().is_none() {
            return;
        }
        let _ = never.recv_timeout(std::time::Duration::from_millis(50));
    }
    panic!("the journal takes no writes");
}

#[test]
fn nobody_waits_for_a_thread_that_died() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path(), Expected::default()).unwrap();
    let journal = Journal::start(folder, Box::new(Bomb), &JournalOptions::default()).unwrap();

    let outcome = write(&journal, "durable, but nobody can say so");

    assert!(matches!(outcome, Err(JournalError::Closed)));
    assert!(matches!(journal.wait_for_sink(), Err(JournalError::Closed)));
    assert!(matches!(journal.submit(batch("x"), 0), Err(JournalError::Closed)));
}

/// Wakes a thread that polls.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_receipt_can_be_awaited() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = start(dir.path(), &JournalOptions::default());
    let mut receipt = std::pin::pin!(journal.submit(batch("x"), 0).unwrap().receipt);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);

    let outcome = loop {
        match receipt.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => break outcome,
            Poll::Pending => std::thread::park(),
        }
    };

    outcome.unwrap();
}

#[test]
fn a_snapshot_holds_what_lives_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = start(dir.path(), &JournalOptions::default());
    for text in ["a", "b", "a", "c"] {
        write(&journal, text).unwrap();
    }
    let mut gone = EncodedBatch::default();
    gone.remove(SessionNo(1), b"b").unwrap();
    journal.submit(gone, 0).unwrap().receipt.wait().unwrap();

    assert_eq!(journal.write_snapshot().unwrap(), Seq(5));
    journal.discard_stale().unwrap();
    write(&journal, "d").unwrap();
    assert_eq!(journal.write_snapshot().unwrap(), Seq(6));
    journal.discard_stale().unwrap();
    drop(journal);

    let folder = Folder::open(dir.path(), Expected::default()).unwrap();
    assert_eq!(keys(&folder), ["a", "c", "d"]);
    assert_eq!((folder.last_seq(), folder.segment_count()), (Seq(6), 0));
    let (journal, _) = start(dir.path(), &JournalOptions::default());
    assert_eq!(write(&journal, "e").unwrap(), Seq(7));
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut draft = Draft::create(dir.path(), StoreId::UNNAMED, Seq(5), u64::MAX).unwrap();
    draft.put(SessionNo(1), b"key", b"value").unwrap();

    assert!(draft.finish().is_err());

    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_after_the_header_are_read_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (path, starts) = segment(dir.path(), &[(1, 0), (2, 1)]);
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(starts[1]);
        bytes.extend(&noise);
        fs::write(&path, &bytes).unwrap();

        let outline = Segment::read(&path).unwrap().outline(Seq::MAX);

        prop_assert_eq!(outline.last, Seq(1));
        prop_assert!(outline.holes.is_empty());
        prop_assert_eq!(outline.end, starts[1] as u64);
    }

    #[test]
    fn a_segment_cut_anywhere_keeps_its_whole_frames(at in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let (path, starts) = segment(dir.path(), &[(1, 0), (2, 1), (3, 2), (4, 3)]);
        let bytes = fs::read(&path).unwrap();
        let cut = FRAMES_START + at.index(bytes.len() - FRAMES_START + 1);
        fs::write(&path, &bytes[..cut]).unwrap();

        let folder = Folder::open(dir.path(), Expected::default()).unwrap();

        let whole = starts.iter().skip(1).filter(|end| **end <= cut).count();
        prop_assert!(folder.damage().is_empty());
        prop_assert_eq!(keys(&folder).len(), whole);
    }
}
