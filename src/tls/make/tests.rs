use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, symlink};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, GeneralSubtree, IsCa, NameConstraints,
};

use super::*;

const NOW: Timestamp = Timestamp(1_795_000_000_000);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn found(name: &str) -> WantedNames {
    WantedNames { found: vec![name.to_owned()], given: Vec::new() }
}

fn given(name: &str) -> WantedNames {
    WantedNames { found: Vec::new(), given: vec![name.to_owned()] }
}

fn make(folder: &Path, host: &str, now: Timestamp) -> Certificates {
    make_certificates(folder, &found(host), now).unwrap()
}

fn refusal(folder: &Path, wanted: &WantedNames, now: Timestamp) -> String {
    make_certificates(folder, wanted, now).unwrap_err().to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// An authority as earlier versions made it: it may sign for a few addresses only.
fn make_as_before(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY_NAME} on pi"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.not_after = rcgen::date_time_ymd(2036, 1, 1);
    let address = CidrSubnet::from_addr_prefix(IpAddr::from([127, 0, 0, 1]), 32);
    let names = ["localhost", "pi"].map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let mut permitted_subtrees = names.to_vec();
    permitted_subtrees.push(GeneralSubtree::IpAddress(address));
    let address = CidrSubnet::from_addr_prefix(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128);
    permitted_subtrees.push(GeneralSubtree::IpAddress(address));
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("ca-key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn a_second_run_renews_the_server_and_keeps_the_authority() {
    let folder = tempfile::tempdir().unwrap();
    let first = make(folder.path(), "pi", NOW);
    let before = (read(&first.authority), read(&first.server));

    let second = make(folder.path(), "pi", NOW.plus(2 * YEAR));

    assert_eq!(first.authority_fate, AuthorityFate::Made);
    assert_eq!(second.authority_fate, AuthorityFate::Reused);
    assert_eq!(read(&second.authority), before.0);
    assert_ne!(read(&second.server), before.1);
    assert_eq!(second.names, ["localhost", "127.0.0.1", "::1", "pi"]);
    assert_eq!(second.authority_expires_at, first.authority_expires_at);
}

#[test]
fn a_later_run_keeps_every_name_and_the_old_authority_signs_for_new_private_ones() {
    let folder = tempfile::tempdir().unwrap();
    let first = make(folder.path(), "pi", NOW);
    let authority = read(&first.authority);
    for name in ["nas.lan", "pi.local", "192.168.1.5", "10.0.0.7", "fd00::7", "memory.internal"] {
        let made = make_certificates(folder.path(), &given(name), NOW).unwrap();

        assert_eq!(made.authority_fate, AuthorityFate::Reused, "{name}");
        assert!(made.left_out.is_empty(), "{:?}", made.left_out);
    }

    let last = make_certificates(folder.path(), &WantedNames::default(), NOW).unwrap();

    assert_eq!(
        last.names[3..],
        ["pi", "nas.lan", "pi.local", "192.168.1.5", "10.0.0.7", "fd00::7", "memory.internal"]
    );
    assert_eq!(read(&last.authority), authority);
}

#[test]
fn a_name_in_public_needs_an_authority_that_was_made_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = make(folder.path(), "pi", NOW);
    let before = (read(&first.authority), read(&first.server));
    let public = given("memory.example.com");

    let refused = refusal(folder.path(), &public, NOW);
    let unchanged = (read(&first.authority), read(&first.server));
    let anew = make_certificates_anew(folder.path(), &public, NOW).unwrap();
    let after = make_certificates(folder.path(), &given("api.memory.example.com"), NOW).unwrap();

    assert!(refused.contains("may not sign for memory.example.com; --new-ca"), "{refused}");
    assert_eq!(unchanged, before);
    assert_eq!(anew.authority_fate, AuthorityFate::Replaced);
    assert_eq!(anew.names[3..], ["pi", "memory.example.com"]);
    assert_ne!(read(&anew.authority), before.0);
    assert_eq!(after.authority_fate, AuthorityFate::Reused);
}

#[test]
fn what_was_only_found_is_left_out_where_the_authority_may_not_sign_for_it() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), "pi", NOW);

    let made = make(folder.path(), "attic", NOW);

    assert_eq!(made.authority_fate, AuthorityFate::Reused);
    assert_eq!(made.names[3..], ["pi"]);
    assert_eq!(made.left_out, ["attic"]);
}

#[test]
fn no_new_authority_limits_addresses_and_an_old_one_that_does_is_told() {
    let folder = tempfile::tempdir().unwrap();
    make_as_before(folder.path());

    let old = make(folder.path(), "192.168.1.5", NOW);
    let refused = refusal(folder.path(), &given("192.168.1.5"), NOW);
    let anew = make_certificates_anew(folder.path(), &found("192.168.1.5"), NOW).unwrap();

    assert_eq!(old.authority_fate, AuthorityFate::Reused);
    assert!(old.authority_limits_addresses);
    assert_eq!(old.left_out, ["192.168.1.5"]);
    assert!(refused.contains("may not sign for 192.168.1.5; --new-ca"), "{refused}");
    assert!(!anew.authority_limits_addresses);
    assert_eq!(anew.authority_fate, AuthorityFate::Replaced);
}

#[test]
fn an_authority_that_cannot_sign_is_replaced_on_demand_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let first = make(path, "pi", NOW);
    let refused = |now| refusal(path, &found("pi"), now);

    let expired = refused(NOW.plus(10 * YEAR));
    let early = refused(Timestamp(NOW.0 - 2 * 86_400_000));
    fs::remove_file(path.join("ca-key.pem")).unwrap();
    let without_key = refused(NOW);
    let other = KeyPair::generate().unwrap().serialize_pem();
    fs::write(path.join("ca-key.pem"), other).unwrap();
    let another_key = refused(NOW);
    fs::remove_file(path.join("ca-key.pem")).unwrap();
    fs::remove_file(path.join("ca.pem")).unwrap();
    let gone = refused(NOW);
    let anew = make_certificates_anew(path, &WantedNames::default(), NOW).unwrap();
    let after = make(path, "pi", NOW);

    for (told, because) in [
        (expired, "expired"),
        (early, "not valid yet"),
        (without_key, "its key is gone"),
        (another_key, "another one's"),
        (gone, "the file is gone"),
    ] {
        assert!(told.contains(because), "{told}");
        assert!(told.contains("--new-ca"), "{told}");
    }
    assert_eq!(anew.authority_fate, AuthorityFate::Replaced);
    assert_eq!(anew.names, first.names);
    assert_eq!(after.authority_fate, AuthorityFate::Reused);
}

#[test]
fn the_dates_keep_to_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path(), "pi", NOW);

    let (_, server) = ours(&made.server, &made.server_key).unwrap().unwrap();
    let (_, authority) = ours(&made.authority, &made.authority_key).unwrap().unwrap();
    let late = make(folder.path(), "pi", NOW.plus(9 * YEAR));

    let days = server.not_after.since(server.not_before).as_secs() / 86_400;
    assert_eq!(days, 825);
    assert_eq!(server.not_after, made.server_expires_at);
    assert_eq!(authority.not_after, made.authority_expires_at);
    assert_eq!(late.server_expires_at, made.authority_expires_at, "never beyond its authority");
    for broken in [Timestamp(i64::MAX), Timestamp(-5)] {
        let empty = tempfile::tempdir().unwrap();
        let refused = make_certificates(empty.path(), &found("pi"), broken);

        assert!(matches!(refused, Err(TlsError::Clock(_))));
    }
}

#[test]
fn keys_are_private_and_no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let certs = folder.path().join("deep/certs");
    let victim = folder.path().join("victim");
    fs::create_dir_all(&certs).unwrap();
    fs::write(&victim, "precious").unwrap();
    make(&certs, "pi", NOW);
    for name in ["server-key.pem", "server-key.pem.tmp"] {
        let _ = fs::remove_file(certs.join(name));
        symlink(&victim, certs.join(name)).unwrap();
    }

    let made = make(&certs, "pi", NOW);

    assert_eq!(read(&victim), "precious");
    for (path, mode) in [(&made.server_key, 0o600), (&made.authority_key, 0o600)] {
        let metadata = path.symlink_metadata().unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[test]
fn what_memoryd_did_not_make_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let foreign = CertificateParams::default().self_signed(&key).unwrap().pem();
    for (name, content) in
        [("server.pem", foreign.as_str()), ("ca.pem", "notes"), ("ca-key.pem", "a key")]
    {
        fs::write(folder.path().join(name), content).unwrap();
        for make in [make_certificates, make_certificates_anew] {
            let refused = make(folder.path(), &WantedNames::default(), NOW).unwrap_err();

            assert!(matches!(refused, TlsError::Foreign { .. }), "{name}: {refused}");
            assert_eq!(read(&folder.path().join(name)), content);
        }
        fs::remove_file(folder.path().join(name)).unwrap();
    }
}

#[test]
fn a_name_that_no_certificate_can_carry_is_left_out_if_found_and_refused_if_given() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["my host", "B\u{fc}ro", "", "Pi.", "localhost", "192.168.1.5", "FD00:0::1"];
    let wanted = WantedNames { found: names.map(str::to_owned).to_vec(), given: Vec::new() };

    let made = make_certificates(folder.path(), &wanted, NOW).unwrap();

    assert_eq!(made.names[3..], ["pi", "192.168.1.5", "fd00::1"]);
    assert_eq!(made.left_out, ["my host", "B\u{fc}ro", ""]);
    for bad in ["https://nas.lan", "nas.lan:3000", "*.lan", ""] {
        let refused = refusal(folder.path(), &given(bad), NOW);

        assert!(refused.contains("is no name for a certificate"), "{refused}");
    }
}

#[test]
fn a_byte_order_mark_in_the_authority_does_not_get_into_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let made = make(folder.path(), "pi", NOW);
    fs::write(&made.authority, format!("\u{feff}{}", read(&made.authority))).unwrap();

    let again = make(folder.path(), "pi", NOW);

    assert_eq!(again.authority_fate, AuthorityFate::Reused);
    assert_eq!(PemFile::read(&again.server).unwrap().certificates().unwrap().len(), 2);
}
