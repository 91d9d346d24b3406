//! The measured server: a child process that does not outlive the benchmark.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::ParseIntError;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::client::{self, Connection};

/// A start that rebuilds everything may take this long, no start longer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// The server promises to be gone 10 s after the signal.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// How exactly a start is measured.
const POLL: Duration = Duration::from_micros(200);
/// In what `/proc` counts the time of a processor, on every machine that Linux runs on.
const TICK: Duration = Duration::from_millis(10);
/// Below the ports that the kernel gives to clients: there a client that keeps trying a port on
/// which nobody listens can end up connected to itself.
const PORTS: std::ops::Range<u16> = 21_000..32_000;

/// A program that gets no setting from whoever runs the benchmark.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command
}

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    guard: Option<Child>,
    pub(crate) address: SocketAddr,
    /// How long it took from the start of the process to the first answer of `/health`.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts the binary on the data in the folder and waits for its first answer. Meaning is read off
    /// the table, so that no encoder works beside what is measured.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Outcome<Self> {
        let mut command = command(binary);
        command.env("EMBEDDING_BUILTIN", "table");
        Self::run(command, folder)
    }

    /// The same with the encoder, as it is unless a setting says otherwise.
    pub(crate) fn with_encoder(binary: &Path, folder: &Path) -> Outcome<Self> {
        Self::run(command(binary), folder)
    }

    /// Starts a program that takes the same settings and gives the same answers.
    pub(crate) fn run(mut command: Command, folder: &Path) -> Outcome<Self> {
        let address = free_address()?;
        let log = folder.join("log");
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", folder)
            .env("DATA_DIR", folder.join("data"))
            .env("PORT", address.port().to_string())
            .env("MCP_API_KEY", client::KEY)
            .env("RATE_LIMIT_REQUESTS", "0")
            .env("LOG_LEVEL", "warn")
            .env("MAX_BODY_BYTES", (64 << 20).to_string())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let start = Instant::now();
        let child = command.spawn()?;
        let mut server = Self { child, guard: None, address, started_in: Duration::ZERO };
        server.wait_for_answer(start, &log)?;
        server.started_in = start.elapsed();
        server.guard = Some(guard(server.child.id())?);
        Ok(server)
    }

    /// How long the session that sleeps since the start lets the first who searches wait.
    pub(crate) fn first_search(&self) -> Outcome<Duration> {
        let mut connection = Connection::open(self.address)?;
        let before = Instant::now();
        connection.exchange(&client::search("meeting about the budget"))?.structured()?;
        Ok(before.elapsed())
    }

    /// Stops in good order, so that the next start finds everything written.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let start = Instant::now();
        while start.elapsed() < STOP_LIMIT {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::park_timeout(POLL);
        }
        Err("the server did not stop when asked to".into())
    }

    /// The part of its memory that is in RAM, in bytes.
    pub(crate) fn resident_bytes(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next());
        let kibibytes: u64 = kibibytes.ok_or("the kernel tells no VmRSS")?.parse()?;
        Ok(kibibytes * 1024)
    }

    /// How long it has had a processor so far, in its own code and in the kernel's.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program stands in parentheses, and may hold blanks.
        let (_, fields) = stat.rsplit_once(')').ok_or("the kernel tells no times")?;
        let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = times.sum::<Result<u64, ParseIntError>>()?;
        Ok(TICK * u32::try_from(ticks)?)
    }

    fn wait_for_answer(&mut self, start: Instant, log: &Path) -> Outcome<()> {
        let request = client::health();
        while start.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(log)?;
                return Err(format!("the server ended by itself: {status}\n{log}").into());
            }
            let Ok(mut connection) = Connection::open(self.address) else {
                thread::park_timeout(POLL);
                continue;
            };
            let reply = connection.exchange(&request)?;
            return if reply.status == 200 { Ok(()) } else { Err(reply.refusal()) };
        }
        let log = fs::read_to_string(log)?;
        Err(format!("no answer within {START_LIMIT:?} of the start\n{log}").into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The guard goes first: afterwards the number of the process may be another's.
        for child in self.guard.iter_mut().chain([&mut self.child]) {
            // It may be gone already, which is just as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Ends the server even when the benchmark is killed and drops nothing: then its pipe closes.
fn guard(pid: u32) -> Outcome<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", r#"read -r _; kill -9 "$0""#]).arg(pid.to_string());
    let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(silent.stdin(Stdio::piped()).spawn()?)
}

fn free_address() -> Outcome<SocketAddr> {
    // Two benchmarks at a time begin at different places.
    let skipped = std::process::id() as usize % PORTS.len();
    let ports = PORTS.cycle().skip(skipped).take(PORTS.len());
    for port in ports {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no free port on the loopback".into())
}
