//! Asking as fast as the answers come, and what that took.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::child::Server;
use crate::client::{self, Connection};
use crate::text::Writer;

/// What a connection asks for, over and over.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Health,
    Add(Writer),
    Search(Writer),
}

/// One run of one measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) answers: usize,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// What one connection saw.
struct Share {
    start: Instant,
    end: Instant,
    times: Vec<Duration>,
}

impl Ask {
    fn request(&mut self) -> Vec<u8> {
        match self {
            Self::Health => client::health(),
            Self::Add(writer) => client::add(&writer.memory()),
            Self::Search(writer) => client::search(&writer.query()),
        }
    }
}

impl Load {
    /// Sums up how long each answer took, all of them within the whole time.
    pub(crate) fn of(whole: Duration, mut times: Vec<Duration>) -> Outcome<Self> {
        times.sort_unstable();
        if times.is_empty() {
            return Err("a run without a single answer".into());
        }
        Ok(Self {
            answers: times.len(),
            per_second: times.len() as f64 / whole.as_secs_f64(),
            p50: percentile(&times, 50),
            p99: percentile(&times, 99),
        })
    }
}

/// Asks over one connection, and tells as well how long the server had a processor for each answer.
pub(crate) fn run_alone(server: &Server, ask: Ask, length: Duration) -> Outcome<(Load, Duration)> {
    let before = server.processor_time()?;
    let load = run(server.address, vec![ask], length)?;
    let spent = server.processor_time()?.saturating_sub(before);
    // The first answer of a connection is not among those that were timed.
    Ok((load, spent.div_f64((load.answers + 1) as f64)))
}

/// Lets every ask have a connection of its own, and all of them begin together.
pub(crate) fn run(address: SocketAddr, asks: Vec<Ask>, length: Duration) -> Outcome<Load> {
    let mut ready = Vec::new();
    for mut ask in asks {
        // The first answer of a connection pays for its setup, and is looked at more closely.
        let mut connection = Connection::open(address)?;
        let reply = connection.exchange(&ask.request())?;
        match ask {
            Ask::Health => reply.json()?,
            Ask::Add(_) | Ask::Search(_) => reply.structured()?,
        };
        ready.push((connection, ask));
    }
    let gate = Barrier::new(ready.len());
    let shares: Outcome<Vec<Share>> = thread::scope(|scope| {
        let gate = &gate;
        let spawn = |(connection, ask)| scope.spawn(move || drive(connection, ask, gate, length));
        let threads: Vec<_> = ready.into_iter().map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
    });
    let shares = shares?;
    let start = shares.iter().map(|share| share.start).min().ok_or("no connection")?;
    let end = shares.iter().map(|share| share.end).max().ok_or("no connection")?;
    Load::of(end - start, shares.into_iter().flat_map(|share| share.times).collect())
}

fn drive(
    mut connection: Connection,
    mut ask: Ask,
    gate: &Barrier,
    length: Duration,
) -> Outcome<Share> {
    let mut times = Vec::with_capacity(16 * 1024);
    gate.wait();
    let start = Instant::now();
    while start.elapsed() < length {
        let request = ask.request();
        let before = Instant::now();
        let reply = connection.exchange(&request)?;
        times.push(before.elapsed());
        if !reply.is_success() {
            return Err(reply.refusal());
        }
    }
    Ok(Share { start, end: Instant::now(), times })
}

/// The nearest rank: the smallest time that so many percent did not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted[rank.max(1) - 1]
}
