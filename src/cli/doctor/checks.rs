//! What a server needs: each check looks at one thing, and says what to do about it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use actix_web::http::Method;
use serde_json::Value;

use super::{Finding, clients};
use crate::actors::list_backups;
use crate::auth::ServerFile;
use crate::cli::daemon::Daemon;
use crate::cli::elsewhere;
use crate::config::{Config, Host, Loaded, Port, Surroundings};
use crate::disk;
use crate::model::{Clock, SystemClock, Timestamp};
use crate::store::Store;
use crate::tls::{Concern, Reloader};

/// With less than this the store soon takes no writes.
const LEAST_FREE: u64 = 64 << 20;

/// A snapshot and new trees beside the old ones fit for most.
const WANTED_FREE: u64 = 1 << 30;

/// This program was made after it: 2026-01-01.
const BEFORE_THIS_PROGRAM: Timestamp = Timestamp(1_767_225_600_000);

/// Who makes backups by hand forgets it after a week.
const OLD_BACKUP: Duration = Duration::from_secs(7 * 86_400);

const HOUR_SECONDS: u64 = 3_600;

/// The bits of a mode that speak of anybody but the owner.
const OTHERS: u32 = 0o077;

/// Files in the data directory that open it.
const SECRETS: [&str; 3] = ["api_key", ".mcp_token", "dashboard_password"];

/// Looks at everything, in the order in which it is mended. Must be called within an actix system.
pub(super) async fn all(loaded: &Loaded) -> Vec<Finding> {
    let Loaded { config, .. } = loaded;
    let now = SystemClock.now();
    let daemon = Daemon::find(config).await;
    let health = match &daemon {
        Some(daemon) => asked(daemon).await,
        None => Value::Null,
    };
    let mut findings = settings(loaded);
    findings.push(server(config, daemon.is_some(), &health).await);
    findings.extend(permissions(&config.server.data_dir));
    findings.extend(disk(&config.server.data_dir));
    findings.push(clock(&config.server.data_dir, &health, now));
    findings.extend(certificate(config, now));
    findings.extend(store(&config.server.data_dir, daemon.is_some(), &health));
    findings.extend(backup(config, now));
    findings.extend(clients::all(config, &Surroundings::of_process(), daemon.is_some()).await);
    findings
}

/// What the server tells administrators; null where it does not.
async fn asked(daemon: &Daemon) -> Value {
    let Ok(channel) = daemon.channel() else { return Value::Null };
    let Ok(mut answer) = channel.request(Method::GET, "/health").send().await else {
        return Value::Null;
    };
    let body = answer.body().await.unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_default()
}

fn settings(loaded: &Loaded) -> Vec<Finding> {
    let given = loaded.config.effective().iter().filter(|one| one.source != "default").count();
    let told =
        format!("{given} settings are given, and go together; memoryd config print shows all");
    let warnings = loaded.notices.iter().filter(|notice| notice.level == log::Level::Warn);
    let warnings = warnings.map(|notice| {
        Finding::warn("settings", notice.text.as_str(), "change the setting that is named")
    });
    std::iter::once(Finding::ok("settings", told)).chain(warnings).collect()
}

async fn server(config: &Config, runs: bool, health: &Value) -> Finding {
    let file = ServerFile::read(&config.server.run_dir).filter(|_| runs);
    let Some(file) = file else {
        return if runs {
            Finding::ok("server", "a program on standard input and output has the store open")
        } else {
            port(config).await
        };
    };
    let told = format!("runs at {}://{}", file.scheme, file.address());
    let version = env!("CARGO_PKG_VERSION");
    match health.get("version").and_then(Value::as_str) {
        None => {
            Finding::warn("server", format!("{told}, and does not answer"), "look into its log")
        }
        Some(running) if running != version => Finding::warn(
            "server",
            format!("{told} as version {running}; this is version {version}"),
            "start it anew",
        ),
        Some(_) => Finding::ok("server", told),
    }
}

/// Whether a server could listen where the settings say.
async fn port(config: &Config) -> Finding {
    let address = match config.server.host {
        Host::Address(address) => address,
        Host::Name(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let start = "memoryd serve starts one";
    let Port::Number(port) = config.server.port else {
        return Finding::warn("server", "none runs on this data directory", start);
    };
    match TcpListener::bind((address, port)) {
        Ok(_) => {
            let told = format!("none runs on this data directory; port {port} is free for it");
            Finding::warn("server", told, start)
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => taken(config, port).await,
        Err(error) => Finding::fail(
            "server",
            format!("nobody can listen at {address} port {port}: {error}"),
            "set server.host (HOST) to an address of this machine, and server.port (PORT) to 1024 or more",
        ),
    }
}

/// What is said of a port at which somebody else listens.
async fn taken(config: &Config, port: u16) -> Finding {
    let check = "server";
    if let Some(base) = elsewhere::server_there(config).await {
        let told = format!(
            "none runs on this data directory; the memoryd at {base} has its data elsewhere"
        );
        let todo = "look where it is: sudo -u memoryd memoryd doctor --data-dir /var/lib/memoryd, or docker \
                    exec memoryd /memoryd doctor";
        return Finding::warn(check, told, todo);
    }
    Finding::fail(
        check,
        format!("none runs on this data directory, and another program listens at port {port}"),
        "stop that program, or set server.port (PORT) to another port or to auto",
    )
}

fn permissions(dir: &Path) -> Vec<Finding> {
    let check = "permissions";
    let shown = dir.display();
    let found = match std::fs::metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![Finding::ok(
                check,
                format!("{shown} is not there yet; the first start makes it"),
            )];
        }
        Err(error) => {
            let todo = "run this as the user of the server";
            return vec![Finding::fail(check, format!("cannot look at {shown}: {error}"), todo)];
        }
        Ok(found) => found,
    };
    let me = rustix::process::geteuid();
    let mut findings = Vec::new();
    if !me.is_root() && me.as_raw() != found.uid() {
        let told =
            format!("{shown} belongs to user {}, and this runs as {}", found.uid(), me.as_raw());
        findings.push(Finding::warn(check, told, "run this as the user of the server"));
    }
    let secrets = SECRETS.map(|name| dir.join(name));
    for path in std::iter::once(dir).chain(secrets.iter().map(|path| path.as_path())) {
        let Ok(found) = std::fs::metadata(path) else { continue };
        let mode = found.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            let (path, closed) = (path.display(), if found.is_dir() { "700" } else { "600" });
            let told = format!("{path} is open to others of this machine (mode {mode:04o})");
            findings.push(Finding::warn(check, told, format!("chmod {closed} {path}")));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, format!("{shown} is its owner's alone")));
    }
    findings
}

fn disk(dir: &Path) -> Option<Finding> {
    let check = "disk";
    // Before the first start the folder around it says how much room there is.
    let dir = std::path::absolute(dir).ok()?;
    let dir = dir.ancestors().find(|folder| folder.is_dir())?;
    if disk::is_read_only(dir) {
        let told = format!("the disk of {} takes no writes", dir.display());
        return Some(Finding::fail(
            check,
            told,
            "see the log of the system for why; reads still work",
        ));
    }
    let free = match disk::free_bytes(dir) {
        Ok(free) => free,
        Err(error) => return Some(Finding::warn(check, error.to_string(), "look at the disk")),
    };
    let told = format!("{} MiB are free at {}", free >> 20, dir.display());
    let todo = "make room, or move the data directory";
    Some(match free {
        free if free < LEAST_FREE => Finding::fail(check, told, todo),
        free if free < WANTED_FREE => Finding::warn(check, told, todo),
        _ => Finding::ok(check, told),
    })
}

fn clock(dir: &Path, health: &Value, now: Timestamp) -> Finding {
    let check = "clock";
    let todo = "set the clock, and have it kept (timedatectl set-ntp true)";
    if now < BEFORE_THIS_PROGRAM {
        return Finding::fail(check, format!("the clock says {now}, which is over"), todo);
    }
    let written = std::fs::metadata(dir).and_then(|found| found.modified()).ok();
    let written = written.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let written = written.map(|since| Timestamp(0).plus(since));
    if let Some(written) = written.filter(|written| written.is_far_ahead_of(now)) {
        let told = format!("the clock says {now}, and the data was written at {written}");
        return Finding::warn(check, told, todo);
    }
    match health.pointer("/clock/doubt") {
        Some(Value::Bool(true)) => Finding::warn(
            check,
            "the server has seen the clock jump, and erases nothing meanwhile",
            todo,
        ),
        _ => Finding::ok(check, format!("it is {now}")),
    }
}

fn certificate(config: &Config, now: Timestamp) -> Vec<Finding> {
    let check = "certificate";
    let Some((cert, key)) = config.tls.files() else {
        let is_near = config.server.host.is_loopback() || config.server.public_url.is_some();
        return if is_near {
            Vec::new()
        } else {
            let told = "there is none: keys and memories cross the network as plain text";
            let todo = "memoryd certs makes one, or a proxy before the server";
            vec![Finding::warn(check, told, todo)]
        };
    };
    let shown = match Reloader::open(cert, key) {
        Ok(shown) => shown,
        Err(error) => {
            return vec![Finding::fail(check, error.to_string(), "memoryd certs makes another")];
        }
    };
    let todo = "renew it; memoryd certs keeps the authority, and a running server takes the new one by itself";
    let concerns: Vec<Finding> = shown
        .concerns(now)
        .iter()
        .map(|concern| match concern {
            Concern::Expired { .. } | Concern::NotYetValid { .. } => {
                Finding::fail(check, concern.to_string(), todo)
            }
            Concern::OpenKey { path, .. } => {
                Finding::warn(check, concern.to_string(), format!("chmod 600 {}", path.display()))
            }
            Concern::ChainEnds { .. } | Concern::Expiring { .. } => {
                Finding::warn(check, concern.to_string(), todo)
            }
        })
        .collect();
    if concerns.is_empty() {
        vec![Finding::ok(check, shown.state(now).to_string())]
    } else {
        concerns
    }
}

/// Not every record is read: `memoryd check` does that.
fn store(dir: &Path, runs: bool, health: &Value) -> Vec<Finding> {
    let check = "store";
    if runs {
        let problem = health.pointer("/storage/problem").and_then(Value::as_str);
        return match (health.pointer("/storage/writable"), problem) {
            (Some(Value::Bool(true)), None) => vec![Finding::ok(check, "takes writes")],
            (Some(_), problem) => {
                let told = format!("takes no writes: {}", problem.unwrap_or("nobody knows why"));
                vec![Finding::fail(
                    check,
                    told,
                    "see the log of the server, and the lines on the disk here",
                )]
            }
            (None, _) => Vec::new(),
        };
    }
    if !dir.exists() {
        return vec![Finding::ok(check, "there is none yet")];
    }
    match Store::glance(dir) {
        Ok(report) if report.is_healthy() => {
            let told =
                format!("{} bytes of journal, {} writes", report.journal_bytes, report.last_seq);
            vec![Finding::ok(check, told)]
        }
        Ok(report) => {
            let todo = "keep a copy of the directory, and start the server: it mends what it can. memoryd check tells more";
            let fail = |problem: String| Finding::fail(check, problem, todo);
            report.problems.into_iter().map(fail).collect()
        }
        Err(error) => vec![Finding::fail(check, error.to_string(), "see what is named")],
    }
}

fn backup(config: &Config, now: Timestamp) -> Option<Finding> {
    let check = "backup";
    let (dir, every) = (&config.backup.dir, config.backup.every);
    if !config.server.data_dir.exists() {
        return None;
    }
    let lines = match list_backups(dir) {
        Ok(lines) => lines,
        Err(error) => {
            return Some(Finding::fail(
                check,
                error.to_string(),
                "see who may read the folder of backup.dir",
            ));
        }
    };
    let newest = lines.iter().find(|line| !line.made_at.is_far_ahead_of(now));
    let Some(newest) = newest else {
        let told = format!("there is none in {}", dir.display());
        let todo =
            "memoryd backup create makes one; backup.every = 24 (BACKUP_EVERY) makes one a day";
        return Some(Finding::warn(check, told, todo));
    };
    let age = now.since(newest.made_at);
    let told = format!(
        "the newest is {} hours old: {}",
        age.as_secs() / HOUR_SECONDS,
        newest.path.display()
    );
    let (limit, todo) = match every.is_zero() {
        true => {
            (OLD_BACKUP, "memoryd backup create; backup.every = 24 (BACKUP_EVERY) makes one a day")
        }
        false => (every.saturating_mul(2), "look into the log of the server for why none is made"),
    };
    Some(if age > limit { Finding::warn(check, told, todo) } else { Finding::ok(check, told) })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use serde_json::json;

    use super::super::Health;
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    #[test]
    fn what_is_open_to_others_is_told_with_its_remedy() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(permissions(dir.path())[0].state, Health::Ok);
        let key = dir.path().join("api_key");
        fs::write(&key, "k").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();

        let told = permissions(dir.path());

        assert_eq!((told.len(), told[0].state), (1, Health::Warn));
        assert!(told[0].todo.as_ref().unwrap().starts_with("chmod 600"), "{told:?}");
        assert_eq!(permissions(&dir.path().join("none"))[0].state, Health::Ok);
    }

    #[test]
    fn a_clock_that_is_wrong_is_told() {
        let dir = tempfile::tempdir().unwrap();

        assert_eq!(clock(dir.path(), &Value::Null, Timestamp(0)).state, Health::Fail);
        let doubt = json!({ "clock": { "doubt": true } });
        let far = Timestamp(SystemClock.now().0);
        assert_eq!(clock(dir.path(), &doubt, far).state, Health::Warn);
        assert_eq!(clock(dir.path(), &Value::Null, far).state, Health::Ok);
        assert_eq!(clock(dir.path(), &Value::Null, BEFORE_THIS_PROGRAM).state, Health::Warn);
    }

    #[test]
    fn what_a_running_server_says_of_its_store_counts() {
        let nowhere = Path::new("/nowhere");
        let state = |storage: Value| store(nowhere, true, &json!({ "storage": storage }))[0].state;

        assert_eq!(state(json!({ "writable": true, "problem": null })), Health::Ok);
        assert_eq!(state(json!({ "writable": false, "problem": "full" })), Health::Fail);
        assert_eq!(store(nowhere, false, &Value::Null)[0].state, Health::Ok);
    }

    #[test]
    fn a_backup_that_is_old_or_is_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let around = Surroundings::only(dir.path().to_owned(), &[]);
        let flags = crate::config::Flags::default();
        let loaded = Config::load(&flags, &around, crate::config::Reader::Verb).unwrap();
        let mut config = loaded.config;
        config.server.data_dir = dir.path().to_owned();
        config.backup.dir = dir.path().join("backups");
        assert_eq!(backup(&config, NOW).unwrap().state, Health::Warn);
        fs::create_dir(&config.backup.dir).unwrap();
        fs::write(config.backup.dir.join("memoryd-x-auto.memoryd"), "").unwrap();
        let made = SystemClock.now();

        assert_eq!(backup(&config, made).unwrap().state, Health::Ok);
        assert_eq!(backup(&config, made.plus(OLD_BACKUP * 2)).unwrap().state, Health::Warn);
    }
}
