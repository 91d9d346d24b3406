use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::KeyPair;

use crate::disk;
use crate::model::Timestamp;

use super::TlsError;
use super::issue::{AUTHORITY_NAME, Authority, Issued, Names};
use super::pem::{PemFile, write};
use super::x509::Facts;

/// An authority with less than this ahead of it is replaced now rather than at a bad moment.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// What `make_certificates` wrote.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The certificate that clients are told to trust.
    pub authority: PathBuf,
    pub authority_key: PathBuf,
    pub authority_fate: AuthorityFate,
    pub authority_expires_at: Timestamp,
    /// The server's certificate, followed by that of the authority.
    pub server: PathBuf,
    pub server_key: PathBuf,
    pub server_expires_at: Timestamp,
    /// What the server may be called.
    pub names: Vec<String>,
    /// Host names that no certificate can carry.
    pub left_out: Vec<String>,
}

/// What became of the authority in the folder. Prints as a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityFate {
    Made,
    /// Clients that trust it need not be told again.
    Reused,
    /// Every client must be told again.
    Replaced {
        because: &'static str,
    },
}

/// Writes `ca.pem`, `ca-key.pem`, `server.pem` and `server-key.pem` into a folder, for localhost,
/// 127.0.0.1, ::1 and the machine's own names.
///
/// An authority of an earlier run is used again where it can be; the server certificate is always
/// new. Files that memoryd did not make are never replaced.
pub fn make_certificates(
    folder: &Path,
    host_names: &[String],
    now: Timestamp,
) -> Result<Certificates, TlsError> {
    let names = Names::choose(host_names);
    let path = |name| folder.join(name);
    let (ca, ca_key) = (path("ca.pem"), path("ca-key.pem"));
    let (server, server_key) = (path("server.pem"), path("server-key.pem"));
    disk::create_folder_with_mode(folder, 0o755)
        .map_err(|cause| TlsError::Unwritable { path: folder.to_owned(), cause })?;
    refuse_foreign(&server, &server_key)?;

    let (earlier, authority_fate) = earlier(&ca, &ca_key, &names, now)?;
    let (authority, issued) = match earlier {
        Some(pair) => pair,
        None => {
            let (authority, key_pem) = Authority::make(&names, now)?;
            let issued = authority.issue(&names, now)?;
            // The certificate goes first: one without its key is replaced by the next run, but a
            // key without its certificate looks like somebody else's.
            write(&ca, &authority.pem, 0o644)?;
            write(&ca_key, &key_pem, 0o600)?;
            (authority, issued)
        }
    };
    write(&server, &format!("{}{}", issued.pem, authority.pem), 0o644)?;
    write(&server_key, &issued.key_pem, 0o600)?;

    Ok(Certificates {
        authority: ca,
        authority_key: ca_key,
        authority_fate,
        authority_expires_at: authority.expires_at,
        server,
        server_key,
        server_expires_at: issued.expires_at,
        names: names.kept,
        left_out: names.left_out,
    })
}

/// The authority of an earlier run with a certificate it signed now, unless a new one is needed.
fn earlier(
    ca: &Path,
    ca_key: &Path,
    names: &Names,
    now: Timestamp,
) -> Result<(Option<(Authority, Issued)>, AuthorityFate), TlsError> {
    refuse_foreign(ca, ca_key)?;
    let replaced = |because| Ok((None, AuthorityFate::Replaced { because }));
    let Some((file, facts)) = ours(ca)? else { return Ok((None, AuthorityFate::Made)) };
    if facts.not_before > now || facts.not_after < now.plus(RENEW_BEFORE) {
        return replaced("the old one has expired or will within 30 days");
    }
    let Some(key) = signing_key(ca_key)? else { return replaced("the old one's key is gone") };
    let Some(certificate) = file.certificates()?.into_iter().next() else {
        return Err(TlsError::NoCertificate { path: ca.to_owned() });
    };
    let pem = String::from_utf8_lossy(file.bytes()).into_owned();
    let authority = Authority::reuse(certificate, facts, pem, key);
    let issued = authority.issue(names, now)?;
    if authority.vouches_for(&issued, names, now) {
        Ok((Some((authority, issued)), AuthorityFate::Reused))
    } else {
        replaced("the old one may not sign for the machine's present name, or has another key")
    }
}

/// Refuses to touch a certificate that memoryd did not make, and a key that has no certificate.
fn refuse_foreign(cert: &Path, key: &Path) -> Result<(), TlsError> {
    if ours(cert)?.is_none() && key.symlink_metadata().is_ok() {
        return Err(TlsError::Foreign { path: key.to_owned() });
    }
    Ok(())
}

/// The certificate at this path, if there is one; it must have been signed by an authority of ours.
fn ours(cert: &Path) -> Result<Option<(PemFile, Facts)>, TlsError> {
    let foreign = || TlsError::Foreign { path: cert.to_owned() };
    let file = match PemFile::read(cert) {
        Ok(file) => file,
        Err(TlsError::Unreadable { cause, .. }) if cause.kind() == ErrorKind::NotFound => {
            // Nothing, or a link to nothing: that is replaced, not followed.
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let certificates = file.certificates().map_err(|_| foreign())?;
    let facts = certificates.first().and_then(|first| Facts::read(first)).ok_or_else(foreign)?;
    if facts.issuer.starts_with(AUTHORITY_NAME) { Ok(Some((file, facts))) } else { Err(foreign()) }
}

fn signing_key(path: &Path) -> Result<Option<KeyPair>, TlsError> {
    match PemFile::read(path) {
        Ok(file) => Ok(KeyPair::try_from(file.private_key()?.secret_der()).ok()),
        Err(TlsError::Unreadable { cause, .. }) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl fmt::Display for AuthorityFate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made => f.write_str("made"),
            Self::Reused => f.write_str("reused; clients that trust it need nothing new"),
            Self::Replaced { because } => {
                write!(f, "replaced, because {because}; every client must be told again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);
    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    fn make(folder: &Path, host: &str, now: Timestamp) -> Certificates {
        make_certificates(folder, &[host.to_owned()], now).unwrap()
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_second_run_renews_the_server_and_keeps_the_authority() {
        let folder = tempfile::tempdir().unwrap();
        let first = make(folder.path(), "pi", NOW);
        let before = (read(&first.authority), read(&first.server));

        let second = make(folder.path(), "pi", NOW.plus(2 * YEAR));

        assert_eq!(first.authority_fate, AuthorityFate::Made);
        assert_eq!(second.authority_fate, AuthorityFate::Reused);
        assert_eq!(read(&second.authority), before.0);
        assert_ne!(read(&second.server), before.1);
        assert_eq!(second.names, ["localhost", "127.0.0.1", "::1", "pi"]);
        assert_eq!(second.authority_expires_at, first.authority_expires_at);
    }

    #[test]
    fn an_authority_that_no_longer_serves_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "pi", NOW);
        let fate = |host, now| make(folder.path(), host, now).authority_fate.to_string();

        assert!(fate("attic", NOW).contains("present name"));
        assert!(fate("attic", NOW.plus(10 * YEAR)).contains("expired"));
        fs::remove_file(folder.path().join("ca-key.pem")).unwrap();
        assert!(fate("attic", NOW.plus(10 * YEAR)).contains("key is gone"));
        let other = KeyPair::generate().unwrap().serialize_pem();
        fs::write(folder.path().join("ca-key.pem"), other).unwrap();
        assert!(fate("attic", NOW.plus(10 * YEAR)).contains("another key"));
        assert!(fate("attic", NOW.plus(10 * YEAR)).starts_with("reused"));
    }

    #[test]
    fn the_dates_keep_to_their_limits() {
        let folder = tempfile::tempdir().unwrap();
        let made = make(folder.path(), "pi", NOW);

        let (_, server) = ours(&made.server).unwrap().unwrap();
        let (_, authority) = ours(&made.authority).unwrap().unwrap();

        let days = server.not_after.since(server.not_before).as_secs() / 86_400;
        assert_eq!(days, 825);
        assert_eq!(server.not_after, made.server_expires_at);
        assert_eq!(authority.not_after, made.authority_expires_at);
        assert!(make_certificates(folder.path(), &[], Timestamp(i64::MAX)).is_err());
        assert!(make_certificates(folder.path(), &[], Timestamp(-5)).is_err());
    }

    #[test]
    fn keys_are_private_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("deep/certs");
        let victim = folder.path().join("victim");
        fs::create_dir_all(&certs).unwrap();
        fs::write(&victim, "precious").unwrap();
        make(&certs, "pi", NOW);
        for name in ["server-key.pem", "server-key.pem.tmp"] {
            let _ = fs::remove_file(certs.join(name));
            symlink(&victim, certs.join(name)).unwrap();
        }

        let made = make(&certs, "pi", NOW);

        assert_eq!(read(&victim), "precious");
        for (path, mode) in [(&made.server_key, 0o600), (&made.authority_key, 0o600)] {
            let metadata = path.symlink_metadata().unwrap();
            assert!(metadata.is_file());
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn what_memoryd_did_not_make_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let foreign = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        for (name, content) in
            [("server.pem", foreign.as_str()), ("ca.pem", "notes"), ("ca-key.pem", "a key")]
        {
            fs::write(folder.path().join(name), content).unwrap();

            let refused = make_certificates(folder.path(), &[], NOW).unwrap_err();

            assert!(matches!(refused, TlsError::Foreign { .. }), "{name}: {refused}");
            assert_eq!(read(&folder.path().join(name)), content);
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let hosts = ["my host", "B\u{fc}ro", "", "Pi.", "localhost", "192.168.1.5"];
        let hosts: Vec<String> = hosts.map(str::to_owned).to_vec();

        let made = make_certificates(folder.path(), &hosts, NOW).unwrap();

        assert_eq!(made.names, ["localhost", "127.0.0.1", "::1", "pi", "192.168.1.5"]);
        assert_eq!(made.left_out, ["my host", "B\u{fc}ro", ""]);
    }
}
