use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{RequestHead, Service, ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue, RETRY_AFTER,
};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError, web};

use super::admit::InvalidCredential;
use super::connection::Connection;
use super::log_line::{Event, LogLine};
use super::outgoing::send_off;
use super::public_host::{OnPublicHost, welcome_page};
use super::{Client, Front, LocalSocket, RequestId, caller, names};
use crate::auth::InstanceToken;
use crate::error::Error;
use crate::model::Caller;

/// Probes of this machine need neither a name nor TLS.
const HEALTH: &str = "/health";

type Answering<B> = dyn Future<Output = Result<ServiceResponse<B>, actix_web::Error>>;

/// What is known of a request before anybody looks into it.
struct Arrival {
    at: Instant,
    id: RequestId,
    client: Client,
    /// The answer to a challenge.
    proof: Option<HeaderValue>,
    /// Whether it came through the frame of another page.
    is_framed: bool,
    method: Method,
    path: String,
}

/// What became of a request.
struct Outcome<'a> {
    /// The pattern of its route, if it came to one.
    route: Option<&'a str>,
    /// The name of the credential, if one verified.
    credential: Option<&'a str>,
    /// What the log shows in its place.
    shown: &'a str,
    status: StatusCode,
    event: Option<Event>,
}

/// Notes a request at the moment of its arrival, while what is behind it only starts when its turn
/// comes. The outermost layer.
///
/// # Panics
///
/// Unwinds, without a word to the panic hook, if the connection is shut. What it had sent before
/// lies in our buffers, and actix would start a task for each of hundreds of thousands of streams;
/// nothing else ends the one task that reads them, and with it the connection.
pub fn arrive<S, B>(mut request: ServiceRequest, rest: &S) -> Pin<Box<Answering<B>>>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    S::Future: 'static,
{
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    let waiting = match connection.as_ref().map(Connection::arrive) {
        Some(None) => resume_unwind(Box::new("the connection is shut")),
        Some(waiting) => waiting,
        None => None,
    };
    if let Some(connection) = connection.filter(|_| !is_multiplexed(&request)) {
        let body = request.take_payload();
        request.set_payload(connection.awaited(body));
    }
    let answer = rest.call(request);
    Box::pin(async move {
        let _waiting = waiting;
        answer.await
    })
}

/// Receives a request and sees its answer off: host, HTTPS and origin before, headers, counting
/// and the log line after. A panic further in becomes a 500.
pub async fn receive(
    front: web::Data<Front>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let arrival = Arrival::of(&front, &request);
    let connection = request.conn_data::<Rc<Connection>>().cloned();
    if let Some(connection) = &connection {
        connection.until_it_takes_more().await;
    }
    let is_head = arrival.method == Method::HEAD;
    if let Some(connection) = connection.as_ref().filter(|_| is_head && !is_multiplexed(&request)) {
        connection.refuse_if_ahead();
    }
    let exchange = connection.as_ref().map(Connection::begin);
    let mut response = match &exchange {
        // Without a body, which would have to wait for its reader like all the others.
        Some(None) => request.into_response(crowded()),
        // Refused before anything is done. A probe asks for next to nothing.
        Some(Some(exchange)) if !exchange.has_room() && arrival.path != HEALTH => {
            request.into_response(Error::AnswersUnread.error_response())
        }
        Some(Some(_)) | None => answer(&front, &arrival, request, next).await?,
    };
    if let Some(Some(exchange)) = &exchange
        && !is_head
        && !exchange.hold(response.response().body().size())
    {
        response = response.into_response(Error::AnswersUnread.error_response());
    }
    front.see_off(&arrival, &mut response);
    if let Some(connection) = connection.filter(|_| !is_head) {
        connection.note_answer();
    }
    Ok(response.map_body(|_, body| send_off(body, is_head, exchange.flatten())))
}

async fn answer(
    front: &Front,
    arrival: &Arrival,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Some(answer) = welcome_page(&mut request) {
        return Ok(request.into_response(answer));
    }
    let is_preflight = front.origins.answers_preflight(request.head());
    if let Err(refused) = front.gate(&request, arrival) {
        return Ok(request.into_response(refused.error_response()));
    }
    if arrival.method == Method::HEAD {
        // Whatever answers a GET answers this too; the body is taken off on the way out.
        request.head_mut().method = Method::GET;
    }
    match unless_panicking(next.call(request)).await {
        Ok(Ok(response)) if is_preflight && response.status() == StatusCode::BAD_REQUEST => {
            Ok(response.into_response(Error::PreflightRefused.error_response()))
        }
        Ok(Ok(response)) => Ok(response.map_into_boxed_body()),
        Ok(Err(error)) => Err(front.send_back(arrival, error.error_response())),
        Err(_) => Err(front.send_back(arrival, Error::Panicked.error_response())),
    }
}

fn is_multiplexed(request: &ServiceRequest) -> bool {
    request.version() >= Version::HTTP_2
}

fn crowded() -> HttpResponse {
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "1")).finish()
}

impl Arrival {
    fn of(front: &Front, request: &ServiceRequest) -> Self {
        let id = front.request_ids.of(request.headers());
        let is_over_socket = request.conn_data::<LocalSocket>().is_some();
        let client = if is_over_socket {
            Client::over_socket(request.head(), &front.proxies)
        } else {
            Client::of(request.head(), &front.proxies, front.is_tls)
        };
        if client.is_proxied {
            front.proxy_signs.note();
        }
        let token = request.app_data::<web::Data<InstanceToken>>();
        let challenge =
            request.headers().get(&names::CHALLENGE).filter(|_| request.path() == HEALTH);
        let proof = token.zip(challenge).and_then(|(token, text)| token.prove(text.as_bytes()));
        let proof = proof.and_then(|proof| HeaderValue::from_str(&proof).ok());
        let is_public = front.public.as_ref().is_some_and(|host| host.is_meant(request.head()));
        let ingress = front.ingress(request.head());
        let is_framed = ingress.is_some();
        let mut extensions = request.extensions_mut();
        if let Some(ingress) = ingress {
            extensions.insert(ingress);
        }
        if is_public {
            extensions.insert(OnPublicHost);
        }
        extensions.insert(id.clone());
        extensions.insert(client);
        let (method, path) = (request.method().clone(), request.path().to_owned());
        Self { at: Instant::now(), id, client, proof, is_framed, method, path }
    }
}

impl Front {
    fn gate(&self, request: &ServiceRequest, arrival: &Arrival) -> Result<(), Error> {
        let checked = self.check(request.head(), arrival);
        checked.or_else(
            |refused| {
                if is_insider(request, arrival.client) { Ok(()) } else { Err(refused) }
            },
        )
    }

    fn check(&self, head: &RequestHead, arrival: &Arrival) -> Result<(), Error> {
        // Without keys whoever comes from this machine is its owner. A proxy is not.
        if arrival.client.is_proxied && self.credentials.is_disabled() {
            return Err(Error::ForwardedRefused);
        }
        let is_probe = arrival.path == HEALTH && arrival.client.is_local;
        if !is_probe {
            self.hosts.check(head)?;
            if self.requires_https && !arrival.client.is_https {
                return Err(Error::HttpsRequired);
            }
        }
        self.origins.check(head, arrival.client.is_https)
    }

    fn see_off<B>(&self, arrival: &Arrival, response: &mut ServiceResponse<B>) {
        self.default_headers.apply(
            response.headers_mut(),
            &arrival.id,
            arrival.client,
            &arrival.path,
            arrival.is_framed,
        );
        if let Some(proof) = &arrival.proof {
            response.headers_mut().insert(names::PROOF.clone(), proof.clone());
        }
        // What every page may read is nobody's own.
        let readers = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
        if readers.is_some_and(|readers| readers == "*") {
            response.headers_mut().remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        }
        let pattern = response.request().match_pattern();
        let extensions = response.request().extensions();
        let credential = extensions.get::<Caller>().map(|caller| caller.credential.as_str());
        let is_invalid = extensions.contains::<InvalidCredential>();
        let shown = credential.unwrap_or(if is_invalid { "invalid" } else { "-" });
        let status = response.status();
        let refused = response.response().extensions().get::<Event>().copied();
        let event = refused.or_else(|| Event::of_status(status));
        let route = pattern.as_deref();
        self.record(arrival, &Outcome { route, credential, shown, status, event });
    }

    /// Where the request itself is lost, the answer travels as an error.
    fn send_back(&self, arrival: &Arrival, mut response: HttpResponse) -> actix_web::Error {
        self.default_headers.apply(
            response.headers_mut(),
            &arrival.id,
            arrival.client,
            &arrival.path,
            arrival.is_framed,
        );
        let (shown, status) = ("-", response.status());
        let outcome = Outcome { route: None, credential: None, shown, status, event: None };
        self.record(arrival, &outcome);
        InternalError::from_response("the request was lost", response).into()
    }

    fn record(&self, arrival: &Arrival, outcome: &Outcome<'_>) {
        let took = arrival.at.elapsed();
        let Outcome { route, credential, shown, status, event } = *outcome;
        if event == Some(Event::CorsViolation) {
            self.metrics.record_cors_violation();
        }
        self.metrics.record_request(route, credential, status.as_u16(), took);
        log::info!(
            "{}",
            LogLine {
                id: &arrival.id,
                client: arrival.client.address,
                credential: shown,
                method: &arrival.method,
                path: &arrival.path,
                status,
                took,
                event,
            }
        );
    }
}

/// Whether a program of this machine came over the socket or showed the token of its file. No web
/// page can do either, and no wire is crossed.
fn is_insider(request: &ServiceRequest, client: Client) -> bool {
    let token = request.app_data::<web::Data<InstanceToken>>();
    let shows =
        |token: &web::Data<InstanceToken>| token.is_shown_by(&caller::presented(request.headers()));
    client.is_owner || client.is_local && token.is_some_and(shows)
}

/// Carries a future out. actix would drop the connection of one that panics, without an answer.
async fn unless_panicking<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
