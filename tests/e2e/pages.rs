//! What the pages show and do beyond the sign-in: `dashboard.rs` has the walls around them.

use serde_json::{Value, json};

use super::browser::{Browser, written};
use super::harness::{KEY, TestServer, days};

#[actix_web::test]
async fn keys_and_settings_are_shown_to_those_who_administer_and_secrets_to_nobody() {
    let phone = "phone-key-0123456789abcdef0123456789";
    let entry = format!("phone:{phone}");
    let server = TestServer::with(&[("MCP_API_KEYS", &entry)]);
    let owner = Browser::signed_in(&server, KEY).await;
    let guest = Browser::signed_in(&server, phone).await;

    let clients = owner.get("/ui/clients").await.body;
    assert!(clients.contains("Keys of the settings") && clients.contains("<bdi>phone</bdi>"));
    assert!(clients.contains("read, write</td>"), "{clients}");
    assert!(clients.contains("OAUTH_ENABLED=true"), "how claude.ai comes: {clients}");
    let health = owner.get("/ui/health").await.body;
    assert!(health.contains("<code>auth.api_keys</code>"), "{health}");
    assert!(health.contains("MCP_API_KEYS (environment)") && health.contains("not shown"));
    for (path, heading) in
        [("/ui/clients", "Keys of the settings"), ("/ui/health", "<h2>Settings</h2>")]
    {
        let seen = guest.get(path).await;
        assert!(seen.status == 200 && !seen.body.contains(heading), "{path}");
        let all = owner.get(path).await.body;
        assert!(!all.contains(phone) && !all.contains(KEY), "{path} shows a secret");
    }
}

#[actix_web::test]
async fn what_several_memories_are_about_to_suffer_is_counted_first() {
    let server = TestServer::start();
    let (one, two) = (server.add("tea at four").await, server.add("coffee at nine").await);
    server.ok("update_memory", json!({ "id": two, "tags": ["drink"] })).await;
    let browser = Browser::signed_in(&server, KEY).await;
    let csrf = browser.get("/ui/memories").await.csrf("/ui/bulk");
    let chosen = [
        ("csrf", csrf.as_str()),
        ("ids", one.as_str()),
        ("ids", two.as_str()),
        ("next", "/ui/memories"),
    ];
    let tag = [&chosen[..], &[("action", "tag"), ("value", "drink")]].concat();
    let version = async |id: &str| {
        server.ok("get_memory", json!({ "id": id })).await["memory"]["version"].clone()
    };

    let asked = browser.post("/ui/bulk", &tag).await;

    assert_eq!(asked.status, 200, "{}", asked.body);
    assert!(asked.body.contains("One memory would be tagged."), "{}", asked.body);
    assert!(asked.body.contains("it is so already"), "{}", asked.body);
    assert_eq!((version(&one).await, version(&two).await), (json!(1), json!(2)));
    let sure = [&tag[..], &[("sure", "true")]].concat();
    assert_eq!(browser.post("/ui/bulk", &sure).await.status, 303);
    assert_eq!((version(&one).await, version(&two).await), (json!(2), json!(2)));

    // Of one that is checked it is told as well.
    let single = [&chosen[..2], &[("action", "pin"), ("next", "/ui/memories")]].concat();
    let asked = browser.post("/ui/bulk", &single).await;
    assert!(asked.body.contains("One memory would be pinned."), "{}", asked.body);
    assert_eq!(version(&one).await, json!(2));

    let names = browser.get("/ui/tags").await.csrf("/ui/tags");
    let respelled = [("csrf", names.as_str()), ("what", "tag"), ("from", "drink"), ("to", "Drink")];
    let asked = browser.post("/ui/tags", &respelled).await.body;
    assert!(asked.contains("2 memories of drink") && !asked.contains("both become one"), "{asked}");
    let rename = [("csrf", names.as_str()), ("what", "tag"), ("from", "drink"), ("to", "beverage")];
    let asked = browser.post("/ui/tags", &rename).await;
    assert!(asked.body.contains("2 memories of drink would be of beverage."), "{}", asked.body);
    assert_eq!(version(&one).await, json!(2));
    let sure = [&rename[..], &[("sure", "true")]].concat();
    assert_eq!(browser.post("/ui/tags", &sure).await.status, 303);
    assert_eq!(version(&one).await, json!(3));
}

#[actix_web::test]
async fn an_import_is_tried_first_then_done_and_taken_back() {
    let server = TestServer::start();
    server.add("known").await;
    let browser = Browser::signed_in(&server, KEY).await;
    let here = "/ui/transfer/import";
    let csrf = browser.get("/ui/transfer").await.csrf(here);
    let lines = "{\"content\": \"known\"}\r\n{\"content\": \"<b>new</b>\"}\r\nno line\r\n\
                 {\"content\": \"<b>new</b>\"}\r\n";
    let form = [("csrf", csrf.as_str()), ("content", lines)];
    let total = async || server.get("/api/v1/memories").await.json()["total"].clone();

    let tried = browser.post(here, &form).await;

    assert_eq!(tried.status, 200, "{}", tried.body);
    let words = "1 memories would be stored, 2 are there already, 1 lines cannot be taken";
    assert!(tried.body.contains(words), "{}", tried.body);
    for outcome in ["would be stored", "is there already", "Line 3:"] {
        assert!(tried.body.contains(outcome), "{outcome}: {}", tried.body);
    }
    assert!(!tried.body.contains("<b>new"), "{}", tried.body);
    let row = tried.body.split("<bdi>no line</bdi>").nth(1).expect("line 3 is in the table");
    assert!(row.split("</tr>").next().unwrap().contains("cannot be taken"), "{}", tried.body);
    assert_eq!(total().await, 1);
    let sure = [&form[..], &[("sure", "true")]].concat();
    let done = browser.post(here, &sure).await;
    assert!(done.body.contains("1 memories are stored, 2 were there already"), "{}", done.body);
    assert_eq!(total().await, 2);

    let undo = ["csrf", "step"].map(|name| (name, done.field("/ui/transfer/undo", name)));
    let undo = undo.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(browser.post("/ui/transfer/undo", &undo).await.status, 303);
    assert_eq!(total().await, 1);
}

#[actix_web::test]
async fn a_list_day_by_day_has_a_heading_for_each_day_and_keeps_its_filters() {
    let server = TestServer::start();
    server.add("first day").await;
    server.clock.advance(days(1));
    server.add("second day, morning").await;
    server.add("second day, evening").await;
    let browser = Browser::signed_in(&server, KEY).await;

    let plain = browser.get("/ui/memories?kind=note").await.body;
    let by_day = browser.get("/ui/memories?kind=note&view=timeline&sort=priority").await.body;

    assert!(!plain.contains("<h2>2026-01-"), "{plain}");
    assert_eq!(by_day.matches("<h2>2026-01-").count(), 2, "{by_day}");
    let at = |text: &str| by_day.find(text).unwrap();
    assert!(at("<h2>2026-01-02</h2>") < at("second day, morning"));
    assert!(at("second day, morning") < at("<h2>2026-01-01</h2>"));
    assert!(at("<h2>2026-01-01</h2>") < at("first day"));
    assert!(by_day.contains("value=\"timeline\" checked") && by_day.contains("value=\"note\""));
}

#[actix_web::test]
async fn the_overview_counts_each_memory_where_it_belongs() {
    let server = TestServer::start();
    let add = async |memory: Value| {
        let added = server.post("/api/v1/memories", memory).await.json();
        added["id"].as_str().unwrap().to_owned()
    };
    add(json!({ "content": "one", "project": "house", "tags": ["x", "y"], "pinned": true })).await;
    add(json!({ "content": "two", "project": "house", "tags": ["x"], "kind": "fact" })).await;
    add(json!({ "content": "three", "project": "boat" })).await;
    add(json!({ "content": "four", "ttl_days": 1, "tags": ["z"] })).await;
    let gone = add(json!({ "content": "five", "project": "gone", "pinned": true })).await;
    let gone = format!("/api/v1/memories/{gone}");
    assert_eq!(server.send("DELETE", &gone, &[("X-API-Key", KEY)], None).await.status, 200);
    server.clock.advance(days(1));

    let page = Browser::signed_in(&server, KEY).await.get("/ui/").await.body;

    for there in ["3</b> in sight", "1</b> in the trash", "1</b> pinned", "2</b> tags"] {
        assert!(page.contains(&format!("<b>{there}")), "{there}: {page}");
    }
    let (_, projects) = page.split_once("<caption>Projects</caption>").unwrap();
    let place = |text: &str| projects.find(text).unwrap_or_else(|| panic!("no {text}: {page}"));
    assert!(place("<bdi>house</bdi></a></td><td class=\"number\">2<") < place("<bdi>boat</bdi>"));
    assert!(!projects.contains("<bdi>gone</bdi>"), "{page}");
    let stats = server.get("/api/v1/stats").await.json();
    for (name, count) in [("memories", 5), ("active", 3), ("deleted", 1), ("expired", 1)] {
        assert_eq!(stats[name], count, "{stats}");
    }
}

#[actix_web::test]
async fn the_overview_shows_what_came_in_what_was_given_and_what_to_see_to() {
    let server = TestServer::start();
    let id = server.add("tea at four").await;
    server.found(json!({ "query": "tea" })).await;
    let phone = server.post("/admin/tokens", json!({ "name": "r", "scopes": ["read"] })).await;
    let phone = phone.json()["token"].as_str().unwrap().to_owned();

    let page = Browser::signed_in(&server, KEY).await.get("/ui/").await.body;
    for there in [
        "Stored on each of the last 30 days",
        "Tokens given to each client",
        "in the trash",
        "What is never given out",
        "see backup.every in config.toml",
        "In the last 30 days 1 answers gave out memories; half of them took at most ",
        &format!("/ui/memories/{id}"),
    ] {
        assert!(page.contains(there), "{there}: {page}");
    }
    assert_eq!(page.matches("<summary>As a table</summary>").count(), 2, "{page}");
    let seen = Browser::signed_in(&server, &phone).await.get("/ui/").await.body;
    assert!(
        !seen.contains("gave out")
            && !seen.contains("Tokens given")
            && !seen.contains("backup.every"),
        "{seen}"
    );
}

#[actix_web::test]
async fn below_a_path_of_a_proxy_every_way_leads_back_to_it() {
    let server = TestServer::with(&[("DASHBOARD_BASE_PATH", "/of-setting")]);
    let browser = Browser::signed_in(&server, KEY).await;
    let own = [("Sec-Fetch-Site", "same-origin")];

    let direct = browser.get("/ui/").await.body;
    assert!(direct.contains("href=\"/ui/memories\""), "{direct}");
    for (headers, base) in [
        (&[("X-Forwarded-Prefix", "/memory/"), ("X-Forwarded-For", "203.0.113.9")][..], "/memory"),
        (&[("X-Forwarded-For", "203.0.113.9")], "/of-setting"),
        (&[("X-Forwarded-Prefix", "//evil"), ("X-Forwarded-For", "203.0.113.9")], "/of-setting"),
    ] {
        let headers = [headers, &[("X-Forwarded-Proto", "https")]].concat();
        // Over TLS only the cookie of TLS counts, and this browser keeps both.
        let page = browser.send("GET", "/ui/memories", &headers, "").await;
        assert_eq!(page.status, 200, "{}", page.body);
        for way in ["href=\"", "action=\"", "src=\""] {
            assert!(!page.body.contains(&format!("{way}/ui/")), "{base}: {}", page.body);
            assert!(page.body.contains(&format!("{way}{base}/ui/")), "{base} {way}: {}", page.body);
        }
        let stranger = Browser::new(&server);
        let away = stranger.send("GET", "/ui/memories", &headers, "").await;
        let to = format!("{base}/ui/login?next=/ui/memories");
        assert_eq!(away.header("location"), Some(to.as_str()));
        let login = [("credential", KEY), ("next", "/ui/tags")];
        let headers = [&headers[..], &own].concat();
        let signed = stranger.send("POST", "/ui/login", &headers, &written(&login)).await;
        assert_eq!(signed.header("location"), Some(format!("{base}/ui/tags").as_str()));
    }
}

#[actix_web::test]
async fn what_lies_around_a_name_is_drawn_and_nothing_counts_as_given() {
    let server = TestServer::start();
    let hostile = "<img src=x onerror=y()>";
    for (kind, content) in [
        ("entity", "Ada\nperson\n- likes tea".to_owned()),
        ("entity", format!("{hostile}\nthing")),
        ("relation", format!("Ada\nowns\n{hostile}")),
        ("relation", "Acme\nemploys\nAda".to_owned()),
        ("relation", "Far\nis\nAway".to_owned()),
    ] {
        server.ok("add_memory", json!({ "content": content, "kind": kind })).await;
    }
    let browser = Browser::signed_in(&server, KEY).await;

    let start = browser.get("/ui/graph").await.body;
    let around = browser.get("/ui/graph?name=Ada").await.body;
    let nothing = browser.get("/ui/graph?name=nobody").await.body;

    assert!(start.contains("2 entities in all") && start.contains("/ui/graph?name=Ada"));
    assert_eq!(around.matches("<circle").count(), 3, "{around}");
    assert_eq!(around.matches("<line class=\"edge\"").count(), 2, "{around}");
    assert!(around.contains("employs") && !around.contains("Far"), "{around}");
    assert!(!around.contains("<img") && !start.contains("<img"), "{around}");
    assert!(nothing.contains("Nothing bears this name.") && !nothing.contains("<circle"));
    let stats = server.get("/api/v1/stats").await.json();
    assert_eq!(stats["given"]["answers"], 0, "{stats}");
}

#[actix_web::test]
async fn a_text_is_shown_formatted_where_that_is_asked_for_and_nothing_of_it_is_loaded() {
    let server = TestServer::start();
    let text = "# Plan\n\n- *tea* at [four](https://clock.example/x)\n- [here](/ui/logout)\n\n\
                <img src=x onerror=y()>\n\n![a picture](https://evil.example/p.png)";
    let id = server.add(text).await;
    let browser = Browser::signed_in(&server, KEY).await;
    let place = format!("/ui/memories/{id}");

    let plain = browser.get(&place).await.body;
    let shown = browser.get(&format!("{place}?view=formatted")).await.body;

    assert!(plain.contains("# Plan") && plain.contains(&format!("{place}?view=formatted")));
    for there in [
        "<h2>Plan</h2><ul><li><em>tea</em> at <a href=\"https://clock.example/x\" rel=\"noopener \
         noreferrer nofollow\">four</a> <span class=\"quiet\">(<bdi>clock.example</bdi>)</span></li>",
        "<li>here (/ui/logout)</li></ul>",
        "img src=x onerror=y()",
        "<p>a picture</p>",
        &format!("href=\"{place}\""),
    ] {
        assert!(shown.contains(there), "{there}: {shown}");
    }
    assert!(!shown.contains("<img") && !shown.contains("p.png"), "{shown}");
    assert_eq!(shown.matches("<h1>").count(), 1);
}

#[actix_web::test]
async fn an_import_takes_the_credential_once_more_and_loses_nothing_that_was_typed() {
    let server = TestServer::start();
    let reader = server.post("/admin/tokens", json!({ "name": "r", "scopes": ["read"] })).await;
    let reader = reader.json()["token"].as_str().unwrap().to_owned();
    let browser = Browser::signed_in(&server, KEY).await;
    let here = "/ui/transfer/import";
    let csrf = browser.get("/ui/transfer").await.csrf(here);
    let form = [("csrf", csrf.as_str()), ("content", "{\"content\": \"typed\"}")];
    let sure = |credential| [&form[..], &[("sure", "true"), ("credential", credential)]].concat();
    let total = async || server.get("/api/v1/memories").await.json()["total"].clone();
    assert!(!browser.post(here, &form).await.body.contains("name=\"credential\""));
    server.clock.advance(std::time::Duration::from_secs(600));

    let asked = browser.post(here, &form).await;
    assert!(asked.status == 200 && asked.body.contains("name=\"credential\""), "{}", asked.body);
    // One that may do less than the one of the sign-in shows nothing.
    for (credential, status) in [("", 403), ("no-such-key", 401), (reader.as_str(), 401)] {
        let refused = browser.post(here, &sure(credential)).await;
        assert_eq!(refused.status, status, "{}", refused.body);
        assert!(refused.body.contains("typed") && refused.body.contains("id=\"problem\""));
        assert_eq!(total().await, 0);
    }
    let done = browser.post(here, &sure(KEY)).await;
    assert!(done.body.contains("1 memories are stored"), "{}", done.body);
    assert_eq!(total().await, 1);
}

#[actix_web::test]
async fn the_audit_can_be_had_whole() {
    let server = TestServer::start();
    for n in 0..3 {
        server.post("/admin/tokens", json!({ "name": format!("t{n}") })).await;
    }
    let browser = Browser::signed_in(&server, KEY).await;

    let file = browser.get("/ui/activity/audit.jsonl").await;

    assert!(file.header("content-disposition").unwrap().contains("memoryd-audit.jsonl"));
    assert_eq!(file.body.matches("token_created").count(), 3, "{}", file.body);
}
