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
pub struct Identity {
    certified: Arc<CertifiedKey>,
    expires_at: Option<Timestamp>,
}

impl Identity {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    fn openssl(folder: &Path, line: &str) {
        let done =
            Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn self_signed(make_key: &str) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        openssl(folder.path(), make_key);
        let sign = "req -new -x509 -key key.pem -out cert.pem -days 365 -subj /CN=localhost";
        openssl(folder.path(), sign);
        folder
    }

    fn load(folder: &TempDir) -> Result<Identity, TlsError> {
        Identity::load(&folder.path().join("cert.pem"), &folder.path().join("key.pem"))
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
        let swapped = Identity::load(&key, &cert).unwrap_err().to_string();

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
}
