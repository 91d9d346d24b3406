//! What is measured side by side with SQLite FTS5 behind the same framework (`benches/reference`): adds on
//! empty servers and searches of equal sessions. Everyone has the same texts and questions, in turns.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::child::{self, Server};
use crate::comparison::{CONTENDERS, Comparison};
use crate::disk::Scratch;
use crate::load::{self, Ask, Load};
use crate::report::{Report, Unit};
use crate::stock::Stock;
use crate::text::{Vocabulary, Writer};
use crate::{Outcome, Plan, RUNS};

/// How the adds of the reference are committed matters to nobody who searches.
const SEARCHED: usize = 2;
/// As many as make commits come together.
const TOGETHER: usize = 64;

/// What all measures need.
struct Beside<'a> {
    plan: &'a Plan,
    reference: &'a Path,
    scratch: &'a Scratch,
    vocabulary: Arc<Vocabulary>,
}

/// A server that is searched, in the order of [`CONTENDERS`].
struct Searched {
    server: Server,
    stock: Stock,
    // It goes after the server that works in it.
    _folder: Scratch,
}

pub(crate) fn measure(plan: &Plan, scratch: &Scratch, report: &mut Report) -> Outcome<()> {
    let Some(reference) = &plan.reference else {
        report.note("nothing beside it: `make bench` builds the reference and names it");
        return Ok(());
    };
    let vocabulary = Arc::new(Vocabulary::build());
    let beside = Beside { plan, reference, scratch, vocabulary };
    beside.adds(report)?;
    beside.searches(report)
}

impl Beside<'_> {
    fn adds(&self, report: &mut Report) -> Outcome<()> {
        let (mut alone_ms, mut per_second) = (Vec::new(), Vec::new());
        for round in 0..RUNS {
            if self.plan.is_late() {
                report.note(&format!("only {round} rounds of adds side by side: out of time"));
                break;
            }
            eprintln!("adds side by side, round {} of {RUNS}", round + 1);
            let (mut alone, mut together) = ([0.0; CONTENDERS.len()], [0.0; CONTENDERS.len()]);
            for at in in_turns(round, CONTENDERS.len()) {
                let folder = self.scratch.folder(&format!("adds-{round}-{at}"))?;
                let server = self.start(at, &folder)?;
                alone[at] = milliseconds(self.add(&server, 1)?.p50);
                together[at] = self.add(&server, TOGETHER)?.per_second;
            }
            alone_ms.push(alone.to_vec());
            per_second.push(together.to_vec());
        }
        if !alone_ms.is_empty() {
            let what = "add, p50, 1 connection";
            report.compare(Comparison::new(what, Unit::Milliseconds, alone_ms));
            let what = format!("adds, {TOGETHER} connections");
            report.compare(Comparison::new(&what, Unit::PerSecond, per_second));
        }
        Ok(())
    }

    fn searches(&self, report: &mut Report) -> Outcome<()> {
        let mut servers = Vec::new();
        for at in 0..SEARCHED {
            let folder = self.scratch.folder(&format!("searched-{at}"))?;
            let server = self.start(at, &folder)?;
            servers.push(Searched { server, stock: Stock::new(&self.vocabulary), _folder: folder });
        }
        for size in self.plan.sizes {
            eprintln!("filling {SEARCHED} servers up to {size} memories");
            for searched in &mut servers {
                let address = searched.server.address;
                if !searched.stock.grow_to(*size, address, self.plan)? {
                    report.note(&format!("{size} memories not searched side by side: out of time"));
                    return Ok(());
                }
            }
            self.tell_searches(*size, &servers, report)?;
        }
        Ok(())
    }

    fn tell_searches(&self, size: usize, servers: &[Searched], report: &mut Report) -> Outcome<()> {
        let (mut p50_ms, mut spent_us) = (Vec::new(), Vec::new());
        for round in 0..RUNS {
            if self.plan.is_late() {
                report.note(&format!("only {round} rounds side by side at {size}: out of time"));
                break;
            }
            let (mut p50, mut spent) = (vec![0.0; servers.len()], vec![0.0; servers.len()]);
            for at in in_turns(round, servers.len()) {
                (p50[at], spent[at]) = self.search(round, &servers[at].server)?;
            }
            p50_ms.push(p50);
            spent_us.push(spent);
        }
        if !p50_ms.is_empty() {
            let what = format!("search at {size}, p50, 1 connection");
            report.compare(Comparison::new(&what, Unit::Milliseconds, p50_ms));
            let what = format!("processor time of a search at {size}");
            report.compare(Comparison::new(&what, Unit::Microseconds, spent_us));
        }
        Ok(())
    }

    /// The median in milliseconds, and what the server's processors spent on one search in microseconds.
    fn search(&self, round: usize, server: &Server) -> Outcome<(f64, f64)> {
        let ask = Ask::Search(Writer::seeded(&self.vocabulary, (10_000 * (round + 1)) as u64));
        let (load, spent) = load::run_alone(server, ask, self.plan.length)?;
        Ok((milliseconds(load.p50), spent.as_secs_f64() * 1e6))
    }

    fn add(&self, server: &Server, connections: usize) -> Outcome<Load> {
        let writer = |n| Writer::seeded(&self.vocabulary, (1_000 * connections + n) as u64);
        let asks = (0..connections).map(|n| Ask::Add(writer(n))).collect();
        load::run(server.address, asks, self.plan.length)
    }

    fn start(&self, at: usize, folder: &Scratch) -> Outcome<Server> {
        let mut reference = child::command(self.reference);
        match at {
            0 => return Server::start(&self.plan.binary, folder.path()),
            1 => reference.arg("each"),
            _ => reference.arg("group"),
        };
        Server::run(reference, folder.path())
    }
}

/// Everyone once, and another one first in every round.
fn in_turns(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| (round + n) % count)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
