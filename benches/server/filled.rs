//! What is measured on one session that grows: searches, memory, space on the disk, and the start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::child::Server;
use crate::disk::{Scratch, bare_loop, used_bytes};
use crate::load::{self, Ask, Load};
use crate::report::{MEGABYTE, Report, Row, Unit};
use crate::stock::Stock;
use crate::text::{Vocabulary, Writer};
use crate::{Outcome, Plan, RUNS};

/// Searches that come together, next to those that come alone.
const TOGETHER: usize = 8;
/// For how long `/health` is asked to learn what a round trip costs without any work.
const ROUND_TRIPS: Duration = Duration::from_millis(300);

/// The session that grows.
struct Filled<'a> {
    plan: &'a Plan,
    server: Server,
    vocabulary: Arc<Vocabulary>,
    stock: Stock,
}

pub(crate) fn measure(plan: &Plan, scratch: &Scratch, report: &mut Report) -> Outcome<()> {
    let folder = scratch.folder("filled")?;
    let vocabulary = Arc::new(Vocabulary::build());
    let stock = Stock::new(&vocabulary);
    let server = Server::start(&plan.binary, folder.path())?;
    let mut filled = Filled { plan, server, vocabulary, stock };
    for size in plan.sizes {
        eprintln!("filling the session up to {size} memories");
        let (before, start) = (filled.stock.memories, Instant::now());
        if !filled.stock.grow_to(*size, filled.server.address, plan)? {
            let reached = filled.stock.memories;
            report.note(&format!("{size} memories not measured: out of time at {reached}"));
            return Ok(());
        }
        let rate = (filled.stock.memories - before) as f64 / start.elapsed().as_secs_f64();
        report.push(Row::new(&format!("import up to {size}"), Unit::PerSecond, vec![rate]));
        filled.tell_searches(*size, &folder, report)?;
        filled.tell_space(*size, &folder, report)?;
    }
    filled.restart(&folder, report)
}

impl Filled<'_> {
    fn tell_searches(&mut self, size: usize, folder: &Scratch, report: &mut Report) -> Outcome<()> {
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        let (mut trips, mut shares_ms) = (Vec::new(), Vec::new());
        for run in 1..=RUNS {
            if self.plan.is_late() {
                report.note(&format!("only {} runs at {size}: out of time", run - 1));
                break;
            }
            // Only to learn whether the machine has time for us.
            bare_loop(folder.path(), ROUND_TRIPS, report)?;
            let trip = load::run(self.server.address, vec![Ask::Health], ROUND_TRIPS)?;
            let search = self.search(run, 1)?;
            shares_ms.push(search.p50.saturating_sub(trip.p50).as_secs_f64() * 1e3);
            trips.push(trip);
            alone.push(search);
            together.push(self.search(run, TOGETHER)?);
        }
        if alone.is_empty() {
            return Ok(());
        }
        let row = Row::of_loads(&format!("search at {size}, 1 connection"), &alone);
        let (p50, p99) = row.latency_ms();
        report.push(match size {
            10_000 => row.with_goal("p50 < 1 ms, p99 < 5 ms", p50 < 1.0 && p99 < 5.0),
            100_000 => row.with_goal("p50 < 5 ms", p50 < 5.0),
            _ => row,
        });
        report.push(Row::of_loads(&format!("/health beside it, at {size}"), &trips));
        let what = format!("search p50 less /health p50, at {size}");
        report.push(Row::new(&what, Unit::Milliseconds, shares_ms));
        let what = format!("search at {size}, {TOGETHER} connections");
        report.push(Row::of_loads(&what, &together));
        Ok(())
    }

    fn search(&self, run: usize, connections: usize) -> Outcome<Load> {
        let seed = |n| (10_000 * run + 100 * connections + n) as u64;
        let ask = |n| Ask::Search(Writer::seeded(&self.vocabulary, seed(n)));
        load::run(self.server.address, (0..connections).map(ask).collect(), self.plan.length)
    }

    fn tell_space(&self, size: usize, folder: &Scratch, report: &mut Report) -> Outcome<()> {
        let resident = self.server.resident_bytes()? as f64 / MEGABYTE;
        let what = format!("resident memory at {size}, after import");
        report.push(Row::new(&what, Unit::Megabytes, vec![resident]));
        let used = used_bytes(&folder.path().join("data"))? as f64 / self.stock.memories as f64;
        let content = self.stock.content_bytes / self.stock.memories;
        let what = format!("disk per memory at {size} (text: {content} bytes)");
        report.push(Row::new(&what, Unit::Bytes, vec![used]));
        Ok(())
    }

    /// Stops and starts on the data that is there. The session sleeps until the first search.
    fn restart(self, folder: &Scratch, report: &mut Report) -> Outcome<()> {
        let Self { plan, mut server, stock, .. } = self;
        let memories = stock.memories;
        let (mut starts_ms, mut wakes_ms, mut resident_mb) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=RUNS {
            if plan.is_late() {
                report.note(&format!("only {} restarts: out of time", number - 1));
                break;
            }
            eprintln!("restart {number} of {RUNS} with {memories} memories");
            server.stop()?;
            server = Server::start(&plan.binary, folder.path())?;
            starts_ms.push(server.started_in.as_secs_f64() * 1e3);
            wakes_ms.push(server.first_search()?.as_secs_f64() * 1e3);
            resident_mb.push(server.resident_bytes()? as f64 / MEGABYTE);
        }
        if !starts_ms.is_empty() {
            let what = format!("start to first answer at {memories}");
            report.push(Row::new(&what, Unit::Milliseconds, starts_ms));
            let what = format!("first search after it at {memories}");
            report.push(Row::new(&what, Unit::Milliseconds, wakes_ms));
            let what = format!("resident memory at {memories}, after restart");
            report.push(Row::new(&what, Unit::Megabytes, resident_mb));
        }
        server.stop()
    }
}
