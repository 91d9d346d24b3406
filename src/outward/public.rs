//! Which addresses everybody reaches: those that IANA's registries of special purposes (RFC 6890) do not take
//! out, and none that holds another address, which a gateway would lead on to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: its first address, and how many bits of it count.
type V4 = (Ipv4Addr, u32);
type V6 = (Ipv6Addr, u32);

/// Not for everybody, or nobody's.
const NOT_PUBLIC_V4: [V4; 15] = [
    // "This network": on some systems it is this machine.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Between a provider and its customers.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; clouds tell secrets there.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // Relays of 6to4, which are no more.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved, and broadcast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// All that is given to anybody (RFC 4291). Outside of it lie loopback, link-local, unique local and multicast
/// addresses, mapped ones (`::ffff:0:0/96`) and those of NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`).
const GIVEN_V6: V6 = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What of it is not for everybody.
const NOT_PUBLIC_V6: [V6; 4] = [
    // Of protocols: Teredo, which holds an address of IPv4, benchmarks, ORCHID.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // 6to4, which holds an address of IPv4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
];

/// Whether an address is one that everybody reaches.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let is_in =
                |(first, bits): V4| (address.to_bits() ^ first.to_bits()).leading_zeros() >= bits;
            !NOT_PUBLIC_V4.into_iter().any(is_in)
        }
        IpAddr::V6(address) => {
            let is_in =
                |(first, bits): V6| (address.to_bits() ^ first.to_bits()).leading_zeros() >= bits;
            is_in(GIVEN_V6) && !NOT_PUBLIC_V6.into_iter().any(is_in)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_for_everybody_is_known_from_its_first_address_to_its_last() {
        for network in [
            ["0.0.0.0", "0.255.255.255"],
            ["10.0.0.0", "10.255.255.255"],
            ["100.64.0.0", "100.127.255.255"],
            ["127.0.0.0", "127.255.255.255"],
            ["169.254.0.0", "169.254.169.254"],
            ["172.16.0.0", "172.31.255.255"],
            ["192.0.0.0", "192.0.0.255"],
            ["192.0.2.0", "192.0.2.255"],
            ["192.88.99.0", "192.88.99.255"],
            ["192.168.0.0", "192.168.255.255"],
            ["198.18.0.0", "198.19.255.255"],
            ["198.51.100.0", "198.51.100.255"],
            ["203.0.113.0", "203.0.113.255"],
            ["224.0.0.0", "239.255.255.255"],
            ["240.0.0.0", "255.255.255.255"],
            ["::", "::1"],
            ["::127.0.0.1", "::ffff:127.0.0.1"],
            // Mapped ones are refused even of what is public.
            ["::ffff:10.0.0.1", "::ffff:93.184.216.34"],
            ["64:ff9b::", "64:ff9b::5db8:d822"],
            ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
            ["100::", "100::ffff:ffff:ffff:ffff"],
            ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["2002::", "2002:7f00:1::"],
            ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["5f00::", "5f00:ffff::"],
            ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
            ["fec0::", "feff::"],
            ["ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
        ] {
            for text in network {
                assert!(!is_public(text.parse().unwrap()), "{text}");
            }
        }
    }

    #[test]
    fn what_lies_beside_it_is_for_everybody() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2606:2800:220:1::1",
            "2a00::1",
            "3ffe::1",
            "3fff:1000::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
