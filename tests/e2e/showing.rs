//! How the pages lead from one list to the next, and what they tell of each memory.

use memoryd::model::{Clock, SystemClock};
use serde_json::json;

use super::browser::Browser;
use super::harness::{KEY, TestServer, days};

#[actix_web::test]
async fn what_was_done_to_several_is_taken_back_at_once() {
    let server = TestServer::start();
    let (one, two) = (server.add("tea at four").await, server.add("coffee at nine").await);
    let browser = Browser::signed_in(&server, KEY).await;
    let csrf = browser.get("/ui/memories").await.csrf("/ui/bulk");
    let total = async || server.get("/api/v1/memories").await.json()["total"].clone();
    let trash = [
        ("csrf", csrf.as_str()),
        ("ids", one.as_str()),
        ("ids", two.as_str()),
        ("action", "trash"),
        ("sure", "true"),
    ];
    assert_eq!(browser.post("/ui/bulk", &trash).await.status, 303);
    assert_eq!(total().await, 0);

    let offered = browser.get("/ui/memories?kind=note").await;
    let undo = offered.csrf("/ui/undo");
    for id in [&one, &two] {
        assert!(offered.body.contains(&format!("name=\"id\" value=\"{id}\"")), "{}", offered.body);
    }
    assert!(offered.body.contains("name=\"next\" value=\"/ui/memories?kind=note\""));
    let undo =
        [("csrf", undo.as_str()), ("next", "/ui/tags"), ("id", one.as_str()), ("id", two.as_str())];
    let back = browser.post("/ui/undo", &undo).await;

    assert_eq!(back.header("location"), Some("/ui/tags"), "{}", back.body);
    assert_eq!(total().await, 2);
    assert!(browser.get("/ui/tags").await.body.contains("2 memories are as they were"));
}

#[actix_web::test]
async fn a_search_and_a_list_go_on_and_lead_back_to_their_first_page() {
    let server = TestServer::start();
    for n in 0..60 {
        server.add(&format!("the garden has a tree, number {n}")).await;
    }
    let browser = Browser::signed_in(&server, KEY).await;
    let shown = |page: &str| -> Vec<String> {
        let rows = page.split("name=\"ids\" value=\"").skip(1);
        rows.map(|row| row.split('"').next().unwrap().to_owned()).collect()
    };

    for (start, rows) in [("/ui/search?q=garden%20tree", 20), ("/ui/memories?kind=note", 50)] {
        let first = browser.get(start).await;
        assert_eq!((shown(&first.body).len(), first.way("First page")), (rows, None), "{start}");
        let next = first.way("Next page").unwrap();

        let second = browser.get(&next).await;

        assert_eq!(second.status, 200, "{next}: {}", second.body);
        let more = shown(&second.body);
        assert!(
            !more.is_empty() && more.iter().all(|id| !shown(&first.body).contains(id)),
            "{next}"
        );
        let back = browser.get(&second.way("First page").unwrap()).await.body;
        assert_eq!(shown(&back), shown(&first.body), "{start}");
    }
}

#[actix_web::test]
async fn what_was_given_is_shown_part_by_part_and_by_memory_and_the_audit_by_event() {
    let server = TestServer::start();
    let (tea, _) = (server.add("tea at four").await, server.add("coffee at nine").await);
    for _ in 0..51 {
        server.found(json!({ "query": "coffee", "mode": "keyword" })).await;
    }
    server.ok("get_memory", json!({ "id": tea })).await;
    server.post("/admin/tokens", json!({ "name": "r" })).await;
    let browser = Browser::signed_in(&server, KEY).await;
    let answers = |page: &str| page.matches("data-label=\"Asked\"").count();

    let first = browser.get("/ui/activity?days=2&event=token_created").await;
    assert_eq!(answers(&first.body), 50, "{}", first.body);
    assert!(first.body.contains("52 answers in all"), "{}", first.body);
    assert!(first.body.contains("<option value=\"default\"></option>"), "{}", first.body);
    assert!(first.body.contains("<td data-label=\"What\">token created</td>"), "{}", first.body);
    assert!(!first.body.contains("<td data-label=\"What\">success</td>"), "{}", first.body);
    let next = first.way("Answers before these").unwrap();
    assert!(next.contains("days=2") && next.contains("event=token_created"), "{next}");

    let second = browser.get(&next).await;
    assert_eq!((answers(&second.body), second.way("Answers before these")), (2, None));
    let memory = browser.get(&format!("/ui/memories/{tea}")).await;
    let given = browser.get(&memory.way("To whom it was given").unwrap()).await.body;
    assert_eq!(answers(&given), 1, "{given}");
    assert!(given.contains("tea at four") && !given.contains("coffee at nine"), "{given}");
    assert_eq!(browser.get("/ui/activity?event=nonsense").await.status, 422);
}

#[actix_web::test]
async fn a_version_tells_what_it_changed_and_a_memory_where_more_is_told() {
    let server = TestServer::start();
    let added =
        server.ok("add_memory", json!({ "content": "Ada\nperson", "kind": "entity" })).await;
    let id = added["id"].as_str().unwrap();
    server.ok("update_memory", json!({ "id": id, "tags": ["<b>kin</b>"], "pinned": true })).await;
    let browser = Browser::signed_in(&server, KEY).await;

    let page = browser.get(&format!("/ui/memories/{id}")).await;

    let tags = "<dt>Tags</dt><dd><ins><bdi>&#60;b&#62;kin&#60;/b&#62;</bdi></ins></dd>";
    assert!(page.body.contains(tags), "{}", page.body);
    let pinned = "<dt>Pinned</dt><dd><del><bdi>no</bdi></del> <ins><bdi>yes</bdi></ins></dd>";
    assert!(page.body.contains(pinned), "{}", page.body);
    assert!(!page.body.contains("What it changed of the text"), "the text stayed");
    let around = browser.get(&page.way("What lies around it").unwrap()).await.body;
    assert!(around.contains("<circle"), "{around}");
    let work = page.way("What else this credential changed").unwrap();
    assert_eq!(work, "/ui/activity/undo?credential=default");
    assert!(browser.get(&work).await.body.contains("Would be as before"));
}

#[actix_web::test]
async fn a_name_of_the_graph_is_found_from_its_memory_whatever_is_in_it() {
    let server = TestServer::with(&[("TOOLSETS", "core,graph")]);
    let entity = json!({ "name": "a\\b\nc", "entityType": "thing", "observations": [] });
    server.ok("create_entities", json!({ "entities": [entity] })).await;
    let id = server.get("/api/v1/memories?kind=entity").await.json()["memories"][0]["id"].clone();
    let browser = Browser::signed_in(&server, KEY).await;

    let page = browser.get(&format!("/ui/memories/{}", id.as_str().unwrap())).await;

    let way = page.way("What lies around it").unwrap();
    assert_eq!(way, "/ui/graph?name=a%5Cb%0Ac");
    let around = browser.get(&way).await.body;
    assert!(around.contains("<circle"), "{around}");
}

#[actix_web::test]
async fn the_newest_backup_the_room_and_the_model_are_told_to_who_administers() {
    let server = TestServer::start();
    // How old a backup is its file tells, in the time of this machine.
    server.clock.advance(SystemClock.now().since(server.clock.now()));
    server.add("tea at four").await;
    let reader = server.post("/admin/tokens", json!({ "name": "r", "scopes": ["read"] })).await;
    let reader = reader.json()["token"].as_str().unwrap().to_owned();
    let browser = Browser::signed_in(&server, KEY).await;
    assert!(browser.get("/ui/").await.body.contains("There is no backup yet."));

    let health = browser.get("/ui/health").await;
    let csrf = health.csrf("/ui/health/backup");
    let made = browser.post("/ui/health/backup", &[("csrf", csrf.as_str())]).await;

    assert_eq!(made.status, 303, "{}", made.body);
    let overview = browser.get("/ui/").await.body;
    let (_, backup) = overview.split_once("The last backup is <code>").expect(&overview);
    let path = backup.split("</code>").next().unwrap();
    assert!(std::path::Path::new(path).is_file(), "{path}");
    assert!(backup.contains("and read back then"), "{overview}");
    assert!(overview.contains("are free on its disk"), "{overview}");
    let file = path.rsplit('/').next().unwrap();
    let verify = async |name: &str| {
        let form = [("csrf", csrf.as_str()), ("name", name)];
        assert_eq!(browser.post("/ui/health/verify", &form).await.status, 303);
        browser.get("/ui/health").await.body
    };
    let whole = verify(file).await;
    assert!(whole.contains("was read back whole: 1 memories"), "{whole}");
    assert!(verify("../data/lock").await.contains("There is no backup"), "only what lies there");
    std::fs::write(path, "no backup at all").unwrap();
    assert!(verify(file).await.contains("is of no use"), "it is told");
    for there in
        ["<dt>Meaning is told by</dt><dd>the built-in table</dd>", "<dt>Free on the disk</dt>"]
    {
        assert!(health.body.contains(there), "{there}: {}", health.body);
    }
    let reader = Browser::signed_in(&server, &reader).await;
    let seen = reader.get("/ui/").await.body + &reader.get("/ui/health").await.body;
    assert!(!seen.contains("backup is") && !seen.contains("are free on"), "{seen}");
    assert!(!seen.contains("<dt>Free on the disk</dt>") && seen.contains("Meaning is told by"));
}

#[actix_web::test]
async fn what_waits_for_review_is_mended_and_confirmed_in_one_step() {
    let server = TestServer::start();
    let guest = json!({ "name": "guest", "scopes": ["read", "write"], "guest": true });
    let guest = server.post("/admin/tokens", guest).await.json()["token"].clone();
    let headers = [("X-API-Key", guest.as_str().unwrap())];
    let memory = json!({ "content": "tea at fiev" });
    let added = server.send("POST", "/api/v1/memories", &headers, Some(&memory)).await.json();
    let place = format!("/ui/memories/{}/edit", added["id"].as_str().unwrap());
    let browser = Browser::signed_in(&server, KEY).await;
    let waits = async || browser.get("/ui/inbox").await.body.contains("tea at");
    assert!(waits().await);

    let form = browser.get(&place).await;
    assert!(form.body.contains("name=\"confirm\""), "{}", form.body);
    let csrf = form.csrf(&place);
    let mended = [("csrf", csrf.as_str()), ("content", "tea at four"), ("version", "1")];
    assert_eq!(browser.post(&place, &mended).await.status, 303);
    assert!(waits().await, "mended only");
    let confirmed = [&mended[..2], &[("version", "2"), ("confirm", "true")]].concat();
    assert_eq!(browser.post(&place, &confirmed).await.status, 303);

    assert!(!waits().await);
    assert!(!browser.get(&place).await.body.contains("name=\"confirm\""));
}

#[actix_web::test]
async fn the_trash_says_since_when_something_is_there_and_for_how_long() {
    let server = TestServer::with(&[("UNDO_DAYS", "7")]);
    let id = server.add("thrown away").await;
    server.clock.advance(days(1));
    server.ok("delete_memory", json!({ "id": id })).await;

    let page = Browser::signed_in(&server, KEY).await.get("/ui/trash").await.body;

    let (_, row) = page.split_once("deleted <time datetime=\"2026-01-02T").expect(&page);
    assert!(row.contains("erased after <time datetime=\"2026-01-09T"), "{page}");
    let list = Browser::signed_in(&server, KEY).await.get("/ui/memories").await.body;
    assert!(!list.contains("erased after"), "{list}");
}

#[actix_web::test]
async fn memories_are_counted_and_listed_by_who_wrote_them() {
    let server = TestServer::start();
    let add = async |agent: &str, content: &str| {
        let headers = [("X-API-Key", KEY), ("User-Agent", agent)];
        let memory = json!({ "content": content, "project": "garden bot" });
        let added = server.send("POST", "/api/v1/memories", &headers, Some(&memory)).await;
        assert_eq!(added.status, 201, "{}", added.text());
    };
    for (agent, content) in [("Garden Bot", "one"), ("Garden Bot", "two"), ("<b>Other", "three")] {
        add(agent, content).await;
    }
    let browser = Browser::signed_in(&server, KEY).await;

    let overview = browser.get("/ui/").await;
    let (_, written) = overview.body.split_once("<caption>Written by</caption>").unwrap();
    let rows =
        ["<bdi>Garden Bot</bdi></a></td><td class=\"number\">2<", "<bdi>&#60;b&#62;Other</bdi>"];
    let places = rows.map(|row| written.find(row).unwrap_or_else(|| panic!("no {row}: {written}")));
    assert!(places[0] < places[1], "{written}");
    // A program is not a project, though they are called the same.
    assert!(overview.body.contains("<bdi>garden bot</bdi>"), "{}", overview.body);

    let listed = browser.get("/ui/memories?client=garden%20bot").await.body;
    assert!(listed.contains("2 in all") && listed.contains("value=\"garden bot\""), "{listed}");
    assert!(listed.contains(">one<") && !listed.contains(">three<"), "{listed}");
    assert!(listed.contains("href=\"/ui/memories?client=Garden%20Bot\""), "{listed}");
    let asc = browser.get("/ui/memories?client=Garden%20Bot&order=asc").await.body;
    assert!(asc.find(">one<").unwrap() < asc.find(">two<").unwrap(), "{asc}");
    let none = browser.get("/ui/memories?client=nobody").await.body;
    assert!(none.contains("0 in all"), "{none}");
}
