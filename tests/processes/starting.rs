//! What a start says, keeps and refuses.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::process::{command, ended, hello, talk};

#[test]
fn the_key_that_the_first_start_made_opens_every_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data/api_key");

    let first = start(&mut command(dir.path(), &["serve"]));
    let key = fs::read_to_string(&file).unwrap().trim().to_owned();
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    stop(first.0);
    let (second, said) = start(&mut command(dir.path(), &["serve"]));
    let url = format!("http://localhost:{}", port_of(dir.path()));
    let elsewhere = tempfile::tempdir().unwrap();
    let mut stdio = command(elsewhere.path(), &["stdio", "--url", &url, "--key", &key]);
    let answers = talk(&mut stdio, &[hello()]);
    let token = fs::read_to_string(dir.path().join("data/.mcp_token")).unwrap();
    stop(second);

    assert_eq!((key.len(), mode & 0o777), (43, 0o600));
    assert_ne!(key, token);
    let line = format!("🔑 Generated API Key: {}...", &key[..16]);
    for said in [&first.1, &said] {
        assert!(said.contains(&line), "{said:?}");
        assert!(said.iter().any(|line| line.contains("data/api_key")), "{said:?}");
        assert!(!said.concat().contains(&key), "the whole key was shown");
    }
    assert!(answers[0]["result"]["serverInfo"].is_object(), "{}", answers[0]);
}

#[test]
fn no_key_is_made_where_one_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path(), &["serve"]);

    let (child, said) = start(serve.env("MCP_API_KEY", crate::KEY));
    stop(child);

    assert!(!dir.path().join("data/api_key").exists());
    assert!(!said.concat().contains("Generated"), "{said:?}");
}

#[test]
fn a_folder_with_a_model_needs_a_build_that_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path(), &["serve"]);

    let refused = serve.env("EMBEDDING_MODEL_PATH", dir.path()).output().unwrap();

    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    let named =
        if cfg!(feature = "local-model") { "config.json" } else { "--features local-model" };
    assert!(!refused.status.success() && told.contains(named), "{told}");
}

#[test]
fn a_server_for_all_addresses_says_one_that_can_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = command(dir.path(), &["serve"]);

    let (child, said) = start(serve.env("HOST", "0.0.0.0"));
    stop(child);

    let address = said.iter().find(|line| line.contains("Address: ")).unwrap();
    assert!(!address.contains("0.0.0.0"), "{address}");
}

#[test]
fn the_files_of_a_server_say_who_is_there() {
    let dir = tempfile::tempdir().unwrap();

    let (child, _) = start(&mut command(dir.path(), &["serve"]));
    let text = fs::read_to_string(dir.path().join("data/.mcp_server")).unwrap();
    let modes = [".mcp_server", "memoryd.sock"].map(|name| {
        fs::metadata(dir.path().join("data").join(name)).unwrap().permissions().mode() & 0o777
    });
    let port = port_of(dir.path());
    let pid = child.id();
    stop(child);

    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((told["scheme"].as_str(), told["host"].as_str()), (Some("http"), Some("127.0.0.1")));
    assert_eq!((&told["port"], &told["pid"]), (&Value::from(port), &Value::from(pid)));
    assert_eq!(modes, [0o600, 0o600]);
}

#[test]
fn a_taken_port_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = other.local_addr().unwrap().port().to_string();

    let refused = ended(command(dir.path(), &["serve"]).env("PORT", port));

    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("--port auto"), "{told}");
}

#[test]
fn a_long_path_is_no_hindrance_for_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("x".repeat(120));
    let served = |verb: &str| {
        let mut command = command(dir.path(), &[verb]);
        command.env("DATA_DIR", &deep);
        command
    };

    let (child, _) = start(&mut served("serve"));
    let with = talk(&mut served("stdio"), &[hello()]);
    assert!(deep.join("memoryd.sock").exists());
    stop(child);
    let without = talk(&mut served("stdio"), &[hello()]);

    for answers in [with, without] {
        assert!(answers[0]["result"]["serverInfo"].is_object(), "{}", answers[0]);
    }
}

#[test]
fn help_is_given_for_every_verb_and_a_bad_line_is_told_by_its_code() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["serve", "stdio", "export", "import", "check", "certs", "completions"] {
        let help = ended(&mut command(dir.path(), &["help", verb]));
        assert!(help.status.success(), "{verb}");
    }
    assert!(ended(&mut command(dir.path(), &["help"])).status.success());
    for line in [
        &["--port", "many"][..],
        &["serve", "--host", ""],
        &["stdio", "--url", "nowhere"],
        &["export", "--user-id", ""],
        &["export", "--config", "nowhere.toml"],
        &["no-such-verb"],
    ] {
        let refused = ended(&mut command(dir.path(), line));
        assert_eq!(refused.status.code(), Some(2), "{line:?}");
    }
}

/// Starts a server and returns what it said until it was up.
#[allow(clippy::zombie_processes, reason = "the caller stops it")]
fn start(serve: &mut Command) -> (Child, Vec<String>) {
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    loop {
        let mut line = String::new();
        let length = output.read_line(&mut line).unwrap();
        assert!(length > 0, "it ended: {said:?}");
        said.push(line.trim_end().to_owned());
        if line.contains("started successfully") {
            return (child, said);
        }
    }
}

fn stop(mut child: Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn port_of(dir: &Path) -> u16 {
    fs::read_to_string(dir.join("data/.mcp_port")).unwrap().parse().unwrap()
}
