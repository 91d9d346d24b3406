//! An administrator looks at what another user has stored, on the pages.

use actix_web::rt;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::browser::Browser;
use super::harness::{KEY, PATIENCE, TestServer};

#[actix_web::test]
async fn an_administrator_may_look_at_the_memories_of_another_and_change_nothing_there() {
    let server = TestServer::start();
    server.add("tea of the owner").await;
    let hers = json!({ "content": "coffee of ada", "user_id": "ada" });
    let added = server.post("/api/v1/memories", hers).await;
    assert_eq!(added.status, 201, "{}", added.text());
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let browser = Browser::signed_in(&server, KEY).await;
    let own_form = browser.get("/ui/new").await.csrf("/ui/new");
    let look = browser.get("/ui/users").await.csrf("/ui/users/look");

    let form = [("csrf", look.as_str()), ("user", "nobody")];
    assert_eq!(browser.post("/ui/users/look", &form).await.status, 403);
    let form = [("csrf", look.as_str()), ("user", "ada")];
    assert_eq!(browser.post("/ui/users/look", &form).await.status, 303);

    let place = format!("/ui/memories/{id}");
    for path in ["/ui/", "/ui/memories", "/ui/search?q=coffee", place.as_str(), "/ui/tags"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        assert!(page.body.contains("the memories of <strong><bdi>ada</bdi>"), "{path}");
        assert!(page.body.contains("Signed in as <bdi>default ("), "{path}: {}", page.body);
        assert!(!page.body.contains("tea of the owner"), "{path}");
    }
    let shown = browser.get(&place).await.body;
    assert!(shown.contains("coffee of ada") && !shown.contains("Move to the trash"), "{shown}");
    assert_eq!(browser.get("/ui/users").await.status, 403);
    // Neither a form of this view nor one of before writes into what is shown.
    let form = browser.get("/ui/new").await.csrf("/ui/new");
    for csrf in [form, own_form.clone()] {
        let form = [("csrf", csrf.as_str()), ("content", "slipped in")];
        assert_eq!(browser.post("/ui/new", &form).await.status, 403);
    }
    let ada = server.get("/api/v1/memories?user_id=ada").await.json();
    assert_eq!(ada["total"], 1);

    let back = browser.get("/ui/").await.csrf("/ui/users/back");
    let back = browser.post("/ui/users/back", &[("csrf", back.as_str())]).await;
    assert_eq!(back.status, 303);
    let page = browser.get("/ui/memories").await.body;
    assert!(page.contains("tea of the owner") && !page.contains("coffee of ada"), "{page}");
    let form = [("csrf", own_form.as_str()), ("content", "mine again")];
    assert_eq!(browser.post("/ui/new", &form).await.status, 303);
    let audit = server.get("/admin/audit?event=memories_viewed").await.json();
    let events = audit["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["user"]), (1, &json!("ada")), "{audit}");
    assert_eq!(events[0]["credential"], "default", "{audit}");
}

#[actix_web::test]
async fn a_stream_ends_when_the_pages_show_somebody_else_or_oneself_again() {
    let server = TestServer::start();
    let hers = |content: &str| json!({ "content": content, "user_id": "ada" });
    assert_eq!(server.post("/api/v1/memories", hers("coffee of ada")).await.status, 201);
    let browser = Browser::signed_in(&server, KEY).await;

    let own = browser.listen().await;
    let csrf = browser.get("/ui/users").await.csrf("/ui/users/look");
    let form = [("csrf", csrf.as_str()), ("user", "ada")];
    assert_eq!(browser.post("/ui/users/look", &form).await.status, 303);
    let told = rest_of(own).await;
    assert!(told.contains("event: resync") && !told.contains("session-ended"), "{told}");

    let looking = browser.listen().await;
    let csrf = browser.get("/ui/").await.csrf("/ui/users/back");
    assert_eq!(browser.post("/ui/users/back", &[("csrf", csrf.as_str())]).await.status, 303);
    assert_eq!(server.post("/api/v1/memories", hers("more of ada")).await.status, 201);
    let told = rest_of(looking).await;
    assert!(told.contains("event: resync") && !told.contains("event: memory"), "{told}");
}

/// What a stream says until the server ends it.
async fn rest_of(mut stream: rt::net::TcpStream) -> String {
    let mut told = String::new();
    rt::time::timeout(PATIENCE, stream.read_to_string(&mut told)).await.expect("no end").unwrap();
    told
}
