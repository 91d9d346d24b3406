use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::model::Timestamp;

use super::TlsError;
use super::pem::PemFile;
use super::x509::Facts;

/// A certificate chain with the private key that belongs to it.
#[derive(Debug, Clone)]
pub struct ServerIdentity {
    certified: Arc<CertifiedKey>,
    validity: Option<Validity>,
    /// Whether the file of the certificate holds a key, too, and must be as closed as one.
    cert_holds_key: bool,
}

/// When a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// When the first of those ends that a client needs: it, and what stands between it and a root.
    pub chain_not_after: Timestamp,
}

impl Validity {
    /// Of a chain, the server's own certificate first; nothing where that cannot be understood.
    fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let (own, signers) = chain.split_first()?;
        let own = Facts::read(own)?;
        // The last of several may be a root that another root signed as well, for clients of old. Those who
        // know it by itself take the chain to its end and after.
        let needed = match signers {
            [others @ .., _] if !others.is_empty() => others,
            all => all,
        };
        let ends = needed.iter().filter_map(Facts::read).map(|facts| facts.not_after);
        let chain_not_after = ends.fold(own.not_after, Timestamp::min);
        Some(Self { not_before: own.not_before, not_after: own.not_after, chain_not_after })
    }
}

impl ServerIdentity {
    /// Reads a PEM chain and its key (PKCS#8, PKCS#1 or SEC1), and checks that they fit.
    /// Both may stand in one file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::parse(&PemFile::read(cert)?, &PemFile::read(key)?)
    }

    pub(super) fn parse(cert: &PemFile, key: &PemFile) -> Result<Self, TlsError> {
        let chain = cert.certificates()?;
        let validity = Validity::read(&chain);
        let cert_holds_key = cert.private_key().is_ok();
        let key_path = || key.path().to_owned();
        let signing_key = ring::default_provider()
            .key_provider
            .load_private_key(key.private_key()?)
            .map_err(|cause| TlsError::UnusableKey { path: key_path(), cause })?;
        let certified = CertifiedKey::new(chain, signing_key);
        match certified.keys_match() {
            Ok(()) => Ok(Self { certified: Arc::new(certified), validity, cert_holds_key }),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(TlsError::Mismatch { cert: cert.path().to_owned(), key: key_path() })
            }
            Err(cause) => {
                Err(TlsError::UnusableCertificate { path: cert.path().to_owned(), cause })
            }
        }
    }

    /// The end of the server certificate's life, where it can be read. Nobody is refused for it
    /// here: a server with an expired certificate is still better than none.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.validity.map(|validity| validity.not_after)
    }

    pub(super) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    pub(super) fn cert_holds_key(&self) -> bool {
        self.cert_holds_key
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
