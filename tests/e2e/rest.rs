use serde_json::json;

use crate::harness::{KEY, TestServer};

#[actix_web::test]
async fn the_whole_life_of_a_memory_over_rest() {
    let server = TestServer::start();

    let added = server.post("/api/v1/memories", json!({ "content": "tea at four" })).await;
    assert_eq!(added.status, 201);
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let again = server.post("/api/v1/memories", json!({ "content": "tea at four" })).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("duplicate")));

    let path = format!("/api/v1/memories/{id}");
    let key = [("X-API-Key", KEY)];
    let change = json!({ "content": "tea at five" });
    assert_eq!(server.send("PATCH", &path, &key, Some(&change)).await.status, 200);
    assert_eq!(server.get(&path).await.json()["memory"]["content"], "tea at five");
    let history = server.get(&format!("{path}/history")).await.json();
    assert_eq!(history["history"][0]["content"], "tea at four");

    let found = server.get("/api/v1/search?query=tea&limit=5").await.json();
    assert_eq!(found["results"][0]["id"], json!(id));
    assert_eq!(server.send("DELETE", &path, &key, None).await.json()["deleted"], 1);
    assert_eq!(server.get(&path).await.status, 404);
    let restored = server.post(&format!("{path}/restore"), json!({})).await;
    assert_eq!(restored.json()["memory"]["status"], "active");
}

#[actix_web::test]
async fn tags_projects_and_stats_count() {
    let server = TestServer::start();
    server.post("/api/v1/memories", json!({ "content": "a", "tags": "x,y", "project": "p" })).await;
    server.post("/api/v1/memories", json!({ "content": "b", "tags": ["x"] })).await;

    let tags = server.get("/api/v1/tags").await.json();
    assert_eq!((&tags["tags"][0]["name"], &tags["tags"][0]["count"]), (&json!("x"), &json!(2)));
    assert_eq!(server.get("/api/v1/projects").await.json()["projects"][0]["name"], "p");
    assert_eq!(server.get("/api/v1/stats").await.json()["active"], 2);
}

#[actix_web::test]
async fn related_memories_leave_out_the_one_itself() {
    let server = TestServer::start();
    let id = server.add("green tea from Uji").await;
    server.add("black tea from Assam").await;
    server.add("the car needs oil").await;

    let related = server.get(&format!("/api/v1/memories/{id}/related")).await.json();

    let hits = related["results"].as_array().unwrap();
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0]["content"], "black tea from Assam");
}

#[actix_web::test]
async fn a_wrong_method_names_the_right_ones() {
    let server = TestServer::start();

    let reply = server.send("PUT", "/api/v1/memories", &[("X-API-Key", KEY)], None).await;

    assert_eq!(reply.status, 405);
    let allowed = reply.header("allow").unwrap();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    assert_eq!(reply.json()["code"], "method_not_allowed");
}

#[actix_web::test]
async fn an_id_that_is_none_is_a_clean_refusal() {
    let server = TestServer::start();

    for id in ["1", "..%2f..%2fetc", "%00", "01HZZZZZZZZZZZZZZZZZZZZZZZ", &"x".repeat(2000)] {
        let reply = server.get(&format!("/api/v1/memories/{id}")).await;
        assert!((400..500).contains(&reply.status), "{id}: {}", reply.status);
        assert!(reply.json()["error"].is_string(), "{id}");
    }
}

#[actix_web::test]
async fn nobody_but_an_administrator_acts_for_another_user() {
    let keys = "ada:ada-key-0123456789abcdef,ben:ben-key-0123456789abcdef";
    let server = TestServer::with(&[("MCP_API_KEYS", keys)]);
    let ada = [("X-API-Key", "ada-key-0123456789abcdef")];
    let note = json!({ "content": "for ben", "user_id": "ben" });

    let refused = server.send("POST", "/api/v1/memories", &ada, Some(&note)).await;
    let by_admin = server.post("/api/v1/memories", note).await;

    assert_eq!(refused.status, 403);
    assert_eq!(by_admin.status, 201, "{}", by_admin.text());
    let ben = [("X-API-Key", "ben-key-0123456789abcdef")];
    let own = server.send("GET", "/api/v1/memories", &ben, None).await.json();
    assert_eq!(own["memories"][0]["content"], "for ben");
}

#[actix_web::test]
async fn the_description_covers_every_route() {
    let server = TestServer::start();

    let described = server.get("/openapi.json").await.json();

    for path in ["/health", "/api/v1/memories", "/api/v1/search", "/admin/stats", "/api/v1/events"]
    {
        assert!(described["paths"].get(path).is_some(), "{path} is not described");
    }
    let key = &described["components"]["securitySchemes"]["key"]["name"];
    assert_eq!(key, "X-API-Key");
}

#[actix_web::test]
async fn metrics_are_text_for_prometheus() {
    let server = TestServer::start();
    server.add("count me").await;

    let reply = server.get("/metrics").await;

    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("# TYPE "), "{}", reply.text());
}
