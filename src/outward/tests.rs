//! Fetching from a host on the loopback address, to which a network of the test's own leads: what it says of
//! names is judged as what the real one says.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use tempfile::TempDir;

use super::{Documents, FetchError, Internet, OutwardError, PublicInternet};
use crate::model::{Clock, SystemClock};
use crate::tls::{Reloader, WantedNames, make_certificates};

const URL: &str = "https://client.example/oauth/client.json";
const PUBLIC: &str = "93.184.216.34";

/// What the host answers; nothing: it never does.
type Script = fn() -> Option<HttpResponse>;

#[derive(Debug)]
struct Net {
    /// One after the other; the last one again and again.
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    own: Vec<IpAddr>,
    port: u16,
    authority: PathBuf,
    looked_up: Mutex<Vec<String>>,
    entered: Mutex<Vec<IpAddr>>,
}

impl Internet for Net {
    fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.looked_up.lock().unwrap().push(host.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        answer.ok_or_else(|| io::Error::other("no such name"))
    }

    fn own_addresses(&self) -> io::Result<Vec<IpAddr>> {
        Ok(self.own.clone())
    }

    fn door_of(&self, address: IpAddr) -> SocketAddr {
        self.entered.lock().unwrap().push(address);
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.port)
    }

    fn authorities(&self) -> Vec<PathBuf> {
        vec![self.authority.clone()]
    }
}

struct World {
    net: Arc<Net>,
    documents: Documents,
    /// The hosts that requests named.
    asked: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl World {
    fn new(script: Script, answers: &[&[&str]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = WantedNames { given: vec!["client.example".to_owned()], found: Vec::new() };
        let made = make_certificates(folder.path(), &names, SystemClock.now()).unwrap();
        let files = Reloader::open(&made.server, &made.server_key).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let server = HttpServer::new(move || {
            let kept = Arc::clone(&kept);
            App::new().default_service(web::to(move |request: HttpRequest| {
                let host = request.headers().get("Host").unwrap().to_str().unwrap().to_owned();
                kept.lock().unwrap().push(host + request.path());
                async move {
                    match script() {
                        Some(response) => response,
                        None => std::future::pending().await,
                    }
                }
            }))
        });
        let server = server.workers(1).disable_signals();
        let server = server.bind_rustls_0_23(("127.0.0.1", 0), files.server_config().unwrap());
        let server = server.unwrap();
        let port = server.addrs()[0].port();
        actix_web::rt::spawn(server.run());
        let answers = answers.iter();
        let answers =
            answers.map(|found| found.iter().map(|text| text.parse().unwrap()).collect()).collect();
        let net = Arc::new(Net {
            answers: Mutex::new(answers),
            own: vec!["93.184.216.99".parse().unwrap()],
            port,
            authority: made.authority,
            looked_up: Mutex::default(),
            entered: Mutex::default(),
        });
        let documents = Documents::new(Arc::clone(&net) as Arc<dyn Internet>).unwrap();
        Self { net, documents, asked, _folder: folder }
    }

    fn entered(&self) -> Vec<String> {
        self.net.entered.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

fn described() -> Option<HttpResponse> {
    let answer = HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, Max-Age=600"))
        .content_type("application/json; charset=utf-8")
        .body("{}");
    Some(answer)
}

async fn failure_of(script: Script) -> FetchError {
    World::new(script, &[&[PUBLIC]]).documents.fetch(URL).await.unwrap_err()
}

#[actix_web::test]
async fn a_document_is_fetched_from_the_address_that_was_looked_at_under_its_own_name() {
    let world = World::new(described, &[&[PUBLIC, "2606:2800:220:1::1"]]);

    let fetched = world.documents.fetch(URL).await.unwrap();

    assert_eq!((fetched.body.as_slice(), fetched.keep_for), (&b"{}"[..], Duration::from_secs(600)));
    assert_eq!(*world.net.looked_up.lock().unwrap(), ["client.example"]);
    assert_eq!(world.entered(), [PUBLIC]);
    assert_eq!(*world.asked.lock().unwrap(), ["client.example/oauth/client.json"]);
}

#[actix_web::test]
async fn a_name_of_which_one_address_is_not_for_everybody_leads_nowhere() {
    for odd in [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.216.34",
        "64:ff9b::7f00:1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "ff02::1",
        // This machine's own, though everybody reaches it.
        "93.184.216.99",
    ] {
        let world = World::new(described, &[&[PUBLIC, odd]]);

        assert_eq!(world.documents.fetch(URL).await, Err(FetchError::NotPublic), "{odd}");
        assert!(world.entered().is_empty() && world.asked.lock().unwrap().is_empty(), "{odd}");
    }
    let nowhere = World::new(described, &[&[]]);
    let refused = nowhere.documents.fetch(URL).await;
    assert!(matches!(refused, Err(FetchError::Unresolved { .. })), "{refused:?}");
}

#[actix_web::test]
async fn a_name_that_changes_between_two_looks_is_looked_up_once() {
    let world = World::new(described, &[&[PUBLIC], &["127.0.0.1"]]);

    assert!(world.documents.fetch(URL).await.is_ok());
    assert_eq!(world.net.looked_up.lock().unwrap().len(), 1);
    assert_eq!(world.entered(), [PUBLIC]);

    assert_eq!(world.documents.fetch(URL).await, Err(FetchError::NotPublic));
    assert_eq!(world.entered(), [PUBLIC], "nobody went there");
}

#[actix_web::test]
async fn the_network_that_there_is_leads_to_no_machine_of_the_owner() {
    let world = World::new(described, &[]);
    let real = world.documents.over(Arc::new(PublicInternet));

    for url in ["https://localhost/x", "https://127.0.0.1/x", "https://0x7f.1/x"] {
        let refused = real.fetch(url).await.unwrap_err();
        let is_refused = matches!(refused, FetchError::NotPublic | FetchError::Unresolved { .. });
        assert!(is_refused, "{url}: {refused:?}");
    }
}

#[actix_web::test]
async fn the_certificate_has_to_be_that_of_the_name() {
    let world = World::new(described, &[&[PUBLIC]]);

    let refused = world.documents.fetch("https://other.example/client.json").await;

    assert!(matches!(refused, Err(FetchError::Unreachable { .. })), "{refused:?}");
    assert_eq!(world.entered(), [PUBLIC]);
    assert!(world.asked.lock().unwrap().is_empty(), "nothing was sent");
}

#[actix_web::test]
async fn only_a_short_document_of_json_is_taken_and_no_redirect() {
    let moved = || Some(HttpResponse::Found().insert_header(("Location", "/other")).finish());
    assert_eq!(failure_of(moved).await, FetchError::Status { status: 302 });
    let empty = || Some(HttpResponse::NoContent().finish());
    assert_eq!(failure_of(empty).await, FetchError::Status { status: 204 });
    let page = || Some(HttpResponse::Ok().content_type("text/html").body("{}"));
    assert_eq!(failure_of(page).await, FetchError::NotJson);
    let bare = || Some(HttpResponse::Ok().body(web::Bytes::from_static(b"{}")));
    assert_eq!(failure_of(bare).await, FetchError::NotJson);
    let long = || Some(HttpResponse::Ok().json("x".repeat(16 * 1024)));
    assert_eq!(failure_of(long).await, FetchError::TooLarge { limit_bytes: 16 * 1024 });
}

#[actix_web::test]
async fn what_is_no_https_on_its_usual_port_is_not_looked_up() {
    let world = World::new(described, &[&[PUBLIC]]);

    for url in [
        "http://client.example/x",
        "https://client.example:8443/x",
        "https://user@client.example/x",
        "ftp://client.example/x",
        "/x",
        "",
    ] {
        assert_eq!(world.documents.fetch(url).await, Err(FetchError::Url), "{url}");
    }
    assert!(world.net.looked_up.lock().unwrap().is_empty());
}

#[actix_web::test]
async fn a_host_that_does_not_answer_is_left_after_a_while() {
    let world = World::new(|| None, &[&[PUBLIC]]);
    let after = Duration::from_millis(50);
    let documents = world.documents.with_patience(after);

    assert_eq!(documents.fetch(URL).await, Err(FetchError::TimedOut { after }));
}

#[test]
fn without_authorities_nothing_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let net = Net {
        answers: Mutex::default(),
        own: Vec::new(),
        port: 0,
        authority: folder.path().join("none.pem"),
        looked_up: Mutex::default(),
        entered: Mutex::default(),
    };

    let refused = Documents::new(Arc::new(net)).unwrap_err();
    assert!(matches!(refused, OutwardError::Tls(_)), "{refused}");
}
