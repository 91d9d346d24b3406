use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ErrorData, ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use tokio::time::sleep;

/// Work that is done sooner needs no word: its answer is the word.
const PATIENCE: Duration = Duration::from_millis(400);

/// Waits for work, and says that it goes on if the client wants to hear it. Stops waiting when
/// the client does; what is under way is then still carried out.
pub(super) async fn with_progress<T>(
    context: &RequestContext<RoleServer>,
    work: impl Future<Output = T>,
) -> Result<T, ErrorData> {
    let mut work = pin!(work);
    let token = context.meta.get_progress_token();
    let mut told = 0_u32;
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
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

/// Nobody knows how much is left, so there is no total; the number only grows.
async fn tell(context: &RequestContext<RoleServer>, token: &ProgressToken, told: u32) {
    let progress = ProgressNotificationParam::new(token.clone(), f64::from(told));
    let progress = progress.with_message("still working");
    // A client that does not listen any more loses nothing by it.
    let _ = context.peer.notify_progress(progress).await;
}
