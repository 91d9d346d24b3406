//! Whatever comes in has an end, and whatever is kept can be read on every face and taken along.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer};

const OWNER: [(&str, &str); 1] = [("X-API-Key", KEY)];

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "in": inner }))
}

#[actix_web::test]
async fn no_face_takes_metadata_that_another_could_not_read() {
    let server = TestServer::start();
    let id = server.add("tea").await;
    for metadata in [nested(40), json!({ "long": "x".repeat(20_000) })] {
        for (method, path, body) in [
            (
                "POST",
                "/api/v1/memories".to_owned(),
                json!({ "content": "a", "metadata": metadata }),
            ),
            ("PATCH", format!("/api/v1/memories/{id}"), json!({ "metadata": metadata })),
            (
                "POST",
                "/api/add_memory".to_owned(),
                json!({ "user_input": "a", "agent_response": "b", "meta_data": metadata }),
            ),
            ("POST", "/memories".to_owned(), json!({ "messages": "a", "metadata": metadata })),
            ("POST", "/v1/memories/".to_owned(), json!({ "messages": "a", "metadata": metadata })),
            ("PUT", format!("/v1/memories/{id}/"), json!({ "metadata": metadata })),
        ] {
            let reply = server.send(method, &path, &OWNER, Some(&body)).await;

            assert_eq!(reply.status, 422, "{method} {path}: {}", reply.text());
            let fields = reply.json()["fields"].to_string();
            assert!(fields.contains("the limit is"), "{method} {path}: {fields}");
        }
    }

    assert_eq!(server.ok("list_memories", json!({})).await["total"], 1, "nothing was kept");
    let deepest = json!({ "user_input": "a", "agent_response": "b", "meta_data": nested(32) });
    assert_eq!(server.post("/api/add_memory", deepest).await.status, 200);
    let lines = server.get("/api/v1/export").await.text();
    let body = Some(("application/x-ndjson", lines.clone().into_bytes()));
    let second = TestServer::start();
    let told = second.send_raw("POST", "/api/v1/import", &OWNER, body).await.json();
    assert_eq!((&told["imported"], &told["failed"]), (&json!(2), &json!(0)), "{told}");
    assert_eq!(second.get("/api/v1/export").await.text(), lines);
}
