use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{CallError, PATIENCE};

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

/// A place in line, and for what only reads one among those who hold an answer.
pub(super) async fn free_places(
    places: &Arc<Semaphore>,
    answers: &Arc<Semaphore>,
    may_write: bool,
) -> Result<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>), CallError> {
    let place = free_place(places, PLACE_PATIENCE).await?;
    let answer = if may_write { None } else { Some(free_place(answers, PATIENCE).await?) };
    Ok((place, answer))
}
