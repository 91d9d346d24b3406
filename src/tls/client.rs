use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::TlsError;
use super::identity::provider;
use super::pem::PemFile;

/// How a client speaks TLS.
pub type TlsClient = Arc<ClientConfig>;

/// A client side that trusts the authorities in these PEM files and no others.
///
/// It names no application protocol, so both ends speak HTTP/1.1.
pub fn client_config(authorities: &[PathBuf]) -> Result<TlsClient, TlsError> {
    Ok(Arc::new(builder(verifier(authorities)?)?.with_no_client_auth()))
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
    let named = Named { authorities: verifier(&authorities)?, certificates };
    Ok(Arc::new(builder(Arc::new(named))?.with_no_client_auth()))
}

/// A client side that accepts exactly the first certificate in this file, whatever its names and
/// dates. Only for the loopback connection to our own daemon, whose file it is: a certificate that
/// `openssl req` made for `CN=localhost` has no name that a stricter check would accept.
///
/// The file is read at every handshake, so a long-lived client follows a renewal.
pub fn pinned_client_config(cert: &Path) -> Result<TlsClient, TlsError> {
    let pinned = Pinned { path: cert.to_owned(), provider: provider() };
    pinned.expected()?;
    Ok(Arc::new(builder(Arc::new(pinned))?.with_no_client_auth()))
}

/// A client side that accepts every certificate. Only for asking whether a server of this machine
/// answers: nothing secret may be sent, and nothing that is answered may be believed.
pub fn unchecked_client_config() -> Result<TlsClient, TlsError> {
    let unchecked = Unchecked { provider: provider() };
    Ok(Arc::new(builder(Arc::new(unchecked))?.with_no_client_auth()))
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

fn verifier(authorities: &[PathBuf]) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = Arc::new(roots(authorities)?);
    let built = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
    Ok(built.map_err(|error| Error::General(error.to_string()))?)
}

fn builder(
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

/// Accepts one certificate by its bytes. That the server also holds its key is still proven by the
/// signature of the handshake.
#[derive(Debug)]
struct Pinned {
    path: PathBuf,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn expected(&self) -> Result<Option<CertificateDer<'static>>, TlsError> {
        Ok(PemFile::read(&self.path)?.certificates()?.into_iter().next())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let expected = self.expected().map_err(|error| Error::General(error.to_string()))?;
        if expected.as_ref() == Some(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let path = self.path.display();
        Err(Error::General(format!("the server does not show the certificate in {path}")))
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

/// Accepts whatever is shown.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
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

/// Accepts what an authority vouches for, and a few certificates by their bytes.
#[derive(Debug)]
struct Named {
    authorities: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.iter().any(|named| named.as_ref() == end_entity.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        let authorities = &self.authorities;
        authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
