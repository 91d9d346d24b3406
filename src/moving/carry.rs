//! Reading on a thread of its own, so that whoever sends the lines waits for no disk, and the reader for
//! nobody who is slow.

use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{self, Receiver};

use super::bundle::Bundle;
use super::formats::Recognised;
use super::line::Wanted;
use super::tally::{MovingReport, Tally};
use super::{Carried, MovingError, read};
use crate::engine::Imported;
use crate::model::MemoryId;

/// An import that is under way.
#[derive(Debug)]
pub struct Moving {
    batches: Receiver<MovingBatch>,
    reader: JoinHandle<Result<Tally, MovingError>>,
    told: Imported,
    refused: Tally,
}

/// Lines that are imported together.
#[derive(Debug, Default)]
pub struct MovingBatch {
    /// One JSON object each, without an end of line.
    pub lines: Vec<Vec<u8>>,
    places: Vec<String>,
    bytes: usize,
}

/// As many lines, and bytes of them, as a session takes at once without keeping others waiting.
const BATCH_LINES: usize = 200;
const BATCH_BYTES: usize = 1 << 20;
/// Batches that are ready while one is sent.
const READY: usize = 2;

impl Moving {
    /// Begins to read.
    #[must_use]
    pub fn start(mut bundle: Bundle, recognised: Recognised, wanted: Wanted) -> Self {
        let (sender, batches) = mpsc::channel(READY);
        let reader = thread::spawn(move || {
            let mut batch = MovingBatch::default();
            let send =
                |batch: MovingBatch| sender.blocking_send(batch).map_err(|_| MovingError::Stopped);
            let mut deliver = |carried: Carried| {
                batch.push(carried);
                if batch.is_full() { send(std::mem::take(&mut batch)) } else { Ok(()) }
            };
            let tally = read(&mut bundle, &recognised, &wanted, &mut deliver)?;
            if !batch.lines.is_empty() {
                send(batch)?;
            }
            Ok(tally)
        });
        Self { batches, reader, told: Imported::default(), refused: Tally::default() }
    }

    /// The next lines; nothing after the last.
    pub async fn next(&mut self) -> Option<MovingBatch> {
        self.batches.recv().await
    }

    /// Notes what an import said of some lines.
    pub fn note(&mut self, batch: &MovingBatch, part: Imported) {
        self.refused.fail_part(&part, &batch.places);
        self.told.absorb(part);
    }

    /// By which it is undone; nothing if it has changed nothing.
    #[must_use]
    pub fn run(&self) -> Option<MemoryId> {
        self.told.step
    }

    /// What came of it. Whoever ends before the last line stops the reader.
    pub fn finish(self, dry_run: bool) -> Result<MovingReport, MovingError> {
        let Self { batches, reader, told, refused } = self;
        drop(batches);
        let mut tally = reader.join().map_err(|_| MovingError::Panicked)??;
        tally.absorb_failures(refused);
        Ok(tally.report(told, dry_run))
    }
}

impl MovingBatch {
    /// The lines as a body.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes);
        for line in &self.lines {
            body.extend_from_slice(line);
            body.push(b'\n');
        }
        body
    }

    fn push(&mut self, carried: Carried) {
        self.bytes += carried.line.len() + 1;
        self.lines.push(carried.line);
        self.places.push(carried.place);
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_LINES || self.bytes >= BATCH_BYTES
    }
}
