use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::model::Timestamp;

use super::TlsError;
use super::identity::provider;
use super::x509::Facts;

/// Begins the common name of every authority that memoryd makes, and marks it as ours.
pub(super) const AUTHORITY_NAME: &str = "memoryd local CA";

const DAY: Duration = Duration::from_secs(86_400);
/// Clients trust it by hand, so it should outlive the machine.
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3_650);
/// Apple's systems refuse a server certificate of more than 825 days from a local authority; one
/// day is taken up by the skew below.
const SERVER_LIFE: Duration = DAY.saturating_mul(824);
/// Certificates begin in the past, for clients whose clock is behind ours.
const CLOCK_SKEW: Duration = DAY;
/// X.520 allows a common name no more characters.
const MAX_COMMON_NAME: usize = 64;
/// The year 2200. What lies outside of here and 1970 comes from a broken clock.
const LATEST: Timestamp = Timestamp(7_258_118_400_000);

/// Suffixes under which nobody can own a name in public, so that most new names need no new
/// authority: RFC 6761 (this machine), RFC 6762 (multicast DNS), RFC 8375 (homes), ICANN's
/// resolution 2024.07.29.06 (`internal`), and what routers hand out.
const PRIVATE_SUFFIXES: [&str; 6] = ["localhost", "local", "home.arpa", "internal", "lan", "home"];
/// An address that no authority was ever made for (RFC 5737).
const STRANGE_ADDRESS: &str = "203.0.113.254";

/// The names that a server certificate is made for, each once and as certificates have it.
#[derive(Debug, Clone)]
pub(super) struct Names(Vec<String>);

/// Somebody who can sign server certificates: an authority's certificate with its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    pub expires_at: Timestamp,
}

/// A server certificate and its key.
pub(super) struct Issued {
    pub certificate: CertificateDer<'static>,
    pub pem: String,
    pub key_pem: String,
    pub expires_at: Timestamp,
}

/// Writes a name as certificates have it; nothing if none can carry it.
pub(super) fn parse_name(text: &str) -> Option<String> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    ServerName::try_from(name.as_str()).is_ok().then_some(name)
}

impl Names {
    /// Those by which a machine reaches itself.
    pub(super) fn loopback() -> Self {
        Self(["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec())
    }

    pub(super) fn add(&mut self, name: String) {
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// Takes out what the authority may not sign for, and returns it.
    pub(super) fn take_forbidden(
        &mut self,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Vec<String>, TlsError> {
        let mut forbidden = Vec::new();
        for name in &self.0 {
            if !authority.may_sign_for(name, now)? {
                forbidden.push(name.clone());
            }
        }
        self.0.retain(|name| !forbidden.contains(name));
        Ok(forbidden)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn into_list(self) -> Vec<String> {
        self.0
    }

    fn machine(&self) -> Option<&str> {
        self.iter().find(|name| *name != "localhost" && is_host_name(name))
    }

    /// What the authority may sign for. Many people put it into the store of their system, so whoever
    /// steals its key must not be able to pose as a bank.
    ///
    /// Only DNS names are limited. BoringSSL knows no limits on addresses: where an authority has
    /// some, permitted or excluded, it refuses every certificate that holds an address (Bun 1.4.5
    /// and Claude Code 2.1.197 say `UNSUPPORTED_CONSTRAINT_TYPE`; OpenSSL 3, Node.js 20, GnuTLS and
    /// Java 17 take them). Limits on one kind of name leave the others free (RFC 5280, 4.2.1.10), so
    /// every address may be signed for: hardly anything in public is called by its address.
    fn constraints(&self) -> NameConstraints {
        let mut permitted = PRIVATE_SUFFIXES.to_vec();
        for name in self.iter().filter(|name| is_host_name(name)) {
            if !permitted.contains(&name) {
                permitted.push(name);
            }
        }
        let subtree = |name: &str| GeneralSubtree::DnsName(name.to_owned());
        let permitted_subtrees = permitted.into_iter().map(subtree).collect();
        NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() }
    }
}

impl Authority {
    pub(super) fn make(names: &Names, now: Timestamp) -> Result<(Self, String), TlsError> {
        let key = KeyPair::generate()?;
        let common_name = match names.machine() {
            Some(machine) => format!("{AUTHORITY_NAME} on {machine}"),
            None => AUTHORITY_NAME.to_owned(),
        };
        let mut params = authority_params(common_name.chars().take(MAX_COMMON_NAME).collect());
        let expires_at = set_life(&mut params, now, AUTHORITY_LIFE)?;
        params.name_constraints = Some(names.constraints());
        let made = params.self_signed(&key)?;
        let key_pem = key.serialize_pem();
        let (certificate, pem) = (made.der().clone(), made.pem());
        let issuer = Issuer::new(params, key);
        Ok((Self { issuer, certificate, pem, expires_at }, key_pem))
    }

    /// An authority that was made earlier. Whether the key is the certificate's own shows when
    /// something it signed is checked.
    pub(super) fn reuse(
        certificate: CertificateDer<'static>,
        facts: Facts,
        pem: String,
        key: KeyPair,
    ) -> Self {
        let issuer = Issuer::new(authority_params(facts.subject), key);
        Self { issuer, certificate, pem, expires_at: facts.not_after }
    }

    pub(super) fn issue(&self, names: &Names, now: Timestamp) -> Result<Issued, TlsError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let machine = names.machine().filter(|machine| machine.len() <= MAX_COMMON_NAME);
        params.distinguished_name = common_name(machine.unwrap_or("localhost").to_owned());
        params.subject_alt_names = names.iter().map(subject_name).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        // A certificate is worth nothing without the one that signed it.
        let left = Duration::from_secs(self.expires_at.since(now).as_secs());
        let expires_at = set_life(&mut params, now, SERVER_LIFE.min(left))?;
        let made = params.signed_by(&key, &self.issuer)?;
        let (certificate, pem) = (made.der().clone(), made.pem());
        Ok(Issued { certificate, pem, key_pem: key.serialize_pem(), expires_at })
    }

    /// Whether clients would accept what this authority signs for a name. They accept nothing that it
    /// signs if the key is not its own.
    pub(super) fn may_sign_for(&self, name: &str, now: Timestamp) -> Result<bool, TlsError> {
        let names = Names(vec![name.to_owned()]);
        let issued = self.issue(&names, now)?;
        Ok(self.vouches_for(&issued, &names, now))
    }

    /// Whether this authority is of the kind that clients on BoringSSL refuse (see `constraints`).
    pub(super) fn limits_addresses(&self, now: Timestamp) -> Result<bool, TlsError> {
        Ok(!self.may_sign_for(STRANGE_ADDRESS, now)?)
    }

    fn vouches_for(&self, issued: &Issued, names: &Names, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        if roots.add(self.certificate.clone()).is_err() {
            return false;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let Ok(verifier) = verifier.build() else { return false };
        let since_epoch = Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(since_epoch);
        names.iter().all(|name| {
            ServerName::try_from(name).is_ok_and(|name| {
                verifier.verify_server_cert(&issued.certificate, &[], &name, &[], now).is_ok()
            })
        })
    }
}

fn authority_params(name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // The store of a system would otherwise trust it for programs and mail as well.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn common_name(name: String) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn is_host_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_err()
}

fn subject_name(name: &str) -> Result<SanType, rcgen::Error> {
    match name.parse() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(name.try_into()?)),
    }
}

/// Sets both dates, and says the later one.
fn set_life(
    params: &mut CertificateParams,
    now: Timestamp,
    life: Duration,
) -> Result<Timestamp, TlsError> {
    let seconds = u64::try_from(now.0).map(|ms| ms / 1000).map_err(|_| TlsError::Clock(now))?;
    let now_whole = Duration::from_secs(seconds);
    if now > LATEST || now_whole < CLOCK_SKEW {
        return Err(TlsError::Clock(now));
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now_whole.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now_whole + life;
    Ok(Timestamp::default().plus(now_whole + life))
}
