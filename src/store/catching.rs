//! sled's panics become errors, and say nothing by themselves.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::trees::Broken;

pub(super) fn caught<T>(operation: impl FnOnce() -> sled::Result<T>) -> Result<T, Broken> {
    caught_apart(operation)?.map_err(|error| Broken(error.to_string()))
}

thread_local! {
    /// Whether a panic on this thread becomes an error here.
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread is about to become an error, which says what there is to say.
pub fn catches_panics() -> bool {
    IS_CATCHING.get()
}

/// sled panics on some damage where it could have returned an error. The inner error is the disk's.
pub(super) fn caught_apart<T>(
    operation: impl FnOnce() -> sled::Result<T>,
) -> Result<io::Result<T>, Broken> {
    let was_catching = IS_CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(operation));
    IS_CATCHING.set(was_catching);
    match outcome {
        Ok(Ok(value)) => Ok(Ok(value)),
        Ok(Err(sled::Error::Io(error))) => Ok(Err(error)),
        Ok(Err(error)) => Err(Broken(error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Broken(format!("panicked: {}", text.unwrap_or("without a message"))))
        }
    }
}
