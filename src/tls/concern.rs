use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::Timestamp;

/// Two weekends to make another one.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Read or written by accounts that are neither the owner nor of the file's group. The group is the
/// owner's choice: it is how a service reads a key that root keeps.
const STRANGERS: u32 = 0o006;

/// What the owner of a certificate should see to. Prints as a line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// Every account of the machine can read or write the private key.
    OpenKey {
        path: PathBuf,
        mode: u32,
    },
    Expired {
        path: PathBuf,
        at: Timestamp,
    },
    /// It ends within 14 days.
    Expiring {
        path: PathBuf,
        at: Timestamp,
        left: Duration,
    },
}

/// What there is to say of a pair of files, whose certificate ends at this time.
pub(super) fn of(
    cert: &Path,
    key: &Path,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Concern> {
    // That a file is gone or out of reach is told by whoever reads it.
    let open = std::fs::metadata(key).ok().and_then(|metadata| {
        let mode = metadata.permissions().mode() & 0o777;
        (mode & STRANGERS != 0).then(|| Concern::OpenKey { path: key.to_owned(), mode })
    });
    let ending = expires_at.filter(|at| *at < now.plus(SOON)).map(|at| {
        let path = cert.to_owned();
        if at <= now {
            Concern::Expired { path, at }
        } else {
            Concern::Expiring { path, at, left: at.since(now) }
        }
    });
    open.into_iter().chain(ending).collect()
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenKey { path, mode } => {
                let path = path.display();
                write!(f, "the private key {path} is open to every account (mode {mode:04o}); ")?;
                write!(f, "close it with: chmod 600 {path}")
            }
            Self::Expired { path, at } => {
                write!(f, "the certificate {} has expired at {at}; ", path.display())?;
                f.write_str("clients refuse it until there is another")
            }
            Self::Expiring { path, at, left } => {
                let (path, days) = (path.display(), left.as_secs() / 86_400);
                write!(f, "the certificate {path} expires in {days} days, at {at}; ")?;
                f.write_str("clients refuse it then")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    const NOW: Timestamp = Timestamp(1_795_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn told(mode: u32, expires_at: Option<Timestamp>) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        fs::write(&key, "").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        of(Path::new("cert.pem"), &key, expires_at, NOW).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_key_that_every_account_reads_or_writes_is_told() {
        for closed in [0o600, 0o400, 0o640, 0o660] {
            assert!(told(closed, None).is_empty(), "{closed:o}");
        }
        for open in [0o644, 0o604, 0o602] {
            let told = told(open, None).join("\n");

            assert!(told.contains(&format!("mode {open:04o}")), "{told}");
            assert!(told.contains("chmod 600"), "{told}");
        }
    }

    #[test]
    fn a_certificate_is_told_from_two_weeks_before_its_end() {
        let at = |end| told(0o600, Some(end)).join("\n");

        assert_eq!(at(NOW.plus(14 * DAY)), "");
        assert!(at(NOW.plus(4 * DAY)).contains("cert.pem expires in 4 days, at 2026-11-22T"));
        assert!(at(NOW).contains("has expired at 2026-11-18T"), "{}", at(NOW));
        assert!(at(Timestamp(0)).contains("has expired"));
        assert!(told(0o600, None).is_empty());
    }

    #[test]
    fn a_key_that_is_not_there_is_not_a_matter_of_modes() {
        assert!(of(Path::new("c"), Path::new("/nowhere/key.pem"), None, NOW).is_empty());
    }
}
