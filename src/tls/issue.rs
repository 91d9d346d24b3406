use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType,
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

/// The names that a server certificate is made for.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub kept: Vec<String>,
    /// Host names that no certificate can carry.
    pub left_out: Vec<String>,
}

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

impl Names {
    /// The loopback names, then those of the machine. A single-label host name is also known as
    /// `<name>.local` where multicast DNS runs, but only the caller knows whether it does.
    pub(super) fn choose(host_names: &[String]) -> Self {
        let mut names = Self { kept: Vec::new(), left_out: Vec::new() };
        for name in ["localhost", "127.0.0.1", "::1"] {
            names.kept.push(name.to_owned());
        }
        for given in host_names {
            let name = given.trim().trim_end_matches('.').to_ascii_lowercase();
            if ServerName::try_from(name.as_str()).is_err() {
                names.left_out.push(given.clone());
            } else if !names.kept.contains(&name) {
                names.kept.push(name);
            }
        }
        names
    }

    fn machine(&self) -> Option<&str> {
        let beyond_loopback = self.kept.iter().skip(3);
        beyond_loopback.map(String::as_str).find(|name| name.parse::<IpAddr>().is_err())
    }

    /// What the authority may sign for: if its key is stolen, it cannot pose as a bank.
    fn constraints(&self) -> NameConstraints {
        let subtree = |name: &String| match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => GeneralSubtree::IpAddress(CidrSubnet::V4(v4.octets(), [0xff; 4])),
            Ok(IpAddr::V6(v6)) => {
                GeneralSubtree::IpAddress(CidrSubnet::V6(v6.octets(), [0xff; 16]))
            }
            Err(_) => GeneralSubtree::DnsName(name.clone()),
        };
        let permitted_subtrees = self.kept.iter().map(subtree).collect();
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
        params.subject_alt_names =
            names.kept.iter().map(|name| subject_name(name)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let expires_at = set_life(&mut params, now, SERVER_LIFE)?;
        let made = params.signed_by(&key, &self.issuer)?;
        let (certificate, pem) = (made.der().clone(), made.pem());
        Ok(Issued { certificate, pem, key_pem: key.serialize_pem(), expires_at })
    }

    /// Whether a client that trusts this authority will accept the certificate for every name.
    pub(super) fn vouches_for(&self, issued: &Issued, names: &Names, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        if roots.add(self.certificate.clone()).is_err() {
            return false;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let Ok(verifier) = verifier.build() else { return false };
        let since_epoch = Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(since_epoch);
        names.kept.iter().all(|name| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| {
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
    params
}

fn common_name(name: String) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
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
