use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::SubscriptionFilter;
use rmcp::service::{SubscriptionContext, SubscriptionSendError, SubscriptionSink};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::sleep;

use super::context::McpContext;
use super::resources::{ResourceUri, project_names};
use crate::actors::ChangeNotice;
use crate::model::Caller;

/// Uris in one subscription. Each is read again after a write, so there must be an end to them.
const URI_LIMIT: usize = 50;

/// How long to wait after a write for more of them: a burst is told once.
const SETTLE: Duration = Duration::from_millis(100);

/// The part of a wish that can be granted: our own uris, and the list of resources.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::new();
    accepted.resources_list_changed = requested.resources_list_changed;
    let uris = requested.resource_subscriptions.iter().flatten();
    let ours = uris.filter(|uri| ResourceUri::parse(uri).is_some()).take(URI_LIMIT);
    accepted.resource_subscriptions = Some(ours.cloned().collect());
    accepted
}

/// How things were before the subscription was acknowledged: whatever is written from then on is
/// news. It rides along in the request's extensions, which want to be cloned.
#[derive(Debug, Clone)]
pub(super) struct Beginning(Arc<Mutex<Option<Start>>>);

/// Where to hear of writes, and how everything looked before them.
type Start = (Receiver<ChangeNotice>, Watched);

impl Beginning {
    /// Looks once at everything that will be watched.
    pub(super) async fn of(
        mcp: &McpContext,
        caller: &Caller,
        requested: &SubscriptionFilter,
    ) -> Option<Self> {
        let changes = mcp.sessions().changes(&caller.user).await.ok()?;
        let mut watched = Watched::of(&accepted(requested));
        // What is there already is no news.
        watched.look(mcp, caller).await;
        Some(Self(Arc::new(Mutex::new(Some((changes, watched))))))
    }

    fn take(&self) -> Option<Start> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tells of changes until the client goes, or the server stops.
pub(super) async fn listen(mcp: &McpContext, caller: &Caller, context: SubscriptionContext) {
    let beginning = context.request_context().extensions.get::<Beginning>();
    let Some((mut changes, mut watched)) = beginning.and_then(Beginning::take) else { return };
    let mut stopping = mcp.sessions().stopping();
    loop {
        tokio::select! {
            () = context.cancelled() => return,
            () = stopped(&mut stopping) => return,
            change = changes.recv() => if matches!(change, Err(RecvError::Closed)) {
                // The session failed and another has taken its place.
                let Ok(anew) = mcp.sessions().changes(&caller.user).await else { return };
                changes = anew;
            },
        }
        sleep(SETTLE).await;
        // Whatever came meanwhile shows in what is read now.
        while changes.try_recv().is_ok() {}
        let news = watched.look(mcp, caller).await;
        if news.tell(context.sink()).await.is_err() {
            return;
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sessions are gone altogether.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await.map(|_| ());
}

/// What somebody wants to hear of, and how it looked last.
#[derive(Debug)]
struct Watched {
    uris: Vec<(String, ResourceUri)>,
    wants_list: bool,
    seen: BTreeMap<String, u64>,
}

/// What looks different from before.
#[derive(Debug, Default)]
struct News {
    uris: Vec<String>,
    is_list_changed: bool,
}

/// Stands for the list of resources among the uris.
const LIST: &str = "";

impl Watched {
    fn of(accepted: &SubscriptionFilter) -> Self {
        let uris = accepted.resource_subscriptions.iter().flatten();
        let watched = uris.filter_map(|uri| Some((uri.clone(), ResourceUri::parse(uri)?)));
        let wants_list = accepted.resources_list_changed == Some(true);
        Self { uris: watched.collect(), wants_list, seen: BTreeMap::new() }
    }

    async fn look(&mut self, mcp: &McpContext, caller: &Caller) -> News {
        let mut news = News::default();
        for (uri, resource) in &self.uris {
            // A memory that is gone, or a session in trouble, looks like nothing.
            let contents = resource.peek(mcp, caller).await.ok().flatten();
            let print = fingerprint(&contents.map(without_reads));
            if self.seen.insert(uri.clone(), print).is_some_and(|before| before != print) {
                news.uris.push(uri.clone());
            }
        }
        if self.wants_list {
            let mut names = project_names(mcp, caller).await.unwrap_or_default();
            names.sort_unstable();
            let print = fingerprint(&names);
            let before = self.seen.insert(LIST.to_owned(), print);
            news.is_list_changed = before.is_some_and(|before| before != print);
        }
        news
    }
}

impl News {
    async fn tell(self, sink: &SubscriptionSink) -> Result<(), SubscriptionSendError> {
        for uri in self.uris {
            sink.notify_resource_updated(uri).await?;
        }
        if self.is_list_changed {
            sink.notify_resource_list_changed().await?;
        }
        Ok(())
    }
}

/// Leaves out what changes by looking.
fn without_reads(mut value: Value) -> String {
    strip(&mut value);
    value.to_string()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.shift_remove("access_count");
            object.shift_remove("last_accessed_at");
            object.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
