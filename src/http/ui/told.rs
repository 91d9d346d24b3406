//! What an administrator is told, read back for a page.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::sessions::BrowserSession;
use crate::actors::{AdminRequest, Sessions};
use crate::error::Error;

/// The list of a name in what an administrator is told.
pub(super) async fn told_list<T: DeserializeOwned>(
    sessions: &Sessions,
    session: &BrowserSession,
    asked: AdminRequest,
    name: &str,
) -> Result<Vec<T>, Error> {
    let mut told = sessions.administer(&session.caller, asked).await?;
    let list = told.get_mut(name).map(Value::take).unwrap_or_default();
    // What is told is ours: that it cannot be read is no fault of whoever asks.
    serde_json::from_value(list).map_err(|_| Error::Panicked)
}
