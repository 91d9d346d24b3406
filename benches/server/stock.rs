//! The memories that a server is filled with to be searched: the same for everyone that is compared.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::client::{self, Connection};
use crate::text::{Vocabulary, Writer};
use crate::{Outcome, Plan};

/// Lines per import; small enough that the clock is looked at now and then.
const LINES: usize = 2_000;

/// What a server holds, and the text that is still to come.
#[derive(Debug)]
pub(crate) struct Stock {
    writer: Writer,
    pub(crate) memories: usize,
    pub(crate) content_bytes: usize,
}

impl Stock {
    pub(crate) fn new(vocabulary: &Arc<Vocabulary>) -> Self {
        Self { writer: Writer::seeded(vocabulary, 1), memories: 0, content_bytes: 0 }
    }

    /// Imports until the session holds so many memories, or says that time ran out.
    pub(crate) fn grow_to(
        &mut self,
        size: usize,
        address: SocketAddr,
        plan: &Plan,
    ) -> Outcome<bool> {
        let mut connection = Connection::open(address)?;
        while self.memories < size {
            if plan.is_late() {
                return Ok(false);
            }
            let mut lines = String::new();
            for _ in 0..LINES.min(size - self.memories) {
                let content = self.writer.memory();
                self.content_bytes += content.len();
                lines.push_str(&serde_json::json!({ "content": content }).to_string());
                lines.push('\n');
            }
            let told = connection.exchange(&client::import(&lines))?.json()?;
            match told["imported"].as_u64() {
                Some(imported) if imported > 0 => self.memories += imported as usize,
                _ => return Err(format!("the import took nothing: {told}").into()),
            }
        }
        Ok(true)
    }
}
