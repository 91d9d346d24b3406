use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::CallError;

/// How long a call waits for a place in line before it is told that the server is busy.
pub(super) const PLACE_PATIENCE: Duration = Duration::from_secs(5);

/// An actix mailbox promises one slot to every clone of its address, and each request has its own
/// clone, so the mailbox alone would let any number wait.
pub(super) async fn free_place(
    places: &Arc<Semaphore>,
    patience: Duration,
) -> Result<OwnedSemaphorePermit, CallError> {
    let place = timeout(patience, Arc::clone(places).acquire_owned());
    place.await.map_err(|_| CallError::Busy)?.map_err(|_| CallError::Stopped)
}
