//! `memoryd doctor` and `memoryd config print`, with and without a server.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::KEY;
use crate::process::{Program, command};

fn parsed(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// The states of a check, in order.
fn states(told: &Value, check: &str) -> Vec<String> {
    let checks = told["checks"].as_array().unwrap().iter();
    let of_check = checks.filter(|finding| finding["check"] == check);
    of_check.map(|finding| finding["state"].as_str().unwrap().to_owned()).collect()
}

fn doctor(command: &mut Command) -> (Option<i32>, Value) {
    let output = command.output().unwrap();
    (output.status.code(), parsed(&output))
}

#[test]
fn the_doctor_looks_at_a_running_server_and_at_its_clients() {
    let program = Program::start();
    assert!(program.run(&["connect", "cursor", "--yes"]).status.success());
    assert!(program.run(&["connect", "claude-desktop", "--yes"]).status.success());
    let look = || doctor(&mut command(program.dir.path(), &["doctor", "--json"]));

    let (_, told) = look();
    for check in ["settings", "server", "permissions", "clock", "store"] {
        assert_eq!(states(&told, check), ["ok"], "{told}");
    }
    assert_eq!(states(&told, "clients"), ["ok", "ok"], "{told}");
    assert_eq!(states(&told, "backup"), ["warn"], "{told}");

    assert!(program.run(&["backup", "create"]).status.success());
    assert!(program.run(&["token", "revoke", "cursor"]).status.success());
    fs::set_permissions(program.data(), Permissions::from_mode(0o755)).unwrap();
    let (code, told) = look();

    assert_eq!(states(&told, "backup"), ["ok"], "{told}");
    assert_eq!(states(&told, "permissions"), ["warn"], "{told}");
    assert_eq!(states(&told, "clients"), ["fail", "ok"], "{told}");
    assert_eq!(code, Some(1));
    let failed = told["checks"].as_array().unwrap().iter().find(|one| one["state"] == "fail");
    assert!(
        failed.unwrap()["todo"].as_str().unwrap().starts_with("memoryd connect cursor"),
        "{told}"
    );
}

#[test]
fn the_doctor_needs_no_server_and_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();

    let (_, fresh) = doctor(&mut command(dir.path(), &["doctor", "--json"]));
    let (code, busy) = doctor(command(dir.path(), &["doctor", "--json"]).env("PORT", port));

    assert_eq!(states(&fresh, "store"), ["ok"], "{fresh}");
    assert_eq!(states(&fresh, "server"), ["warn"], "{fresh}");
    assert!(!dir.path().join("data").exists());
    assert_eq!((states(&busy, "server"), code), (vec!["fail".to_owned()], Some(1)), "{busy}");
}

#[test]
fn the_doctor_looks_into_a_store_that_nobody_has_open() {
    let program = Program::start();
    program.tool("add_memory", json!({ "content": "the boiler was serviced" })).unwrap();
    let dir = program.stop();
    let look = || doctor(&mut command(dir.path(), &["doctor", "--json"]));
    assert_eq!(states(&look().1, "store"), ["ok"]);
    let journal = fs::read_dir(dir.path().join("data/journal")).unwrap();
    for entry in journal {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }

    let (code, told) = look();

    assert!(states(&told, "store").contains(&"fail".to_owned()), "{told}");
    assert_eq!(code, Some(1));
}

#[test]
fn the_way_of_a_client_from_outside_is_gone_step_by_step() {
    // The name has to be known before the server has a port.
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = probe.local_addr().unwrap().port();
    drop(probe);
    let url = format!("http://127.0.0.1:{port}");
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path(), &["serve"]);
    serve.env("PORT", port.to_string()).env("PUBLIC_URL", &url).env("OAUTH_ENABLED", "true");
    let program = Program::start_as(serve, dir);
    let go = |url: &str| {
        let way = ["doctor", "--public", "--url", url, "--json"];
        let (code, told) = doctor(&mut command(program.dir.path(), &way));
        let steps = told["steps"].as_array().unwrap().clone();
        let good: Vec<bool> = steps.iter().map(|step| step["ok"].as_bool().unwrap()).collect();
        (code, good, steps)
    };

    let (code, good, steps) = go(&url);
    assert_eq!((code, good), (Some(0), vec![true; 4]), "{steps:?}");
    let commands = steps.iter().map(|step| step["command"].as_str().unwrap());
    assert!(commands.clone().all(|command| command.starts_with("curl -i ")), "{steps:?}");
    assert!(commands.clone().all(|command| command.contains(&url)), "{steps:?}");
    let named = program.run(&["doctor", "--public"]);
    let said = String::from_utf8_lossy(&named.stderr).into_owned();
    assert!(!named.status.success() && said.contains("PUBLIC_URL"), "{said}");

    let plain = Program::start();
    let (code, good, steps) = go(&format!("http://127.0.0.1:{}", plain.port));
    assert_eq!((code, good), (Some(1), vec![true, false, false, false]), "{steps:?}");
    let why = steps[1]["problem"].as_str().unwrap();
    assert!(why.contains("oauth.enabled is off"), "{why}");
}

#[test]
fn settings_that_do_not_go_together_are_the_first_finding() {
    let dir = tempfile::tempdir().unwrap();

    let (code, told) = doctor(command(dir.path(), &["doctor", "--json"]).env("PORT", "99999"));

    assert_eq!(code, Some(1));
    assert_eq!(states(&told, "settings"), ["fail"]);
    assert!(told["checks"][0]["told"].as_str().unwrap().contains("PORT"), "{told}");
}

#[test]
fn settings_are_printed_with_who_said_them_and_no_secret_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), "[log]\nlevel = \"debug\"\n").unwrap();
    let print = |arguments: &[&str]| {
        let mut print = command(dir.path(), &["config", "print"]);
        print.args(arguments).env("MCP_API_KEY", KEY).output().unwrap()
    };

    let plain = String::from_utf8(print(&[]).stdout).unwrap();
    let sources = String::from_utf8(print(&["--sources", "--port", "4000"]).stdout).unwrap();
    let told = parsed(&print(&["--json"]));

    assert!(plain.contains("log.level = debug\n") && !plain.contains('#'), "{plain}");
    let line = |key: &str| sources.lines().find(|line| line.starts_with(key)).unwrap();
    assert!(line("server.port = 4000").ends_with("# --port (flag)"), "{sources}");
    assert!(line("log.level = debug").contains("config.toml"), "{sources}");
    assert!(line("server.host = 127.0.0.1").ends_with("# default"), "{sources}");
    assert!(line("auth.api_key = set").ends_with("# MCP_API_KEY (environment)"), "{sources}");
    assert!(![&plain, &sources, &told.to_string()].iter().any(|text| text.contains(KEY)));
    assert!(told["settings"].as_array().unwrap().len() > 40);
}
