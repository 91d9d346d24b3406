//! What is wrong with a request of OAuth, and what an attacker would try.

use std::time::Duration;

use actix_web::rt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::harness::{KEY, Reply, TestServer, rpc};
use crate::oauth_client::{
    BACK, CHALLENGE, HOST, ISSUER, Outside, VERIFIER, csrf_of, form, question, tokens, value_of,
};

#[actix_web::test]
async fn nobody_is_sent_to_an_address_that_is_not_the_clients_own() {
    let outside = Outside::start();
    let client = outside.client().await;
    let ask = async |client: &str, back: &str| {
        let fields = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", back),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        outside.get(&format!("/authorize?{}", form(&fields))).await
    };

    let mine = client.as_str();
    for (client, back) in [
        ("mc_unknown", BACK),
        ("https://claude.ai/oauth/unknown", BACK),
        (mine, "https://evil.example/callback"),
        (mine, "http://localhost:3118/callback/more"),
        (mine, "http://localhost:3118/callback?more=1"),
        (mine, "http://localhost:3118/Callback"),
        (mine, "http://LOCALHOST:3118/callback"),
        (mine, "http://127.0.0.1:3118/callback"),
        (mine, "http://localhost.evil.example:3118/callback"),
        (mine, "http://localhost:3118@evil.example/callback"),
        (mine, "https://localhost:3118/callback"),
        (mine, "javascript:alert(1)"),
        (mine, "//evil.example"),
        (mine, "data:text/html,x"),
        (
            "https://claude.ai/oauth/mcp-oauth-client-metadata",
            "https://claude.ai:444/api/mcp/auth_callback",
        ),
    ] {
        let reply = ask(client, back).await;
        assert_eq!(reply.status, 400, "{client} {back}");
        assert_eq!(reply.header("location"), None, "{client} {back}");
        assert!(reply.header("content-type").unwrap().starts_with("text/html"));
        assert!(!reply.text().contains("evil.example"), "nothing of it is shown");
    }
    assert_eq!(ask(mine, "http://localhost:9/callback").await.status, 303, "another port is fine");
}

#[actix_web::test]
async fn what_else_is_wrong_with_a_question_the_client_is_told() {
    let outside = Outside::start();
    let client = outside.client().await;
    let good = question(&client);
    let told = async |query: String| {
        let reply = outside.get(&query).await;
        assert_eq!(reply.status, 303, "{query}: {}", reply.text());
        let to = reply.header("location").unwrap().to_owned();
        assert!(to.starts_with("http://localhost:3118/callback?error="), "{to}");
        assert_eq!(value_of(&to, "state").as_deref(), Some("a%2Fb%20c"));
        assert_eq!(value_of(&to, "iss").as_deref(), Some("https%3A%2F%2Fmemory.example.com"));
        value_of(&to, "error").unwrap()
    };

    for (query, error) in [
        (good.replace("response_type=code", "response_type=token"), "unsupported_response_type"),
        (good.replace("response_type=code&", ""), "invalid_request"),
        (good.replace("=S256", "=plain"), "invalid_request"),
        (good.replace("&code_challenge_method=S256", ""), "invalid_request"),
        (good.replace(CHALLENGE, ""), "invalid_request"),
        (good.replace("memory.example.com%2Fmcp", "other.example%2Fmcp"), "invalid_target"),
        (format!("{good}&resource=https%3A%2F%2Fmemory.example.com%2Fmcp"), "invalid_request"),
        (format!("{good}&scope=read&scope=write"), "invalid_request"),
    ] {
        assert_eq!(told(query).await, error);
    }
    let browser = outside.browser(KEY).await;
    let (path, page) = browser.asked(&format!("{good}&scope=read+openid+admin")).await;
    assert!(!page.text().contains("value=\"admin\"") && !page.text().contains("value=\"write\""));
    let csrf = csrf_of(&page);
    let denied = browser.post(&path, &[("csrf", csrf.as_str()), ("answer", "deny")]).await;
    let to = denied.header("location").unwrap();
    assert_eq!(value_of(to, "error").as_deref(), Some("access_denied"));
    assert_eq!(browser.get(&path).await.status, 400, "it was answered");
}

#[actix_web::test]
async fn an_answer_comes_from_the_page_and_from_the_browser_that_was_shown_it() {
    let outside = Outside::start();
    let client = outside.client().await;
    let (browser, other) = (outside.browser(KEY).await, outside.browser(KEY).await);
    let (path, page) = browser.asked(&question(&client)).await;
    let csrf = csrf_of(&page);
    let fields = [("csrf", csrf.as_str()), ("scope", "read"), ("answer", "allow")];

    assert_eq!(other.post(&path, &fields).await.status, 403, "another browser");
    assert_eq!(browser.post(&path, &fields[1..]).await.status, 403, "no token");
    let (second, second_page) = browser.asked(&question(&client)).await;
    assert_eq!(browser.post(&second, &fields).await.status, 403, "the token of another question");
    let nobody = outside.form(&path, &fields, &[("Sec-Fetch-Site", "same-origin")]).await;
    assert_eq!(nobody.header("location").unwrap(), format!("/ui/login?next={path}"));

    outside.server.clock.advance(Duration::from_secs(600));
    assert_eq!(browser.post(&path, &fields).await.status, 400, "ten minutes are over");
    let late = csrf_of(&second_page);
    let late = browser.post(&second, &[("csrf", late.as_str()), ("answer", "deny")]).await;
    assert_eq!(late.status, 400);
    assert_eq!(browser.get("/authorize/pending/x").await.status, 400);
}

#[actix_web::test]
async fn a_code_is_good_once_for_its_client_and_whoever_has_the_verifier() {
    let outside = Outside::start();
    let (client, other) = (outside.client().await, outside.client().await);
    let browser = outside.browser(KEY).await;
    let fields = |code: &str, change: (&str, &str)| {
        let all = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", BACK),
        ];
        form(&all.map(|(name, value)| if name == change.0 { change } else { (name, value) }))
    };
    let exchange = async |code: &str, change: (&str, &str)| {
        let body = ("application/x-www-form-urlencoded", fields(code, change));
        outside.send("POST", "/token", &[], Some(body)).await
    };
    let error = |reply: &Reply| reply.json()["error"].as_str().unwrap().to_owned();

    for change in [
        ("code_verifier", CHALLENGE),
        ("code_verifier", "x"),
        ("redirect_uri", "http://localhost:3119/callback"),
    ] {
        let code = browser.allow(&question(&client)).await;
        let refused = exchange(&code, change).await;
        assert_eq!(
            (refused.status, error(&refused)),
            (400, "invalid_grant".to_owned()),
            "{change:?}"
        );
        let again = exchange(&code, ("", "")).await;
        assert_eq!(error(&again), "invalid_grant", "it cannot be tried again");
    }
    let code = browser.allow(&question(&client)).await;
    assert_eq!(error(&exchange(&code, ("client_id", other.as_str())).await), "invalid_grant");
    assert_eq!(error(&exchange("mac_unknown", ("", "")).await), "invalid_grant");
    let good = tokens(&exchange(&code, ("", "")).await);
    assert_eq!(outside.status(&good.access).await, 200);

    let replayed = exchange(&code, ("", "")).await;
    assert_eq!(error(&replayed), "invalid_grant");
    assert_eq!(outside.status(&good.access).await, 401, "its grant has ended");
    assert_eq!(error(&outside.refresh(client.as_str(), &good.refresh).await), "invalid_grant");
    let audit = outside.server.get("/admin/audit?event=grant_reused").await.json();
    assert_eq!(audit["events"].as_array().unwrap().len(), 1, "{audit}");

    let late = browser.allow(&question(&client)).await;
    outside.server.clock.advance(Duration::from_secs(60));
    assert_eq!(error(&exchange(&late, ("", "")).await), "invalid_grant", "a minute is over");
}

#[actix_web::test]
async fn two_who_come_with_one_code_at_once_get_nothing_that_lasts() {
    let outside = Outside::start();
    let client = outside.client().await;
    let code = outside.browser(KEY).await.allow(&question(&client)).await;

    let replies = join_all((0..8).map(|_| outside.change(client.as_str(), &code))).await;

    assert!(replies.iter().filter(|reply| reply.status == 200).count() <= 1);
    for reply in replies.iter().filter(|reply| reply.status == 200) {
        let access = reply.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(outside.status(&access).await, 401);
    }
    let grants = outside.server.get("/admin/oauth").await.json();
    assert!(grants["grants"].as_array().unwrap().iter().all(|grant| grant["state"] == "revoked"));
}

#[actix_web::test]
async fn twenty_refreshes_at_once_all_succeed_and_a_late_one_ends_the_grant() {
    let outside = Outside::start();
    let client = outside.client().await;
    let first = outside.signed_in(&client).await;

    let replies = join_all((0..20).map(|_| outside.refresh(client.as_str(), &first.refresh))).await;
    let pairs: Vec<_> = replies.iter().map(tokens).collect();
    for pair in &pairs {
        assert_eq!(outside.status(&pair.access).await, 200);
    }
    let next = tokens(&outside.refresh(client.as_str(), &pairs[7].refresh).await);

    outside.server.clock.advance(Duration::from_secs(121));
    assert_eq!(
        outside.refresh(client.as_str(), &first.refresh).await.json()["error"],
        "invalid_grant"
    );
    for access in [&next.access, &pairs[3].access] {
        assert_eq!(outside.status(access).await, 401, "the whole grant has ended");
    }
    let audit = outside.server.get("/admin/audit?event=grant_reused").await.json();
    assert_eq!(audit["events"].as_array().unwrap().len(), 1, "{audit}");
}

#[actix_web::test]
async fn a_stream_ends_when_its_grant_is_taken_back() {
    let outside = Outside::start();
    let client = outside.client().await;
    let tokens = outside.signed_in(&client).await;
    let bearer = format!("Bearer {}", tokens.access);
    let mut stream = outside.server.listen(&[("Host", HOST), ("Authorization", &bearer)]).await;

    let name = outside.server.get("/admin/oauth").await.json()["grants"][0]["id"].clone();
    let path = format!("/admin/oauth/{}/revoke", name.as_str().unwrap());
    assert_eq!(outside.server.post(&path, json!({})).await.status, 200);

    assert_eq!(outside.status(&tokens.access).await, 401);
    let mut rest = Vec::new();
    let ended = rt::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the stream goes on");
}

#[actix_web::test]
async fn a_thousand_registrations_are_counted_bounded_and_forgotten() {
    let outside = Outside::start();
    let told = json!({ "redirect_uris": [BACK] }).to_string();
    let register = async || {
        let body = Some(("application/json", told.clone()));
        outside.send("POST", "/register", &[], body).await
    };
    let first = register().await.json()["client_id"].as_str().unwrap().to_owned();

    let mut made = 1;
    for n in 0..1_000 {
        let reply = register().await;
        match reply.status {
            201 => made += 1,
            429 => {
                assert!(reply.header("retry-after").is_some());
                assert_eq!(reply.json()["error"], "temporarily_unavailable");
                if n % 100 == 0 {
                    outside.server.clock.advance(Duration::from_secs(60));
                }
            }
            other => panic!("{other}: {}", reply.text()),
        }
    }
    assert!((60..=240).contains(&made), "{made}");
    outside.server.clock.advance(Duration::from_secs(60));
    assert_eq!(outside.get(&question(&first)).await.status, 400, "newer ones took its place");
    let last = outside.client().await;
    assert_eq!(outside.get(&question(&last)).await.status, 303);
    outside.server.clock.advance(Duration::from_secs(3_600));
    assert_eq!(outside.get(&question(&last)).await.status, 400, "an hour is over");
}

#[actix_web::test]
async fn how_to_sign_in_is_told_however_often_one_asks() {
    let outside = Outside::with(&[("RATE_LIMIT_REQUESTS", "3")]);

    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
    ] {
        for method in ["GET", "HEAD", "GET", "HEAD", "GET"] {
            let reply = outside.send(method, path, &[], None).await;
            assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
            assert_eq!(reply.header("cache-control"), Some("max-age=300"), "{path}");
            assert_eq!(reply.body.is_empty(), method == "HEAD", "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn the_token_endpoint_takes_one_form_and_two_grants() {
    let outside = Outside::start();
    let client = outside.client().await;
    let send = async |kind: &str, body: String| {
        let reply = outside.send("POST", "/token", &[], Some((kind, body))).await;
        (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let as_form =
        async |body: &str| send("application/x-www-form-urlencoded", body.to_owned()).await;
    let refused = |status: u16, word: &str| (status, word.to_owned());

    let json = json!({ "grant_type": "refresh_token", "client_id": client }).to_string();
    assert_eq!(send("application/json", json).await, refused(400, "invalid_request"));
    for other in ["client_credentials", "password", "urn:ietf:params:oauth:grant-type:jwt-bearer"] {
        let body = format!("grant_type={other}&client_id={client}&client_secret=x&scope=read");
        assert_eq!(as_form(&body).await, refused(400, "unsupported_grant_type"), "{other}");
    }
    let start = format!("grant_type=refresh_token&refresh_token=x&client_id={client}");
    assert_eq!(as_form(&start).await, refused(400, "invalid_grant"));
    let unknown = "grant_type=refresh_token&refresh_token=x&client_id=mc_unknown";
    assert_eq!(as_form(unknown).await, refused(401, "invalid_client"));
    for (body, word) in [
        (format!("{start}&refresh_token=y"), "invalid_request"),
        (format!("{start}&resource=a&resource=b"), "invalid_request"),
        (format!("{start}&resource=https%3A%2F%2Fother.example%2Fmcp"), "invalid_target"),
        (start.replace("&client_id=", "&x="), "invalid_request"),
        (start.replace("refresh_token=x", "x=y"), "invalid_request"),
        (String::new(), "invalid_request"),
    ] {
        assert_eq!(as_form(&body).await, refused(400, word), "{body}");
    }
    assert_eq!(outside.get("/token").await.status, 405);
}

#[actix_web::test]
async fn what_cannot_be_registered_is_told_without_its_words() {
    let outside = Outside::start();

    for (body, word) in [
        (
            json!({ "redirect_uris": ["javascript:alert('pwned')"] }).to_string(),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": ["http://pwned.example/cb"] }).to_string(),
            "invalid_redirect_uri",
        ),
        (json!({ "redirect_uris": [] }).to_string(), "invalid_redirect_uri"),
        (json!({ "client_name": "pwned" }).to_string(), "invalid_redirect_uri"),
        ("[\"pwned\"]".to_owned(), "invalid_client_metadata"),
        ("pwned".to_owned(), "invalid_client_metadata"),
    ] {
        let reply = outside.send("POST", "/register", &[], Some(("application/json", body))).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!(word)));
        assert!(!reply.text().contains("pwned"), "{}", reply.text());
    }
    // A name is shown as text, whatever it holds.
    let odd = json!({
        "client_name": "<script>alert(1)</script>\u{202e}evil",
        "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback"],
    });
    let client = outside.register(odd).await["client_id"].as_str().unwrap().to_owned();
    let asked = question(&client).replace(
        "http%3A%2F%2Flocalhost%3A3118%2Fcallback",
        "cursor%3A%2F%2Fanysphere.cursor-mcp%2Foauth%2Fcallback",
    );
    let (_, page) = outside.browser(KEY).await.asked(&asked).await;
    assert!(!page.text().contains("<script>alert") && !page.text().contains('\u{202e}'));
    assert!(
        page.header("content-security-policy").unwrap().contains("form-action 'self' cursor:;")
    );
}

#[actix_web::test]
async fn where_oauth_is_switched_off_again_nothing_that_was_allowed_is_good() {
    let outside = Outside::start();
    let client = outside.client().await;
    let tokens = outside.signed_in(&client).await;
    assert_eq!(outside.status(&tokens.access).await, 200);

    let body: Value = rpc("ping", json!({}));
    let off = outside.server.restart_with(&[("OAUTH_ENABLED", "false")]).await;
    let bearer = format!("Bearer {}", tokens.access);
    let headers = [("Host", HOST), ("Authorization", bearer.as_str())];
    let refused = off.send("POST", "/mcp", &headers, Some(&body)).await;

    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"memoryd\""));
    let grants = off.get("/admin/oauth").await.json();
    assert_eq!(grants["grants"].as_array().unwrap().len(), 1, "it can still be seen");
}

#[actix_web::test]
async fn however_the_public_url_is_spelled_everything_names_one_server() {
    let client = "https://claude.ai/oauth/claude-code-client-metadata";
    for spelled in [
        "HTTPS://Memory.Example.COM",
        "https://memory.example.com:443/",
        "https://MEMORY.example.com//",
    ] {
        let env = [("OAUTH_ENABLED", "true"), ("PUBLIC_URL", spelled)];
        let outside = Outside { server: TestServer::with(&env) };

        let server = outside.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(
            (&server["issuer"], &server["token_endpoint"]),
            (&json!(ISSUER), &json!("https://memory.example.com/token")),
            "{spelled}"
        );
        let resource = outside.get("/.well-known/oauth-protected-resource/mcp").await.json();
        assert_eq!(resource["resource"], "https://memory.example.com/mcp");
        assert_eq!(resource["authorization_servers"], json!([ISSUER]));
        let refused = outside.send("POST", "/mcp", &[], None).await;
        let place = "resource_metadata=\"https://memory.example.com/.well-known/";
        assert!(refused.header("www-authenticate").unwrap().contains(place));
        let browser = outside.browser(KEY).await;
        let (path, page) = browser.asked(&question(client)).await;
        let csrf = csrf_of(&page);
        let fields = [("csrf", csrf.as_str()), ("answer", "deny")];
        let denied = browser.post(&path, &fields).await;
        let back = denied.header("location").unwrap();
        assert!(back.ends_with("iss=https%3A%2F%2Fmemory.example.com"), "{back}");
        outside.signed_in(client).await;
    }
}
