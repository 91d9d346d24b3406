//! What supervisors see: systemd's notifications, and the check of a container.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::process::{Program, command, ended};

/// Long enough for a slow machine; a test that needs it has failed already.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_service_manager_hears_when_the_server_serves_lives_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut serve = command(dir.path(), &["serve"]);
    serve.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");

    let mut server = Program::start_as(serve, dir);
    let start = told(&manager);
    let ready = told(&manager);
    let signs = [told(&manager), told(&manager)];
    let code = server.signal("TERM");
    let stopping = (0..).map(|_| told(&manager)).find(|told| told != "WATCHDOG=1").unwrap();

    assert_eq!(start, "STATUS=opening the store");
    assert_eq!(ready, format!("READY=1\nSTATUS=serving on 127.0.0.1:{}", server.port));
    assert_eq!(signs, ["WATCHDOG=1", "WATCHDOG=1"]);
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_server_for_another_processes_watchdog_gives_no_sign() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut serve = command(dir.path(), &["serve"]);
    serve.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");

    let mut server = Program::start_as(serve, dir);
    let begun: Vec<String> = (0..2).map(|_| told(&manager)).collect();
    server.signal("TERM");

    let last = told(&manager);
    assert!(begun[1].starts_with("READY=1") && last.starts_with("STOPPING=1"), "{begun:?} {last}");
}

#[test]
fn a_check_knows_a_server_that_is_well_from_one_that_is_gone() {
    let server = Program::start();

    let well = server.run(&["healthcheck"]);
    let dir = server.kill();
    let gone = ended(&mut command(dir.path(), &["healthcheck"]));

    assert_eq!((well.status.code(), &*well.stdout), (Some(0), &b"healthy\n"[..]));
    assert_eq!(gone.status.code(), Some(1), "{}", error_of(&gone));
    assert!(error_of(&gone).starts_with("error: no answer from 127.0.0.1:"), "{}", error_of(&gone));
}

#[test]
fn a_check_takes_port_and_address_from_the_settings_where_it_sees_no_server() {
    let server = Program::start();
    let elsewhere = tempfile::tempdir().unwrap();
    let check = |host: &str, port: &str| {
        let mut check = command(elsewhere.path(), &["healthcheck"]);
        ended(check.env("HOST", host).env("PORT", port))
    };
    let port = server.port.to_string();

    for host in ["0.0.0.0", "127.0.0.1", "localhost"] {
        assert!(check(host, &port).status.success(), "{host}");
    }
    let auto = check("127.0.0.1", "auto");

    assert_eq!(auto.status.code(), Some(1));
    assert!(error_of(&auto).contains(".mcp_server"), "{}", error_of(&auto));
}

#[test]
fn a_check_over_tls_trusts_any_certificate() {
    let dir = tempfile::tempdir().unwrap();
    make_certificates(dir.path(), &[]);
    let server = Program::start_as(with_tls(command(dir.path(), &["serve"])), dir);
    // Another one than the server shows, until it has looked at the files again.
    make_certificates(server.dir.path(), &["--new-ca"]);

    let checked = ended(&mut with_tls(command(server.dir.path(), &["healthcheck"])));

    assert!(checked.status.success(), "{}", error_of(&checked));
}

#[test]
fn a_check_does_not_wait_for_a_server_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port().to_string();

    let hung = ended(command(dir.path(), &["healthcheck"]).env("PORT", port));

    assert_eq!(hung.status.code(), Some(1));
    assert!(error_of(&hung).contains("within 2s"), "{}", error_of(&hung));
}

fn make_certificates(dir: &Path, more: &[&str]) {
    let made = ended(command(dir, &["certs"]).args(more));
    assert!(made.status.success(), "{}", error_of(&made));
}

fn with_tls(mut command: Command) -> Command {
    command.env("SSL_CERT_PATH", "certs/server.pem").env("SSL_KEY_PATH", "certs/server-key.pem");
    command
}

fn told(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 500];
    let length = manager.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn error_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
