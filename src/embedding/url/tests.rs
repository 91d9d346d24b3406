//! The embedder against a service on the loopback address, through its public door.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use crate::config::EmbeddingSection;
use crate::embedding::tests::nothing_set;
use crate::embedding::{EmbedError, Embedder, PACE, Pace, Purpose};
use crate::model::{Clock, Secret, SystemClock};
use crate::tls::{Reloader, WantedNames, make_certificates};

/// What a service answers to the body of a request; nothing: it never does.
type Script = fn(&Value) -> Option<HttpResponse>;

macro_rules! json_script {
    ($($json:tt)+) => { |_: &Value| Some(HttpResponse::Ok().json(json!($($json)+))) };
}

/// `Authorization` and body.
type Kept = (Option<String>, Value);

/// A service that counts and keeps its requests.
#[derive(Clone)]
struct Service {
    address: String,
    calls: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Kept>>>,
}

impl Service {
    fn start(script: Script) -> Self {
        Self::listen(script, None)
    }

    /// With the certificate in this folder, if there is one.
    fn listen(script: Script, certificates: Option<&Path>) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (of_app, kept) = (Arc::clone(&calls), Arc::clone(&requests));
        let server = HttpServer::new(move || {
            let (calls, requests) = (Arc::clone(&of_app), Arc::clone(&kept));
            App::new().default_service(web::to(
                move |request: HttpRequest, body: web::Json<Value>| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    let key = request.headers().get("Authorization");
                    let key = key.map(|key| key.to_str().unwrap().to_owned());
                    requests.lock().unwrap().push((key, body.0.clone()));
                    async move {
                        match script(&body) {
                            Some(response) => response,
                            None => std::future::pending().await,
                        }
                    }
                },
            ))
        });
        let server = server.workers(1).disable_signals();
        let any_port = ("127.0.0.1", 0);
        let server = match certificates {
            None => server.bind(any_port),
            Some(folder) => {
                let path = |name| folder.join(name);
                let files = Reloader::open(&path("server.pem"), &path("server-key.pem")).unwrap();
                server.bind_rustls_0_23(any_port, files.server_config().unwrap())
            }
        };
        let server = server.unwrap();
        let address = server.addrs()[0].to_string();
        actix_web::rt::spawn(server.run());
        Self { address, calls, requests }
    }

    fn embedder(&self, path: &str) -> Embedder {
        Embedder::open(&self.settings(path)).unwrap().unwrap()
    }

    fn settings(&self, path: &str) -> EmbeddingSection {
        EmbeddingSection {
            url: Some(format!("http://{}{path}", self.address)),
            model: Some("minilm".to_owned()),
            timeout: Duration::from_secs(10),
            ..nothing_set()
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn failure_of(script: Script) -> EmbedError {
    let embedder = Service::start(script).embedder("/v1");
    let error = embedder.embed(&["a", "b"], Purpose::Query).await.unwrap_err();
    assert_eq!(embedder.is_away(), error.is_fault(), "{error}");
    assert_eq!(embedder.model(), None);
    error
}

#[actix_web::test]
async fn an_openai_service_is_asked_in_batches() {
    let service = Service::start(|body| {
        let texts = body["input"].as_array().unwrap().iter().enumerate();
        let data = texts.map(|(index, text)| {
            json!({ "index": index, "embedding": [text.as_str().unwrap().len(), 0.0, 1.0] })
        });
        // Backwards: the index says where each belongs.
        Some(HttpResponse::Ok().json(json!({ "data": data.rev().collect::<Vec<_>>() })))
    });
    let settings = EmbeddingSection {
        key: Some(Secret::new("k1".to_owned())),
        passage_prefix: Some("p: ".to_owned()),
        ..service.settings("/v1")
    };
    let pace = Pace { batch: 2, text_limit_bytes: 5, ..PACE };
    let embedder = Embedder::open_at(pace, &settings).unwrap().unwrap();

    let texts = ["a", "bb", "cut\u{e9}\u{e9}"];
    let vectors = embedder.embed(&texts, Purpose::Passage).await.unwrap();

    let lengths = [4.0_f32, 5.0, 8.0];
    for (vector, length) in vectors.iter().zip(lengths) {
        assert!((vector[0] / vector[2] - length).abs() < 1e-4, "{vector:?}");
    }
    assert_eq!(embedder.dimensions(), Some(3));
    let requests = service.requests.lock().unwrap();
    assert_eq!(requests[0].0.as_deref(), Some("Bearer k1"));
    let first =
        json!({ "model": "minilm", "input": ["p: a", "p: bb"], "encoding_format": "float" });
    assert_eq!(requests[0].1, first);
    assert_eq!(requests[1].1["input"], json!(["p: cut\u{e9}"]));
}

#[actix_web::test]
async fn an_ollama_service_is_asked_in_its_own_words() {
    let service = Service::start(|_| {
        Some(HttpResponse::Ok().json(json!({ "model": "minilm", "embeddings": [[3.0, 4.0]] })))
    });
    let embedder = service.embedder("/api/embed");
    assert_eq!(embedder.model(), None, "nothing is known before the first answer");

    let vectors = embedder.embed(&["a"], Purpose::Query).await.unwrap();

    assert_eq!(vectors, [[0.6, 0.8]]);
    assert_eq!(service.requests.lock().unwrap()[0].1, json!({ "model": "minilm", "input": ["a"] }));
    let id = embedder.model().unwrap();
    let settings =
        EmbeddingSection { model: Some("other".to_owned()), ..service.settings("/api/embed") };
    let other = Embedder::open(&settings).unwrap().unwrap();
    other.embed(&["a"], Purpose::Query).await.unwrap();
    assert_ne!(other.model(), Some(id));
    assert!(id.to_string().starts_with("url:"));
}

#[actix_web::test]
async fn an_answer_that_is_not_right_is_refused() {
    let wrong = |error: EmbedError| matches!(error, EmbedError::Malformed { .. });
    let count = failure_of(json_script!({ "data": [{ "embedding": [1] }] }));
    assert_eq!(count.await, EmbedError::Count { expected: 2, got: 1 });
    let uneven = json_script!({ "data": [{ "embedding": [1] }, { "embedding": [1, 2] }] });
    assert_eq!(failure_of(uneven).await, EmbedError::Dimensions { expected: 1, got: 2 });
    let large = json_script!({ "data": [{ "embedding": [1e39] }, { "embedding": [1] }] });
    assert_eq!(failure_of(large).await, EmbedError::NoDirection);
    assert!(wrong(failure_of(json_script!({ "data": [{ "embedding": [null] }] })).await));
    assert!(wrong(failure_of(|_| Some(HttpResponse::Ok().body("[NaN]"))).await));
    let endless = failure_of(|_| Some(HttpResponse::Ok().body(" ".repeat(1 << 20))));
    assert!(matches!(endless.await, EmbedError::TooLarge { .. }));
}

#[actix_web::test]
async fn a_status_tells_who_is_at_fault() {
    let broken = failure_of(|_| Some(HttpResponse::InternalServerError().finish())).await;
    assert!(matches!(broken, EmbedError::Refused { status: 500, .. }));
    let moved = |_: &Value| {
        Some(HttpResponse::TemporaryRedirect().insert_header(("Location", "/x")).finish())
    };
    let moved = failure_of(moved).await;
    assert!(matches!(moved, EmbedError::Refused { status: 307, .. }), "{moved}");
    let too_long = failure_of(|_| Some(HttpResponse::BadRequest().finish())).await;
    assert!(too_long.is_about_the_texts(), "others may pass, so it is not away");
}

#[actix_web::test]
async fn a_silent_service_is_asked_once_and_then_left_alone() {
    let service = Service::start(|_| None);
    let timeout = Duration::from_millis(50);
    let settings = EmbeddingSection { timeout, ..service.settings("/v1") };
    let embedder = Embedder::open(&settings).unwrap().unwrap();

    let first = embedder.embed(&["a"], Purpose::Query).await;
    let second = embedder.embed(&["a"], Purpose::Query).await;

    assert_eq!(first, Err(EmbedError::TimedOut { after: timeout }));
    assert!(matches!(second, Err(EmbedError::Away { .. })), "{second:?}");
    assert!(embedder.is_away());
    assert!(service.calls() <= 1);
}

#[actix_web::test]
async fn a_certificate_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let made =
        make_certificates(folder.path(), &WantedNames::default(), SystemClock.now()).unwrap();
    let script = json_script!({ "data": [{ "embedding": [1] }] });
    let service = Service::listen(script, Some(folder.path()));
    let url = Some(format!("https://{}", service.address));
    let settings = EmbeddingSection { url, ..service.settings("") };
    let trusting = EmbeddingSection { authority: Some(made.authority), ..settings.clone() };

    let trusting = Embedder::open(&trusting).unwrap().unwrap();
    assert_eq!(trusting.embed(&["a"], Purpose::Query).await.unwrap(), [[1.0]]);

    // A machine without public authorities refuses earlier.
    if let Ok(strict) = Embedder::open(&settings) {
        let error = strict.unwrap().embed(&["a"], Purpose::Query).await.unwrap_err();
        assert!(matches!(error, EmbedError::Unreachable { .. }), "{error:?}");
    }
    assert_eq!(service.calls(), 1);
}

#[actix_web::test]
async fn a_service_that_is_not_there_is_said_without_its_key() {
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let settings = EmbeddingSection {
        url: Some(format!("http://{address}/v1?key=geheim")),
        model: Some("m".to_owned()),
        key: Some(Secret::new("geheim".to_owned())),
        ..nothing_set()
    };
    let embedder = Embedder::open(&settings).unwrap().unwrap();

    let error = embedder.embed(&["a"], Purpose::Passage).await.unwrap_err();

    assert!(matches!(error, EmbedError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error}{embedder:?}").contains("geheim"), "{error}");
}
