//! OAuth: what waits for its next step when whoever it waits for is erased or shut out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::KEY;
use crate::oauth_client::{BACK, Outside, csrf_of, question, value_of};
use crate::tokens::token;

/// It needs no registration, which would be forgotten as well.
const PINNED: &str = "https://claude.ai/oauth/claude-code-client-metadata";

#[actix_web::test]
async fn a_code_of_a_user_who_is_erased_opens_nothing() {
    let outside = Outside::start();
    let client = outside.client().await;
    let ada = token(&outside.server, json!({ "user_id": "ada" })).await;
    let browser = outside.browser(&ada).await;
    let codes = [browser.allow(&question(PINNED)).await, browser.allow(&question(&client)).await];
    let other = outside.browser(KEY).await.allow(&question(PINNED)).await;

    erase(&outside, "ada").await;

    let pinned = outside.change(PINNED, &codes[0]).await;
    assert_eq!((pinned.status, &pinned.json()["error"]), (400, &json!("invalid_grant")));
    let registered = outside.change(&client, &codes[1]).await;
    assert_eq!((registered.status, &registered.json()["error"]), (401, &json!("invalid_client")));
    assert_eq!(grants(&outside).await, json!([]));
    assert_eq!(outside.change(PINNED, &other).await.status, 200, "that of another user is good");
}

#[actix_web::test]
async fn whoever_has_a_key_of_the_settings_begins_anew_after_an_erasure() {
    let outside = Outside::start();
    let browser = outside.browser(KEY).await;
    let code = browser.allow(&question(PINNED)).await;
    let (path, _) = browser.asked(&question(PINNED)).await;

    erase(&outside, "default").await;

    assert_eq!(outside.change(PINNED, &code).await.json()["error"], "invalid_grant");
    assert_eq!(browser.get(&path).await.status, 400, "the question is gone as well");
    let code = browser.allow(&question(PINNED)).await;
    assert_eq!(outside.change(PINNED, &code).await.status, 200);
}

#[actix_web::test]
async fn a_code_is_good_for_as_long_as_the_token_that_allowed_it() {
    let outside = Outside::start();
    for (method, how) in [("POST", "/revoke"), ("DELETE", "")] {
        let ada = token(&outside.server, json!({ "user_id": "ada" })).await;
        let code = outside.browser(&ada).await.allow(&question(PINNED)).await;

        let path = format!("/admin/tokens/{}{how}", &ada[..12]);
        let ended = outside.server.send(method, &path, &[("X-API-Key", KEY)], None).await;
        assert_eq!(ended.status, 200, "{}", ended.text());

        let refused = outside.change(PINNED, &code).await;
        assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_grant")));
    }
    let ada = token(&outside.server, json!({ "user_id": "ada", "expires_days": 1 })).await;
    outside.server.clock.advance(Duration::from_secs(86_400 - 30));
    let code = outside.browser(&ada).await.allow(&question(PINNED)).await;
    outside.server.clock.advance(Duration::from_secs(30));
    assert_eq!(outside.change(PINNED, &code).await.json()["error"], "invalid_grant");
    assert_eq!(grants(&outside).await, json!([]));
}

#[actix_web::test]
async fn a_client_that_leaves_takes_its_questions_along() {
    let outside = Outside::start();
    let told = outside.register(json!({ "redirect_uris": [BACK] })).await;
    let client = told["client_id"].as_str().unwrap();
    let browser = outside.browser(KEY).await;
    let (path, page) = browser.asked(&question(client)).await;

    let manage = format!("Bearer {}", told["registration_access_token"].as_str().unwrap());
    let place = format!("/register/{client}");
    let left = outside.send("DELETE", &place, &[("Authorization", &manage)], None).await;
    assert_eq!(left.status, 204);

    let csrf = csrf_of(&page);
    let fields = [("csrf", csrf.as_str()), ("scope", "read"), ("answer", "allow")];
    let answered = browser.post(&path, &fields).await;
    assert_eq!(answered.status, 400, "{}", answered.text());
    assert_eq!(answered.header("location").and_then(|url| value_of(url, "code")), None);
}

async fn erase(outside: &Outside, user: &str) {
    let key = [("X-API-Key", KEY)];
    let path = format!("/admin/users/{user}");
    let erased = outside.server.send("DELETE", &path, &key, None).await;
    assert_eq!(erased.status, 200, "{}", erased.text());
}

async fn grants(outside: &Outside) -> Value {
    outside.server.get("/admin/oauth").await.json()["grants"].clone()
}
