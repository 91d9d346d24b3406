//! What becomes of a connection that is not used, or not read.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::ConnectionBounds;
use super::bounds::tests::bounds;
use super::tests::{GOOD, TestServer};

/// Long enough for any machine; no test waits for it to pass.
const SURELY: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(200);

/// Told when an endless answer is dropped.
static ENDED: Notify = Notify::const_new();

struct TellsEnd;

impl Drop for TellsEnd {
    fn drop(&mut self) {
        ENDED.notify_one();
    }
}

/// An answer without an end, as fast as it is read.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(super) async fn endless() -> HttpResponse {
    let end = TellsEnd;
    let pieces = stream::repeat_with(move || {
        let _held = &end;
        Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 65_536]))
    });
    HttpResponse::Ok().streaming(pieces)
}

/// An answer that never says anything.
#[allow(clippy::unused_async, reason = "a handler is async")]
pub(super) async fn silent() -> HttpResponse {
    HttpResponse::Ok().streaming(stream::pending::<Result<Bytes, Infallible>>())
}

/// More than any buffer of a system takes over.
const LARGE: usize = 32 << 20;

#[allow(clippy::unused_async, reason = "a handler is async")]
pub(super) async fn large() -> HttpResponse {
    HttpResponse::Ok().body(vec![b'x'; LARGE])
}

fn bounded(patience: Duration, idle: Duration) -> TestServer {
    TestServer::bounded(&[], ConnectionBounds { patience, idle, ..bounds(1_024, &[]) })
}

#[actix_web::test]
async fn an_answer_that_nobody_reads_ends() {
    let server = bounded(SOON, SURELY);

    let unread = server.connect("GET /endless HTTP/1.1\r\n\r\n").await;

    timeout(SURELY, ENDED.notified()).await.expect("the answer is kept for ever");
    drop(unread);
    assert_eq!(server.status("/me", &[GOOD]).await, 200);
}

#[actix_web::test]
async fn a_connection_is_shut_that_brings_no_request() {
    let server = bounded(SOON, SOON);

    for rest in ["", "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "] {
        let mut slow = server.connect("GET /health HTTP/1.1\r\n\r\n").await;
        slow.write_all(rest.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let ended = timeout(SURELY, slow.read_to_end(&mut read)).await;
        assert!(ended.is_ok(), "the connection is kept for ever");
        assert!(read.starts_with(b"HTTP/1.1 200 "), "the whole request was answered");
    }
}

#[actix_web::test]
async fn an_answer_that_waits_for_its_source_is_no_idle_connection() {
    let server = bounded(SOON, SOON);

    let mut listening = server.connect("GET /silent HTTP/1.1\r\n\r\n").await;
    let mut idle = server.connect("GET /health HTTP/1.1\r\n\r\n").await;
    // The idle one is looked at as often as the other, and began later.
    let mut read = Vec::new();
    timeout(SURELY, idle.read_to_end(&mut read)).await.unwrap().unwrap();

    let mut head = [0; 4096];
    assert!(listening.read(&mut head).await.unwrap() > 0);
    let mut more = [0; 1];
    let is_open = timeout(Duration::ZERO, listening.read(&mut more)).await.is_err();
    assert!(is_open, "a stream was cut because it had nothing to say");
}

#[actix_web::test]
async fn a_head_ends_at_once_even_of_an_endless_answer() {
    let server = bounded(SURELY, SURELY);

    for target in ["HEAD /silent", "HEAD /health", "HEAD /nope"] {
        let answer = timeout(SURELY, server.raw(target, "")).await.expect("it never ends");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "", "{target}: {head}");
    }
    let asked = server.raw("GET /health", "").await;
    let told = server.raw("HEAD /health", "").await;
    let length = |answer: &str| {
        let mut lines = answer.lines();
        lines
            .find(|line| line.to_ascii_lowercase().starts_with("content-length"))
            .map(str::to_owned)
    };
    assert!(length(&asked).is_some());
    assert_eq!(length(&told), length(&asked));
}

#[actix_web::test]
async fn answers_that_nobody_reads_have_a_limit_and_others_go_on() {
    let server = bounded(SURELY, SURELY);
    let asked = async || {
        let mut asked = server.connect("GET /large HTTP/1.1\r\n\r\n").await;
        let mut status = [0; 12];
        asked.read_exact(&mut status).await.unwrap();
        (asked, String::from_utf8_lossy(&status).into_owned())
    };

    let (first, status) = asked().await;
    assert_eq!(status, "HTTP/1.1 200");
    let (second, status) = asked().await;
    assert_eq!(status, "HTTP/1.1 200");
    let (_third, status) = asked().await;
    assert_eq!(status, "HTTP/1.1 503", "it would be more than 64 MiB");
    assert_eq!(server.status("/me", &[GOOD]).await, 200, "a small one is given");

    drop((first, second));
    let given = async {
        while asked().await.1 != "HTTP/1.1 200" {
            tokio::task::yield_now().await;
        }
    };
    timeout(SURELY, given).await.expect("nothing was given back");
}
