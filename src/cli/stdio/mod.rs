//! `memoryd stdio`: the same protocol over standard input and output.

mod bridge;
mod parcel;

use super::arguments::StdioArguments;
use super::daemon::Daemon;
use super::door::{LocalStore, owner};
use super::{Failed, Outcome};
use crate::config::Config;
use crate::mcp::stdio::{LineResponder, Local, input, serve};
use crate::mcp::{Protocol, ToolSets};
use bridge::Bridge;

/// Serves MCP over standard input and output: through the running server, or out of this process
/// if none runs.
pub(super) fn run(config: &Config, arguments: &StdioArguments) -> Outcome {
    actix_web::rt::System::new().block_on(async {
        let daemon = match &arguments.url {
            Some(url) => Some(Daemon::at(url, config)?),
            None => Daemon::find(config),
        };
        match daemon {
            Some(daemon) => {
                let is_named = arguments.url.is_some();
                let bridge = Bridge::new(&daemon, (!is_named).then(|| config.clone()))?;
                talk(&bridge, config).await
            }
            None => alone(config).await,
        }
    })
}

async fn alone(config: &Config) -> Outcome {
    let local = LocalStore::open(config)?;
    let secret = crate::auth::generate_key().map_err(Failed::because)?;
    let listed = ToolSets::new(&config.tools.sets);
    let protocol = Protocol::new(local.sessions.clone(), listed, &secret);
    let done = talk(&Local::new(protocol, owner(config, None)?), config).await;
    local.close().await.and(done)
}

async fn talk(responder: &impl LineResponder, config: &Config) -> Outcome {
    let limit = config.limits.body_bytes;
    serve(responder, limit, input(), tokio::io::stdout()).await.map_err(Failed::because)
}
