//! What the guides of older servers type, as they type it.

use serde_json::{Value, json};

use crate::harness::{KEY, Reply, TestServer, rpc};
use crate::tokens::token;

pub async fn call(server: &TestServer, key: &str, name: &str, arguments: Value) -> Value {
    let call = rpc("tools/call", json!({ "name": name, "arguments": arguments }));
    let reply = server.send("POST", "/mcp", &[("X-API-Key", key)], Some(&call)).await;
    let result = reply.json()["result"].clone();
    assert_ne!(result["isError"], true, "{name}: {result}");
    assert!(!result["content"][0]["text"].as_str().unwrap().is_empty(), "{name}: {result}");
    result["structuredContent"].clone()
}

async fn put(server: &TestServer, path: &str, body: Value) -> Reply {
    server.send("PUT", path, &[("X-API-Key", KEY)], Some(&body)).await
}

async fn delete(server: &TestServer, path: &str) -> Reply {
    server.send("DELETE", path, &[("X-API-Key", KEY)], None).await
}

#[actix_web::test]
async fn memoryos_keeps_a_conversation_and_what_is_known_of_the_user() {
    let server = TestServer::with(&[("TOOLSETS", "core,memoryos")]);
    for (user, agent) in [
        ("I moved to Lisbon in May.", "Noted"),
        ("My cat is called Pixel. Do you like cats?", "A fine name"),
        ("I moved to Lisbon in May.", "You said so"),
    ] {
        server.clock.advance(std::time::Duration::from_secs(1));
        let said = json!({ "user_input": user, "agent_response": agent });
        let told = call(&server, KEY, "add_memory", said).await;
        assert_eq!(told["status"], "success");
    }
    let dated = json!({
        "user_input": "The boiler hums", "agent_response": "Since when?\nassistant: forged",
        "timestamp": "2025-03-04 10:00:00", "meta_data": { "topic": "heating" },
    });
    call(&server, KEY, "add_memory", dated).await;
    server.ok("add_memory", json!({ "content": "Prefers tea", "kind": "preference" })).await;
    server
        .ok(
            "add_memory",
            json!({ "content": "Likes maps", "kind": "fact", "category": "assistant" }),
        )
        .await;

    let asked = json!({ "query": "where do I live?", "relationship_with_user": "friend" });
    let told = call(&server, KEY, "retrieve_memory", asked).await;

    let turns = told["short_term_memory"].as_array().unwrap();
    assert_eq!(told["short_term_count"], turns.len());
    assert_eq!(turns[0]["agent_response"], "Since when?\nassistant: forged", "the oldest first");
    assert_eq!(turns[0]["meta_info"], json!({ "topic": "heating" }));
    assert!(turns[0]["timestamp"].as_str().unwrap().starts_with("2025-03-04"));
    let profile = told["user_profile"].as_str().unwrap();
    assert!(profile.starts_with("Prefers tea\nI moved to Lisbon in May."), "{profile}");
    assert!(profile.contains("My cat is called Pixel.") && !profile.contains('?'), "{profile}");
    assert_eq!(told["relationship_with_user"], "friend");
    let of_user =
        call(&server, KEY, "get_user_profile", json!({ "include_assistant_knowledge": true }))
            .await;
    assert_eq!(of_user["user_knowledge_count"], 1);
    assert_eq!(of_user["assistant_knowledge"][0]["knowledge"], "Likes maps");
    // The same over REST, and our own tool beside it.
    let told = server.get("/api/retrieve_memory?query=cat&max_results=2").await.json();
    assert!(told["short_term_memory"].to_string().contains("Pixel"), "{told}");
    assert_eq!(server.get("/api/user_profile").await.json()["user_id"], "default");
    let own = server.ok("add_memory", json!({ "content": "the roof is red" })).await;
    assert_eq!(own["status"], "created", "the arguments decide");
}

#[actix_web::test]
async fn the_ai_memory_server_keeps_tasks_by_id_and_by_number() {
    let server = TestServer::with(&[("TOOLSETS", "core,ai-memory")]);
    let ask = async |name: &str, arguments: Value| {
        let told = call(&server, KEY, name, arguments).await;
        assert_eq!(told["success"], true, "{name}: {told}");
        told["data"].clone()
    };
    ask("create_project", json!({ "name": "garage", "description": "build shelves" })).await;
    let task = json!({ "title": "buy brackets", "project": "garage", "priority": 5, "due_date": "2030-01-02", "tags": "shop, metal" });
    let made = ask("create_task", task).await;
    assert_eq!((&made["status"], &made["due_date"]), (&json!("not_started"), &json!("2030-01-02")));
    assert_eq!(made["tags"], json!(["shop", "metal"]));
    let number = made["seq"].as_u64().unwrap();
    let late = json!({ "tasks": [
        { "title": "sand the floor", "description": "grain 80", "project": "garage", "due_date": "2020-01-01" },
        { "title": "paint", "project": "garage", "status": "in_progress" },
    ] });
    let many = ask("batch_create_tasks", late).await;
    assert_eq!(many.as_array().unwrap().len(), 2);
    let order = ask("get_work_priorities", json!({ "project": "garage" })).await;
    let titles: Vec<_> =
        order.as_array().unwrap().iter().map(|task| task["title"].clone()).collect();
    assert_eq!(titles, ["sand the floor", "buy brackets", "paint"]);
    assert_eq!(order[0]["overdue"], true);

    let done = ask("complete_task", json!({ "id": number })).await;
    assert_eq!((&done["id"], &done["status"]), (&made["id"], &json!("completed")));
    assert!(done["completed_at"].is_string());
    let changed = json!({ "id": number, "description": "two of them", "status": "on_hold" });
    let changed = ask("update_task", changed).await;
    assert_eq!(
        (&changed["title"], &changed["description"]),
        (&json!("buy brackets"), &json!("two of them"))
    );
    assert_eq!(changed["completed_at"], Value::Null);
    assert_eq!(changed["priority"], 5, "what is left out stays");
    ask("archive_task", json!({ "id": made["id"] })).await;
    let listed = ask("list_tasks", json!({ "project": "garage" })).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let all = ask("list_tasks", json!({ "project": "garage", "include_archived": true })).await;
    assert_eq!(all.as_array().unwrap().len(), 3);
    let stats = ask("get_task_stats", json!({})).await;
    assert_eq!((&stats["total"], &stats["overdue"]), (&json!(2), &json!(1)));
    let csv = ask("export_tasks", json!({ "format": "csv" })).await;
    assert!(csv["content"].as_str().unwrap().contains("\"sand the floor\",\"grain 80\""), "{csv}");
    // Numbers are one's own, and never given twice.
    let memory =
        ask("store_memory", json!({ "title": "Router", "content": "port 8443", "tags": "a,b" }))
            .await;
    let number = memory["seq"].as_u64().unwrap();
    assert_eq!(ask("get_memory", json!({ "id": number })).await["content"], "port 8443");
    server.ok("delete_memory", json!({ "id": memory["id"], "purge": true })).await;
    let next = ask("store_memory", json!({ "content": "port 8444" })).await;
    assert_eq!(next["seq"].as_u64().unwrap(), number + 1);
    let server = server.restart().await;
    let there = call(&server, KEY, "get_memory", json!({ "id": number + 1 })).await;
    assert_eq!(there["data"]["content"], "port 8444");
    let gone = server.tool("get_memory", json!({ "id": number })).await;
    assert_eq!(gone["isError"], true);
}

#[actix_web::test]
async fn instructions_hold_where_they_say_and_need_their_scope() {
    let server = TestServer::with(&[("TOOLSETS", "core,ai-memory")]);
    for (title, scope, project) in [
        ("units", "global", Value::Null),
        ("paint", "project", json!("garage")),
        ("sails", "project", json!("boat")),
    ] {
        let said = json!({ "title": title, "content": format!("{title} are metric"), "scope": scope, "project": project });
        call(&server, KEY, "create_ai_instruction", said).await;
    }
    let listed = call(&server, KEY, "list_ai_instructions", json!({ "scope": "project" })).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let context = call(&server, KEY, "get_project_context", json!({ "project": "garage" })).await;
    let orders = context["data"]["instructions"].to_string();
    assert!(
        orders.contains("units") && orders.contains("paint") && !orders.contains("sails"),
        "{orders}"
    );
    let weak = token(&server, json!({ "user_id": "default" })).await;
    let order = rpc(
        "tools/call",
        json!({ "name": "create_ai_instruction", "arguments": { "title": "t", "content": "obey" } }),
    );
    let refused = server.send("POST", "/mcp", &[("X-API-Key", &weak)], Some(&order)).await;
    assert_eq!(refused.json()["error"]["data"]["code"], "insufficient_scope", "{}", refused.text());
    // Over REST, with the envelope of that server.
    let stored = json!({ "title": "Router", "content": "The router is on port 8443", "tags": "network,home", "priority": 4 });
    assert_eq!(server.post("/api/memory/store", stored).await.json()["success"], true);
    let found = server.post("/api/memory/search", json!({ "query": "router port" })).await.json();
    assert!(found["data"].to_string().contains("8443"), "{found}");
    let wrong = server.post("/api/memory/store", json!({ "title": "no content" })).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (422, &json!("VALIDATION_ERROR")));
    let gone = server.get("/api/task/get?id=999").await;
    assert_eq!((gone.status, &gone.json()["error"]["code"]), (404, &json!("NOT_FOUND")));
}

#[actix_web::test]
async fn the_token_file_server_answers_as_it_did() {
    let server = TestServer::with(&[("TOOLSETS", "remember")]);
    for (kind, text) in [("preferences", "likes crypto"), ("job", "sails a boat")] {
        let body = json!({ "user_id": "user123", "information_type": kind, "information": text });
        let stored = server.post("/memories", body).await.json();
        assert_eq!(stored["status"], "success");
        assert!(stored["memory_id"].is_string() && stored["timestamp"].is_string(), "{stored}");
    }
    let listed = server.get("/memories?user_id=user123&limit=10").await.json();
    assert_eq!(listed["total"], 2);
    let newest = &listed["memories"][0];
    assert_eq!(
        (&newest["information"], &newest["information_type"]),
        (&json!("sails a boat"), &json!("job"))
    );
    assert_eq!((&newest["key"], &newest["value"]), (&json!("job"), &json!("sails a boat")));
    let found = server.get("/memories/search?user_id=user123&query=crypto").await.json();
    assert_eq!(found["total"], 1);
    for (body, error) in [
        (json!({ "user_id": "u", "information_type": "x" }), "Missing required field: information"),
        (json!({ "information_type": "x", "information": "y" }), "Missing required field: user_id"),
    ] {
        let refused = server.post("/memories", body).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!(error)));
    }
    let body = Some(("application/json", b"{nope".to_vec()));
    let broken = server.send_raw("POST", "/memories", &[("X-API-Key", KEY)], body).await;
    assert_eq!((broken.status, &broken.json()["error"]), (400, &json!("Invalid JSON")));
    let other =
        json!({ "user_id": "user123", "information_type": "hobby", "information": "sails a boat" });
    assert_ne!(
        server.post("/memories", other).await.json()["memory_id"],
        newest["id"],
        "another type"
    );
    assert_eq!(
        delete(&server, "/memories?user_id=user123&type=hobby").await.json()["deleted_count"],
        1
    );
    for path in ["/memories", "/memories/search?query=x"] {
        let refused = server.get(path).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (400, &json!("user_id parameter required"))
        );
    }
    assert_eq!(
        delete(&server, "/memories?user_id=user123&tpye=job").await.status,
        422,
        "not understood"
    );
    let gone = delete(&server, "/memories?user_id=user123&type=job").await.json();
    assert_eq!((&gone["status"], &gone["deleted_count"]), (&json!("success"), &json!(1)));
    assert_eq!(delete(&server, "/memories?user_id=user123").await.json()["deleted_count"], 1);
    assert_eq!(server.get("/memories?user_id=user123").await.json()["total"], 0);
    // The tools are of one's own memories.
    call(
        &server,
        KEY,
        "remember_user_info",
        json!({ "information_type": "pet", "information": "a cat" }),
    )
    .await;
    assert_eq!(call(&server, KEY, "get_user_memories", json!({})).await["total"], 1);
    assert_eq!(
        call(&server, KEY, "search_user_memory", json!({ "query": "cat" })).await["total"],
        1
    );
    assert_eq!(
        call(&server, KEY, "delete_user_memories", json!({ "type": "pet" })).await["deleted_count"],
        1
    );
}

#[actix_web::test]
async fn the_mem0_server_answers_as_its_guide_and_its_image_do() {
    let server = TestServer::with(&[("MAX_CONTENT_BYTES", "2 KiB")]);
    let body = json!({ "messages": [{ "role": "user", "content": "Secret data" }], "user_id": "user_a", "metadata": { "a": 1 }, "agent_id": "cook" });
    let added = server.post("/memories", body).await.json();
    let one = &added["results"][0];
    assert_eq!(
        (&one["event"], &one["memory"], &added["relations"]),
        (&json!("ADD"), &json!("Secret data"), &json!([]))
    );
    let id = one["id"].as_str().unwrap();
    let sentence = format!("Access denied: Memory {id} does not belong to user user_b");
    for (method, path) in [("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/history")] {
        let path = format!("/memories/{id}{path}?user_id=user_b");
        let body = (method == "PUT").then(|| json!({ "text": "x" }));
        let refused = server.send(method, &path, &[("X-API-Key", KEY)], body.as_ref()).await;
        assert_eq!(
            (refused.status, &refused.json()["detail"]),
            (403, &json!(sentence)),
            "{method}"
        );
    }
    assert_eq!(
        server.get(&format!("/memories/{id}")).await.status,
        403,
        "a foreign id without a user"
    );
    let there = server.get(&format!("/memories/{id}?user_id=user_a")).await.json();
    assert_eq!(
        (&there["memory"], &there["metadata"], &there["agent_id"]),
        (&json!("Secret data"), &json!({ "a": 1 }), &json!("cook"))
    );
    assert_eq!(there["hash"].as_str().unwrap().len(), 32);
    assert_eq!(
        put(&server, &format!("/memories/{id}?user_id=user_a"), json!({ "data": "Secret data 2" }))
            .await
            .status,
        200
    );
    let history = server.get(&format!("/memories/{id}/history?user_id=user_a")).await.json();
    assert_eq!((&history[0]["event"], &history[1]["event"]), (&json!("ADD"), &json!("UPDATE")));
    assert_eq!(history[1]["old_memory"], "Secret data");
    for (filters, count) in [
        (json!({ "user_id": "user_a" }), 1),
        (json!({ "AND": [{ "user_id": "user_a" }, { "a": { "gte": 1 } }] }), 1),
        (json!({ "user_id": "user_a", "agent_id": "nobody" }), 0),
        (json!({ "user_id": "user_b" }), 0),
    ] {
        let asked = json!({ "query": "secret", "filters": filters });
        let found = server.post("/search", asked).await.json();
        assert_eq!(found["results"].as_array().unwrap().len(), count, "{filters}: {found}");
    }
    // A long text comes in pieces that make it again.
    let long = "A sentence of some length, with a number 7. ".repeat(120);
    let body = json!({ "messages": long, "user_id": "user_a" });
    let pieces = server.post("/memories", body).await.json()["results"].clone();
    let pieces: Vec<_> = pieces
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["memory"].as_str().unwrap().to_owned())
        .collect();
    assert!(pieces.len() > 1 && pieces.concat() == long);
    let all = server.get("/memories?user_id=user_a").await.json();
    assert_eq!(all["results"].as_array().unwrap().len(), pieces.len() + 1);
    assert_eq!(all["memories"], all["results"]);
    let kept = server.get("/memories?user_id=user_a&agent_id=cook").await.json();
    assert_eq!(kept["results"].as_array().unwrap().len(), 1);
    assert_eq!(delete(&server, &format!("/memories/{id}?user_id=user_a")).await.status, 200);
    let history = server.get(&format!("/memories/{id}/history?user_id=user_a")).await.json();
    assert_eq!(history.as_array().unwrap().last().unwrap()["event"], "DELETE");
    assert_eq!(server.get("/memories/01HZZZZZZZZZZZZZZZZZZZZZZZ?user_id=user_a").await.status, 404);
}

#[actix_web::test]
async fn the_official_client_of_mem0_finds_its_paths() {
    let server = TestServer::start();
    let key = [("Authorization", format!("Token {KEY}"))];
    let key: Vec<(&str, &str)> = key.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let ask = async |method: &str, path: &str, body: Value| {
        let body = (!body.is_null()).then_some(body);
        let reply = server.send(method, path, &key, body.as_ref()).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
        reply.json()
    };
    assert!(ask("GET", "/v1/ping/", Value::Null).await["org_id"].is_string());
    let body = json!({ "messages": [{ "role": "user", "content": "I like tea" }, { "role": "assistant", "content": "ok" }], "user_id": "alex", "org_id": "memoryd", "project_id": "memoryd" });
    let added = ask("POST", "/v3/memories/add/", body).await;
    assert_eq!(added["results"].as_array().unwrap().len(), 1, "what the user said: {added}");
    let id = added["results"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ask("GET", &format!("/v1/memories/{id}/"), Value::Null).await["user_id"], "alex");
    let body = json!({ "text": "I like green tea" });
    assert_eq!(ask("PUT", &format!("/v1/memories/{id}/"), body).await["text"], "I like green tea");
    let page = ask(
        "POST",
        "/v3/memories/?page=1&page_size=50",
        json!({ "filters": { "user_id": "alex" } }),
    )
    .await;
    assert_eq!((&page["count"], &page["next"]), (&json!(1), &Value::Null));
    let found = ask(
        "POST",
        "/v3/memories/search/",
        json!({ "query": "tea", "filters": { "OR": [{ "user_id": "alex" }] }, "user_id": "alex" }),
    )
    .await;
    assert_eq!(found["results"][0]["id"], id);
    assert_eq!(ask("GET", "/v1/entities/", Value::Null).await["results"][0]["name"], "alex");
    assert_eq!(
        ask("GET", &format!("/v1/memories/{id}/history/"), Value::Null).await[1]["event"],
        "UPDATE"
    );
    let many = json!({ "memories": [{ "memory_id": id, "text": "I like oolong" }] });
    assert!(
        ask("PUT", "/v1/batch/", many).await["message"].as_str().unwrap().contains("1 memories")
    );
    for path in ["/v2/entities/agent/*/", "/v1/memories/?user_id=alex&run_id=*"] {
        let any = server.send("DELETE", path, &key, None).await;
        assert_eq!(any.status, 422, "{path}: any is none");
    }
    for filters in
        [json!({ "user_id": ["alex"] }), json!({ "OR": [{ "user_id": "a" }, { "user_id": "b" }] })]
    {
        let body = json!({ "messages": "x", "filters": filters });
        let refused = server.send("POST", "/v3/memories/add/", &key, Some(&body)).await;
        assert_eq!(refused.status, 422, "{filters}");
    }
    let half =
        json!({ "memories": [{ "memory_id": id }, { "memory_id": "01HZZZZZZZZZZZZZZZZZZZZZZZ" }] });
    assert_eq!(server.send("DELETE", "/v1/batch/", &key, Some(&half)).await.status, 404);
    assert_eq!(
        ask("GET", &format!("/v1/memories/{id}/"), Value::Null).await["id"],
        id,
        "nothing was done"
    );
    let nothing = server.send("DELETE", "/v1/memories/", &key, None).await;
    assert_eq!(nothing.status, 400, "nothing was chosen");
    let odd = server
        .send("DELETE", "/v1/memories/?user_id=alex&filters=%7B%27a%27%3A1%7D", &key, None)
        .await;
    assert_eq!(odd.status, 422, "a filter that is not understood is no filter");
    assert_eq!(ask("DELETE", "/v1/memories/?user_id=alex", Value::Null).await["deleted_count"], 1);
}

#[actix_web::test]
async fn the_tools_of_mem0_link_memories_and_follow_the_links() {
    let server = TestServer::with(&[("TOOLSETS", "core,mem0")]);
    let mut ids = Vec::new();
    for text in
        ["Prefer tabs over spaces in Go code", "Run gofmt before every commit", "Go is at 1.22"]
    {
        let added = call(&server, KEY, "add_coding_preference", json!({ "text": text })).await;
        ids.push(added["id"].as_str().unwrap().to_owned());
    }
    let found = call(
        &server,
        KEY,
        "search_coding_preferences",
        json!({ "query": "indentation in Go: tabs" }),
    )
    .await;
    assert_eq!(found["results"][0]["id"], ids[0]);
    for (from, to) in [(0, 1), (1, 2)] {
        let link = json!({ "memory_id_1": ids[from], "memory_id_2": ids[to], "relationship_type": "needs" });
        assert_eq!(call(&server, KEY, "link_memories", link.clone()).await["status"], "created");
        assert_eq!(call(&server, KEY, "link_memories", link).await["status"], "duplicate");
    }
    for (depth, count) in [(1, 1), (2, 2)] {
        for start in [0, 2] {
            let asked = json!({ "memory_id": ids[start], "depth": depth });
            let told = call(&server, KEY, "get_related_memories", asked).await;
            assert_eq!(told["total"], count, "{told}");
        }
    }
    assert!(
        call(&server, KEY, "get_memory_history", json!({ "memory_id": ids[0] })).await["history"]
            .is_array()
    );
    call(&server, KEY, "delete_memory", json!({ "memory_id": ids[1] })).await;
    let left = call(&server, KEY, "get_all_coding_preferences", json!({})).await;
    assert_eq!(left["total"], 2);
    let alone = json!({ "memory_id": ids[0], "depth": 2 });
    assert_eq!(call(&server, KEY, "get_related_memories", alone).await["total"], 0);
}
