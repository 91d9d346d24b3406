//! MCP as lines of JSON, one message a line, as it goes over standard input and output.

mod desk;
mod lines;
mod serve;

use tokio::io::{AsyncBufRead, BufReader};

pub use desk::{Job, LineResponder, Outbox, Taken, cancelled, is_endless};
pub use serve::serve;

/// Standard input, ready to be read in lines.
#[must_use]
pub fn input() -> impl AsyncBufRead + Unpin {
    BufReader::new(tokio::io::stdin())
}
