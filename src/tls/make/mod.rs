//! Makes an authority and a server certificate, and keeps what clients know of them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::KeyPair;

use crate::disk;
use crate::model::Timestamp;

use super::TlsError;
use super::issue::{AUTHORITY_NAME, Authority, Names, parse_name};
use super::pem::{PemFile, write};
use super::x509::Facts;

/// An authority with less than this ahead of it signs no more: better now than at a bad moment.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// The names that a certificate is asked for, beside those of loopback and those that it had before.
#[derive(Debug, Clone, Default)]
pub struct WantedNames {
    /// What a person asked for. One that cannot be had is an error.
    pub given: Vec<String>,
    /// What was found on the machine. What cannot be had is left out, and told.
    pub found: Vec<String>,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The certificate that clients are told to trust.
    pub authority: PathBuf,
    pub authority_key: PathBuf,
    pub authority_fate: AuthorityFate,
    pub authority_expires_at: Timestamp,
    /// Whether the authority is of an earlier kind that limits addresses. Claude Code, Bun and others
    /// on BoringSSL refuse it.
    pub authority_limits_addresses: bool,
    /// The server's certificate, followed by that of the authority.
    pub server: PathBuf,
    pub server_key: PathBuf,
    pub server_expires_at: Timestamp,
    /// What the server may be called.
    pub names: Vec<String>,
    /// Names that no certificate can carry, or that the authority may not sign for.
    pub left_out: Vec<String>,
}

/// What became of the authority in the folder. Prints as a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityFate {
    Made,
    /// Clients that trust it need not be told again.
    Reused,
    /// Every client must be told again.
    Replaced,
}

/// Writes `ca.pem`, `ca-key.pem`, `server.pem` and `server-key.pem` into a folder.
///
/// The authority of an earlier run is used again; one that cannot sign any more is an error, since
/// clients trust it. The server certificate is always new, and keeps the names that it had. Files
/// that memoryd did not make are never replaced.
pub fn make_certificates(
    folder: &Path,
    wanted: &WantedNames,
    now: Timestamp,
) -> Result<Certificates, TlsError> {
    let files = Files::open(folder)?;
    let mut gathered = Gathered::gather(wanted, &files.former_names)?;
    let Some(authority) = files.authority(now)? else {
        return files.begin(gathered, AuthorityFate::Made, now);
    };
    let forbidden = gathered.names.take_forbidden(&authority, now)?;
    if let Some(name) = forbidden.iter().find(|name| gathered.given.contains(name)) {
        return Err(TlsError::NotPermitted { path: files.ca, name: name.clone() });
    }
    gathered.left_out.extend(forbidden);
    files.finish(&authority, gathered, AuthorityFate::Reused, now)
}

/// Does the same with a new authority, which clients do not trust yet.
pub fn make_certificates_anew(
    folder: &Path,
    wanted: &WantedNames,
    now: Timestamp,
) -> Result<Certificates, TlsError> {
    let files = Files::open(folder)?;
    let gathered = Gathered::gather(wanted, &files.former_names)?;
    let is_first = files.earlier.is_none() && !files.has_server;
    let fate = if is_first { AuthorityFate::Made } else { AuthorityFate::Replaced };
    files.begin(gathered, fate, now)
}

/// The names for a certificate.
struct Gathered {
    names: Names,
    /// Those among them that a person asked for.
    given: Vec<String>,
    left_out: Vec<String>,
}

impl Gathered {
    fn gather(wanted: &WantedNames, former: &[String]) -> Result<Self, TlsError> {
        let mut gathered =
            Self { names: Names::loopback(), given: Vec::new(), left_out: Vec::new() };
        // Those of the machine come first, since the first one names the authority.
        for text in wanted.found.iter().chain(former) {
            match parse_name(text) {
                Some(name) => gathered.names.add(name),
                None => gathered.left_out.push(text.clone()),
            }
        }
        for text in &wanted.given {
            let not_a_name = || TlsError::NotAName { name: text.clone() };
            let name = parse_name(text).ok_or_else(not_a_name)?;
            gathered.given.push(name.clone());
            gathered.names.add(name);
        }
        Ok(gathered)
    }
}

/// The four files in a folder; those that are there are ours.
struct Files {
    ca: PathBuf,
    ca_key: PathBuf,
    server: PathBuf,
    server_key: PathBuf,
    /// The authority's certificate.
    earlier: Option<(PemFile, Facts)>,
    has_server: bool,
    /// What the server's present certificate is for.
    former_names: Vec<String>,
}

impl Files {
    fn open(folder: &Path) -> Result<Self, TlsError> {
        let path = |name| folder.join(name);
        let (ca, ca_key) = (path("ca.pem"), path("ca-key.pem"));
        let (server, server_key) = (path("server.pem"), path("server-key.pem"));
        disk::create_folder_with_mode(folder, 0o755)
            .map_err(|cause| TlsError::Unwritable { path: folder.to_owned(), cause })?;
        let present = ours(&server, &server_key)?;
        let earlier = ours(&ca, &ca_key)?;
        let has_server = present.is_some();
        let former_names = present.map(|(_, facts)| facts.names).unwrap_or_default();
        Ok(Self { ca, ca_key, server, server_key, earlier, has_server, former_names })
    }

    /// The authority of an earlier run; nothing where there was none.
    fn authority(&self, now: Timestamp) -> Result<Option<Authority>, TlsError> {
        let unfit = |because| Err(TlsError::UnfitAuthority { path: self.ca.clone(), because });
        let Some((file, facts)) = &self.earlier else {
            return if self.has_server { unfit("the file is gone") } else { Ok(None) };
        };
        if facts.not_before > now {
            return unfit("it is not valid yet, so the clock may be wrong");
        }
        if facts.not_after < now.plus(RENEW_BEFORE) {
            return unfit("it has expired or will within 30 days");
        }
        let Some(key) = signing_key(&self.ca_key)? else { return unfit("its key is gone") };
        let Some(certificate) = file.certificates()?.into_iter().next() else {
            return Err(TlsError::NoCertificate { path: self.ca.clone() });
        };
        let pem = String::from_utf8_lossy(file.bytes()).into_owned();
        let authority = Authority::reuse(certificate, facts.clone(), pem, key);
        if authority.may_sign_for("localhost", now)? {
            Ok(Some(authority))
        } else {
            unfit("the key beside it is another one's")
        }
    }

    /// Writes everything, with a new authority.
    fn begin(
        self,
        gathered: Gathered,
        fate: AuthorityFate,
        now: Timestamp,
    ) -> Result<Certificates, TlsError> {
        let (authority, key_pem) = Authority::make(&gathered.names, now)?;
        // The certificate goes first: one without its key is told from others, but a key without its
        // certificate looks like somebody else's.
        write(&self.ca, &authority.pem, 0o644)?;
        write(&self.ca_key, &key_pem, 0o600)?;
        self.finish(&authority, gathered, fate, now)
    }

    /// Writes the server's certificate and key.
    fn finish(
        self,
        authority: &Authority,
        gathered: Gathered,
        authority_fate: AuthorityFate,
        now: Timestamp,
    ) -> Result<Certificates, TlsError> {
        let issued = authority.issue(&gathered.names, now)?;
        write(&self.server, &format!("{}{}", issued.pem, authority.pem), 0o644)?;
        write(&self.server_key, &issued.key_pem, 0o600)?;
        Ok(Certificates {
            authority: self.ca,
            authority_key: self.ca_key,
            authority_fate,
            authority_expires_at: authority.expires_at,
            authority_limits_addresses: authority.limits_addresses(now)?,
            server: self.server,
            server_key: self.server_key,
            server_expires_at: issued.expires_at,
            names: gathered.names.into_list(),
            left_out: gathered.left_out,
        })
    }
}

/// The certificate at this path, if there is one: it must have been signed by an authority of ours. A
/// key without one is somebody else's.
fn ours(cert: &Path, key: &Path) -> Result<Option<(PemFile, Facts)>, TlsError> {
    let foreign = || TlsError::Foreign { path: cert.to_owned() };
    let file = match PemFile::read(cert) {
        Ok(file) => file,
        Err(TlsError::Unreadable { cause, .. }) if cause.kind() == ErrorKind::NotFound => {
            if key.symlink_metadata().is_ok() {
                return Err(TlsError::Foreign { path: key.to_owned() });
            }
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
        f.write_str(match self {
            Self::Made => "made",
            Self::Reused => "reused; clients that trust it need nothing new",
            Self::Replaced => "replaced; every client must be told to trust it",
        })
    }
}
