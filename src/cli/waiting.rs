//! Where a verb waits for what it asked.

use std::pin::Pin;

/// Carries out what a verb has to wait for, in a system of actix that ends with it.
///
/// It is boxed so that the program has one executor for each kind of answer, and not one for each verb.
pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let work: Pin<Box<dyn Future<Output = T> + '_>> = Box::pin(work);
    actix_web::rt::System::new().block_on(work)
}
