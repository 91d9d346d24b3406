use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::Item;
use zeroize::Zeroizing;

use super::TlsError;
use crate::disk::Draft;

/// A bundle of every public authority has about 220 KiB; this leaves room for four of them.
const LIMIT_BYTES: u64 = 1024 * 1024;

/// Editors on Windows put it before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A PEM file as it was read, before anything was understood. It may hold a key, so it wipes itself.
#[derive(Clone)]
pub(super) struct PemFile {
    path: PathBuf,
    bytes: Zeroizing<Vec<u8>>,
}

impl PemFile {
    pub(super) fn read(path: &Path) -> Result<Self, TlsError> {
        let unreadable = |cause| TlsError::Unreadable { path: path.to_owned(), cause };
        // A pipe would block the start, so it is looked at before it is opened.
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(TlsError::NotAFile { path: path.to_owned() });
        }
        let bytes = metadata.len();
        if bytes > LIMIT_BYTES {
            return Err(TlsError::TooLarge { path: path.to_owned(), bytes, limit: LIMIT_BYTES });
        }
        // Room for all of it at once, so that growing leaves no stray copy of a key.
        let room = usize::try_from(bytes).unwrap_or_default().saturating_add(1);
        let mut content = Zeroizing::new(Vec::with_capacity(room));
        let mut file = File::open(path).map_err(unreadable)?.take(LIMIT_BYTES);
        file.read_to_end(&mut content).map_err(unreadable)?;
        // The parser would pass over the first line, and with it the first section.
        if content.starts_with(BYTE_ORDER_MARK) {
            content.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(Self { path: path.to_owned(), bytes: content })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Every certificate in the file, in its order; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let mut found = Vec::new();
        let mut has_key = false;
        for item in self.items() {
            match item? {
                Item::X509Certificate(certificate) => found.push(certificate),
                Item::Pkcs1Key(_) | Item::Pkcs8Key(_) | Item::Sec1Key(_) => has_key = true,
                _ => {}
            }
        }
        let path = self.path.clone();
        match (found.is_empty(), has_key) {
            (false, _) => Ok(found),
            (true, true) => Err(TlsError::KeyInsteadOfCertificate { path }),
            (true, false) => Err(TlsError::NoCertificate { path }),
        }
    }

    /// The first private key in the file.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        if self.mentions("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || self.mentions("Proc-Type: 4,ENCRYPTED")
        {
            return Err(TlsError::EncryptedKey { path: self.path.clone() });
        }
        for item in self.items() {
            match item? {
                Item::Pkcs1Key(key) => return Ok(key.into()),
                Item::Pkcs8Key(key) => return Ok(key.into()),
                Item::Sec1Key(key) => return Ok(key.into()),
                _ => {}
            }
        }
        Err(TlsError::NoKey { path: self.path.clone() })
    }

    fn items(&self) -> impl Iterator<Item = Result<Item, TlsError>> + '_ {
        let mut rest: Option<&[u8]> = Some(&self.bytes);
        std::iter::from_fn(move || match rustls_pemfile::read_one_from_slice(rest?) {
            Ok(Some((item, remainder))) => {
                rest = Some(remainder);
                Some(Ok(item))
            }
            Ok(None) => None,
            Err(_) => {
                rest = None;
                Some(Err(TlsError::Damaged { path: self.path.clone() }))
            }
        })
    }

    fn mentions(&self, marker: &str) -> bool {
        self.bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
    }
}

/// Puts a whole file in place of what was there. The mode holds from the first instant, and a link
/// at the path is replaced instead of followed.
pub(super) fn write(path: &Path, content: &str, mode: u32) -> Result<(), TlsError> {
    let draft = Draft::write(path, content.as_bytes(), mode);
    let placed = draft.and_then(Draft::put_in_place).map(|_| ());
    placed.map_err(|cause| TlsError::Unwritable { path: path.to_owned(), cause })
}

impl std::fmt::Debug for PemFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemFile").field("path", &self.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("both.pem");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let text = format!("\u{feff}{}{}", certificate.pem(), key.serialize_pem());
        std::fs::write(&path, text).unwrap();

        let file = PemFile::read(&path).unwrap();

        assert_eq!(file.certificates().unwrap(), [certificate.der().clone()]);
        assert!(file.private_key().is_ok());
        assert!(file.bytes().starts_with(b"-----BEGIN"), "it must not get into another file");
    }
}
