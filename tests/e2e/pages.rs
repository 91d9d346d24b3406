//! What the pages show and do beyond the sign-in: `dashboard.rs` has the walls around them.

use super::browser::Browser;
use super::harness::{KEY, TestServer};

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
