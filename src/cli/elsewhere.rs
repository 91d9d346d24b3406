//! A server of this machine that has its data elsewhere than where a verb looks, as that of a package or of a
//! container does. A verb that made a store of its own beside it would do its work where nobody looks for it.

use std::path::Path;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::rt;
use serde_json::Value;

use super::arguments::ServerArguments;
use super::daemon::Channel;
use super::{Failed, Outcome, healthcheck};
use crate::config::Config;

/// A server of this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of what it says of itself.
const ANSWER_BYTES: usize = 64 << 10;

/// Fails where a verb would be about a new store in a folder that nobody named, and a server listens where
/// the settings put one. Nobody is shown a key: whoever listens may be anybody, so the person names it.
pub(super) async fn refuse(config: &Config, server: &ServerArguments) -> Outcome {
    let data_dir = &config.server.data_dir;
    if server.url.is_some() || named_data_dir(config).is_some() || holds_something(data_dir) {
        return Ok(());
    }
    let Some(base) = server_there(config).await else { return Ok(()) };
    Err(Failed::new(format!(
        "a memoryd listens at {base}, and its data is not in {}: it is of a package, or in a container. Give \
         --url {base} and its key in MCP_API_KEY, or name a data directory with --data-dir. The key of the \
         Debian package: sudo cat /etc/memoryd/key; of a container: docker cp memoryd:/data/api_key - | tar -xO",
        data_dir.display()
    )))
}

/// The URL of the memoryd that listens where the settings put one, if there is one.
pub(super) async fn server_there(config: &Config) -> Option<String> {
    let (address, is_tls) = healthcheck::place(config).ok()?;
    let asked = Channel::to_probe(address, is_tls).ok()?.request(Method::GET, "/health");
    let answer = async {
        let mut answer = asked.send().await.ok()?;
        answer.body().limit(ANSWER_BYTES).await.ok()
    };
    let body = rt::time::timeout(PATIENCE, answer).await.ok()??;
    let told: Value = serde_json::from_slice(&body).ok()?;
    let is_memoryd = told.get("service").and_then(Value::as_str) == Some("memoryd");
    is_memoryd.then(|| match is_tls {
        // Its certificate is for names.
        true => format!("https://localhost:{}", address.port()),
        false => format!("http://{address}"),
    })
}

/// The data directory, if somebody said which it is. Else it is one below the folder in which somebody, or
/// their client, happens to stand.
pub(super) fn named_data_dir(config: &Config) -> Option<&Path> {
    let setting = config.effective().iter().find(|setting| setting.key == "server.data_dir");
    let is_named = setting.is_some_and(|setting| setting.source != "default");
    is_named.then_some(config.server.data_dir.as_path())
}

fn holds_something(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
