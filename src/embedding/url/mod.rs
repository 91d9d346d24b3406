//! An embedder that is a service: asked over HTTP, from a thread of its own.

use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use awc::Client;
use awc::error::{PayloadError, SendRequestError};
use log::warn;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;

mod endpoint;
#[cfg(test)]
mod tests;

use self::endpoint::Endpoint;
use super::answer::DIMENSIONS_LIMIT;
use super::id::{Fingerprint, Home};
use super::line::{Answered, Job, Queue, line};
use super::started::{Name, Prefixes, Started};
use super::{EmbedError, EmbedderError, Pace};
use crate::config::EmbeddingSection;
use crate::model::Secret;
use crate::outward;
use crate::tls;

/// Requests for searches that are under way at once.
const QUERIES_AT_ONCE: usize = 8;
/// Requests for memories. One: filling the index must not starve the machine that serves searches.
const PASSAGES_AT_ONCE: usize = 1;

/// One number as text, its comma included; services print up to 22 characters.
const NUMBER_BYTES: usize = 26;
/// What stands in an answer beside the numbers of one text.
const FRAME_BYTES: usize = 4 << 10;

/// A service as its thread knows it.
struct Service {
    client: Client,
    endpoint: Endpoint,
    model: String,
}

/// Starts the thread. Nothing is sent before the first text comes.
pub(super) fn start(
    url: &str,
    pace: Pace,
    settings: &EmbeddingSection,
) -> Result<Started, EmbedderError> {
    let endpoint = Endpoint::parse(url)?;
    let model = settings.model.clone().filter(|model| !model.is_empty());
    let model = model.ok_or(EmbedderError::NoModel)?;
    let mut fingerprint = Fingerprint::of(Home::Url);
    fingerprint.add(endpoint.host.as_bytes());
    fingerprint.add(model.as_bytes());

    let client = client(&endpoint, settings)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(EmbedderError::Thread)?;
    let (line, queue) = line();
    let patience = (settings.timeout, pace.batch_timeout);
    let work = move || {
        // The client is made inside, where its connections find the runtime.
        let served = async move {
            serve(Service { client: client(), endpoint, model }, queue, patience).await;
        };
        LocalSet::new().block_on(&runtime, served);
    };
    thread::Builder::new()
        .name("embedding".to_owned())
        .spawn(work)
        .map_err(EmbedderError::Thread)?;
    let name = Name::Made(Box::new(fingerprint));
    Ok(Started { line, name, prefixes: Prefixes::default(), dimensions: None })
}

/// How to make the client, once on the thread that it may not leave.
fn client(
    endpoint: &Endpoint,
    settings: &EmbeddingSection,
) -> Result<impl FnOnce() -> Client + Send + use<>, EmbedderError> {
    let key = settings.key.clone();
    if key.as_ref().is_some_and(|key| !is_header_text(key)) {
        return Err(EmbedderError::Key);
    }
    if key.is_some() && !endpoint.is_https && !endpoint.is_loopback() {
        warn!("embedding.key is sent to {} without encryption", endpoint.host);
    }
    let mut config = None;
    if endpoint.is_https {
        let mut authorities = tls::system_authorities();
        authorities.extend(settings.authority.clone());
        if authorities.is_empty() {
            return Err(EmbedderError::NoAuthorities);
        }
        config = Some(tls::client_config(&authorities)?);
    }
    // Each lane has its own time-out, which covers the body, too.
    Ok(move || outward::client(config, key.as_ref()))
}

fn is_header_text(key: &Secret) -> bool {
    !key.reveal().is_empty() && key.reveal().bytes().all(|byte| byte.is_ascii_graphic())
}

/// Works until nobody can ask any more.
async fn serve(service: Service, queue: Queue, patience: (Duration, Duration)) {
    let service = Rc::new(service);
    let (queries, passages) = patience;
    tokio::join!(
        lane(&service, queue.queries, QUERIES_AT_ONCE, queries),
        lane(&service, queue.passages, PASSAGES_AT_ONCE, passages),
    );
}

async fn lane(
    service: &Rc<Service>,
    mut jobs: mpsc::Receiver<Job>,
    at_once: usize,
    patience: Duration,
) {
    let places = Arc::new(Semaphore::new(at_once));
    while let Some(job) = jobs.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let service = Rc::clone(service);
        tokio::task::spawn_local(async move {
            let Job { texts, mut reply } = job;
            let asking = tokio::time::timeout(patience, service.ask(&texts));
            let answered = tokio::select! {
                answered = asking => answered,
                // Nobody waits any more; the request goes with its asker.
                () = reply.closed() => return,
            };
            let answered = answered.unwrap_or(Err(EmbedError::TimedOut { after: patience }));
            // Whoever left in the meantime needs no answer.
            let _ = reply.send(answered);
            drop(place);
        });
    }
}

impl Service {
    async fn ask(&self, texts: &[String]) -> Answered {
        let request = self
            .client
            .post(self.endpoint.uri.clone())
            .insert_header(("Content-Type", "application/json"));
        let sent = request.send_body(self.endpoint.question(&self.model, texts)).await;
        let mut response = sent.map_err(|error| self.unreachable(&error))?;

        let (host, status) = (self.endpoint.host.clone(), response.status().as_u16());
        match status {
            200 => {}
            400 | 413 | 422 => return Err(EmbedError::TextRefused { host, status }),
            _ => return Err(EmbedError::Refused { host, status }),
        }
        let limit_bytes = texts.len().saturating_mul(DIMENSIONS_LIMIT * NUMBER_BYTES + FRAME_BYTES);
        let body = response.body().limit(limit_bytes).await.map_err(|error| match error {
            PayloadError::Overflow => EmbedError::TooLarge { limit_bytes },
            error => EmbedError::Unreachable { host, cause: error.to_string() },
        })?;
        self.endpoint.answer(&body)
    }

    fn unreachable(&self, error: &SendRequestError) -> EmbedError {
        EmbedError::Unreachable { host: self.endpoint.host.clone(), cause: error.to_string() }
    }
}
