use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
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
    expires_at: Option<Timestamp>,
}

impl ServerIdentity {
    /// Reads a PEM chain and its key (PKCS#8, PKCS#1 or SEC1), and checks that they fit.
    /// Both may stand in one file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::parse(&PemFile::read(cert)?, &PemFile::read(key)?)
    }

    pub(super) fn parse(cert: &PemFile, key: &PemFile) -> Result<Self, TlsError> {
        let chain = cert.certificates()?;
        let expires_at =
            chain.first().and_then(|first| Facts::read(first)).map(|facts| facts.not_after);
        let key_path = || key.path().to_owned();
        let signing_key = ring::default_provider()
            .key_provider
            .load_private_key(key.private_key()?)
            .map_err(|cause| TlsError::UnusableKey { path: key_path(), cause })?;
        let certified = CertifiedKey::new(chain, signing_key);
        match certified.keys_match() {
            Ok(()) => Ok(Self { certified: Arc::new(certified), expires_at }),
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
        self.expires_at
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
