use std::net::IpAddr;

use rustls::pki_types::CertificateDer;

use crate::model::Timestamp;

/// What we ask of a certificate that rustls does not tell. It proves nothing: no signature is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// Common names; empty where there is none.
    pub issuer: String,
    pub subject: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// The DNS names and addresses among the alternative names, in their order.
    pub names: Vec<String>,
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// The tag `[0]` that the version stands behind, from version 2 on.
const VERSION: u8 = 0xa0;
/// The tag `[3]` that the extensions stand behind.
const EXTENSIONS: u8 = 0xa3;
/// The tags of two kinds of `GeneralName`, `[2]` and `[7]` (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;
const ADDRESS: u8 = 0x87;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl Facts {
    /// Reads a `TBSCertificate` (RFC 5280, 4.1).
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut outer = Der(certificate.as_ref());
        let mut signed = Der(Der(outer.take(SEQUENCE)?).take(SEQUENCE)?);
        if signed.0.first() == Some(&VERSION) {
            signed.take(VERSION)?;
        }
        signed.take(INTEGER)?;
        signed.take(SEQUENCE)?;
        let issuer = common_name(signed.take(SEQUENCE)?)?;
        let mut validity = Der(signed.take(SEQUENCE)?);
        let subject = common_name(signed.take(SEQUENCE)?)?;
        // The public key.
        signed.take(SEQUENCE)?;
        let names = alternative_names(signed.0)?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        Some(Self { issuer, subject, not_before, not_after, names })
    }
}

/// Walks over values in distinguished encoding (X.690): tag, length, content.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Three bytes of length are 16 MiB, far above any certificate.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn time(&mut self) -> Option<Timestamp> {
        let (tag, text) = self.next()?;
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        let full = match tag {
            GENERALIZED_TIME => text.to_owned(),
            // RFC 5280, 4.1.2.5.1: two digits mean 1950 to 2049.
            UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
            UTC_TIME => format!("19{text}"),
            _ => return None,
        };
        let part = |from: usize| full.get(from..from + 2);
        let (year, month, day) = (full.get(..4)?, part(4)?, part(6)?);
        let (hour, minute, second) = (part(8)?, part(10)?, part(12)?);
        Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
    }
}

/// The first common name in a `Name`.
fn common_name(name: &[u8]) -> Option<String> {
    let mut parts = Der(name);
    while !parts.0.is_empty() {
        let mut pair = Der(Der(parts.take(SET)?).take(SEQUENCE)?);
        if pair.take(OBJECT_ID)? == COMMON_NAME {
            return Some(String::from_utf8_lossy(pair.next()?.1).into_owned());
        }
    }
    Some(String::new())
}

/// The names in what follows the public key. A certificate of version 1 has nothing there.
fn alternative_names(after_key: &[u8]) -> Option<Vec<String>> {
    let mut rest = Der(after_key);
    while !rest.0.is_empty() {
        let (tag, content) = rest.next()?;
        if tag == EXTENSIONS {
            return names_among(Der(content).take(SEQUENCE)?);
        }
    }
    Some(Vec::new())
}

fn names_among(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(extensions);
    while !extensions.0.is_empty() {
        let mut extension = Der(extensions.take(SEQUENCE)?);
        if extension.take(OBJECT_ID)? != ALTERNATIVE_NAMES {
            continue;
        }
        // Whether it is critical; left out where it is not.
        if extension.0.first() == Some(&BOOLEAN) {
            extension.take(BOOLEAN)?;
        }
        let mut names = Der(Der(extension.take(OCTET_STRING)?).take(SEQUENCE)?);
        let mut found = Vec::new();
        while !names.0.is_empty() {
            let (tag, content) = names.next()?;
            found.extend(name(tag, content));
        }
        return Some(found);
    }
    Some(Vec::new())
}

/// A `GeneralName`, if it is of a kind that a server is reached by.
fn name(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        DNS_NAME => std::str::from_utf8(content).ok().map(str::to_owned),
        ADDRESS => {
            let v4 = <[u8; 4]>::try_from(content).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(content).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_those_that_were_written() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "home");
        params.distinguished_name.push(rcgen::DnType::CommonName, "the cellar");
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(2051, 2, 3);
        params.subject_alt_names = vec![
            rcgen::SanType::DnsName("cellar.lan".try_into().unwrap()),
            rcgen::SanType::Rfc822Name("anna@cellar.lan".try_into().unwrap()),
            rcgen::SanType::IpAddress("192.168.1.5".parse().unwrap()),
            rcgen::SanType::IpAddress("fd00::5".parse().unwrap()),
        ];

        let facts = Facts::read(params.self_signed(&key).unwrap().der()).unwrap();

        assert_eq!((facts.issuer.as_str(), facts.subject.as_str()), ("the cellar", "the cellar"));
        assert_eq!(facts.not_before, Timestamp::parse("1999-12-31").unwrap());
        assert_eq!(facts.not_after, Timestamp::parse("2051-02-03").unwrap());
        assert_eq!(facts.names, ["cellar.lan", "192.168.1.5", "fd00::5"]);
    }

    #[test]
    fn no_cut_or_changed_certificate_makes_it_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["cellar.lan".to_owned(), "192.168.1.5".to_owned()];
        let whole = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        for at in 0..whole.der().len() {
            let cut = CertificateDer::from(whole.der().get(..at).unwrap());
            assert_eq!(Facts::read(&cut), None);
            for value in [0, 0x7f, 0x80, 0x83, 0xff] {
                let mut changed = whole.der().to_vec();
                changed[at] = value;
                let _ = Facts::read(&CertificateDer::from(changed));
            }
        }
    }
}
