//! Keys and certificates as openssl writes and reads them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use memoryd::tls::{ServerIdentity, TlsError};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Program, command};

fn openssl(folder: &Path, line: &str) -> String {
    let done = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Runs `memoryd certs` and returns what it tells.
fn certs(folder: &Path, arguments: &[&str]) -> Value {
    let mut line = vec!["certs", "--json"];
    line.extend_from_slice(arguments);
    let output = command(folder, &line).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(told: &Value) -> Vec<&str> {
    told["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn self_signed(make_key: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), make_key);
    let sign = "req -new -x509 -key key.pem -out cert.pem -days 365 -subj /CN=localhost";
    openssl(folder.path(), sign);
    folder
}

fn load(folder: &TempDir) -> Result<ServerIdentity, TlsError> {
    ServerIdentity::load(&folder.path().join("cert.pem"), &folder.path().join("key.pem"))
}

fn refusal(folder: &TempDir) -> String {
    load(folder).unwrap_err().to_string()
}

#[test]
fn every_key_form_that_openssl_writes_is_read() {
    for make_key in [
        "genrsa -out key.pem 2048",
        "genrsa -traditional -out key.pem 2048",
        "ecparam -name prime256v1 -genkey -noout -out key.pem",
        "ecparam -name secp384r1 -genkey -out key.pem",
        "genpkey -algorithm ed25519 -out key.pem",
    ] {
        let folder = self_signed(make_key);

        let identity = load(&folder).unwrap_or_else(|error| panic!("{make_key}: {error}"));

        assert!(identity.expires_at().is_some(), "{make_key}");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let folder = self_signed("genrsa -out key.pem 2048");
    openssl(folder.path(), "genrsa -out key.pem 2048");

    assert!(refusal(&folder).contains("does not belong to the first certificate"));
}

#[test]
fn a_protected_key_is_told_from_a_missing_one() {
    let folder = self_signed("genrsa -out key.pem 2048");
    for form in ["rsa -traditional", "pkcs8 -topk8"] {
        let rest = "-in plain.pem -out key.pem -passout pass:secret";
        fs::rename(folder.path().join("key.pem"), folder.path().join("plain.pem")).unwrap();
        let cipher = if form.starts_with("rsa") { "-aes128" } else { "-v2 aes128" };
        openssl(folder.path(), &format!("{form} {cipher} {rest}"));

        assert!(refusal(&folder).contains("protected by a passphrase"), "{form}");
        fs::rename(folder.path().join("plain.pem"), folder.path().join("key.pem")).unwrap();
    }
}

#[test]
fn a_refusal_names_the_file_and_what_is_wrong() {
    let folder = self_signed("genrsa -out key.pem 2048");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let pem = fs::read_to_string(&cert).unwrap();
    let cut = pem.replace("-----END CERTIFICATE-----", "");
    let swapped = ServerIdentity::load(&key, &cert).unwrap_err().to_string();

    for (content, says) in [
        ("", "cert.pem holds no certificate"),
        ("hello", "cert.pem holds no certificate"),
        (cut.as_str(), "cert.pem is damaged"),
    ] {
        fs::write(&cert, content).unwrap();
        assert!(refusal(&folder).contains(says), "{}", refusal(&folder));
    }
    assert!(swapped.contains("swapped"), "{swapped}");
    fs::write(&cert, &pem).unwrap();
    fs::write(&key, &pem).unwrap();
    assert!(refusal(&folder).contains("key.pem holds no private key"));
    fs::remove_file(&key).unwrap();
    assert!(refusal(&folder).starts_with("cannot read "));
    fs::create_dir(&key).unwrap();
    assert!(refusal(&folder).contains("not a regular file"));
}

#[test]
fn the_strictest_check_of_openssl_takes_what_certs_makes_for_every_name() {
    let dir = tempfile::tempdir().unwrap();
    let told = certs(dir.path(), &["--name", "nas.lan", "--name", "192.168.1.5"]);
    let certs = dir.path().join("certs");

    let names = names(&told);
    for name in &names {
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        let kind = if is_address { "-verify_ip" } else { "-verify_hostname" };
        let verify = "verify -x509_strict -purpose sslserver -CAfile ca.pem";
        openssl(&certs, &format!("{verify} {kind} {name} server.pem"));
    }
    let authority = openssl(&certs, "x509 -in ca.pem -noout -text");

    for name in ["localhost", "127.0.0.1", "::1", "nas.lan", "192.168.1.5"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // BoringSSL refuses an authority that limits addresses.
    assert!(authority.contains("DNS:localhost"), "{authority}");
    assert!(!authority.contains("IP:"), "{authority}");
    assert!(authority.contains("TLS Web Server Authentication"), "{authority}");
}

#[test]
fn certs_again_keeps_the_authority_and_every_name() {
    let dir = tempfile::tempdir().unwrap();
    let authority = dir.path().join("certs/ca.pem");
    certs(dir.path(), &["--name", "nas.lan"]);
    let before = fs::read(&authority).unwrap();

    let again = certs(dir.path(), &["--name", "10.0.0.7"]);
    let kept = fs::read(&authority).unwrap();
    let refused = command(dir.path(), &["certs", "--name", "memory.example.com"]).output().unwrap();
    let anew = certs(dir.path(), &["--new-ca", "--name", "memory.example.com"]);

    assert!(names(&again).contains(&"nas.lan") && names(&again).contains(&"10.0.0.7"), "{again}");
    assert_eq!(kept, before);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("may not sign for memory.example.com; --new-ca"), "{told}");
    for name in ["nas.lan", "10.0.0.7", "memory.example.com"] {
        assert!(names(&anew).contains(&name), "{anew}");
    }
    assert_ne!(fs::read(&authority).unwrap(), before);
}

#[test]
fn a_server_says_at_its_start_what_its_owner_should_see_to() {
    let dir = self_signed("genrsa -out key.pem 2048");
    openssl(dir.path(), "req -new -x509 -key key.pem -out cert.pem -days 4 -subj /CN=localhost");
    fs::set_permissions(dir.path().join("key.pem"), Permissions::from_mode(0o644)).unwrap();
    let mut serve = command(dir.path(), &["serve"]);
    serve.env("SSL_CERT_PATH", "cert.pem").env("SSL_KEY_PATH", "key.pem").env("LOG_FILE", "log");

    let server = Program::start_as(serve, dir);

    let log = fs::read_to_string(server.dir.path().join("log")).unwrap();
    assert!(log.contains("key.pem is open to every account (mode 0644)"), "{log}");
    assert!(log.contains("cert.pem expires in 3 days"), "{log}");
    assert!(log.contains("cert.pem is valid, but not for long: from 2"), "{log}");
}
