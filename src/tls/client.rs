use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::TlsError;
use super::identity::provider;
use super::pem::PemFile;

/// How a client speaks TLS.
pub type TlsClient = Arc<ClientConfig>;

/// A client side that trusts the authorities in these PEM files and no others.
///
/// It names no application protocol, so both ends speak HTTP/1.1.
pub fn client_config(authorities: &[PathBuf]) -> Result<TlsClient, TlsError> {
    client(authority_verifier(authorities)?)
}

/// A client side for a server that somebody named: it trusts the authorities of this machine and
/// those in these PEM files. A certificate that itself lies in one of the files is accepted as it
/// is: the person who named it may have no authority, only what `openssl req -x509` made.
///
/// The machine's own list is read instead of one that is compiled in, so that an authority that was
/// added to it counts, and one that was withdrawn does not.
pub fn client_config_beside_system(named: &[PathBuf]) -> Result<TlsClient, TlsError> {
    let mut authorities = system_authorities();
    authorities.extend(named.iter().cloned());
    let mut certificates = Vec::new();
    for path in named {
        certificates.extend(PemFile::read(path)?.certificates()?);
    }
    client(Verifier::of(Rule::Named {
        authorities: authority_verifier(&authorities)?,
        certificates,
    }))
}

/// A client side that accepts exactly the first certificate in this file, whatever its names and
/// dates. Only for the loopback connection to our own daemon, whose file it is: a certificate that
/// `openssl req` made for `CN=localhost` has no name that a stricter check would accept.
///
/// The file is read at every handshake, so a long-lived client follows a renewal.
pub fn pinned_client_config(cert: &Path) -> Result<TlsClient, TlsError> {
    first_in(cert)?;
    client(Verifier::of(Rule::Pinned(cert.to_owned())))
}

/// A client side that accepts every certificate. Only for asking whether a server of this machine
/// answers: nothing secret may be sent, and nothing that is answered may be believed.
pub fn unchecked_client_config() -> Result<TlsClient, TlsError> {
    client(Verifier::of(Rule::Unchecked))
}

/// Where this machine keeps the public authorities: the first usual place that exists, if any.
#[must_use]
pub fn system_authorities() -> Vec<PathBuf> {
    // Debian and Alpine, Fedora and RHEL, SUSE, macOS and the BSDs.
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    usual.into_iter().map(PathBuf::from).find(|path| path.is_file()).into_iter().collect()
}

pub(super) fn roots(authorities: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in authorities {
        // Bundles of whole systems hold a few that no library reads; one good one is enough.
        let (usable, _) = roots.add_parsable_certificates(PemFile::read(path)?.certificates()?);
        if usable == 0 {
            return Err(TlsError::NoCertificate { path: path.clone() });
        }
    }
    Ok(roots)
}

fn authority_verifier(authorities: &[PathBuf]) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = Arc::new(roots(authorities)?);
    let built = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    Ok(built.map_err(|error| Error::General(error.to_string()))?)
}

fn client(verifier: Arc<dyn ServerCertVerifier>) -> Result<TlsClient, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// Judges the certificate that a server shows. That the server also holds its key is proven by the
/// signature of the handshake, whatever the rule.
#[derive(Debug)]
struct Verifier {
    rule: Rule,
    provider: Arc<CryptoProvider>,
}

/// Which certificates are accepted.
#[derive(Debug)]
enum Rule {
    /// The first one in this file, by its bytes.
    Pinned(PathBuf),
    /// Whatever is shown.
    Unchecked,
    /// What an authority vouches for, and a few by their bytes.
    Named { authorities: Arc<WebPkiServerVerifier>, certificates: Vec<CertificateDer<'static>> },
}

impl Verifier {
    fn of(rule: Rule) -> Arc<Self> {
        Arc::new(Self { rule, provider: provider() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.rule {
            Rule::Unchecked => {}
            Rule::Pinned(path) => {
                let expected = first_in(path).map_err(|error| Error::General(error.to_string()))?;
                if expected.as_ref() != Some(end_entity) {
                    let path = path.display();
                    let problem = format!("the server does not show the certificate in {path}");
                    return Err(Error::General(problem));
                }
            }
            Rule::Named { certificates, .. }
                if certificates.iter().any(|named| named.as_ref() == end_entity.as_ref()) => {}
            Rule::Named { authorities, .. } => {
                return authorities.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                );
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The first certificate in a file, which is read anew.
fn first_in(path: &Path) -> Result<Option<CertificateDer<'static>>, TlsError> {
    Ok(PemFile::read(path)?.certificates()?.into_iter().next())
}
