//! Tool sets beside the core: which is meant, the graph, the files.

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, rpc};
use crate::older::call;
use crate::tokens::token;

#[actix_web::test]
async fn a_token_that_was_made_for_a_set_means_that_set() {
    let server = TestServer::start();
    let fixed = token(&server, json!({ "user_id": "ada", "compat": "memoryos" })).await;
    let plain = token(&server, json!({ "user_id": "ada" })).await;
    let said = json!({ "user_input": "I sail", "agent_response": "Nice" });
    assert_eq!(call(&server, &fixed, "add_memory", said.clone()).await["status"], "success");
    assert_eq!(call(&server, &plain, "add_memory", said).await["status"], "duplicate");
    let list = rpc("tools/list", json!({}));
    let listed = server.send("POST", "/mcp", &[("X-API-Key", &fixed)], Some(&list)).await.json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 3);
    let wrong = server.post("/admin/tokens", json!({ "compat": "mem1" })).await;
    assert_eq!(wrong.status, 422);
}

#[actix_web::test]
async fn the_graph_is_kept_and_follows_what_others_do_to_its_memories() {
    let server = TestServer::with(&[("TOOLSETS", "core,graph")]);
    let entity = json!({ "name": "Ada", "entityType": "person", "observations": ["sails\nat night", "- tabs"] });
    let made = call(&server, KEY, "create_entities", json!({ "entities": [entity, { "name": "Acme", "entityType": "firm", "observations": [] }] })).await;
    assert_eq!(made["entities"][0], entity);
    let relation = json!({ "from": "Ada", "to": "Acme", "relationType": "works_at" });
    call(&server, KEY, "create_relations", json!({ "relations": [relation] })).await;
    call(
        &server,
        KEY,
        "add_observations",
        json!({ "observations": [{ "entityName": "Ada", "contents": ["is 36"] }] }),
    )
    .await;
    let found = server.ok("search_memories", json!({ "query": "who sails at night" })).await;
    assert_eq!(found["results"][0]["title"], "Ada", "an entity is a memory as any other");
    let server = server.restart().await;
    let graph = call(&server, KEY, "read_graph", json!({})).await;
    assert_eq!(graph["entities"][0]["observations"], json!(["sails\nat night", "- tabs", "is 36"]));
    assert_eq!(graph["relations"], json!([relation]));
    server.ok("delete_memory", json!({ "id": found["results"][0]["id"] })).await;
    let graph = call(&server, KEY, "open_nodes", json!({ "names": ["Ada", "Acme"] })).await;
    assert_eq!(graph["entities"].as_array().unwrap().len(), 1);
    // One user's graph is not another's, nor one project's another's.
    let other = token(&server, json!({ "user_id": "ben" })).await;
    assert_eq!(call(&server, &other, "read_graph", json!({})).await["entities"], json!([]));
    let bound = token(&server, json!({ "user_id": "default", "project": "boat" })).await;
    assert_eq!(call(&server, &bound, "read_graph", json!({})).await["entities"], json!([]));
    call(
        &server,
        &bound,
        "create_entities",
        json!({ "entities": [{ "name": "Acme", "entityType": "boat", "observations": [] }] }),
    )
    .await;
    assert_eq!(
        call(&server, &bound, "read_graph", json!({})).await["entities"][0]["entityType"],
        "boat"
    );
}

#[actix_web::test]
async fn files_are_kept_byte_for_byte_below_their_folder() {
    let server = TestServer::with(&[("TOOLSETS", "files")]);
    let ask = async |arguments: Value| {
        let result = server.tool("memory", arguments).await;
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        (result["isError"] == true, text)
    };
    let create =
        |path: &str, text: &str| json!({ "command": "create", "path": path, "file_text": text });
    assert_eq!(
        ask(create("/memories/notes/a.md", "one\r\ntwo\n")).await,
        (false, "File created successfully at: /memories/notes/a.md".to_owned())
    );
    assert!(ask(create("/memories/notes/a.md", "x")).await.0);
    assert!(ask(create("/memories/notes/a.md/b", "x")).await.0, "a file is no folder");
    assert!(ask(create("/memories/../etc", "x")).await.1.contains("would escape"));
    let (_, listing) = ask(json!({ "command": "view", "path": "/memories" })).await;
    assert!(listing.contains("\t/memories/notes/\n9B\t/memories/notes/a.md"), "{listing}");
    let (_, shown) = ask(json!({ "command": "view", "path": "/memories/notes/a.md" })).await;
    assert!(shown.ends_with("     1\tone\r\n     2\ttwo\n     3\t"), "{shown:?}");
    let replace = json!({ "command": "str_replace", "path": "/memories/notes/a.md", "old_str": "two", "new_str": "" });
    assert!(!ask(replace.clone()).await.0);
    assert!(ask(replace).await.1.contains("did not appear verbatim"));
    let rename =
        json!({ "command": "rename", "old_path": "/memories/notes", "new_path": "/memories/b/c" });
    assert!(!ask(rename).await.0);
    let (_, shown) = ask(json!({ "command": "view", "path": "/memories/b/c/a.md" })).await;
    assert!(shown.ends_with("     1\tone\r\n     2\t\n     3\t"), "{shown:?}");
    assert!(!ask(json!({ "command": "delete", "path": "/memories/b" })).await.0);
    assert!(ask(json!({ "command": "view", "path": "/memories/b" })).await.0);
}

#[actix_web::test]
async fn rest_tells_of_the_tools_that_mcp_lists_to_the_same_caller() {
    let server = TestServer::with(&[("TOOLSETS", "core,graph,chatgpt")]);
    let fixed = token(&server, json!({ "user_id": "ada", "compat": "memoryos" })).await;
    for key in [KEY, fixed.as_str()] {
        let key = [("X-API-Key", key)];
        let list = rpc("tools/list", json!({}));
        let listed = server.send("POST", "/mcp", &key, Some(&list)).await.json();
        let tools = &listed["result"]["tools"];
        for path in ["/api/v1/tools", "/api/tools"] {
            let told = server.send("GET", path, &key, None).await.json();
            assert_eq!(&told["tools"], tools, "{path}");
        }
        let status = server.send("GET", "/api/status", &key, None).await.json();
        assert_eq!(status["tools"], tools.as_array().unwrap().len());
    }
}
