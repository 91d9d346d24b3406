//! What a session owes its callers while the disk is slow, or fails.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError::Disconnected};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use actix_web::rt;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::accounts::AuditFilter;
use super::*;
use crate::auth::oauth::GrantPolicy;
use crate::engine::{
    Add, AddStatus, Added, Arguments, Asked, Engine, Get, NumberAll, Search, Spoken, Update,
};
use crate::journal::{self, SyncHook};
use crate::model::{Scopes, SecretScreen, SystemClock};
use crate::store::StoreOptions;

/// Long enough for any machine; nothing waits for it that goes well.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What is not answered by then waits for the disk.
pub(super) const A_MOMENT: Duration = Duration::from_millis(100);

/// A disk that a test can hold up, or break.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<(Mutex<DiskState>, Condvar)>);

#[derive(Debug, Default)]
struct DiskState {
    is_held: bool,
    fails: bool,
    /// Whether the commit thread waits for the disk.
    is_waited_for: bool,
}

impl Disk {
    fn hook(&self) -> SyncHook {
        let disk = self.clone();
        SyncHook::new(move || disk.sync())
    }

    fn sync(&self) -> io::Result<()> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while state.is_held {
            state.is_waited_for = true;
            changed.notify_all();
            state = changed.wait(state).unwrap();
        }
        state.is_waited_for = false;
        if state.fails { Err(io::Error::other("a test broke the disk")) } else { Ok(()) }
    }

    fn hold(&self) {
        self.change(|state| state.is_held = true);
    }

    fn release(&self) {
        self.change(|state| state.is_held = false);
    }

    fn fail(&self, fails: bool) {
        self.change(|state| state.fails = fails);
    }

    fn change(&self, change: impl FnOnce(&mut DiskState)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Returns when somebody waits for the disk.
    async fn is_waited_for(&self) {
        let disk = self.clone();
        let waited = rt::task::spawn_blocking(move || {
            let (state, changed) = &*disk.0;
            let state = state.lock().unwrap();
            drop(changed.wait_while(state, |state| !state.is_waited_for).unwrap());
        });
        timeout(PATIENCE, waited).await.unwrap().unwrap();
    }
}

pub(super) struct House {
    disk: Disk,
    faults: Arc<journal::Faults>,
    pub(super) sessions: Sessions,
    pub(super) caller: Caller,
    pub(super) dir: tempfile::TempDir,
}

impl House {
    pub(super) fn build(undo: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let journal =
            journal::JournalOptions { sync_hook: Some(disk.hook()), ..Default::default() };
        let faults = Arc::clone(&journal.faults);
        let store =
            Store::open(dir.path(), StoreOptions { journal, ..StoreOptions::default() }).unwrap();
        let sessions = sessions_of(store, undo);
        let caller = Caller::of_test("ada", "key", Scopes::all());
        Self { disk, faults, sessions, caller, dir }
    }

    /// Asks in the background.
    pub(super) fn asking<V: Verb>(
        &self,
        verb: V,
    ) -> rt::task::JoinHandle<Result<V::Answer, CallError>> {
        let (sessions, caller) = (self.sessions.clone(), self.caller.clone());
        rt::spawn(async move { sessions.ask(&caller, verb).await })
    }

    pub(super) async fn ask<V: Verb>(&self, verb: V) -> Result<V::Answer, CallError> {
        timeout(PATIENCE, self.sessions.ask(&self.caller, verb)).await.unwrap()
    }

    pub(super) async fn add(&self, content: &str) -> MemoryId {
        self.ask(adding(content)).await.unwrap().id
    }

    /// Adds until the disk takes writes again.
    async fn recovered(&self, content: &str) -> MemoryId {
        loop {
            match self.ask(adding(content)).await {
                Ok(added) => return added.id,
                Err(refused) => assert!(is_unavailable(&refused), "{refused}"),
            }
            rt::task::yield_now().await;
        }
    }

    pub(super) async fn text(&self, id: MemoryId) -> String {
        self.ask(Get { id, history: false, max_tokens: None }).await.unwrap().memory.memory.content
    }

    pub(super) async fn found(&self, query: &str) -> usize {
        self.ask(parsed::<Search>(json!({ "query": query }))).await.unwrap().results.len()
    }
}

fn sessions_of(store: Store, undo: Duration) -> Sessions {
    let limits =
        Limits { content_bytes: 1 << 16, undo, recalls: undo, secrets: SecretScreen::Warn };
    let settings = SessionSettings {
        limits,
        embedder: None,
        idle: Duration::from_secs(3_600),
        keep_audit: Duration::from_secs(3_600),
        grants: GrantPolicy::default(),
        backups: BackupSettings::default(),
    };
    Sessions::start(store, settings, Arc::new(SystemClock)).unwrap()
}

pub(super) fn adding(content: &str) -> Add {
    Add { content: content.to_owned(), ..Add::default() }
}

pub(super) fn parsed<V: Spoken>(arguments: Value) -> V {
    V::parse(Arguments::parse(arguments).unwrap()).unwrap().verb
}

pub(super) fn is_unavailable(error: &CallError) -> bool {
    use crate::store::StoreError::{Lost, Unavailable};
    matches!(error, CallError::Refused(EngineError::Store(Unavailable { .. } | Lost)))
}

#[actix_web::test]
async fn what_was_on_its_way_when_a_session_fell_asleep_is_not_overwritten() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("the list:").await;
    house.disk.hold();
    let first = house.asking(parsed::<Update>(json!({ "id": id, "append": "apples" })));
    house.disk.is_waited_for().await;

    let (sessions, user) = (house.sessions.clone(), house.caller.user.clone());
    let asleep = rt::spawn(async move { sessions.sleep(&user).await });
    let mut second = house.asking(parsed::<Update>(json!({ "id": id, "append": "pears" })));
    assert!(timeout(A_MOMENT, &mut second).await.is_err(), "acknowledged before the first");
    house.disk.release();

    first.await.unwrap().unwrap();
    asleep.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(house.text(id).await, "the list:\napples\npears");
}

#[actix_web::test]
async fn a_duplicate_is_acknowledged_only_with_its_original() {
    let house = House::build(Duration::from_secs(60));
    house.add("something before").await;
    house.disk.hold();
    let original = house.asking(adding("the boiler is serviced in May"));
    house.disk.is_waited_for().await;
    let mut again = house.asking(adding("the boiler is serviced in May"));
    assert!(timeout(A_MOMENT, &mut again).await.is_err(), "acknowledged before its original");

    house.disk.fail(true);
    house.disk.release();

    assert!(is_unavailable(&original.await.unwrap().unwrap_err()));
    assert!(is_unavailable(&again.await.unwrap().unwrap_err()));
    assert_eq!(house.found("boiler").await, 0);
    house.disk.fail(false);
    house.recovered("the disk is well").await;
    let stored = house.ask(adding("the boiler is serviced in May")).await.unwrap();
    assert_eq!(stored.status, AddStatus::Created);
}

#[actix_web::test]
async fn an_update_that_changes_nothing_waits_for_what_it_found() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("tea").await;
    house.disk.hold();
    let first = house.asking(parsed::<Update>(json!({ "id": id, "content": "coffee" })));
    house.disk.is_waited_for().await;
    let mut same = house.asking(parsed::<Update>(json!({ "id": id, "content": "coffee" })));
    assert!(timeout(A_MOMENT, &mut same).await.is_err());

    house.disk.release();

    assert_eq!(first.await.unwrap().unwrap().previous_version, 1);
    assert_eq!(same.await.unwrap().unwrap().previous_version, 2);
}

#[actix_web::test]
async fn a_number_is_told_once_it_is_on_the_disk() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("the boiler was serviced").await;
    house.disk.hold();

    let mut told = house.asking(NumberAll(vec![id]));

    assert!(timeout(A_MOMENT, &mut told).await.is_err(), "a crash would give it to another memory");
    house.disk.release();
    assert_eq!(told.await.unwrap().unwrap(), [1]);
}

#[actix_web::test]
async fn a_refused_write_costs_the_session_nothing() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("a memory that is found").await;
    house.disk.fail(true);
    // No probe makes it well again meanwhile.
    house.faults.creations.store(u32::MAX, std::sync::atomic::Ordering::SeqCst);
    // The one that the disk loses; whatever comes after it is refused.
    assert!(house.ask(adding("lost")).await.is_err());
    assert_eq!(house.found("found").await, 1);
    let count = async || {
        house.ask(Get { id, history: false, max_tokens: None }).await.unwrap().memory.access_count
    };
    let before = count().await;

    for _ in 0..3 {
        let refused = house.ask(adding("refused")).await.unwrap_err();
        assert!(is_unavailable(&refused), "{refused}");
    }

    // Counts are held in memory: a session that had started anew would have forgotten them.
    assert_eq!(count().await, before + 1);
}

#[actix_web::test]
async fn answers_that_nobody_has_taken_over_keep_others_from_being_made_but_no_write() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("tea").await;
    let session = house.sessions.locate(&house.caller.user).await.unwrap();
    let free = || Arc::clone(&session.answers).try_acquire_owned().ok();
    let held: Vec<_> = std::iter::from_fn(free).collect();

    let mut read = house.asking(Get { id, history: false, max_tokens: None });
    assert!(timeout(A_MOMENT, &mut read).await.is_err(), "made beyond those that are held");
    house.add("coffee").await;
    drop(held);

    assert_eq!(read.await.unwrap().unwrap().memory.memory.content, "tea");
    assert!(free().is_some());
}

#[actix_web::test]
async fn an_answer_is_dressed_while_the_disk_works_and_given_out_when_it_is_done() {
    let house = House::build(Duration::from_secs(60));
    house.disk.hold();
    let (dressed, was_dressed) = oneshot::channel();
    let (sessions, caller) = (house.sessions.clone(), house.caller.clone());
    let mut asking = rt::spawn(async move {
        let dress = |added: Added| dressed.send(added.id).map(|()| "dressed");
        sessions.ask_and(&caller, adding("tea"), dress).await
    });

    let id = timeout(PATIENCE, was_dressed).await.unwrap().unwrap();
    assert!(timeout(A_MOMENT, &mut asking).await.is_err(), "given out before it is durable");
    house.disk.release();

    assert_eq!(asking.await.unwrap().unwrap(), Ok("dressed"));
    assert_eq!(house.text(id).await, "tea");
}

#[actix_web::test]
async fn who_listens_has_heard_of_a_change_when_its_answer_comes() {
    let house = House::build(Duration::from_secs(60));
    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();
    for n in 0..20 {
        let id = house.add(&format!("memory {n}")).await;

        assert_eq!(changes.try_recv().unwrap().ids(), [id]);
    }
}

#[actix_web::test]
async fn a_change_is_told_though_its_caller_has_left() {
    let house = House::build(Duration::from_secs(60));
    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();
    house.disk.hold();
    let leaving = house.asking(adding("tea"));
    house.disk.is_waited_for().await;

    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    house.disk.release();

    let told = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    assert_eq!(house.text(told.ids()[0]).await, "tea");
}

/// Keeps a session to itself until its other end is dropped.
struct Occupy(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Verb for Occupy {
    type Answer = ();

    fn scope(&self) -> Scope {
        Scope::Read
    }

    fn apply(self, _: &mut Engine, _: Asked<'_>) -> Result<(), EngineError> {
        let Self(begins, ends) = self;
        drop(begins);
        assert!(ends.recv_timeout(PATIENCE).is_err_and(|error| error == Disconnected));
        Ok(())
    }
}

#[actix_web::test]
async fn a_change_is_told_though_its_session_is_busy_and_its_caller_has_left() {
    let house = House::build(Duration::from_secs(60));
    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();
    house.disk.hold();
    let leaving = house.asking(adding("tea"));
    house.disk.is_waited_for().await;
    let ((begins, begun), (keeps, kept)) = (mpsc::channel(), mpsc::channel());
    let busy = house.asking(Occupy(begins, kept));
    rt::task::spawn_blocking(move || begun.recv_timeout(PATIENCE)).await.unwrap().unwrap_err();

    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    house.disk.release();

    let told = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    drop(keeps);
    busy.await.unwrap().unwrap();
    assert_eq!(house.text(told.ids()[0]).await, "tea");
}

#[actix_web::test]
async fn an_end_is_told_though_nobody_calls() {
    let house = House::build(Duration::ZERO);
    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();
    let short = json!({ "content": "parking 42", "ttl_days": 0.000_002 });
    let id = house.ask(parsed::<Add>(short)).await.unwrap().id;
    let added = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    assert_eq!(added.ids(), [id]);

    let ended = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();

    assert_eq!(ended.ids(), [id]);
}

#[actix_web::test]
async fn an_end_is_told_to_who_listens_to_a_session_that_slept() {
    let house = House::build(Duration::ZERO);
    let short = json!({ "content": "parking 42", "ttl_days": 0.000_02 });
    let id = house.ask(parsed::<Add>(short)).await.unwrap().id;
    house.sessions.sleep(&house.caller.user).await.unwrap();

    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();

    let ended = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    assert_eq!(ended.ids(), [id]);
}

#[actix_web::test]
async fn what_a_sweep_erases_is_told_under_no_other_name() {
    let house = House::build(Duration::ZERO);
    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();
    let short = json!({ "content": "soon gone", "ttl_days": 0.000_005 });
    let doomed = house.ask(parsed::<Add>(short)).await.unwrap().id;
    let added = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    assert_eq!(added.ids(), [doomed]);
    house.disk.hold();
    // The sweep, at its end.
    house.disk.is_waited_for().await;
    let other = house.asking(adding("another"));

    house.disk.release();

    let other = other.await.unwrap().unwrap().id;
    let first = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    let second = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();
    assert_eq!((first.ids(), second.ids()), (vec![doomed], vec![other]));
}

#[actix_web::test]
async fn a_token_that_cannot_be_taken_back_on_disk_is_shut_and_taken_back_later() {
    let house = House::build(Duration::from_secs(60));
    let accounts = house.sessions.accounts();
    let administration = accounts.administration(&house.caller).unwrap();
    let named = json!({ "name": "laptop" }).as_object().unwrap().clone();
    let wanted = NewToken::parse(Arguments::new(named)).unwrap().verb;
    let made = administration.create(wanted).await.unwrap();
    let prefix = made.token.prefix.clone();
    assert!(accounts.book().is_open(&prefix, accounts.now()));
    house.disk.fail(true);

    let told = administration.change("laptop", TokenChange::Revoke).await.unwrap_err();

    assert!(matches!(told, CallError::Token(TokenError::OnlyShut { .. })), "{told}");
    assert!(told.to_string().contains("opens nothing"), "{told}");
    assert!(!accounts.book().is_open(&prefix, accounts.now()));
    house.disk.fail(false);
    house.recovered("the disk is well").await;
    let stored = |house: &House| {
        let records = house.sessions.store.system().unwrap();
        let mut tokens = records.scan::<crate::model::Token>().map(|row| row.unwrap().1);
        tokens.next().unwrap()
    };
    assert_eq!(stored(&house).revoked_at, None);
    // Whoever looks at the audit has it written at once.
    let everything = AuditFilter::default();
    administration.audit(everything).await.unwrap();
    house.add("behind it").await;
    assert!(stored(&house).revoked_at.is_some());
}

#[actix_web::test]
async fn the_whole_audit_is_read_in_parts_in_which_nothing_is_missing() {
    let house = House::build(Duration::from_secs(60));
    let accounts = house.sessions.accounts();
    let administration = accounts.administration(&house.caller).unwrap();
    for n in 0..5 {
        let named = json!({ "name": format!("laptop-{n}") }).as_object().unwrap().clone();
        let wanted = NewToken::parse(Arguments::new(named)).unwrap().verb;
        administration.create(wanted).await.unwrap();
    }
    let all = administration.audit(AuditFilter::default()).await.unwrap();

    let (mut read, mut sizes, mut place) = (Vec::new(), Vec::new(), None);
    loop {
        let part = administration.audit_part(place, 2).await.unwrap();
        sizes.push(part.events.len());
        read.extend(part.events);
        place = part.next;
        if place.is_none() {
            break;
        }
    }

    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(read, all);
}

#[actix_web::test]
async fn whoever_was_there_last_is_woken_before_anybody_asks() {
    let house = House::build(Duration::from_secs(3_600));
    house.add("the boiler was serviced").await;
    let (store, user) = (house.sessions.store.clone(), &house.caller.user);
    house.sessions.stop().await.unwrap();
    let sessions = sessions_of(store, Duration::from_secs(3_600));
    assert!(sessions.running.find(user).is_none());

    sessions.wake_last().await.unwrap();

    assert!(sessions.running.find(user).is_some());
    assert!(sessions.active().await.unwrap().is_empty(), "to be woken is no use");
    let search = parsed::<Search>(json!({ "query": "boiler" }));
    let found = sessions.ask(&house.caller, search).await.unwrap();
    assert_eq!(found.results.len(), 1);
    sessions.stop().await.unwrap();
}
