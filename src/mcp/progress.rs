use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ErrorData, NumberOrString, ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use tokio::time::sleep;

use super::message::ID_BYTES;

/// Work that is done sooner needs no word: its answer is the word.
const PATIENCE: Duration = Duration::from_millis(400);

/// Waits for work, and says that it goes on if the client wants to hear it. Stops waiting when
/// the client does; what is under way is then still carried out.
pub(super) async fn with_progress<T>(
    context: &RequestContext<RoleServer>,
    work: impl Future<Output = T>,
) -> Result<T, ErrorData> {
    let mut work = pin!(unless_panicking(work));
    let token = context.meta.get_progress_token().filter(|token| !is_long(token));
    let mut told = 0_u32;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = context.ct.cancelled() => {
                return Err(ErrorData::internal_error("the request was cancelled", None));
            }
            () = sleep(PATIENCE), if token.is_some() => {
                told = told.saturating_add(1);
                if let Some(token) = &token {
                    tell(context, token, told).await;
                }
            }
        }
    }
}

/// A token comes back with every word, as an id does. Who makes a longer one hears none.
fn is_long(ProgressToken(token): &ProgressToken) -> bool {
    matches!(token, NumberOrString::String(token) if token.len() > ID_BYTES)
}

/// Nobody knows how much is left, so there is no total; the number only grows.
async fn tell(context: &RequestContext<RoleServer>, token: &ProgressToken, told: u32) {
    let progress = ProgressNotificationParam::new(token.clone(), f64::from(told));
    let progress = progress.with_message("still working");
    // A client that does not listen any more loses nothing by it.
    let _ = context.peer.notify_progress(progress).await;
}

/// rmcp runs some requests on tasks of their own, where a panic would leave the client waiting.
async fn unless_panicking<T>(work: impl Future<Output = T>) -> Result<T, ErrorData> {
    let mut work = pin!(work);
    poll_fn(|waker| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(waker))) {
        Ok(Poll::Ready(done)) => Poll::Ready(Ok(done)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(Err(panicked())),
    })
    .await
}

fn panicked() -> ErrorData {
    log::error!("a tool panicked; the panic stands above");
    ErrorData::internal_error("the server failed to carry this out; its log says why", None)
}
