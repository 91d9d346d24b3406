use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::model::{CertificateState, Timestamp};

use super::TlsError;
use super::concern::{self, Concern};
use super::identity::{ServerIdentity, provider};
use super::pem::PemFile;

/// Shows the certificate that lies in two files, and follows them when they change.
///
/// The files are compared by content: a modification time says nothing after `cp -p`, and the two
/// small reads of a poll come from the page cache.
#[derive(Debug)]
pub struct Reloader {
    cert: PathBuf,
    key: PathBuf,
    shown: Arc<Shown>,
    /// What the files held when they were last tried, so that one fault is told once.
    tried: Mutex<u64>,
}

impl Reloader {
    /// Loads the first pair; a fault here must stop the start.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let pair = Pair::read(cert, key);
        let tried = Mutex::new(pair.print());
        let shown = Arc::new(Shown(RwLock::new(pair.parse()?)));
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), shown, tried })
    }

    /// A server side for TLS 1.2 and 1.3 that always shows the newest good pair.
    ///
    /// It names no application protocol: actix-web puts `h2` and `http/1.1` in front of whatever
    /// stands here.
    pub fn server_config(&self) -> Result<ServerConfig, TlsError> {
        let shown = Arc::clone(&self.shown);
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        Ok(config)
    }

    /// Takes up a pair that changed since the last try, and says whether it did. Call it every
    /// second or two. A broken pair leaves the old one in place and is told once per change.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        let pair = Pair::read(&self.cert, &self.key);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let print = pair.print();
        if *tried == print {
            return Ok(false);
        }
        // Noted before it is tried: half of a pair that is being replaced fails now, and the other
        // half makes another print.
        *tried = print;
        self.shown.replace(pair.parse()?);
        Ok(true)
    }

    /// Reads the pair again, changed or not, so that somebody who asked gets an answer.
    pub fn force(&self) -> Result<(), TlsError> {
        let pair = Pair::read(&self.cert, &self.key);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        *tried = pair.print();
        self.shown.replace(pair.parse()?);
        Ok(())
    }

    /// What the owner should see to now, in the order in which it should be told.
    #[must_use]
    pub fn concerns(&self, now: Timestamp) -> Vec<Concern> {
        concern::of(&self.cert, &self.key, &self.identity(), now)
    }

    /// How things stand with what is shown, from memory: without what [`Reloader::concerns`] finds.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> CertificateState {
        concern::state(&self.cert, &self.identity(), now)
    }

    /// The pair that new connections are shown.
    #[must_use]
    pub fn identity(&self) -> ServerIdentity {
        self.shown.current()
    }
}

/// The two files at one moment.
struct Pair {
    cert: Result<PemFile, TlsError>,
    key: Result<PemFile, TlsError>,
}

impl Pair {
    fn read(cert: &Path, key: &Path) -> Self {
        Self { cert: PemFile::read(cert), key: PemFile::read(key) }
    }

    fn parse(self) -> Result<ServerIdentity, TlsError> {
        ServerIdentity::parse(&self.cert?, &self.key?)
    }

    /// Tells one content from another. Nobody gains by a collision, so a fast hash will do.
    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for file in [&self.cert, &self.key] {
            match file {
                Ok(file) => file.bytes().hash(&mut hasher),
                Err(error) => error.to_string().hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

/// What is shown to new connections.
struct Shown(RwLock<ServerIdentity>);

impl Shown {
    fn current(&self) -> ServerIdentity {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, identity: ServerIdentity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = identity;
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().certified())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tempfile::TempDir;

    use super::*;
    use crate::model::CertificateStanding;
    use crate::tls::{WantedNames, make_certificates};

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    fn make(folder: &TempDir) {
        make_certificates(folder.path(), &WantedNames::default(), NOW).unwrap();
    }

    fn open(folder: &TempDir) -> Reloader {
        let (cert, key) = (folder.path().join("server.pem"), folder.path().join("server-key.pem"));
        Reloader::open(&cert, &key).unwrap()
    }

    fn leaf(reloader: &Reloader) -> Vec<u8> {
        reloader.identity().certified().end_entity_cert().unwrap().to_vec()
    }

    #[test]
    fn a_new_pair_is_taken_up_once() {
        let folder = tempfile::tempdir().unwrap();
        make(&folder);
        let reloader = open(&folder);
        let before = leaf(&reloader);
        assert!(!reloader.refresh().unwrap());

        make(&folder);

        assert!(reloader.refresh().unwrap());
        assert_ne!(leaf(&reloader), before);
        assert!(!reloader.refresh().unwrap());
    }

    #[test]
    fn half_a_pair_keeps_the_old_one_until_the_other_half_comes() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(&folder);
        make(&other);
        let reloader = open(&folder);
        let before = leaf(&reloader);

        fs::copy(other.path().join("server.pem"), folder.path().join("server.pem")).unwrap();
        let first = reloader.refresh();
        let again = reloader.refresh();
        let kept = leaf(&reloader);
        fs::copy(other.path().join("server-key.pem"), folder.path().join("server-key.pem"))
            .unwrap();

        assert!(matches!(first, Err(TlsError::Mismatch { .. })));
        assert!(matches!(again, Ok(false)), "one fault is told once");
        assert_eq!(kept, before);
        assert!(reloader.refresh().unwrap());
        assert_ne!(leaf(&reloader), before);
    }

    #[test]
    fn a_broken_or_missing_pair_keeps_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        make(&folder);
        let reloader = open(&folder);
        let before = leaf(&reloader);

        fs::write(folder.path().join("server.pem"), "rubbish").unwrap();
        assert!(matches!(reloader.refresh(), Err(TlsError::NoCertificate { .. })));
        assert!(matches!(reloader.force(), Err(TlsError::NoCertificate { .. })));
        fs::remove_file(folder.path().join("server.pem")).unwrap();
        assert!(matches!(reloader.refresh(), Err(TlsError::Unreadable { .. })));

        assert_eq!(leaf(&reloader), before);
    }

    #[test]
    fn the_concerns_are_those_of_the_pair_that_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        make(&folder);
        let reloader = open(&folder);
        let end = reloader.identity().expires_at().unwrap();

        // Rubbish in the file changes nothing for clients, so it changes nothing here.
        fs::write(folder.path().join("server.pem"), "rubbish").unwrap();
        assert!(reloader.refresh().is_err());

        assert!(reloader.concerns(NOW).is_empty());
        assert!(matches!(reloader.concerns(end)[..], [Concern::Expired { .. }]));
        let (now, then) = (reloader.state(NOW), reloader.state(end));
        assert_eq!((now.state, now.not_after), (CertificateStanding::Valid, Some(end)));
        assert!(now.days_left > Some(300) && now.not_before <= Some(NOW), "{now}");
        assert_eq!((then.state, then.days_left), (CertificateStanding::Expired, Some(0)));
    }

    /// What is told of a chain whose certificates end with the beginning of these years, the server's own first.
    fn told_of_chain(years: &[i32]) -> (Vec<Concern>, CertificateState) {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key_path) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let (mut chain, mut key_pem) = (String::new(), String::new());
        let mut issuer: Option<Issuer<'static, KeyPair>> = None;
        for year in years.iter().rev() {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.not_after = rcgen::date_time_ymd(*year, 1, 1);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let made = match &issuer {
                Some(issuer) => params.signed_by(&key, issuer),
                None => params.self_signed(&key),
            };
            chain = made.unwrap().pem() + &chain;
            key_pem = key.serialize_pem();
            issuer = Some(Issuer::new(params, key));
        }
        fs::write(&cert, chain).unwrap();
        fs::write(&key_path, key_pem).unwrap();
        fs::set_permissions(&key_path, fs::Permissions::from_mode(0o600)).unwrap();
        let reloader = Reloader::open(&cert, &key_path).unwrap();
        (reloader.concerns(NOW), reloader.state(NOW))
    }

    #[test]
    fn a_root_that_ended_behind_the_others_is_nothing_that_a_client_needs() {
        let (none, alone) = told_of_chain(&[2028]);
        let (concerns, state) = told_of_chain(&[2028, 2030, 2021]);

        assert!(none.is_empty() && concerns.is_empty(), "{concerns:?}");
        assert!(state.days_left > Some(300) && state.days_left == alone.days_left, "{state}");
        assert_eq!(state.chain_not_after, state.not_after);
        assert_eq!(state.state, CertificateStanding::Valid);
    }

    #[test]
    fn a_signer_between_that_ended_is_told_apart_from_the_certificate() {
        for years in [&[2028, 2021, 2035][..], &[2028, 2021], &[2028, 2030, 2021, 2035]] {
            let (concerns, state) = told_of_chain(years);

            assert!(matches!(concerns[..], [Concern::ChainEnds { .. }]), "{concerns:?}");
            assert!(state.days_left > Some(300), "{years:?}: {state}");
            assert_eq!(state.chain_not_after, Some(Timestamp::parse("2021-01-01").unwrap()));
            assert_eq!(state.state, CertificateStanding::Valid);
        }
        let (concerns, state) = told_of_chain(&[2021, 2030]);
        assert!(matches!(concerns[..], [Concern::Expired { .. }]), "{concerns:?}");
        assert_eq!((state.state, state.days_left), (CertificateStanding::Expired, Some(0)));
    }

    #[test]
    fn a_file_of_a_certificate_that_holds_a_key_must_be_closed_as_one() {
        let folder = tempfile::tempdir().unwrap();
        make(&folder);
        let (cert, key) = (folder.path().join("both.pem"), folder.path().join("server-key.pem"));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        fs::write(&cert, read("server.pem") + &read("server-key.pem")).unwrap();
        fs::set_permissions(&cert, fs::Permissions::from_mode(0o644)).unwrap();

        let apart = Reloader::open(&cert, &key).unwrap().concerns(NOW);
        let in_one = Reloader::open(&cert, &cert).unwrap().concerns(NOW);

        assert!(matches!(&apart[..], [Concern::OpenKey { path, mode: 0o644 }] if *path == cert));
        assert_eq!(apart, in_one);
    }
}
