//! Tests of both ends together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, Error, ProtocolVersion, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use tempfile::TempDir;

use super::client::roots;
use super::identity::provider;
use super::{
    Reloader, WantedNames, client_config, client_config_beside_system, make_certificates,
    pinned_client_config, unchecked_client_config,
};
use crate::model::{Clock, SystemClock};

/// Shakes hands without a socket; says the version agreed on.
fn shake_hands(
    server: &ServerConfig,
    client: Arc<ClientConfig>,
    name: &str,
) -> Result<ProtocolVersion, Error> {
    let mut server = ServerConnection::new(Arc::new(server.clone()))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client, name)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(client.protocol_version().unwrap())
}

fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let given = vec!["attic".to_owned(), "nas.lan".to_owned(), "192.168.1.5".to_owned()];
    let wanted = WantedNames { given, found: Vec::new() };
    make_certificates(folder.path(), &wanted, SystemClock.now()).unwrap();
    folder
}

/// What `openssl req -x509 -subj /CN=localhost` makes, as the guides of older servers have it: no
/// alternative names, and marked as an authority.
fn made_as_by_openssl() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.path().join("server.pem"), certificate.pem()).unwrap();
    fs::write(folder.path().join("server-key.pem"), key.serialize_pem()).unwrap();
    folder
}

fn server(folder: &Path) -> (Reloader, ServerConfig) {
    let reloader =
        Reloader::open(&folder.join("server.pem"), &folder.join("server-key.pem")).unwrap();
    let config = reloader.server_config().unwrap();
    (reloader, config)
}

fn client_of(version: &'static SupportedProtocolVersion, authority: PathBuf) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider());
    let roots = roots(&[authority]).unwrap();
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

#[test]
fn whoever_trusts_our_authority_gets_through_in_both_versions_by_every_name() {
    let folder = made();
    let (_, server) = server(folder.path());
    for (offered, agreed) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        for name in ["localhost", "127.0.0.1", "::1", "attic", "nas.lan", "192.168.1.5"] {
            let client = client_of(offered, folder.path().join("ca.pem"));

            let shaken = shake_hands(&server, client, name);

            assert_eq!(shaken, Ok(agreed), "{name}");
        }
    }
}

#[test]
fn another_authority_or_another_name_is_refused() {
    let (folder, other) = (made(), made());
    let (_, server) = server(folder.path());
    let ours = client_config(&[folder.path().join("ca.pem")]).unwrap();
    let theirs = client_config(&[other.path().join("ca.pem")]).unwrap();

    assert!(shake_hands(&server, theirs, "localhost").is_err());
    assert!(shake_hands(&server, Arc::clone(&ours), "example.com").is_err());
    assert!(shake_hands(&server, ours, "localhost").is_ok());
}

#[test]
fn a_pinned_certificate_needs_no_names_and_no_authority() {
    let folder = made_as_by_openssl();
    let (_, server) = server(folder.path());
    let cert = folder.path().join("server.pem");

    let strict =
        shake_hands(&server, client_config(std::slice::from_ref(&cert)).unwrap(), "localhost");
    let pinned = shake_hands(&server, pinned_client_config(&cert).unwrap(), "127.0.0.1");

    assert!(strict.is_err());
    assert_eq!(pinned, Ok(ProtocolVersion::TLSv1_3));
}

#[test]
fn a_named_authority_and_a_named_certificate_are_trusted_and_no_others() {
    let (folder, alone) = (made(), made_as_by_openssl());
    let (authority, own) = (folder.path().join("ca.pem"), alone.path().join("server.pem"));
    let ((_, by_authority), (_, by_itself)) = (server(folder.path()), server(alone.path()));
    let shaken = |named: &PathBuf, server: &ServerConfig, name: &str| {
        let client = client_config_beside_system(std::slice::from_ref(named)).unwrap();
        shake_hands(server, client, name).is_ok()
    };

    assert!(shaken(&authority, &by_authority, "localhost"));
    assert!(!shaken(&authority, &by_authority, "example.com"), "the name counts");
    assert!(shaken(&own, &by_itself, "nas.lan"), "it was named itself");
    assert!(!shaken(&authority, &by_itself, "localhost"));
    assert!(!shaken(&own, &by_authority, "localhost"));
}

#[test]
fn a_probe_asks_for_no_certificate_that_it_could_trust() {
    let folder = made_as_by_openssl();
    let (_, server) = server(folder.path());

    let shaken = shake_hands(&server, unchecked_client_config().unwrap(), "nowhere.example");

    assert_eq!(shaken, Ok(ProtocolVersion::TLSv1_3));
}

#[test]
fn a_pinned_client_refuses_every_other_certificate() {
    let (folder, other) = (made_as_by_openssl(), made_as_by_openssl());
    let (_, server) = server(folder.path());
    let client = pinned_client_config(&other.path().join("server.pem")).unwrap();

    let refused = shake_hands(&server, client, "localhost").unwrap_err();

    assert!(refused.to_string().contains("does not show the certificate in"), "{refused}");
}

#[test]
fn both_ends_follow_a_renewal_without_being_made_anew() {
    let (folder, other) = (made_as_by_openssl(), made_as_by_openssl());
    let (reloader, server) = server(folder.path());
    let client = pinned_client_config(&folder.path().join("server.pem")).unwrap();
    for name in ["server.pem", "server-key.pem"] {
        fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
    }

    let before = shake_hands(&server, Arc::clone(&client), "localhost");
    let changed = reloader.refresh().unwrap();
    let after = shake_hands(&server, client, "localhost");

    assert!(before.is_err());
    assert!(changed);
    assert!(after.is_ok());
}
