//! OAuth: a client that has no key comes in because its user allows it, as far as that goes and as long.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{KEY, TestServer, days, rpc};
use crate::oauth_client::{
    BACK, HOST, ISSUER, Outside, csrf_of, encoded, field_of, form, question, tokens, value_of,
};
use crate::tokens::token;

const DISCOVERY: [&str; 4] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
];

#[actix_web::test]
async fn a_client_finds_its_way_in_and_does_what_it_was_allowed() {
    let outside = Outside::start();

    let refused = outside.send("POST", "/mcp", &[], None).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    let place = "https://memory.example.com/.well-known/oauth-protected-resource/mcp";
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{place}\", scope=\"read write\""));
    let resource = outside.get(place.strip_prefix(ISSUER).unwrap()).await.json();
    assert_eq!(resource["authorization_servers"], json!([ISSUER]));
    let server = outside.get(DISCOVERY[2]).await;
    assert_eq!(server.header("access-control-allow-origin"), Some("*"));
    assert_eq!(server.header("cache-control"), Some("max-age=300"));
    assert_eq!(server.json()["registration_endpoint"], "https://memory.example.com/register");

    let client = outside.client().await;
    let begun = outside.get(&question(&client)).await;
    let waiting = begun.header("location").unwrap().to_owned();
    let sign_in = outside.get(&waiting).await;
    assert_eq!(sign_in.status, 303);
    assert_eq!(sign_in.header("location").unwrap(), format!("/ui/login?next={waiting}"));
    let browser = outside.browser(KEY).await;
    let page = browser.get(&waiting).await;
    assert!(
        page.text().contains("<h2 class=\"address\"><bdi>localhost:3118</bdi></h2>"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("Claude Code (memory)"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action 'self' http://localhost:3118;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let other = browser.get("/ui/confirm").await;
    assert!(!other.header("content-security-policy").unwrap().contains("localhost"));

    let csrf = csrf_of(&page);
    let fields =
        [("csrf", csrf.as_str()), ("scope", "read"), ("scope", "write"), ("answer", "allow")];
    let answered = browser.post(&waiting, &fields).await;
    let back = answered.header("location").unwrap().to_owned();
    assert!(back.starts_with("http://localhost:3118/callback?code=mac_"), "{back}");
    assert!(back.ends_with("&state=a%2Fb%20c&iss=https%3A%2F%2Fmemory.example.com"), "{back}");
    let again = browser.post(&waiting, &fields).await;
    assert_eq!(again.status, 400, "a question is answered once");

    let code = value_of(&back, "code").unwrap();
    let tokens = tokens(&outside.change(&client, &code).await);
    assert_eq!(tokens.scope, "read write");
    let added =
        outside.tool(&tokens.access, "add_memory", json!({ "content": "the boat is red" })).await;
    assert_eq!(added.status, 200, "{}", added.text());
    let found = outside.server.found(json!({ "query": "boat" })).await;
    assert_eq!(found, ["the boat is red"], "it is the memory of the user");
}

#[actix_web::test]
async fn what_a_client_did_is_known_by_its_name_and_can_be_undone() {
    let outside = Outside::start();
    let client = outside.client().await;
    let tokens = outside.signed_in(&client).await;
    let added =
        outside.tool(&tokens.access, "add_memory", json!({ "content": "tea at five" })).await;
    assert_eq!(added.status, 200);

    let listed = outside.server.get("/admin/oauth").await.json();
    let grant = &listed["grants"][0];
    assert_eq!(grant["name"], "oauth:Claude-Code--memory");
    assert_eq!((&grant["state"], &grant["client_id"]), (&json!("active"), &json!(client)));
    assert!(grant["last_used_at"].is_string() && grant["scopes"] == json!(["read", "write"]));
    assert!(!listed.to_string().contains("mat_") && !listed.to_string().contains("mrt_"));
    let name = grant["name"].as_str().unwrap();
    let kept = outside.server.get("/api/v1/memories").await.text();
    assert!(kept.contains(name), "{kept}");
    let audit = outside.server.get("/admin/audit?event=grant_created").await.json();
    assert_eq!(audit["events"][0]["credential"], name);
    assert_eq!(audit["events"][0]["prefix"], grant["id"]);

    let undo = json!({ "credential": name, "dry_run": false });
    let undone = outside.server.post("/api/v1/undo", undo).await;
    assert_eq!(undone.status, 200, "{}", undone.text());
    assert!(outside.server.found(json!({ "query": "tea" })).await.is_empty());

    let path = format!("/admin/oauth/{name}/revoke");
    let revoked = outside.server.post(&path, json!({})).await;
    assert_eq!(revoked.json()["grants"][0]["state"], "revoked", "{}", revoked.text());
    assert_eq!(outside.status(&tokens.access).await, 401);
    let refused = outside.refresh(&client, &tokens.refresh).await;
    assert_eq!(refused.json()["error"], "invalid_grant");
    let nobody = outside.server.post("/admin/oauth/mgr_00000000/revoke", json!({})).await;
    assert_eq!((nobody.status, &nobody.json()["code"]), (404, &json!("token_not_found")));
    let plain = token(&outside.server, json!({})).await;
    let me = [("X-MCP-Token", plain.as_str())];
    assert_eq!(outside.server.send("GET", "/admin/oauth", &me, None).await.status, 403);
}

#[actix_web::test]
async fn under_every_other_name_and_where_it_is_off_there_is_no_word_of_it() {
    let outside = Outside::start();
    let off = TestServer::with(&[("PUBLIC_URL", ISSUER)]);
    let body = rpc("ping", json!({}));

    for path in DISCOVERY.into_iter().chain(["/.well-known/openid-configuration", "/authorize"]) {
        for host in ["127.0.0.1", "nas.lan", "memory.example.com.evil.example"] {
            let reply = outside.send("GET", path, &[("Host", host)], None).await;
            assert_eq!(
                (reply.status, &reply.json()["code"]),
                (404, &json!("no_route")),
                "{path} {host}"
            );
        }
        let reply = off.send("GET", path, &[("Host", HOST)], None).await;
        assert_eq!((reply.status, &reply.json()["code"]), (404, &json!("no_route")), "{path}");
    }
    assert_eq!(outside.get("/.well-known/openid-configuration").await.status, 404);
    for path in ["/register", "/token", "/revoke", "/register/mc_x", "/authorize/pending/x"] {
        assert_eq!(off.send("POST", path, &[("Host", HOST)], Some(&json!({}))).await.status, 404);
    }
    for (server, host) in [(&outside.server, "127.0.0.1"), (&off, HOST)] {
        for method in ["GET", "POST"] {
            let refused = server.send(method, "/mcp", &[("Host", host)], Some(&body)).await;
            assert_eq!(refused.status, 401);
            assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"memoryd\""));
        }
    }
}

#[actix_web::test]
async fn a_key_works_under_every_name_and_a_wrong_one_hears_that_it_is_wrong() {
    let outside = Outside::with(&[("AUTH_FAIL_LIMIT", "1000")]);
    let body = || Some(("application/json", rpc("ping", json!({})).to_string()));

    let bearer = format!("Bearer {KEY}");
    for host in [HOST, "127.0.0.1"] {
        for key in [("X-API-Key", KEY), ("X-MCP-Token", KEY), ("Authorization", bearer.as_str())] {
            let reply = outside.send("POST", "/mcp", &[("Host", host), key], body()).await;
            assert_eq!(reply.status, 200, "{host} {}", key.0);
        }
    }
    for wrong in
        [("X-API-Key", "wrong"), ("X-MCP-Token", "mat_x"), ("Authorization", "Bearer wrong")]
    {
        let reply = outside.send("POST", "/mcp", &[wrong], body()).await;
        assert_eq!(reply.status, 401);
        let challenge = reply.header("www-authenticate").unwrap();
        assert!(!challenge.contains("resource_metadata"), "{}: {challenge}", wrong.0);
    }
    let gone = outside.send("POST", "/mcp", &[("Authorization", "Bearer mat_gone")], body()).await;
    let challenge = gone.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer error=\"invalid_token\", resource_metadata="),
        "{challenge}"
    );
    for method in ["GET", "HEAD", "PUT"] {
        let reply = outside.send(method, "/mcp", &[], None).await;
        assert_eq!(reply.status, 401, "{method}");
        assert!(
            reply.header("www-authenticate").unwrap().contains("resource_metadata"),
            "{method}"
        );
    }
    let rest = outside.get("/api/v1/memories").await;
    assert_eq!(rest.header("www-authenticate"), Some("Bearer realm=\"memoryd\""));
}

#[actix_web::test]
async fn a_proxy_that_is_trusted_may_say_the_name() {
    let outside = Outside::start();
    let told =
        [("Host", "127.0.0.1:3000"), ("X-Forwarded-Host", HOST), ("X-Forwarded-Proto", "https")];

    assert_eq!(outside.send("GET", DISCOVERY[0], &told, None).await.status, 200);
    let none = Outside::with(&[("TRUSTED_PROXIES", "none")]);
    assert_eq!(none.send("GET", DISCOVERY[0], &told, None).await.status, 404);
}

#[actix_web::test]
async fn a_grant_reaches_no_further_than_the_box_and_the_user() {
    let outside = Outside::start();
    let client = outside.client().await;
    let reader =
        token(&outside.server, json!({ "user_id": "ada", "scopes": "read", "expires_days": 2 }))
            .await;
    let browser = outside.browser(&reader).await;
    let (path, page) = browser.asked(&question(&client)).await;
    assert!(!page.text().contains("value=\"write\""), "what one may not do cannot be allowed");

    let csrf = csrf_of(&page);
    let nothing = browser
        .post(&path, &[("csrf", csrf.as_str()), ("scope", "write"), ("answer", "allow")])
        .await;
    assert_eq!(nothing.status, 400, "{}", nothing.text());
    let fields = [
        ("csrf", csrf.as_str()),
        ("scope", "read"),
        ("scope", "write"),
        ("scope", "admin"),
        ("project", "boat"),
        ("days", "9999"),
        ("answer", "allow"),
    ];
    let answered = browser.post(&path, &fields).await;
    let code = value_of(answered.header("location").unwrap(), "code").unwrap();
    let tokens = tokens(&outside.change(&client, &code).await);

    assert_eq!(tokens.scope, "read");
    let write = outside.tool(&tokens.access, "add_memory", json!({ "content": "x" })).await;
    assert_eq!(write.status, 403, "{}", write.text());
    let challenge = write.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\"")
            && challenge.contains("resource_metadata")
    );
    assert!(challenge.contains("scope=\"read write\""), "{challenge}");
    let grant = outside.server.get("/admin/oauth").await.json()["grants"][0].clone();
    assert_eq!((&grant["user_id"], &grant["project"]), (&json!("ada"), &json!("boat")));
    assert_eq!(outside.status(&tokens.access).await, 200);
    outside.server.clock.advance(days(2));
    let late = outside.refresh(&client, &tokens.refresh).await;
    assert_eq!(late.json()["error"], "invalid_grant", "the user's own token has ended");
    // A program that was let in lets nobody in.
    let other = outside.client().await;
    let mine = outside.signed_in(&other).await;
    let browser = outside.browser(&mine.access).await;
    let begun = browser.get(&question(&other)).await;
    let page = browser.get(begun.header("location").unwrap()).await;
    assert_eq!(page.status, 400);
}

#[actix_web::test]
async fn a_refresh_token_goes_round_and_its_grant_ends_when_it_is_not_used() {
    let outside = Outside::start();
    let client = outside.client().await;
    let first = outside.signed_in(&client).await;

    outside.server.clock.advance(Duration::from_secs(3_500));
    let second = tokens(&outside.refresh(&client, &first.refresh).await);
    assert_eq!(
        (outside.status(&first.access).await, outside.status(&second.access).await),
        (200, 200)
    );
    outside.server.clock.advance(Duration::from_secs(100));
    assert_eq!(
        (outside.status(&first.access).await, outside.status(&second.access).await),
        (401, 200)
    );
    let third = tokens(&outside.refresh(&client, &first.refresh).await);

    let outside = outside.restart().await;
    assert_eq!(outside.status(&third.access).await, 200, "it is there after a restart");
    outside.server.clock.advance(Duration::from_secs(3_600));
    let browser = outside.browser(KEY).await;
    browser.asked(&question(&client)).await;
    let fourth = tokens(&outside.refresh(&client, &third.refresh).await);
    outside.server.clock.advance(days(89));
    let fifth = tokens(&outside.refresh(&client, &fourth.refresh).await);
    outside.server.clock.advance(days(90));
    assert_eq!(outside.refresh(&client, &fifth.refresh).await.json()["error"], "invalid_grant");
}

#[actix_web::test]
async fn a_client_with_a_secret_shows_it_and_may_leave_again() {
    let outside = Outside::start();
    let told = outside
        .register(json!({
            "client_name": "Codex",
            "redirect_uris": [BACK, "javascript:alert(1)"],
            "token_endpoint_auth_method": "client_secret_post",
        }))
        .await;
    let client = told["client_id"].as_str().unwrap();
    let secret = told["client_secret"].as_str().unwrap();
    assert_eq!(told["redirect_uris"], json!([BACK]));
    let code = outside.browser(KEY).await.allow(&question(client)).await;

    let none = outside.change(client, &code).await;
    assert_eq!((none.status, &none.json()["error"]), (401, &json!("invalid_client")));
    let basic = format!("Basic {}", base64_of(&format!("{client}:{secret}")));
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code.as_str()),
        ("code_verifier", crate::oauth_client::VERIFIER),
    ];
    let tokens = tokens(&outside.form("/token", &fields, &[("Authorization", &basic)]).await);
    let wrong = format!("Basic {}", base64_of(&format!("{client}:wrong")));
    let refused = outside.form("/token", &fields, &[("Authorization", &wrong)]).await;
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Basic realm=\"memoryd\""))
    );

    let place = told["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
    let manage = format!("Bearer {}", told["registration_access_token"].as_str().unwrap());
    assert_eq!(
        outside.send("GET", place, &[("Authorization", "Bearer x")], None).await.status,
        401
    );
    let shown = outside.send("GET", place, &[("Authorization", &manage)], None).await.json();
    assert_eq!((&shown["client_name"], shown.get("client_secret")), (&json!("Codex"), None));
    assert_eq!(outside.status(&tokens.access).await, 200);
    assert_eq!(
        outside.send("DELETE", place, &[("Authorization", &manage)], None).await.status,
        204
    );
    assert_eq!(outside.status(&tokens.access).await, 401);
    assert_eq!(outside.send("GET", place, &[("Authorization", &manage)], None).await.status, 401);
    let refused = outside.form("/token", &fields, &[("Authorization", &basic)]).await;
    assert_eq!(refused.json()["error"], "invalid_client", "it is not known any more");
}

#[actix_web::test]
async fn a_token_that_is_given_back_opens_nothing_and_nothing_else_is_told() {
    let outside = Outside::start();
    let client = outside.client().await;
    let first = outside.signed_in(&client).await;
    let second = tokens(&outside.refresh(&client, &first.refresh).await);

    assert_eq!(outside.form("/revoke", &[("token", &first.access)], &[]).await.status, 200);
    assert_eq!(
        (outside.status(&first.access).await, outside.status(&second.access).await),
        (401, 200)
    );
    assert_eq!(outside.form("/revoke", &[("token", "mrt_unknown")], &[]).await.status, 200);
    assert_eq!(outside.form("/revoke", &[("x", "y")], &[]).await.status, 400);
    // As clients word it, the inspector among them.
    let hint = ("token_type_hint", "refresh_token");
    let fields = [("token", second.refresh.as_str()), hint, ("client_id", client.as_str())];
    let accept = [("Accept", "application/json")];
    assert_eq!(outside.form("/revoke", &fields, &accept).await.status, 200);
    assert_eq!(outside.status(&second.access).await, 401);
}

#[actix_web::test]
async fn whoever_is_erased_is_erased_with_all_that_was_allowed() {
    let outside = Outside::start();
    let client = outside.client().await;
    let ada = token(&outside.server, json!({ "user_id": "ada" })).await;
    let code = outside.browser(&ada).await.allow(&question(&client)).await;
    let tokens = tokens(&outside.change(&client, &code).await);
    assert_eq!(outside.status(&tokens.access).await, 200);

    let key = [("X-API-Key", KEY)];
    let erased = outside.server.send("DELETE", "/admin/users/ada", &key, None).await;
    assert_eq!(erased.status, 200, "{}", erased.text());

    assert_eq!(outside.status(&tokens.access).await, 401);
    assert_eq!(outside.server.get("/admin/oauth").await.json()["grants"], json!([]));
    let outside = outside.restart().await;
    assert_eq!(outside.server.get("/admin/oauth").await.json()["grants"], json!([]));
    let audit = outside.server.get("/admin/audit").await.text();
    assert!(!audit.contains("\"ada\""), "{audit}");
}

#[actix_web::test]
async fn pages_of_other_origins_may_register_and_ask_for_tokens_and_nothing_else() {
    let outside = Outside::start();
    let page = ("Origin", "https://inspector.example");
    let asks = ("Access-Control-Request-Method", "POST");

    for path in ["/register", "/token", DISCOVERY[1], DISCOVERY[2]] {
        let preflight = outside.send("OPTIONS", path, &[page, asks], None).await;
        assert_eq!(preflight.status, 204, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
    }
    let read = outside.send("GET", DISCOVERY[1], &[page], None).await;
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, Some("*")));
    let fields =
        form(&[("grant_type", "refresh_token"), ("client_id", "x"), ("refresh_token", "y")]);
    let body = Some(("application/x-www-form-urlencoded", fields));
    let token = outside.send("POST", "/token", &[page], body).await;
    assert_eq!((token.status, token.header("access-control-allow-origin")), (401, Some("*")));
    assert_eq!(token.header("access-control-allow-credentials"), None);

    for (method, path) in
        [("GET", "/authorize"), ("POST", "/revoke"), ("POST", "/mcp"), ("GET", "/admin/oauth")]
    {
        let refused = outside.send(method, path, &[page], None).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (403, &json!("origin_refused")),
            "{path}"
        );
    }
    let elsewhere = [("Host", "127.0.0.1"), page, asks];
    assert_ne!(outside.send("OPTIONS", "/token", &elsewhere, None).await.status, 204);
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[actix_web::test]
async fn known_clients_need_no_registration() {
    let outside = Outside::start();
    let client = "https://claude.ai/oauth/claude-code-client-metadata";
    let browser = outside.browser(KEY).await;

    let (_, page) = browser.asked(&question(client)).await;
    assert!(page.text().contains("Claude Code"));
    let tokens = outside.signed_in(client).await;

    assert_eq!(outside.status(&tokens.access).await, 200);
    let grants: Value = outside.server.get("/admin/oauth").await.json()["grants"].clone();
    assert_eq!(grants[0]["name"], "oauth:Claude-Code");
}

#[actix_web::test]
async fn the_page_of_the_clients_shows_what_was_let_in_and_ends_it() {
    let outside = Outside::start();
    let browser = outside.browser(KEY).await;
    let before = browser.get("/ui/clients").await;
    assert!(!before.text().contains("/ui/clients/grants"));
    assert!(before.text().contains(">https://memory.example.com/mcp</pre>"), "{}", before.text());
    let tokens = outside.signed_in(&outside.client().await).await;

    let page = browser.get("/ui/clients").await;
    assert!(page.text().contains("oauth:Claude-Code--memory") && page.text().contains(BACK));
    let [csrf, grant] = ["csrf", "grant"].map(|name| field_of(&page, "/ui/clients/grants", name));
    let path = "/ui/clients/grants";
    assert_eq!(browser.post(path, &[("csrf", "x"), ("grant", grant.as_str())]).await.status, 403);
    assert_eq!(outside.status(&tokens.access).await, 200);
    let fields = [("csrf", csrf.as_str()), ("grant", grant.as_str())];
    assert_eq!(browser.post(path, &fields).await.status, 303);
    assert_eq!(outside.status(&tokens.access).await, 401);
}

#[actix_web::test]
async fn the_audit_names_the_place_to_which_the_code_went() {
    let outside = Outside::start();
    let cursor = "https://www.cursor.com/agents/mcp/oauth/callback";
    let uris = ["cursor://anysphere.cursor-mcp/oauth/callback", cursor, BACK];
    let told = json!({ "client_name": "Cursor", "redirect_uris": uris });
    let client = outside.register(told).await["client_id"].as_str().unwrap().to_owned();
    let browser = outside.browser(KEY).await;

    for (uri, place) in [
        (uris[0], "cursor://anysphere.cursor-mcp"),
        (cursor, "www.cursor.com"),
        (BACK, "the machine of the browser"),
    ] {
        let question = question(&client).replace(&encoded(BACK), &encoded(uri));
        let code = browser.allow(&question).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("code", code.as_str()),
            ("code_verifier", crate::oauth_client::VERIFIER),
        ];
        tokens(&outside.form("/token", &fields, &[]).await);
        let audit = outside.server.get("/admin/audit?event=grant_created").await.json();
        let last = audit["events"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["reason"], format!("Cursor at {place}"));
    }
}
