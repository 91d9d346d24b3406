//! `memoryd stdio`: the same protocol over standard input and output.

mod bridge;
mod parcel;
mod seat;

use std::rc::Rc;

use super::arguments::StdioArguments;
use super::{Failed, Outcome};
use crate::cli::waiting::wait_for;
use crate::config::Config;
use crate::mcp::stdio::{input, serve};
use bridge::Bridge;
use seat::Seats;

/// Serves MCP over standard input and output, through whoever has the store open: a server, another
/// stdio process, or this one.
pub(super) fn run(config: &Config, arguments: &StdioArguments) -> Outcome {
    wait_for(async {
        let seats = Rc::new(Seats::new(config, &arguments.server()));
        // A client is told at once that there is nothing to talk to, by our end.
        seats.take().await?;
        let bridge = Bridge::new(Rc::clone(&seats), config);
        let limit = config.limits.body_bytes;
        let talked = serve(&bridge, limit, input(), tokio::io::stdout()).await;
        seats.close().await.and(talked.map_err(Failed::because))
    })
}
