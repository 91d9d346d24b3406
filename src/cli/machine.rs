//! What this machine is called, and by which addresses others reach it.

use std::io;
use std::net::IpAddr;

/// The host name, and the one that multicast DNS gives it.
pub(super) fn host_names() -> Vec<String> {
    names_of(&rustix::system::uname().nodename().to_string_lossy())
}

/// The addresses in the networks that this machine is in.
pub(super) fn network_addresses() -> io::Result<Vec<IpAddr>> {
    let found = if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip());
    Ok(found.filter(is_lasting).collect())
}

fn names_of(node: &str) -> Vec<String> {
    let label = node.split('.').next().unwrap_or_default();
    // Some machines have no name of their own, or that of loopback.
    if label.is_empty() || label.eq_ignore_ascii_case("localhost") {
        return Vec::new();
    }
    vec![node.to_owned(), format!("{label}.local")]
}

/// Whether others can reach the machine by it, and will next week. Public addresses of version 6 are
/// left out: many of them last for a day (RFC 8981).
fn is_lasting(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_also_known_by_multicast_dns() {
        assert_eq!(names_of("attic"), ["attic", "attic.local"]);
        assert_eq!(names_of("attic.example.com"), ["attic.example.com", "attic.local"]);
        assert_eq!(names_of("Attic.local"), ["Attic.local", "Attic.local"]);
        for nameless in ["", "localhost", "localhost.localdomain"] {
            assert!(names_of(nameless).is_empty(), "{nameless}");
        }
    }

    #[test]
    fn addresses_that_others_cannot_use_or_that_change_are_left_out() {
        let is_kept = |text: &str| is_lasting(&text.parse().unwrap());

        for kept in
            ["192.168.1.5", "10.0.0.7", "172.17.0.1", "100.64.0.9", "198.51.100.4", "fd00::2"]
        {
            assert!(is_kept(kept), "{kept}");
        }
        for left_out in ["127.0.0.1", "169.254.3.4", "0.0.0.0", "::1", "fe80::1", "2001:db8::5"] {
            assert!(!is_kept(left_out), "{left_out}");
        }
    }

    #[test]
    fn the_addresses_of_this_machine_can_be_listed() {
        assert!(network_addresses().unwrap().iter().all(is_lasting));
    }
}
