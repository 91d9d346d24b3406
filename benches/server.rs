//! Measures the release binary from outside: `cargo bench --bench server [-- --quick --json]`.
//!
//! It starts the binary as a child on a free loopback port with a data directory of its own, talks
//! to it over plain sockets, and prints one table of medians. No figure fails a run; the goals of
//! the project stand beside the figures. `docs/BENCHMARKS.md` says how to read them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark prints its figures, and one that cannot measure may stop"
)]

#[path = "server/beside.rs"]
mod beside;
#[path = "server/child.rs"]
mod child;
#[path = "server/client.rs"]
mod client;
#[path = "server/comparison.rs"]
mod comparison;
#[path = "server/disk.rs"]
mod disk;
#[path = "server/empty.rs"]
mod empty;
#[path = "server/encoder.rs"]
mod encoder;
#[path = "server/filled.rs"]
mod filled;
#[path = "server/load.rs"]
mod load;
#[path = "server/machine.rs"]
mod machine;
#[path = "server/report.rs"]
mod report;
#[path = "server/stock.rs"]
mod stock;
#[path = "server/text.rs"]
mod text;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use disk::Scratch;
use report::{MEGABYTE, Report, Row, Unit};

/// What a step returns; any failure ends the run, for half a measurement is none.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often each measure is taken; the median of the runs is what counts.
const RUNS: usize = 3;
/// A run that takes longer leaves out what is left and says so.
const LONGEST: Duration = Duration::from_secs(270);

const USAGE: &str = "\
usage: cargo bench --bench server -- [--quick] [--encoder COUNT] [--json] [--binary FILE] [--reference FILE] [--dir FOLDER]
  --quick           shorter runs, no more than 10,000 memories, and no encoder
  --encoder COUNT   how many memories the encoder reads before it is measured (10000), some milliseconds each; 0 leaves it out
  --json            the figures of every run as JSON instead of the table
  --binary FILE     measure this program instead of the one just built
  --reference FILE  measure this program of benches/reference beside it, in turns
  --dir FOLDER      keep the data below this folder; it decides which disk is measured";

/// What is measured, and for how long.
struct Plan {
    binary: PathBuf,
    reference: Option<PathBuf>,
    folder: PathBuf,
    wants_json: bool,
    /// How long one run of one measure lasts.
    length: Duration,
    /// How many memories the searched session holds, smallest first.
    sizes: &'static [usize],
    /// How many memories the encoder reads before it is measured; none leaves it out.
    read_by_encoder: Option<usize>,
    deadline: Instant,
}

impl Plan {
    fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

fn main() -> ExitCode {
    let plan = match parse(std::env::args().skip(1)) {
        Ok(Some(plan)) => plan,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("error: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match measure(&plan) {
        Ok(report) if plan.wants_json => println!("{:#}", report.json()),
        Ok(report) => print!("{}", report.table()),
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(plan: &Plan) -> Outcome<Report> {
    let started = Instant::now();
    let scratch = Scratch::create(&plan.folder)?;
    let mut report = Report::new(machine::describe(scratch.path()));
    let size = std::fs::metadata(&plan.binary)
        .map_err(|error| format!("{}: {error}", plan.binary.display()))?
        .len() as f64;
    let row = Row::new("size of the binary", Unit::Megabytes, vec![size / MEGABYTE]);
    report.push(row.with_goal("<= 40 MB as shipped", size <= 40.0 * MEGABYTE));

    empty::measure(plan, &scratch, &mut report)?;
    filled::measure(plan, &scratch, &mut report)?;
    beside::measure(plan, &scratch, &mut report)?;
    encoder::measure(plan, &scratch, &mut report)?;
    report.finish(started.elapsed());
    Ok(report)
}

/// Reads the command line; nothing means that only help was asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Plan>, String> {
    let mut plan = Plan {
        binary: PathBuf::from(env!("CARGO_BIN_EXE_memoryd")),
        reference: None,
        folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
        wants_json: false,
        length: Duration::from_secs(2),
        sizes: &[1_000, 10_000, 100_000],
        read_by_encoder: Some(10_000),
        deadline: Instant::now() + LONGEST,
    };
    while let Some(argument) = arguments.next() {
        let mut file = || arguments.next().ok_or(format!("{argument} needs a path"));
        match argument.as_str() {
            "--quick" => {
                plan.length = Duration::from_millis(300);
                plan.sizes = &[1_000, 10_000];
                plan.read_by_encoder = None;
            }
            "--encoder" => {
                let count = arguments.next().and_then(|count| count.parse().ok());
                let count: usize = count.ok_or("--encoder needs a number")?;
                plan.read_by_encoder = Some(count).filter(|&count| count > 0);
            }
            "--json" => plan.wants_json = true,
            // Absolute, because the server works in a folder of its own.
            "--binary" => plan.binary = absolute(&file()?)?,
            "--reference" => plan.reference = Some(absolute(&file()?)?),
            "--dir" => plan.folder = absolute(&file()?)?,
            "--help" | "-h" => return Ok(None),
            // cargo adds this one by itself.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(Some(plan))
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{path}: {error}"))
}
