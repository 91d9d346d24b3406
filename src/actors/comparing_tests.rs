//! What a session owes its callers while what a start took on trust is compared.

use std::time::Duration;

use actix_web::rt;
use serde_json::json;
use tokio::time::timeout;

use super::CallError;
use super::accounts::{AuditFilter, Made, NewToken, TokenChange};
use super::tests::{A_MOMENT, House, PATIENCE, adding, is_unavailable, parsed};
use crate::auth::TokenError;
use crate::engine::{Add, Arguments, Get, Update};
use crate::model::{AuditKind, Caller, Scopes, Token};

#[actix_web::test]
async fn a_session_that_may_have_read_what_is_wrong_opens_anew_and_nobody_is_refused() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("the boiler was serviced").await;

    house.sessions.store.doubt_now();

    assert_eq!(house.found("boiler").await, 1);
    assert_eq!(house.text(id).await, "the boiler was serviced");
    house.sessions.store.doubt_now();
    house.add("the boat was painted").await;
    let administration = house.sessions.accounts().administration(&house.caller).unwrap();
    assert!(administration.audit(AuditFilter::default()).await.is_ok());
}

#[actix_web::test]
async fn who_only_reads_does_not_wait_until_everything_is_compared() {
    let house = House::build(Duration::from_secs(60));
    house.add("the boiler was serviced").await;
    house.sessions.store.begin_proof();

    // What was asked is written by the page, and there is more than one.
    for _ in 0..260 {
        assert_eq!(house.found("boiler").await, 1);
    }

    house.sessions.store.end_proof();
    house.add("the boat was painted").await;
}

#[actix_web::test]
async fn who_waits_until_everything_is_compared_holds_up_no_other_user() {
    let house = House::build(Duration::from_secs(60));
    house.sessions.store.begin_proof();
    // More than there are threads for sessions, so that whoever reads shares one.
    let waiting: Vec<_> = (0..33)
        .map(|number| {
            let sessions = house.sessions.clone();
            let caller = Caller::of_test(&format!("writer-{number}"), "key", Scopes::all());
            rt::spawn(async move { sessions.ask(&caller, adding("tea")).await })
        })
        .collect();
    let all_have_come = async {
        while house.sessions.active().await.unwrap().len() < waiting.len() {
            rt::task::yield_now().await;
        }
    };
    timeout(PATIENCE, all_have_come).await.unwrap();

    assert_eq!(house.found("boiler").await, 0);

    assert!(waiting.iter().all(|added| !added.is_finished()), "written before all is compared");
    house.sessions.store.end_proof();
    for added in waiting {
        added.await.unwrap().unwrap();
    }
}

#[actix_web::test]
async fn what_one_user_asks_keeps_its_order_while_everything_is_compared() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("the list:").await;
    house.sessions.store.begin_proof();

    let apples = house.asking(parsed::<Update>(json!({ "id": id, "append": "apples" })));
    let mut read = house.asking(Get { id, history: false, max_tokens: None });
    let pears = house.asking(parsed::<Update>(json!({ "id": id, "append": "pears" })));
    assert!(timeout(A_MOMENT, &mut read).await.is_err(), "it came after what is not written yet");
    house.sessions.store.end_proof();

    apples.await.unwrap().unwrap();
    assert_eq!(read.await.unwrap().unwrap().memory.memory.content, "the list:\napples");
    pears.await.unwrap().unwrap();
    assert_eq!(house.text(id).await, "the list:\napples\npears");
}

#[actix_web::test]
async fn a_session_falls_asleep_once_everything_is_compared_and_has_written_what_it_counted() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("the boiler was serviced").await;
    house.sessions.store.begin_proof();
    for _ in 0..3 {
        assert_eq!(house.found("boiler").await, 1);
    }
    let (sessions, user) = (house.sessions.clone(), house.caller.user.clone());
    let mut asleep = rt::spawn(async move { sessions.sleep(&user).await });
    assert!(timeout(A_MOMENT, &mut asleep).await.is_err(), "nothing of it could be written");

    house.sessions.store.end_proof();

    asleep.await.unwrap().unwrap();
    let get = Get { id, history: false, max_tokens: None };
    assert!(house.ask(get).await.unwrap().memory.access_count >= 3);
}

#[actix_web::test]
async fn an_end_is_told_before_everything_is_compared() {
    let house = House::build(Duration::ZERO);
    let short = json!({ "content": "parking 42", "ttl_days": 0.000_02 });
    let id = house.ask(parsed::<Add>(short)).await.unwrap().id;
    let mut changes = house.sessions.changes(&house.caller.user).await.unwrap();
    house.sessions.store.begin_proof();

    let ended = timeout(PATIENCE, changes.recv()).await.unwrap().unwrap();

    assert_eq!(ended.ids(), [id]);
    house.sessions.store.end_proof();
}

#[actix_web::test]
async fn who_waits_to_write_when_the_server_stops_is_refused_before_long() {
    let house = House::build(Duration::from_secs(60));
    let id = house.add("the boiler was serviced").await;
    house.sessions.store.begin_proof();
    let mut waiting = house.asking(adding("the boat was painted"));
    assert!(timeout(A_MOMENT, &mut waiting).await.is_err(), "written before all is compared");

    house.sessions.announce_stop();

    let refused = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap_err();
    assert!(is_unavailable(&refused), "{refused}");
    assert_eq!(house.text(id).await, "the boiler was serviced");
    // What a session counted cannot be written any more, and is not waited for.
    drop(timeout(PATIENCE, house.sessions.stop()).await.unwrap());
}

#[actix_web::test]
async fn what_is_compared_by_the_end_of_a_stop_is_waited_for() {
    let house = House::build(Duration::from_secs(60));
    house.add("the boiler was serviced").await;
    house.sessions.store.begin_proof();
    let mut waiting = house.asking(adding("the boat was painted"));
    assert!(timeout(A_MOMENT, &mut waiting).await.is_err(), "written before all is compared");

    house.sessions.announce_stop();
    house.sessions.store.end_proof();

    assert!(timeout(PATIENCE, waiting).await.unwrap().unwrap().is_ok());
    timeout(PATIENCE, house.sessions.stop()).await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_stop_that_nobody_announced_does_not_wait_for_all_to_be_compared_either() {
    let house = House::build(Duration::from_secs(60));
    house.add("the boiler was serviced").await;
    house.sessions.store.begin_proof();

    drop(timeout(PATIENCE, house.sessions.stop()).await.unwrap());

    assert!(house.sessions.store.comparison().is_none());
}

/// Asks for a token in the background.
fn making(house: &House, name: &str) -> rt::task::JoinHandle<Result<Made, CallError>> {
    let (sessions, caller) = (house.sessions.clone(), house.caller.clone());
    let named = json!({ "name": name }).as_object().unwrap().clone();
    let wanted = NewToken::parse(Arguments::new(named)).unwrap().verb;
    rt::spawn(
        async move { sessions.accounts().administration(&caller).unwrap().create(wanted).await },
    )
}

fn stored(house: &House, name: &str) -> Token {
    let records = house.sessions.store.system().unwrap();
    let mut tokens = records.scan::<Token>().map(|row| row.unwrap().1);
    tokens.find(|token| token.name.as_str() == name).unwrap()
}

#[actix_web::test]
async fn a_token_is_taken_back_while_everything_is_compared_whatever_else_is_to_be_written() {
    let house = House::build(Duration::from_secs(60));
    let accounts = house.sessions.accounts();
    let administration = accounts.administration(&house.caller).unwrap();
    let stolen = making(&house, "stolen").await.unwrap().unwrap().token.prefix;
    let phone = making(&house, "phone").await.unwrap().unwrap().token.prefix;
    house.sessions.store.begin_proof();
    accounts.note_use(phone.clone());
    accounts.note_deed(AuditKind::MemoriesViewed, &house.caller, "of bob".to_owned());
    let mut desk = making(&house, "desk");
    assert!(timeout(A_MOMENT, &mut desk).await.is_err(), "made before all is compared");

    let told = timeout(PATIENCE / 3, administration.change("stolen", TokenChange::Revoke)).await;

    let told = told.unwrap().unwrap_err();
    assert!(matches!(told, CallError::Token(TokenError::OnlyShut { .. })), "{told}");
    assert!(!accounts.book().is_open(&stolen, accounts.now()));
    assert!(administration.audit(AuditFilter::default()).await.is_ok());
    assert!(!desk.is_finished());
    house.sessions.store.end_proof();
    desk.await.unwrap().unwrap();
    // It was asked last, so all the rest is on its way to the disk.
    making(&house, "last").await.unwrap().unwrap();
    assert!(stored(&house, "stolen").revoked_at.is_some());
    assert!(stored(&house, "phone").last_used_at.is_some());
    let events = administration.audit(AuditFilter::default()).await.unwrap();
    let has = |kind| events.iter().any(|event| event.event == kind);
    assert!(has(AuditKind::MemoriesViewed) && has(AuditKind::TokenRevoked));
}

#[actix_web::test]
async fn the_last_word_of_a_token_counts_after_everything_is_compared() {
    let house = House::build(Duration::from_secs(60));
    let accounts = house.sessions.accounts();
    let prefix = making(&house, "laptop").await.unwrap().unwrap().token.prefix;
    house.sessions.store.begin_proof();
    let changing = |change: TokenChange| {
        let (sessions, caller) = (house.sessions.clone(), house.caller.clone());
        rt::spawn(async move {
            let administration = sessions.accounts().administration(&caller).unwrap();
            administration.change("laptop", change).await
        })
    };
    let mut enabled = changing(TokenChange::Enable);
    assert!(timeout(A_MOMENT, &mut enabled).await.is_err(), "written before all is compared");
    let mut revoked = changing(TokenChange::Revoke);
    assert!(timeout(A_MOMENT, &mut revoked).await.is_err(), "written before all is compared");
    assert!(!accounts.book().is_open(&prefix, accounts.now()));

    house.sessions.store.end_proof();

    enabled.await.unwrap().unwrap();
    revoked.await.unwrap().unwrap();
    assert!(!accounts.book().is_open(&prefix, accounts.now()));
    assert!(stored(&house, "laptop").revoked_at.is_some());
}
