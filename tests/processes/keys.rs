//! Keys and certificates as openssl writes them.

use std::fs;
use std::path::Path;
use std::process::Command;

use memoryd::tls::{ServerIdentity, TlsError};
use tempfile::TempDir;

fn openssl(folder: &Path, line: &str) {
    let done = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
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
