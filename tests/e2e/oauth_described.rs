//! OAuth: clients that name themselves by the address of their description, which lies on a host to which a
//! network of the test's own leads.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use memoryd::model::{Clock, SystemClock};
use memoryd::outward::Internet;
use memoryd::tls::{Reloader, WantedNames, make_certificates};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{KEY, Reply, TestServer};
use crate::oauth_client::{ISSUER, Outside, question, tokens};

const URL: &str = "https://client.example/oauth/client.json";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Leads every name to one address, and that to the host of the test.
#[derive(Debug)]
struct Net {
    address: Mutex<IpAddr>,
    port: u16,
    authority: PathBuf,
    looks: AtomicUsize,
}

impl Internet for Net {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        Ok(vec![*self.address.lock().unwrap()])
    }

    fn own_addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(Vec::new())
    }

    fn door_of(&self, _: IpAddr) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)
    }

    fn authorities(&self) -> Vec<PathBuf> {
        vec![self.authority.clone()]
    }
}

/// A server that fetches descriptions, and the host that has them.
struct World {
    outside: Outside,
    net: Arc<Net>,
    told: Arc<Mutex<Value>>,
    /// The status with which its host answers.
    status: Arc<AtomicU16>,
    _folder: TempDir,
}

impl World {
    fn start() -> Self {
        Self::with(&[("OAUTH_FETCH_CLIENTS", "true")])
    }

    fn with(env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = WantedNames { given: vec!["client.example".to_owned()], found: Vec::new() };
        let made = make_certificates(folder.path(), &names, SystemClock.now()).unwrap();
        let files = Reloader::open(&made.server, &made.server_key).unwrap();
        let told = Arc::new(Mutex::new(json!({
            "client_id": URL,
            "client_name": "Example Editor",
            "redirect_uris": ["http://localhost/callback"],
            "token_endpoint_auth_method": "none",
        })));
        let status = Arc::new(AtomicU16::new(200));
        let (kept, answered) = (Arc::clone(&told), Arc::clone(&status));
        let host = HttpServer::new(move || {
            let (kept, answered) = (Arc::clone(&kept), Arc::clone(&answered));
            App::new().default_service(web::to(move || {
                let told = kept.lock().unwrap().clone();
                let status = StatusCode::from_u16(answered.load(Ordering::SeqCst)).unwrap();
                async move { HttpResponse::build(status).json(told) }
            }))
        });
        let host = host.workers(1).disable_signals();
        let host = host.bind_rustls_0_23(("127.0.0.1", 0), files.server_config().unwrap()).unwrap();
        let port = host.addrs()[0].port();
        rt::spawn(host.run());
        let net = Arc::new(Net {
            address: Mutex::new("93.184.216.34".parse().unwrap()),
            port,
            authority: made.authority,
            looks: AtomicUsize::new(0),
        });
        let mut all = vec![("OAUTH_ENABLED", "true"), ("PUBLIC_URL", ISSUER)];
        all.extend(env);
        let server = TestServer::on(Arc::clone(&net) as Arc<dyn Internet>, &all);
        Self { outside: Outside { server }, net, told, status, _folder: folder }
    }

    fn looks(&self) -> usize {
        self.net.looks.load(Ordering::SeqCst)
    }

    /// What somebody sees who has signed in and is sent here by the client.
    async fn asked(&self, client: &str) -> Reply {
        self.outside.browser(KEY).await.get(&question(client)).await
    }
}

#[actix_web::test]
async fn a_client_that_describes_itself_comes_in_without_registering() {
    let world = World::start();
    let outside = &world.outside;
    let metadata = outside.get(METADATA).await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    assert!(
        metadata["token_endpoint_auth_methods_supported"]
            .as_array()
            .unwrap()
            .contains(&json!("none"))
    );

    let stranger = outside.get(&question(URL)).await;
    let to = stranger.header("location").unwrap();
    assert!(stranger.status == 303 && to.starts_with("/ui/login?next=/authorize%3F"), "{to}");
    assert_eq!(world.looks(), 0, "nobody is called for a stranger");

    let browser = outside.browser(KEY).await;
    let (_, page) = browser.asked(&question(URL)).await;
    assert!(page.text().contains("Example Editor"), "{}", page.text());
    assert!(page.text().contains("<h2 class=\"address\"><bdi>localhost:3118</bdi></h2>"));
    assert!(page.text().contains("Its description is at <bdi>client.example</bdi>."));
    let code = browser.allow(&question(URL)).await;
    let first = tokens(&outside.change(URL, &code).await);
    assert_eq!(outside.status(&first.access).await, 200);
    let second = tokens(&outside.refresh(URL, &first.refresh).await);
    assert_eq!(outside.status(&second.access).await, 200);
    assert_eq!(world.looks(), 1, "it is remembered");
    let grants = outside.server.get("/admin/oauth").await.json()["grants"].clone();
    assert_eq!(
        (&grants[0]["client_id"], &grants[0]["name"]),
        (&json!(URL), &json!("oauth:Example-Editor"))
    );

    outside.server.clock.advance(Duration::from_secs(300));
    world.told.lock().unwrap()["redirect_uris"] = json!(["http://localhost/elsewhere"]);
    let refused = world.asked(URL).await;
    assert_eq!((refused.status, world.looks()), (400, 2), "it answers elsewhere by now");
}

#[actix_web::test]
async fn what_is_no_description_of_its_own_lets_nobody_in() {
    let world = World::start();
    let good = world.told.lock().unwrap().clone();

    for (name, odd) in [
        ("client_id", json!("https://client.example/other")),
        ("redirect_uris", json!(["https://evil.example/cb"])),
        ("redirect_uris", json!([])),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
    ] {
        let mut told = good.clone();
        told[name] = odd.clone();
        *world.told.lock().unwrap() = told;
        world.outside.server.clock.advance(Duration::from_secs(300));
        let refused = world.asked(URL).await;
        assert_eq!((refused.status, refused.header("location")), (400, None), "{odd}");
    }
    assert_eq!(world.looks(), 4);
    let again = world.asked(URL).await;
    assert!(again.text().contains("a moment ago"), "{}", again.text());
    assert_eq!(world.looks(), 4, "its host is left alone for a minute");
}

#[actix_web::test]
async fn a_host_that_is_not_public_is_not_called_and_a_good_copy_stands_in() {
    let world = World::start();
    assert_eq!(world.asked(URL).await.status, 303);

    for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1"] {
        *world.net.address.lock().unwrap() = inside.parse().unwrap();
        let other = format!("https://client.example/{}", inside.replace(':', "-"));
        let refused = world.asked(&other).await;
        assert_eq!(refused.status, 400, "{inside}");
        assert!(refused.text().contains("not on the public internet"), "{}", refused.text());
    }
    world.outside.server.clock.advance(Duration::from_secs(86_400));
    assert_eq!(world.asked(URL).await.status, 303, "what was good a day ago");
    world.outside.server.clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(world.asked(URL).await.status, 400, "a month later it is not known any more");
}

#[actix_web::test]
async fn a_description_that_was_taken_away_lets_nobody_in_and_one_that_fails_does() {
    for (status, expected) in [(500, 303), (503, 303), (404, 400), (410, 400)] {
        let world = World::start();
        assert_eq!(world.asked(URL).await.status, 303);

        world.outside.server.clock.advance(Duration::from_secs(300));
        world.status.store(status, Ordering::SeqCst);
        assert_eq!(world.asked(URL).await.status, expected, "{status}");
        world.outside.server.clock.advance(Duration::from_secs(60));
        world.status.store(500, Ordering::SeqCst);
        assert_eq!(world.asked(URL).await.status, expected, "the copy is gone after {status}");
        assert_eq!(world.looks(), 3);
    }
}

#[actix_web::test]
async fn unless_it_is_set_nobody_is_called_and_the_known_clients_never_are() {
    let off = World::with(&[]);
    let metadata = off.outside.get(METADATA).await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], false);
    assert_eq!((off.asked(URL).await.status, off.looks()), (400, 0));

    let on = World::start();
    for client in [
        "https://claude.ai/oauth/claude-code-client-metadata",
        "https://chatgpt.com/oauth/codex/client.json",
    ] {
        assert_eq!(on.asked(client).await.status, 303);
    }
    for odd in [
        "https://memory.example.com/client.json",
        "https://client.example/",
        "https://client.example:8443/c",
        "https://127.0.0.1/c",
        "http://client.example/c",
    ] {
        assert_eq!(on.asked(odd).await.status, 400, "{odd}");
    }
    assert_eq!(on.looks(), 0);
}
