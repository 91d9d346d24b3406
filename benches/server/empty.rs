//! What is measured on a server that begins with nothing: start, idle memory, the bare framework,
//! and durable adds beside what the disk does by itself.

use std::sync::Arc;

use crate::child::Server;
use crate::client::{self, Connection};
use crate::disk::{Scratch, bare_loop};
use crate::load::{self, Ask, Load};
use crate::report::{MEGABYTE, Report, Row, Unit};
use crate::text::{Vocabulary, Writer};
use crate::{Outcome, Plan, RUNS};

const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// The figures of all rounds; those per number of connections stand in the order of
/// [`CONNECTIONS`].
#[derive(Debug, Default)]
struct Figures {
    starts_ms: Vec<f64>,
    idle_mb: Vec<f64>,
    health: [Vec<Load>; CONNECTIONS.len()],
    adds: [Vec<Load>; CONNECTIONS.len()],
    bare_before: Vec<Load>,
    bare_after: Vec<Load>,
    /// Adds at one connection, as a share of the bare loops right before and after them.
    ratios: Vec<f64>,
}

/// Every round has a server and a data directory of its own, so that no round works on the
/// memories of the one before.
pub(crate) fn measure(plan: &Plan, scratch: &Scratch, report: &mut Report) -> Outcome<()> {
    let vocabulary = Arc::new(Vocabulary::build());
    let mut figures = Figures::default();
    for number in 1..=RUNS {
        if plan.is_late() {
            report.note(&format!("only {} rounds on an empty server: out of time", number - 1));
            break;
        }
        eprintln!("empty server, round {number} of {RUNS}");
        let folder = scratch.folder(&format!("empty-{number}"))?;
        figures.round(plan, &folder, &vocabulary, report)?;
    }
    figures.tell(report);
    Ok(())
}

impl Figures {
    fn round(
        &mut self,
        plan: &Plan,
        folder: &Scratch,
        vocabulary: &Arc<Vocabulary>,
        report: &mut Report,
    ) -> Outcome<()> {
        let server = Server::start(&plan.binary, folder.path())?;
        self.starts_ms.push(server.started_in.as_secs_f64() * 1e3);
        wake(&server)?;
        self.idle_mb.push(server.resident_bytes()? as f64 / MEGABYTE);
        for (connections, loads) in CONNECTIONS.into_iter().zip(&mut self.health) {
            let asks = vec![Ask::Health; connections];
            loads.push(load::run(server.address, asks, plan.length)?);
        }
        let adds = |connections: usize, seed: usize| {
            let writer = |n| Ask::Add(Writer::seeded(vocabulary, (1_000 * seed + n) as u64));
            load::run(server.address, (0..connections).map(writer).collect(), plan.length)
        };
        let before = bare_loop(folder.path(), plan.length, report)?;
        for (at, connections) in CONNECTIONS.into_iter().enumerate() {
            self.adds[at].push(adds(connections, at + 1)?);
            if connections == 1 {
                // Disks change their mind; only what ran side by side can be compared.
                let after = bare_loop(folder.path(), plan.length, report)?;
                let bare = f64::midpoint(before.per_second, after.per_second);
                let ratio = self.adds[at].last().map(|load| load.per_second / bare);
                self.ratios.extend(ratio);
                self.bare_before.push(before);
                self.bare_after.push(after);
            }
        }
        Ok(())
    }

    fn tell(&self, report: &mut Report) {
        if self.starts_ms.is_empty() {
            return;
        }
        let (starts_ms, idle_mb) = (self.starts_ms.clone(), self.idle_mb.clone());
        let row = Row::new("start to first answer, empty", Unit::Milliseconds, starts_ms);
        let is_met = row.median() < 100.0;
        report.push(row.with_goal("< 100 ms", is_met));
        let row = Row::new("resident memory, idle", Unit::Megabytes, idle_mb);
        let is_met = row.median() < 25.0;
        report.push(row.with_goal("< 25 MB", is_met));
        for (connections, loads) in CONNECTIONS.into_iter().zip(&self.health) {
            report.push(Row::of_loads(&format!("/health, {}", counted(connections)), loads));
        }
        report.push(Row::of_loads("append 400 bytes + fdatasync, before", &self.bare_before));
        report.push(Row::of_loads("append 400 bytes + fdatasync, after", &self.bare_after));
        for (connections, loads) in CONNECTIONS.into_iter().zip(&self.adds) {
            let row = Row::of_loads(&format!("add_memory, {}", counted(connections)), loads);
            let rate = row.median();
            report.push(match connections {
                64 => row.with_goal(">= 2000/s", rate >= 2_000.0),
                _ => row,
            });
        }
        let what = "add_memory, 1 connection : bare loop";
        let row = Row::new(what, Unit::Ratio, self.ratios.clone());
        let is_met = row.median() >= 0.5;
        report.push(row.with_goal(">= 0.5", is_met));
    }
}

/// Wakes the session with one memory, which the next search must find.
fn wake(server: &Server) -> Outcome<()> {
    let mut connection = Connection::open(server.address)?;
    connection.exchange(&client::add("The parking lot is number 42."))?.structured()?;
    let found = connection.exchange(&client::search("parking lot"))?.structured()?;
    match found["results"].as_array() {
        Some(results) if results.len() == 1 => Ok(()),
        _ => Err(format!("one memory was added, and a search found {found}").into()),
    }
}

fn counted(connections: usize) -> String {
    if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") }
}
