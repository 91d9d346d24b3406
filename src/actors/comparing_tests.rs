//! What a session owes its callers while what a start took on trust is compared.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::accounts::AuditFilter;
use super::tests::{A_MOMENT, House, PATIENCE, adding, is_unavailable, parsed};
use crate::engine::Add;

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
