//! A store that was opened where nothing can be written, and what happens once something can.

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::store::checkpoint::Checkpoint;
use crate::store::{Progress, frozen};

/// Stands before the second build of trees: the first is that of the start, the second that of the thaw.
#[derive(Debug)]
struct Gate {
    builds: AtomicU32,
    reached: Sender<()>,
    open: Mutex<Receiver<()>>,
}

impl Progress for Gate {
    fn start(&self, _task: &str, _total: u64) {
        if self.builds.fetch_add(1, SeqCst) == 1 {
            self.reached.send(()).unwrap();
            self.open.lock().unwrap().recv().unwrap();
        }
    }

    fn advance(&self, _by: u64) {}

    fn finish(&self) {}
}

/// Options with such a gate, what tells that it is reached, and what opens it.
fn gated() -> (StoreOptions, Receiver<()>, Sender<()>) {
    let (reached, is_reached) = channel();
    let (opens, open) = channel();
    let gate = Gate { builds: AtomicU32::new(0), reached, open: Mutex::new(open) };
    let options = StoreOptions { progress: Some(Arc::new(gate)), ..StoreOptions::default() };
    (options, is_reached, opens)
}

/// Every file below a folder with what it holds.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn a_crash_in_the_midst_of_a_thaw_loses_nothing_and_leaves_nothing() {
    let (dir, mut expected) = filled(10);
    assert!(Checkpoint::read(dir.path()).unwrap().unwrap().is_final);
    let (options, is_reached, opens) = gated();
    let store = Store::open_frozen(dir.path(), options).unwrap();
    assert_eq!(contents(&store, "ada"), expected);
    assert!(!store.is_writable());
    is_reached.recv().unwrap();
    // The journal takes writes, and the trees of before are those that count.
    let crashed = copy(dir.path());
    opens.send(()).unwrap();
    wait_until_writable(&store);
    put(&mut store.session(&user("ada")).unwrap(), 90, "thawed").unwrap();
    expected.insert(id(90), "thawed".to_owned());
    // What there would be without the checkpoint after it.
    copy_into(&dir.path().join("journal"), &crashed.path().join("journal"));
    drop(store);

    assert_eq!(contents(&open(crashed.path()), "ada"), expected);
    let (one, report) = (sled_folder(crashed.path()), Store::check(crashed.path()).unwrap());
    assert!(one.ends_with("sled-1") && report.is_healthy(), "{one:?} {report:?}");
    assert!(!has_aside(crashed.path(), ""));
    assert_eq!(contents(&open(dir.path()), "ada"), expected);
}

#[test]
fn a_journal_that_lost_its_end_after_a_thaw_is_not_taken_for_whole() {
    let (dir, _) = filled(10);
    let (options, is_reached, opens) = gated();
    let store = Store::open_frozen(dir.path(), options).unwrap();
    is_reached.recv().unwrap();
    let crashed = copy(dir.path());
    opens.send(()).unwrap();
    wait_until_writable(&store);
    put(&mut store.session(&user("ada")).unwrap(), 90, "thawed").unwrap();
    copy_into(&dir.path().join("journal"), &crashed.path().join("journal"));
    drop(store);
    let newest = journal_files(crashed.path(), "0").pop().unwrap();
    // Both copies of its header.
    [20, 84].into_iter().for_each(|at| flip(&newest, at));

    let refusal = Store::open(crashed.path(), StoreOptions::default()).unwrap_err();

    assert!(matches!(refusal, StoreError::Unrecoverable { .. }), "{refusal}");
}

#[test]
fn what_was_removed_leaves_trees_of_before_a_thaw_as_well() {
    let (dir, _) = filled(10);
    let store = Store::open_frozen(dir.path(), StoreOptions::default()).unwrap();
    wait_until_writable(&store);
    put(&mut store.session(&user("bob")).unwrap(), 1, "Quittenmus").unwrap();

    store.erase_user(&user("ada")).unwrap();
    store.scrub().unwrap();

    assert!(!is_on_disk(dir.path(), "memory 3 "));
    assert!(is_on_disk(dir.path(), "Quittenmus"));
    sled_folder(dir.path());
}

#[test]
fn what_a_start_has_to_put_in_order_is_read_and_not_written_to() {
    let (of_another, _) = filled(3);
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/1");
    let old = copy(&image);
    let (mixed, expected) = filled(10);
    let stranger = journal_files(of_another.path(), "0").remove(0);
    fs::copy(stranger, mixed.path().join("journal/00000000000000000011.log")).unwrap();
    for (dir, name, count) in [(&old, "default", 5), (&mixed, "ada", expected.len())] {
        let before = files(dir.path());
        let recovered = frozen::recover(dir.path(), &StoreOptions::default()).unwrap();
        let mut thaw = recovered.thaw(dir.path());
        assert!(thaw().unwrap_err().to_string().contains("start memoryd again"), "{name}");
        drop(recovered);

        let store = Store::open_frozen(dir.path(), StoreOptions::default()).unwrap();

        assert_eq!(contents(&store, name).len(), count);
        let refusal = put(&mut store.session(&user(name)).unwrap(), 90, "early").unwrap_err();
        assert!(refusal.to_string().contains("start memoryd again"), "{refusal}");
        assert!(store.problem().unwrap().contains("start memoryd again"));
        store.close();
        let mut after = files(dir.path());
        after.remove(&dir.path().join("lock"));
        assert!(after.iter().eq(before.iter().filter(|(path, _)| !path.ends_with("lock"))));
        let store = open(dir.path());
        assert_eq!(contents(&store, name).len(), count);
        put(&mut store.session(&user(name)).unwrap(), 90, "in order").unwrap();
    }
}

#[test]
fn trees_stay_until_the_checkpoint_names_those_that_took_their_place() {
    let (dir, expected) = filled(10);
    let store = open(dir.path());
    let first = sled_folder(dir.path());
    let in_the_way = dir.path().join("checkpoint.tmp");
    fs::create_dir(&in_the_way).unwrap();

    store.rebuild_now().unwrap_err();
    store.shared().nudge();
    // Errands are done in order, so the look is over when this one is.
    store.compact_now().unwrap_err();

    assert!(first.exists(), "the checkpoint names them");
    assert_eq!(contents(&store, "ada"), expected);
    fs::remove_dir(&in_the_way).unwrap();
    store.rebuild_now().unwrap();
    assert!(!first.exists());
    sled_folder(dir.path());
    store.close();
    assert_eq!(contents(&open(dir.path()), "ada"), expected);
}
