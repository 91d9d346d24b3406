//! What the built-in encoder costs: the time to read memories, and searches of a session that it has read.
//! Everything else in this benchmark is measured with the table, so that nothing is read meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::child::Server;
use crate::client::{self, Connection};
use crate::disk::Scratch;
use crate::load::{self, Ask};
use crate::report::{MEGABYTE, Report, Row, Unit};
use crate::stock::Stock;
use crate::text::{Vocabulary, Writer};
use crate::{Outcome, Plan, RUNS};

/// How often a session is asked whether all its memories were read.
const POLL: Duration = Duration::from_millis(250);
/// What one memory may take to be read, on the slowest machine that is worth measuring.
const SLOWEST_READING: Duration = Duration::from_millis(100);

pub(crate) fn measure(plan: &Plan, scratch: &Scratch, report: &mut Report) -> Outcome<()> {
    let Some(size) = plan.read_by_encoder else { return Ok(()) };
    let vocabulary = Arc::new(Vocabulary::build());
    let folder = scratch.folder("encoder")?;
    let server = Server::with_encoder(&plan.binary, folder.path())?;
    eprintln!("the encoder reads {size} memories");
    let mut stock = Stock::new(&vocabulary);
    if !stock.grow_to(size, server.address, plan)? {
        report.note("nothing is told of the encoder: out of time");
        return Ok(());
    }
    let (before, start) = (server.processor_time()?, Instant::now());
    let unread = size - read(&server)?;
    wait_until_read(&server, size)?;
    let spent = server.processor_time()?.saturating_sub(before).as_secs_f64();
    let what = format!("the encoder reads a memory, processor time of {unread}");
    report.push(Row::new(&what, Unit::Milliseconds, vec![1e3 * spent / unread.max(1) as f64]));
    let per_second = unread as f64 / start.elapsed().as_secs_f64();
    report.push(Row::new("memories read in the background", Unit::PerSecond, vec![per_second]));
    tell_searches(plan, &server, &vocabulary, size, report)?;
    restart(plan, server, &folder, size, report)
}

fn tell_searches(
    plan: &Plan,
    server: &Server,
    vocabulary: &Arc<Vocabulary>,
    size: usize,
    report: &mut Report,
) -> Outcome<()> {
    let (mut alone, mut spent_ms) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        let ask = Ask::Search(Writer::seeded(vocabulary, 10_000 * run as u64));
        let (load, spent) = load::run_alone(server, ask, plan.length)?;
        spent_ms.push(spent.as_secs_f64() * 1e3);
        alone.push(load);
    }
    let row = Row::of_loads(&format!("search at {size} with the encoder, 1 connection"), &alone);
    let (p50, _) = row.latency_ms();
    report.push(match size {
        10_000 => row.with_goal("p50 < 6 ms", p50 < 6.0),
        100_000 => row.with_goal("p50 < 10 ms", p50 < 10.0),
        _ => row,
    });
    let what = format!("processor time of it, at {size}");
    report.push(Row::new(&what, Unit::Milliseconds, spent_ms));
    let resident = server.resident_bytes()? as f64 / MEGABYTE;
    let what = format!("resident memory at {size} with the encoder");
    report.push(Row::new(&what, Unit::Megabytes, vec![resident]));
    Ok(())
}

fn restart(
    plan: &Plan,
    mut server: Server,
    folder: &Scratch,
    size: usize,
    report: &mut Report,
) -> Outcome<()> {
    let (mut idle_mb, mut wakes_ms) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        server.stop()?;
        server = Server::with_encoder(&plan.binary, folder.path())?;
        idle_mb.push(server.resident_bytes()? as f64 / MEGABYTE);
        wakes_ms.push(server.first_search()?.as_secs_f64() * 1e3);
    }
    let what = format!("resident memory after a start with {size}, before the first search");
    report.push(Row::new(&what, Unit::Megabytes, idle_mb));
    let what = format!("first search after a start with {size}, with the encoder");
    report.push(Row::new(&what, Unit::Milliseconds, wakes_ms));
    server.stop()
}

/// How many memories the encoder has read.
fn read(server: &Server) -> Outcome<usize> {
    let stats = Connection::open(server.address)?.exchange(&client::stats())?.json()?;
    match stats["vectors"].as_u64() {
        Some(read) => Ok(read as usize),
        None => Err(format!("the server does not tell what the encoder has read: {stats}").into()),
    }
}

fn wait_until_read(server: &Server, size: usize) -> Outcome<()> {
    let start = Instant::now();
    while start.elapsed() < SLOWEST_READING * size as u32 {
        if read(server)? >= size {
            return Ok(());
        }
        thread::park_timeout(POLL);
    }
    Err(format!("the encoder had not read {size} memories after {:?}", start.elapsed()).into())
}
