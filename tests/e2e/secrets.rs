//! Secrets in what is to be stored.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};

const LIST: &str = "/api/v1/memories";

/// Made up, and put together here so that no scanner takes this file for a leak.
fn secret() -> String {
    format!("ghp_{}", "aB3".repeat(12))
}

async fn import(server: &TestServer, line: &Value) -> Value {
    let body = Some(("application/x-ndjson", line.to_string().into_bytes()));
    server.send_raw("POST", "/api/v1/import", &[("X-API-Key", KEY)], body).await.json()
}

#[actix_web::test]
async fn a_secret_is_told_where_nothing_else_is_said() {
    let server = TestServer::start();
    let content = format!("deploy with {}", secret());

    let added = server.tool("add_memory", json!({ "content": content })).await;

    let told = &added["structuredContent"];
    assert_eq!(
        (&told["secrets"], &told["memory"]["content"]),
        (&json!(["GitHub token"]), &json!(content))
    );
    let text = added["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("GitHub token") && !text.contains(&secret()), "{text}");
    let changed = json!({ "id": told["id"], "append": "and 4111 1111 1111 1111" });
    let changed = server.ok("update_memory", changed).await;
    assert_eq!(changed["secrets"], json!(["GitHub token", "card number"]));
    let harmless = server.ok("add_memory", json!({ "content": "the roof is red" })).await;
    assert_eq!(harmless["secrets"], Value::Null);
}

#[actix_web::test]
async fn a_secret_is_masked_wherever_it_stands_and_on_every_way_in() {
    let server = TestServer::with(&[("SECRET_SCREEN", "mask")]);
    let body = json!({
        "content": format!("deploy with {}.", secret()), "title": format!("key {}", secret()),
        "metadata": { "of": { "keys": [secret()] } },
    });

    let added = server.post(LIST, body.clone()).await.json();

    let memory = &added["memory"];
    assert_eq!(memory["content"], "deploy with [masked: GitHub token].");
    assert_eq!(memory["title"], "key [masked: GitHub token]");
    assert_eq!(memory["metadata"]["of"]["keys"][0], "[masked: GitHub token]");
    let again = server.post(LIST, json!({ "content": body["content"] })).await.json();
    assert_eq!(again["status"], "duplicate", "the same text is the same");
    let again = server.post(LIST, body.clone()).await.json();
    assert_eq!(again["status"], "duplicate", "so is the same with all that is masked");
    server.post(LIST, json!({ "content": "untitled" })).await;
    let titled = json!({ "content": "untitled", "title": format!("key {}", secret()) });
    let titled = server.post(LIST, titled).await.json();
    assert_eq!(titled["merged"], json!(["title"]));
    assert_eq!(titled["memory"]["title"], "key [masked: GitHub token]");
    let path = format!("{LIST}/{}", added["id"].as_str().unwrap());
    let change = json!({ "content": format!("now with {}", secret()) });
    server.send("PATCH", &path, &[("X-API-Key", KEY)], Some(&change)).await;
    let told = import(&server, &json!({ "text": format!("from elsewhere: {}", secret()) })).await;
    assert_eq!(told["imported"], 1, "{told}");
    let exported = server.get("/api/v1/export").await.text();
    assert!(!exported.contains(&secret()), "{exported}");
    let elsewhere = TestServer::with(&[("SECRET_SCREEN", "off")]);
    elsewhere.post(LIST, body).await;
    let whole = elsewhere.get("/api/v1/export").await.text();
    assert!(whole.contains(&secret()), "off looks for nothing");
    import(&server, &serde_json::from_str(whole.lines().next().unwrap()).unwrap()).await;
    assert!(!server.get("/api/v1/export").await.text().contains(&secret()));
}

#[actix_web::test]
async fn a_secret_is_refused_and_nothing_of_it_is_stored_or_told() {
    let server = TestServer::with(&[("SECRET_SCREEN", "refuse")]);
    let body = json!({ "content": format!("deploy with {}", secret()) });

    let refused = server.post(LIST, body.clone()).await;

    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("GitHub token") && !refused.text().contains(&secret()));
    let told = import(&server, &body).await;
    assert_eq!((&told["imported"], &told["failed"]), (&json!(0), &json!(1)));
    let id = server.add("the roof is red").await;
    let change = json!({ "metadata": { "key": secret() } });
    let path = format!("{LIST}/{id}");
    let refused = server.send("PATCH", &path, &[("X-API-Key", KEY)], Some(&change)).await;
    assert_eq!(refused.status, 422);
    assert_eq!(server.get(LIST).await.json()["total"], 1);
}
