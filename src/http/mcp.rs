//! The bridge between the wire and the protocol: `/mcp`.
//!
//! It reads headers, picks statuses, and frames streams; what a message means is for
//! [`crate::mcp`]. Host, origin, limiter, guard and size limit have passed before.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::timeout;

use super::OpenStreams;
use super::body::{RawBody, is_json};
use super::front::{Front, departure};
use super::metrics::Metrics;
use super::streams::StreamPlace;
use crate::error::Error;
use crate::mcp::{
    Ask, HEADER_MISMATCH, Incoming, Label, METHOD_NOT_FOUND, MISSING_CAPABILITY, Messages,
    Protocol, Refusal, Reply, ReplyLine, RpcMessage, RpcRequest, SingleHeader, UNSUPPORTED_VERSION,
    Version, client_of, judge, judge_in_batch, tool_label,
};
use crate::model::Caller;

/// Proxies close a stream on which nothing happens for a minute; some after half of that.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What an event stream says when there is nothing to say.
const COMMENT: &[u8] = b": \n\n";

/// What answers at `/mcp`.
#[allow(missing_debug_implementations, reason = "the protocol has no Debug")]
pub struct McpFace {
    pub protocol: Protocol,
    pub streams: OpenStreams,
}

/// Answers `POST /mcp`.
pub(super) async fn post(
    request: HttpRequest,
    caller: Caller,
    RawBody(body): RawBody,
    face: web::Data<McpFace>,
    front: web::Data<Front>,
    metrics: web::Data<Metrics>,
) -> HttpResponse {
    let headers = Headers::of(request.headers());
    let label = headers.label();
    let incoming = match Incoming::parse(&body, label.has_batches()) {
        Ok(incoming) => incoming,
        Err(refusal) => return refused(&refusal),
    };
    // Told only after the body, so that garbage is told as what it is.
    if !is_json(request.headers()) {
        return Error::UnsupportedType.error_response();
    }
    match incoming {
        Incoming::One(RpcMessage::Request(asked)) => {
            if let Some(tool) = tool_label(&asked) {
                metrics.record_tool(tool);
            }
            answer_one(&face, &label, caller, asked, &request).await
        }
        Incoming::One(RpcMessage::Notification { .. } | RpcMessage::Response) => {
            match label.check_unasked() {
                Ok(()) => HttpResponse::Accepted().finish(),
                Err(refusal) => refused(&refusal),
            }
        }
        Incoming::Batch(messages) => {
            // The request counted as the first of them.
            match front.count_further(&request, messages.len().saturating_sub(1)) {
                Ok(()) => answer_batch(&face.protocol, &label, &caller, messages).await,
                Err(refused) => refused.error_response(),
            }
        }
    }
}

/// Answers `DELETE /mcp`: the caller's session may give its memory back.
pub(super) async fn delete(caller: Caller, face: web::Data<McpFace>) -> HttpResponse {
    face.protocol.disconnect(&caller).await;
    HttpResponse::Ok().json(serde_json::json!({ "status": "disconnected" }))
}

/// The headers that the protocol reads, as text.
struct Headers<'a> {
    version: SingleHeader<'a>,
    method: SingleHeader<'a>,
    name: SingleHeader<'a>,
}

impl<'a> Headers<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let one = |name| {
            let mut lines = headers.get_all(name);
            match (lines.next(), lines.next()) {
                (None, _) => SingleHeader::Absent,
                (Some(line), None) => {
                    line.to_str().map_or(SingleHeader::Unclear, SingleHeader::One)
                }
                (Some(_), Some(_)) => SingleHeader::Unclear,
            }
        };
        Self {
            version: one("mcp-protocol-version"),
            method: one("mcp-method"),
            name: one("mcp-name"),
        }
    }

    fn label(&self) -> Label<'a> {
        Label { version: self.version, method: self.method, name: self.name }
    }
}

/// What a client is ready to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepts {
    /// Saying nothing means this, whatever the specification would like.
    Json,
    Both,
    Stream,
    Neither,
}

impl Accepts {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT).filter_map(|line| line.to_str().ok());
        let ranges: Vec<String> = lines
            .flat_map(|line| line.split(','))
            .filter(|range| !is_excluded(range))
            .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
            .filter(|range| !range.is_empty())
            .collect();
        let has = |wanted: &[&str]| ranges.iter().any(|range| wanted.contains(&range.as_str()));
        let json = ranges.is_empty() || has(&["application/json", "application/*", "*/*"]);
        match (json, has(&["text/event-stream", "text/*"])) {
            (true, true) => Self::Both,
            (true, false) => Self::Json,
            (false, true) => Self::Stream,
            (false, false) => Self::Neither,
        }
    }
}

/// Whether a media range bears a quality of zero.
fn is_excluded(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).filter_map(|part| part.split_once('='));
    parameters.any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("q") && value.trim().parse() == Ok(0.0_f32)
    })
}

async fn answer_one(
    face: &McpFace,
    label: &Label<'_>,
    caller: Caller,
    asked: RpcRequest,
    request: &HttpRequest,
) -> HttpResponse {
    let accepts = Accepts::of(request.headers());
    if accepts == Accepts::Neither {
        let told = "the answer is application/json or text/event-stream";
        return HttpResponse::NotAcceptable().json(serde_json::json!({ "error": told }));
    }
    let version = match judge(&asked, Some(label), Version::UNSAID) {
        Ok(version) => version,
        Err(refusal) => return refused(&refusal),
    };
    let is_endless = asked.method == "subscriptions/listen";
    let may_stream = accepts != Accepts::Json || is_endless;
    let ask = Ask { caller: named(caller, &asked), version, request: asked, may_stream };
    match face.protocol.answer(ask).await {
        Reply::Whole(outcome) if accepts == Accepts::Stream => one_event(&outcome, version),
        Reply::Whole(outcome) => whole(outcome, version),
        Reply::Stream(messages) => match take_place(face, request) {
            Ok(place) if is_endless => {
                let listening = events(messages).take_until(departure(request));
                event_stream(place.held_by(listening))
            }
            Ok(place) => event_stream(place.held_by(events(messages))),
            Err(error) => error.error_response(),
        },
    }
}

/// A place for a stream of whoever sent the request.
fn take_place(face: &McpFace, request: &HttpRequest) -> Result<StreamPlace, Error> {
    let asker = Caller::extract(request).into_inner()?;
    face.streams.open(&asker)
}

async fn answer_batch(
    protocol: &Protocol,
    label: &Label<'_>,
    caller: &Caller,
    messages: Vec<Result<RpcMessage, Refusal>>,
) -> HttpResponse {
    let mut asks = Vec::new();
    for message in messages {
        match message {
            Ok(RpcMessage::Request(asked)) => {
                let version = judge_in_batch(&asked, Some(label), Version::UNSAID);
                let caller = named(caller.clone(), &asked);
                let ask = |version| Ask { caller, version, request: asked, may_stream: false };
                asks.push(version.map(ask));
            }
            Ok(RpcMessage::Notification { .. } | RpcMessage::Response) => {}
            Err(refusal) => asks.push(Err(refusal)),
        }
    }
    if asks.is_empty() {
        return HttpResponse::Accepted().finish();
    }
    json(StatusCode::OK, protocol.answer_all(asks).await)
}

/// A client's word for itself is better than that of its HTTP library.
fn named(caller: Caller, asked: &RpcRequest) -> Caller {
    match client_of(asked) {
        Some(client) => Caller { client: Some(client), ..caller },
        None => caller,
    }
}

/// A message that got no further than the door: always the client's fault.
fn refused(refusal: &Refusal) -> HttpResponse {
    json(StatusCode::BAD_REQUEST, refusal.to_line())
}

fn whole(outcome: ReplyLine, version: Version) -> HttpResponse {
    let status = status(&outcome, version);
    let mut response = json(status, outcome.line);
    if status == StatusCode::FORBIDDEN {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    response
}

const CHALLENGE: &str = r#"Bearer realm="memoryd", error="insufficient_scope""#;

/// The handshake revisions carry errors in answers that are fine; the newest has a few statuses.
fn status(outcome: &ReplyLine, version: Version) -> StatusCode {
    if outcome.word.as_deref() == Some("insufficient_scope") {
        return StatusCode::FORBIDDEN;
    }
    match outcome.code {
        Some(METHOD_NOT_FOUND) if version.is_modern() => StatusCode::NOT_FOUND,
        Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION) if version.is_modern() => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}

fn json(status: StatusCode, line: String) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(line)
}

/// For the rare client that reads nothing but streams.
fn one_event(outcome: &ReplyLine, version: Version) -> HttpResponse {
    if status(outcome, version) != StatusCode::OK {
        return json(status(outcome, version), outcome.line.clone());
    }
    let event = event(&outcome.line);
    event_stream(stream::once(async { Ok::<_, std::convert::Infallible>(event) }))
}

fn event_stream<E: std::error::Error + 'static>(
    events: impl Stream<Item = Result<Bytes, E>> + 'static,
) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(events)
}

/// The messages of one request as events, with a comment whenever it is quiet for too long. When
/// the client is known to be gone, the stream is dropped, and with it the request.
fn events(messages: Box<Messages>) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    stream::unfold(messages, |mut messages| async move {
        let bytes = match timeout(KEEP_ALIVE, messages.next()).await {
            Ok(outcome) => event(&outcome?.line),
            Err(_) => Bytes::from_static(COMMENT),
        };
        Some((Ok(bytes), messages))
    })
}

/// JSON has no bare line breaks, so one line of data holds one message.
fn event(line: &str) -> Bytes {
    Bytes::from(format!("event: message\ndata: {line}\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn whatever_allows_json_gets_json() {
        for (accept, accepts) in [
            ("*/*", Accepts::Json),
            ("application/*", Accepts::Json),
            ("application/json, text/event-stream", Accepts::Both),
            ("text/event-stream", Accepts::Stream),
            ("text/html", Accepts::Neither),
            ("application/json;q=0, text/event-stream", Accepts::Stream),
        ] {
            let request = TestRequest::post().insert_header((ACCEPT, accept)).to_http_request();
            assert_eq!(Accepts::of(request.headers()), accepts, "{accept}");
        }
        assert_eq!(Accepts::of(TestRequest::post().to_http_request().headers()), Accepts::Json);
    }

    #[test]
    fn a_header_that_stands_twice_is_unclear() {
        let request = TestRequest::post()
            .append_header(("MCP-Protocol-Version", "2025-06-18"))
            .append_header(("MCP-Protocol-Version", "2025-06-18"))
            .append_header(("Mcp-Method", "ping"))
            .to_http_request();

        let label = Headers::of(request.headers()).label();

        assert_eq!(
            (label.version, label.method),
            (SingleHeader::Unclear, SingleHeader::One("ping"))
        );
    }
}
