//! The pages within the frame of another page of their host, as Home Assistant shows them.

use super::browser::{Browser, Page, written};
use super::harness::{KEY, TestServer};

const FRAME: &str = "/api/hassio_ingress/a-b_c";

/// What the frame makes of a request.
const THROUGH: [(&str, &str); 3] =
    [("X-Ingress-Path", FRAME), ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")];

/// Signs in by requests with some headers.
async fn sign_in(server: &TestServer, headers: &[(&str, &str)]) -> Page {
    let headers = [headers, &[("Sec-Fetch-Site", "same-origin")]].concat();
    let form = written(&[("credential", KEY), ("next", "/ui/tags")]);
    Browser::new(server).send("POST", "/ui/login", &headers, &form).await
}

#[actix_web::test]
async fn within_a_frame_links_and_cookies_stay_in_it_and_the_page_may_be_shown_there() {
    let server = TestServer::with(&[("DASHBOARD_INGRESS", "true")]);
    let browser = Browser::new(&server);

    let signed_in = sign_in(&server, &THROUGH).await;

    let to = format!("{FRAME}/ui/tags");
    assert_eq!(signed_in.header("location"), Some(to.as_str()), "{}", signed_in.body);
    let given = signed_in.headers("set-cookie");
    assert_eq!(given.len(), 1, "{given:?}");
    assert!(given[0].starts_with("__Secure-memoryd="), "{given:?}");
    for part in ["HttpOnly", "SameSite=Lax", "; Secure", &format!("Path={FRAME};")] {
        assert!(given[0].contains(part), "{given:?}");
    }
    let cookie = signed_in.cookies();
    let own = [("Cookie", cookie.as_str())];
    let page = browser.send("GET", "/ui/clients", &[&THROUGH[..], &own].concat(), "").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(page.header("x-frame-options"), None);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'self';") && !policy.contains("ancestors 'none'"));
    for way in ["href=\"", "action=\"", "src=\""] {
        assert!(!page.body.contains(&format!("{way}/ui/")), "{}", page.body);
        assert!(page.body.contains(&format!("{way}{FRAME}/ui/")), "{way}: {}", page.body);
    }
    assert!(!page.body.contains(&format!("{FRAME}/mcp")), "no client comes this way");
    let html = [("Accept", "text/html")];
    let root = browser.send("GET", "/", &[&THROUGH[..], &html].concat(), "").await;
    assert_eq!(root.header("location"), Some(format!("{FRAME}/ui/").as_str()));

    // Outside of the frame the same cookie is nobody's, and nothing may be shown in one.
    let outside = browser.send("GET", "/ui/", &[&THROUGH[1..], &own].concat(), "").await;
    assert_eq!(outside.status, 303, "{}", outside.body);
    assert_eq!(outside.header("x-frame-options"), Some("DENY"));
    let api = browser.send("GET", "/api/v1/stats", &THROUGH, "").await;
    assert_eq!(api.header("x-frame-options"), Some("DENY"));
}

#[actix_web::test]
async fn without_tls_it_takes_the_word_of_the_owner_within_a_frame_as_well() {
    let server = TestServer::with(&[("DASHBOARD_INGRESS", "true")]);
    assert_eq!(sign_in(&server, &THROUGH[..2]).await.status, 403);

    let server =
        TestServer::with(&[("DASHBOARD_INGRESS", "true"), ("DASHBOARD_ALLOW_HTTP", "true")]);
    let signed_in = sign_in(&server, &THROUGH[..2]).await;
    let given = signed_in.headers("set-cookie");
    assert!(given.len() == 1 && given[0].starts_with("memoryd-local="), "{given:?}");
    assert!(given[0].contains(&format!("Path={FRAME};")) && !given[0].contains("Secure"));
    let cookie = signed_in.cookies();
    let headers = [&THROUGH[..2], &[("Cookie", cookie.as_str())]].concat();
    assert_eq!(Browser::new(&server).send("GET", "/ui/", &headers, "").await.status, 200);
}

#[actix_web::test]
async fn who_is_no_trusted_proxy_gets_nothing_by_speaking_of_a_frame() {
    for settings in [
        &[][..],
        &[("DASHBOARD_INGRESS", "true"), ("TRUSTED_PROXIES", "10.0.0.0/8")],
        &[("DASHBOARD_INGRESS", "true"), ("TRUSTED_PROXIES", "none")],
    ] {
        let server = TestServer::with(settings);

        let page = Browser::new(&server).send("GET", "/ui/login", &THROUGH, "").await;

        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{settings:?}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{settings:?}: {policy}");
        assert!(page.body.contains("href=\"/ui/a/") && !page.body.contains("hassio"));
        let given = sign_in(&server, &THROUGH).await;
        let given = given.headers("set-cookie");
        assert!(given.iter().all(|line| line.contains("; Path=/;")), "{given:?}");
    }
}
