use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::identity::{ServerIdentity, Validity};
use crate::model::{CertificateStanding, CertificateState, Timestamp};

const DAY_SECONDS: u64 = 86_400;

/// Two weekends to make another one.
const SOON: Duration = Duration::from_secs(14 * DAY_SECONDS);

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
    /// The clock is wrong, or whoever made the certificate had a wrong one.
    NotYetValid {
        path: PathBuf,
        at: Timestamp,
    },
    /// One of those that signed the certificate, and that a client needs, ends before it, within 14 days or
    /// already.
    ChainEnds {
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

/// What there is to say of a pair of files, and of what was read from them.
pub(super) fn of(
    cert: &Path,
    key: &Path,
    identity: &ServerIdentity,
    now: Timestamp,
) -> Vec<Concern> {
    // Both may be one file.
    let has_other_key = identity.cert_holds_key() && cert != key;
    let keys = [Some(key), has_other_key.then_some(cert)];
    let open = keys.into_iter().flatten().filter_map(open_key);
    open.chain(identity.validity().into_iter().flat_map(|validity| of_time(cert, validity, now)))
        .collect()
}

/// That a file is gone or out of reach is told by whoever reads it.
fn open_key(path: &Path) -> Option<Concern> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & STRANGERS != 0).then(|| Concern::OpenKey { path: path.to_owned(), mode })
}

fn of_time(cert: &Path, validity: Validity, now: Timestamp) -> Vec<Concern> {
    let (path, at) = (cert.to_owned(), validity.not_after);
    let own = match standing(Some(validity), now) {
        CertificateStanding::NotYetValid => {
            Some(Concern::NotYetValid { path, at: validity.not_before })
        }
        CertificateStanding::Expired => Some(Concern::Expired { path, at }),
        CertificateStanding::Expiring => Some(Concern::Expiring { path, at, left: at.since(now) }),
        CertificateStanding::Valid | CertificateStanding::Unknown => None,
    };
    let chain = validity.chain_not_after;
    let is_first = chain < validity.not_after && chain < now.plus(SOON);
    let chain = is_first.then(|| Concern::ChainEnds { path: cert.to_owned(), at: chain });
    own.into_iter().chain(chain).collect()
}

fn standing(validity: Option<Validity>, now: Timestamp) -> CertificateStanding {
    match validity {
        None => CertificateStanding::Unknown,
        Some(validity) if now < validity.not_before => CertificateStanding::NotYetValid,
        Some(validity) if validity.not_after <= now => CertificateStanding::Expired,
        Some(validity) if validity.not_after < now.plus(SOON) => CertificateStanding::Expiring,
        Some(_) => CertificateStanding::Valid,
    }
}

/// How things stand with what is shown, but for what its owner should see to.
pub(super) fn state(cert: &Path, identity: &ServerIdentity, now: Timestamp) -> CertificateState {
    let validity = identity.validity();
    let left = |validity: Validity| validity.not_after.since(now).as_secs() / DAY_SECONDS;
    CertificateState {
        path: cert.display().to_string(),
        state: standing(validity, now),
        not_before: validity.map(|validity| validity.not_before),
        not_after: validity.map(|validity| validity.not_after),
        chain_not_after: validity.map(|validity| validity.chain_not_after),
        days_left: validity.map(left),
        problems: Vec::new(),
    }
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
            Self::NotYetValid { path, at } => {
                write!(f, "the certificate {} is not valid before {at}; ", path.display())?;
                f.write_str("clients refuse it until then, unless the clock here is wrong")
            }
            Self::ChainEnds { path, at } => {
                let path = path.display();
                write!(f, "one of those that signed the certificate in {path} ends at {at}; ")?;
                f.write_str("clients refuse the whole chain from then on")
            }
            Self::Expiring { path, at, left } => {
                let (path, days) = (path.display(), left.as_secs() / DAY_SECONDS);
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

    fn modes(mode: u32) -> String {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        fs::write(&key, "").unwrap();
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        open_key(&key).iter().map(ToString::to_string).collect()
    }

    /// A certificate that has been good for a while.
    fn ending(at: Timestamp) -> Validity {
        Validity { not_before: Timestamp(-1), not_after: at, chain_not_after: at }
    }

    fn told(validity: Validity) -> String {
        let concerns = of_time(Path::new("cert.pem"), validity, NOW);
        concerns.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_key_that_every_account_reads_or_writes_is_told() {
        for closed in [0o600, 0o400, 0o640, 0o660] {
            assert_eq!(modes(closed), "", "{closed:o}");
        }
        for open in [0o644, 0o604, 0o602] {
            let told = modes(open);

            assert!(told.contains(&format!("mode {open:04o}")), "{told}");
            assert!(told.contains("chmod 600"), "{told}");
        }
    }

    #[test]
    fn a_certificate_is_told_from_two_weeks_before_its_end() {
        let at = |end| told(ending(end));

        assert_eq!(at(NOW.plus(14 * DAY)), "");
        assert!(at(NOW.plus(4 * DAY)).contains("cert.pem expires in 4 days, at 2026-11-22T"));
        assert!(at(NOW).contains("has expired at 2026-11-18T"), "{}", at(NOW));
        assert!(at(Timestamp(0)).contains("has expired"));
    }

    #[test]
    fn a_certificate_that_is_too_early_or_whose_chain_ends_before_it_is_told() {
        let good = ending(NOW.plus(90 * DAY));
        let early = Validity { not_before: NOW.plus(DAY), ..good };
        let chain = |chain_not_after| Validity { chain_not_after, ..good };

        assert!(
            told(early).contains("cert.pem is not valid before 2026-11-19T"),
            "{}",
            told(early)
        );
        assert!(told(chain(NOW.plus(DAY))).contains("ends at 2026-11-19T"));
        assert_eq!(told(chain(NOW.plus(30 * DAY))), "");
        assert_eq!(standing(Some(early), NOW), CertificateStanding::NotYetValid);
        assert_eq!(standing(None, NOW), CertificateStanding::Unknown);
    }

    #[test]
    fn a_key_that_is_not_there_is_not_a_matter_of_modes() {
        assert_eq!(open_key(Path::new("/nowhere/key.pem")), None);
    }
}
