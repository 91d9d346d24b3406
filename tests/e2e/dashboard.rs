//! The pages as a browser sees them, without one: `tests/ui` has the browser.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::browser::{Browser, written};
use super::harness::{KEY, TestServer, days};

/// Every page that is behind the sign-in.
const PAGES: [&str; 20] = [
    "/ui/",
    "/ui/memories",
    "/ui/memories?kind=note&sort=updated_at&pinned=true",
    "/ui/memories?view=timeline",
    "/ui/search?q=tea",
    "/ui/new",
    "/ui/trash",
    "/ui/inbox",
    "/ui/instructions",
    "/ui/unused",
    "/ui/tags",
    "/ui/graph",
    "/ui/clients",
    "/ui/users",
    "/ui/activity",
    "/ui/activity/undo?credential=default",
    "/ui/transfer",
    "/ui/health",
    "/ui/help",
    "/ui/confirm",
];

/// Where the forms go that somebody has to have signed in for, as the table of the routes has them, of one memory.
fn forms(id: &str) -> Vec<String> {
    let rows = include_str!("../../src/http/ui_rows.rs").split("post(\"").skip(1);
    let paths = rows.map(|row| row.split('"').next().unwrap().replace("{id}", id));
    let paths: Vec<String> = paths.filter(|path| path != "/ui/login").collect();
    assert!(paths.len() >= 18, "{paths:?}");
    paths
}

/// A token that may only read.
async fn reader(server: &TestServer) -> String {
    let made = server.post("/admin/tokens", json!({ "name": "reader", "scopes": ["read"] })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    made.json()["token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_stranger_is_led_to_the_sign_in_and_a_key_opens_no_page() {
    let server = TestServer::start();
    let stranger = Browser::new(&server);

    for path in PAGES {
        for headers in [&[][..], &[("X-API-Key", KEY)], &[("Sec-Fetch-Site", "cross-site")]] {
            let page = stranger.send("GET", path, headers, "").await;
            let to = page.header("location").unwrap_or_default();
            assert!(page.status == 303 && to.starts_with("/ui/login?next=/ui/"), "{path}: {to}");
        }
    }
    for path in forms("nothing") {
        let page = stranger.post(&path, &[("content", "typed <b>long</b>")]).await;
        assert_eq!(page.status, 401, "{path}");
        assert!(page.body.contains("typed &"), "what was typed comes back: {}", page.body);
    }
    let background = stranger.send("GET", "/ui/events", &[("Sec-Fetch-Dest", "empty")], "").await;
    assert_eq!(background.status, 401);
}

#[actix_web::test]
async fn who_signs_in_sees_every_page_with_the_headers_of_pages() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;

    for path in PAGES.into_iter().chain(["/ui/login?next=//evil", "/ui/no-such-page", "/ui"]) {
        let page = browser.get(path).await;
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        // A client may open the page for signing in as a popup, and waits for what becomes of it.
        let is_for_popups = path.starts_with("/ui/login");
        let opener = (!is_for_popups).then_some("same-origin");
        assert_eq!(page.header("cross-origin-opener-policy"), opener, "{path}");
        let is_page = PAGES.contains(&path);
        assert_eq!(page.status == 200, is_page, "{path} {}: {}", page.status, page.body);
        for forbidden in ["<script>", "style=\"", "onclick="] {
            assert!(!page.body.contains(forbidden), "{path} has {forbidden}");
        }
        assert!(page.body.len() < 60 * 1024, "{path} has {} bytes", page.body.len());
    }
    let css = browser.get("/ui/").await.body;
    let css = css.split("href=\"").find(|rest| rest.starts_with("/ui/a/")).unwrap();
    let file = Browser::new(&server).get(css.split('"').next().unwrap()).await;
    assert_eq!(file.status, 200);
    assert!(file.header("cache-control").unwrap().contains("immutable"));
}

#[actix_web::test]
async fn the_cookie_is_of_the_pages_alone() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;
    let login = Browser::new(&server).post("/ui/login", &[("credential", KEY)]).await;

    let given = login.headers("set-cookie");
    assert_eq!(given.len(), 2, "{given:?}");
    assert!(given[0].starts_with("__Host-memoryd=") && given[0].contains("; Secure"));
    assert!(given[1].starts_with("memoryd-local=") && !given[1].contains("Secure"));
    assert!(given.iter().all(|line| line.contains("HttpOnly; SameSite=Lax")), "{given:?}");
    for path in ["/api/v1/memories", "/admin/tokens", "/mcp"] {
        let page = browser.send("GET", path, &[], "").await;
        assert_eq!(page.status, 401, "{path}");
    }
    let wrong = Browser::new(&server).post("/ui/login", &[("credential", "no-such-key")]).await;
    assert_eq!(wrong.status, 401);
    assert!(wrong.headers("set-cookie").is_empty() && !wrong.body.contains("no-such-key"));
}

/// Site and origin of the request, a cookie or none, a token of the form or none.
#[actix_web::test]
async fn only_a_form_of_ours_that_this_browser_was_given_does_anything() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;
    let stranger = Browser::new(&server);
    let token = browser.get("/ui/new").await.csrf("/ui/new");
    let other = Browser::signed_in(&server, KEY).await;
    let foreign_token = other.get("/ui/new").await.csrf("/ui/new");
    let own = server.url.clone();

    let sites: [(&[(&str, &str)], bool); 8] = [
        (&[("Sec-Fetch-Site", "same-origin")], true),
        (&[("Origin", own.as_str())], true),
        (&[("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "same-site")], false),
        (&[("Sec-Fetch-Site", "none")], false),
        (&[("Origin", "null")], false),
        (&[("Origin", "http://127.0.0.1:1")], false),
        (&[], false),
    ];
    let mut stored = 0;
    for (headers, is_own) in sites {
        for (csrf, is_good) in
            [(token.as_str(), true), (foreign_token.as_str(), false), ("", false)]
        {
            let text = format!("text {stored} {headers:?} {is_good}");
            let body = written(&[("csrf", csrf), ("content", &text)]);
            let page = browser.send("POST", "/ui/new", headers, &body).await;
            assert_eq!(page.status == 303, is_own && is_good, "{headers:?}: {}", page.status);
            assert!(page.status == 303 || page.status == 403, "{headers:?}: {}", page.status);
            stored += usize::from(page.status == 303);
            let without = stranger.send("POST", "/ui/new", headers, &body).await;
            assert!([401, 403].contains(&without.status), "{headers:?}: {}", without.status);
        }
    }
    let listed = server.get("/api/v1/memories?limit=100").await.json();
    assert_eq!(listed["total"], stored);
    assert_eq!(stored, 2);
}

#[actix_web::test]
async fn every_form_wants_a_page_of_ours_and_its_own_token_and_loses_nothing_that_was_typed() {
    let server = TestServer::start();
    let id = server.add("stays").await;
    let browser = Browser::signed_in(&server, KEY).await;
    let frame = browser.get("/ui/").await.csrf("/ui/logout");
    let memory = browser.get("/ui/new").await.csrf("/ui/new");
    let of_frame = ["/ui/logout", "/ui/theme", "/ui/undo", "/ui/users/back"];
    let form = |csrf: &str| {
        let more = [("one", format!("trash:{id}")), ("typed", id.clone()), ("sure", "true".into())];
        let mut all = vec![("csrf", csrf.to_owned()), ("content", "typed <b>long</b>".to_owned())];
        all.extend(more);
        let all: Vec<(&str, &str)> =
            all.iter().map(|(name, text)| (*name, text.as_str())).collect();
        written(&all)
    };

    for path in forms(&id) {
        let (frame, memory) = (frame.as_str(), memory.as_str());
        let other = if of_frame.contains(&path.as_str()) { memory } else { frame };
        for (site, csrf) in [
            ("same-origin", ""),
            ("same-origin", other),
            ("cross-site", frame),
            ("cross-site", memory),
            ("same-site", memory),
            ("none", memory),
        ] {
            let page = browser.send("POST", &path, &[("Sec-Fetch-Site", site)], &form(csrf)).await;
            assert_eq!(page.status, 403, "{path} from {site}: {}", page.body);
            assert!(page.body.contains("typed &"), "{path} from {site}: {}", page.body);
        }
    }
    assert_eq!(browser.get("/ui/").await.status, 200, "still signed in");
    assert_eq!(server.get("/api/v1/memories").await.json()["total"], 1);
}

#[actix_web::test]
async fn who_may_only_read_has_no_buttons_and_changes_nothing() {
    let server = TestServer::start();
    let id = server.add("written by another").await;
    let key = reader(&server).await;
    let browser = Browser::signed_in(&server, &key).await;
    let writer = Browser::signed_in(&server, KEY).await;

    let page = browser.get(&format!("/ui/memories/{id}")).await;
    assert_eq!(page.status, 200);
    for absent in ["Move to the trash", "Edit</a>", "Erase for good", "action=\"/ui/undo\""] {
        assert!(!page.body.contains(absent), "{absent}");
        assert!(writer.get(&format!("/ui/memories/{id}")).await.body.contains(absent), "{absent}");
    }
    let token = browser.get("/ui/new").await.csrf("/ui/new");
    let refused = browser.post("/ui/new", &[("csrf", &token), ("content", "mine")]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("mine"), "what was typed is kept");
    let edit = format!("/ui/memories/{id}/edit");
    let refused =
        browser.post(&edit, &[("csrf", &token), ("content", "mine"), ("version", "1")]).await;
    assert_eq!(refused.status, 403);
    for path in ["/ui/activity", "/ui/activity/audit.jsonl", "/ui/users"] {
        assert_eq!(browser.get(path).await.status, 403, "{path}");
    }
    let one = format!("trash:{id}");
    let bulk = browser.get("/ui/memories").await.csrf("/ui/bulk");
    let refused = browser.post("/ui/bulk", &[("csrf", &bulk), ("one", &one)]).await;
    assert_eq!(refused.status, 403);
    assert_eq!(server.get(&format!("/api/v1/memories/{id}")).await.json()["memory"]["version"], 1);
}

#[actix_web::test]
async fn a_sign_in_ends_by_sign_out_by_time_and_with_its_token() {
    let server = TestServer::start();
    let key = reader(&server).await;

    let browser = Browser::signed_in(&server, KEY).await;
    let token = browser.get("/ui/").await.csrf("/ui/logout");
    assert_eq!(browser.post("/ui/logout", &[("csrf", &token)]).await.status, 303);
    assert_eq!(browser.get("/ui/").await.status, 303);

    let browser = Browser::signed_in(&server, &key).await;
    assert_eq!(browser.get("/ui/").await.status, 200);
    let revoked = server.post(&format!("/admin/tokens/{key}/revoke"), json!({})).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_eq!(browser.get("/ui/").await.status, 303);

    let browser = Browser::signed_in(&server, KEY).await;
    server.clock.advance(days(1));
    assert_eq!(browser.get("/ui/").await.status, 303);
}

#[actix_web::test]
async fn however_often_it_is_used_a_sign_in_ends_after_a_week_and_the_idlest_of_many_gives_way() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;
    let half_a_day = std::time::Duration::from_secs(12 * 3_600 - 60);
    for _ in 0..14 {
        server.clock.advance(half_a_day);
        assert_eq!(browser.get("/ui/help").await.status, 200);
    }
    server.clock.advance(half_a_day);
    assert_eq!(browser.get("/ui/help").await.status, 303, "a week is over");

    let mut many = Vec::new();
    for _ in 0..20 {
        server.clock.advance(std::time::Duration::from_secs(1));
        many.push(Browser::signed_in(&server, KEY).await);
    }
    server.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(many[0].get("/ui/help").await.status, 200, "it is used");
    let last = Browser::signed_in(&server, KEY).await;
    for (n, browser) in many.iter().chain([&last]).enumerate() {
        let expected = if n == 1 { 303 } else { 200 };
        assert_eq!(browser.get("/ui/help").await.status, expected, "browser {n}");
    }
}

#[actix_web::test]
async fn over_plain_http_from_elsewhere_nobody_signs_in_unless_the_owner_says_so() {
    // As a proxy that is trusted tells of somebody who came to it without TLS.
    let elsewhere = [("X-Forwarded-For", "203.0.113.9")];
    let own = [&elsewhere[..], &[("Sec-Fetch-Site", "same-origin")]].concat();
    let login = written(&[("credential", KEY), ("next", "/ui/")]);
    let server = TestServer::start();
    let stranger = Browser::new(&server);

    let page = stranger.send("GET", "/ui/login", &elsewhere, "").await;
    assert_eq!(page.status, 403, "{}", page.body);
    for told in ["memoryd certs", "DASHBOARD_ALLOW_HTTP=true", "can read along"] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    assert!(!page.body.contains("name=\"credential\""), "{}", page.body);
    let refused = stranger.send("POST", "/ui/login", &own, &login).await;
    assert!(refused.status == 403 && refused.headers("set-cookie").is_empty());

    let server = TestServer::with(&[("DASHBOARD_ALLOW_HTTP", "true")]);
    let let_in = Browser::new(&server).send("POST", "/ui/login", &own, &login).await;
    assert_eq!(let_in.status, 303, "{}", let_in.body);
    let cookie = let_in.cookies();
    assert!(cookie.starts_with("memoryd-local=") && !cookie.contains("__Host"), "{cookie}");
    let headers = [&elsewhere[..], &[("Cookie", cookie.as_str())]].concat();
    let page = Browser::new(&server).send("GET", "/ui/", &headers, "").await;
    assert!(page.status == 200 && page.body.contains("class=\"banner bad\""), "{}", page.body);
}

#[actix_web::test]
async fn what_cannot_be_undone_takes_the_credential_once_more() {
    let server = TestServer::start();
    let id = server.add("to be erased").await;
    let browser = Browser::signed_in(&server, KEY).await;
    let place = format!("/ui/memories/{id}");
    let purge = format!("{place}/purge");
    let token = browser.get(&place).await.csrf(&purge);
    server.clock.advance(std::time::Duration::from_secs(600));

    let asked = browser.post(&purge, &[("csrf", &token), ("typed", &id)]).await;
    assert!(asked.header("location").unwrap().starts_with("/ui/confirm?next="));
    let confirm = browser.get("/ui/confirm").await.csrf("/ui/confirm");
    let wrong = browser.post("/ui/confirm", &[("csrf", &confirm), ("credential", "wrong")]).await;
    assert_eq!(wrong.status, 401);
    let right = browser.post("/ui/confirm", &[("csrf", &confirm), ("credential", KEY)]).await;
    assert_eq!(right.status, 303);

    let slip = browser.post(&purge, &[("csrf", &token), ("typed", "something")]).await;
    assert_eq!(slip.header("location"), Some(place.as_str()));
    assert_eq!(browser.get(&place).await.status, 200);
    let gone = browser.post(&purge, &[("csrf", &token), ("typed", &id)]).await;
    assert_eq!(gone.header("location"), Some("/ui/memories"));
    assert_eq!(browser.get(&place).await.status, 404);
}

#[actix_web::test]
async fn a_link_signs_in_once_and_within_a_minute() {
    let server = TestServer::start();
    let link = async || {
        let made = server.post("/admin/browser-link", json!({})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["code"].as_str().unwrap().to_owned()
    };
    let browser = Browser::new(&server);

    let code = link().await;
    assert_eq!(browser.post("/ui/login", &[("credential", &code)]).await.status, 303);
    assert_eq!(browser.post("/ui/login", &[("credential", &code)]).await.status, 401);
    let late = link().await;
    server.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(browser.post("/ui/login", &[("credential", &late)]).await.status, 401);
}

#[actix_web::test]
async fn what_two_have_changed_is_shown_to_the_second() {
    let server = TestServer::start();
    let id = server.add("one\ntwo").await;
    let browser = Browser::signed_in(&server, KEY).await;
    let place = format!("/ui/memories/{id}/edit");
    let token = browser.get(&place).await.csrf(&place);
    server.ok("update_memory", json!({ "id": id, "content": "theirs" })).await;

    let mine = [("csrf", token.as_str()), ("content", "mine\r\nagain"), ("version", "1")];
    let conflict = browser.post(&place, &mine).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.contains("theirs") && conflict.body.contains("mine\nagain"));
    let again = [("csrf", token.as_str()), ("content", "mine\r\nagain"), ("version", "2")];
    assert_eq!(browser.post(&place, &again).await.status, 303);

    let memory = server.ok("get_memory", json!({ "id": id })).await;
    assert_eq!(memory["memory"]["content"], "mine\nagain");
    let shown = browser.get(&format!("/ui/memories/{id}")).await.body;
    assert!(shown.contains("Saved.") && shown.contains("<del>") && shown.contains("<ins>"));
}

#[actix_web::test]
async fn hostile_text_is_text_on_every_page() {
    let server = TestServer::start();
    let hostile = "\"><script>window.x=1</script><img src=x onerror=y()> \u{202e}cod";
    let added = server
        .ok(
            "add_memory",
            json!({ "content": hostile, "title": hostile, "tags": [hostile], "project": hostile }),
        )
        .await;
    let id = added["id"].as_str().unwrap();
    let browser = Browser::signed_in(&server, KEY).await;
    let search = format!("/ui/search?{}", written(&[("q", hostile)]));
    let filter = format!("/ui/memories?{}", written(&[("project", hostile)]));

    let own = format!("/ui/memories/{id}");
    let edit = format!("{own}/edit");
    for path in
        PAGES.into_iter().chain([search.as_str(), filter.as_str(), own.as_str(), edit.as_str()])
    {
        let page = browser.get(path).await;
        assert!(page.status < 500, "{path}");
        for tag in ["<script>", "<img", "\"><"] {
            assert!(!page.body.contains(&format!("{tag}window")), "{path}");
            assert!(tag == "\"><" || !page.body.contains(tag), "{path} has {tag}");
        }
    }
    let shown = browser.get(&own).await.body;
    assert!(shown.contains("\u{27e6}U+202E\u{27e7}cod"), "{shown}");
}

#[actix_web::test]
async fn what_is_in_sight_can_be_had_as_a_file() {
    let server = TestServer::start();
    server.add("=HYPERLINK(\"x\")").await;
    let browser = Browser::signed_in(&server, KEY).await;

    let csv = browser.get("/ui/transfer/memories.csv").await;
    assert!(csv.header("content-disposition").unwrap().starts_with("attachment"));
    assert!(csv.body.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{}", csv.body);
    let markdown = browser.get("/ui/transfer/memories.md").await;
    assert!(markdown.body.contains("> =HYPERLINK"), "{}", markdown.body);
    let lines = browser.get("/ui/transfer/export.jsonl").await;
    assert!(lines.body.contains("HYPERLINK") && lines.status == 200);
    server.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(browser.get("/ui/transfer/export.jsonl").await.status, 303);
}

#[actix_web::test]
async fn a_browser_is_led_to_the_pages_and_a_program_is_not() {
    let server = TestServer::start();
    let html = [("Accept", "text/html,application/xhtml+xml")];
    let browser = Browser::new(&server);

    assert_eq!(browser.send("GET", "/", &html, "").await.header("location"), Some("/ui/"));
    assert_eq!(server.get("/").await.json()["service"], "memoryd");

    let without = TestServer::with(&[("DASHBOARD", "off")]);
    let browser = Browser::new(&without);
    for path in ["/ui", "/ui/", "/ui/login", "/ui/memories"] {
        assert_eq!(browser.send("GET", path, &html, "").await.status, 404, "{path}");
    }
    assert_eq!(browser.send("GET", "/", &html, "").await.status, 200);
    assert_eq!(without.post("/admin/browser-link", json!({})).await.status, 404);
}

#[actix_web::test]
async fn a_page_that_was_left_gives_its_stream_to_the_next_one() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;

    // More than a browser may have at a time.
    for _ in 0..12 {
        drop(browser.listen().await);
    }

    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(browser.listen().await);
    }
    let beyond = browser.send("GET", "/ui/events", &[], "").await;
    assert_eq!(beyond.status, 204, "each of the four is heard");
    heard.pop();
    browser.listen().await;
}

#[actix_web::test]
async fn an_open_page_hears_which_memory_has_changed_and_not_what_it_says() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, KEY).await;
    let mut stream = browser.listen().await;

    let added = server.ok("add_memory", json!({ "content": "loud", "project": "home" })).await;
    let id = added["id"].as_str().unwrap();
    server.ok("delete_memory", json!({ "id": id })).await;

    let mut heard = String::new();
    while heard.matches("event: memory").count() < 2 || !heard.ends_with("\n\n\r\n") {
        let mut part = [0; 1_024];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&part[..read]));
    }
    let data = heard.lines().filter_map(|line| line.strip_prefix("data: "));
    let told: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(told.len(), 2, "{heard}");
    for (told, op) in told.iter().zip(["added", "deleted"]) {
        assert_eq!((&told["id"], &told["op"]), (&json!(id), &json!(op)), "{heard}");
        assert_eq!(told["project"], "home");
    }
    assert!(!heard.contains("loud"), "{heard}");
}
