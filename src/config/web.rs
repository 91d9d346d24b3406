use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::parse::{self, Parsed};
use super::source::Raw;

/// It stands in every link of a page.
const LONGEST_BASE_PATH: usize = 200;

/// Where the listener binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Address(IpAddr),
    /// In lower case, not yet looked up.
    Name(String),
}

/// Which port the listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// 0 leaves the choice to the system, as tests want it.
    Number(u16),
    /// The first free one in 8501-8999.
    Auto,
}

/// One entry of `http.trusted_hosts`. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    Any,
    /// Every name below the one given: `*.example.com` without the `*.`, and not itself.
    Below(String),
    Exactly(String),
}

/// Who may call from a web page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Loopback origins and the server's own.
    Own,
    /// Said explicitly with `*`; never with credentials.
    Any,
    /// In lower case, without a path, compared as a whole.
    These(Vec<String>),
}

impl Host {
    /// Whether only this machine can reach it. `localhost` counts: RFC 6761 reserves the name.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }

    pub(super) fn parse(raw: &Raw) -> Parsed<Self> {
        let given = parse::text(raw).unwrap_or_default().to_ascii_lowercase();
        let expected = || "an IP address or a host name, without a port".to_owned();
        host(&given).ok_or_else(expected)
    }
}

impl Port {
    pub(super) fn parse(raw: &Raw) -> Parsed<Self> {
        let given = parse::text(raw).unwrap_or_default();
        if given.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        let number = parse::count(raw, 0..=u32::from(u16::MAX)).ok();
        let expected = || "a port from 1 to 65535, 0 for any free one, or auto".to_owned();
        number.and_then(|n| u16::try_from(n).ok()).map(Self::Number).ok_or_else(expected)
    }
}

impl HostPattern {
    /// Whether a host name fits, given without its port. Case does not count.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        match self {
            Self::Any => true,
            Self::Below(parent) => {
                let child = host.strip_suffix(parent.as_str());
                child.is_some_and(|child| child.len() > 1 && child.ends_with('.'))
            }
            Self::Exactly(name) => host.trim_start_matches('[').trim_end_matches(']') == name,
        }
    }

    /// Whether only names of this machine fit, whoever looks them up.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Below(parent) => parent == "localhost" || parent.ends_with(".localhost"),
            Self::Exactly(name) => is_of_this_machine(name),
        }
    }

    pub(super) fn parse_list(raw: &Raw) -> Parsed<Vec<Self>> {
        let expected = "host names separated by commas, such as example.com,*.example.com, or *";
        let patterns = parse::list(raw, expected, |item| {
            let item = item.to_ascii_lowercase();
            if item == "*" {
                return Some(Self::Any);
            }
            if let Some(parent) = item.strip_prefix("*.") {
                return is_host_name(parent).then(|| Self::Below(parent.to_owned()));
            }
            host(&item).map(|host| Self::Exactly(host.to_string()))
        })?;
        if patterns.is_empty() { Err(expected.to_owned()) } else { Ok(patterns) }
    }
}

impl AllowedOrigins {
    pub(super) fn parse(raw: &Raw) -> Parsed<Self> {
        let expected = "origins separated by commas, such as https://claude.ai, or * alone";
        if parse::text(raw).is_ok_and(|text| text == "*") {
            return Ok(Self::Any);
        }
        let origins = parse::list(raw, expected, |item| match item {
            "*" => Some("*".to_owned()),
            _ => origin(item),
        })?;
        match origins.iter().filter(|origin| *origin == "*").count() {
            0 => Ok(Self::These(origins)),
            1 if origins.len() == 1 => Ok(Self::Any),
            _ => Err(expected.to_owned()),
        }
    }
}

/// Reads the address under which clients reach the server.
pub(super) fn public_url(raw: &Raw) -> Parsed<String> {
    let expected = || "a URL such as https://memory.example.com".to_owned();
    web_address(parse::text(raw)?).ok_or_else(expected)
}

/// Reads the address of a server, and writes it as every spelling of it comes out: clients compare it as
/// text. Scheme and host are in small letters; the usual port and a final slash are dropped. Nothing for what
/// is no such address.
#[must_use]
pub fn web_address(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let is_web = scheme == "http" || scheme == "https";
    let is_clean = !rest.contains(['?', '#', '"', '\'', '\\', ' ', '<', '>']);
    let rest = rest.trim_end_matches('/');
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = tidy(&scheme, authority)?;
    (is_web && is_clean).then(|| format!("{scheme}://{authority}{path}"))
}

/// Reads what stands before the paths of a server, such as `/memory`; a final slash is dropped.
/// Nothing for what is no such path, or could be taken for more than one.
#[must_use]
pub fn base_path(text: &str) -> Option<String> {
    let path = text.trim().trim_end_matches('/');
    let is_part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_~.".contains(c);
        !part.is_empty() && part != "." && part != ".." && part.chars().all(is_plain)
    };
    let is_short = path.len() <= LONGEST_BASE_PATH;
    let is_path = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part));
    (is_short && is_path).then(|| path.to_owned())
}

pub(super) fn parse_base_path(raw: &Raw) -> Parsed<String> {
    let expected = || "a path such as /memory".to_owned();
    base_path(parse::text(raw)?).ok_or_else(expected)
}

/// Whether a public URL leads to this machine, whoever looks up its name.
#[must_use]
pub fn is_on_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let name = split_port(authority).0.to_ascii_lowercase();
    is_of_this_machine(&name)
}

/// Whether a name in small letters is one of this machine, whoever looks it up (RFC 6761).
fn is_of_this_machine(name: &str) -> bool {
    name.ends_with(".localhost") || host(name).is_some_and(|host| host.is_loopback())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// Any scheme is let through: editors and browser extensions have their own.
fn origin(item: &str) -> Option<String> {
    let lower = item.trim_end_matches('/').to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let is_scheme = !scheme.is_empty()
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let authority = tidy(scheme, authority)?;
    is_scheme.then(|| format!("{scheme}://{authority}"))
}

/// Host and port in small letters, without the port that is usual for a scheme: browsers leave it out.
/// Nothing for what is no host.
fn tidy(scheme: &str, authority: &str) -> Option<String> {
    if !is_authority(authority) {
        return None;
    }
    let (name, port) = split_port(authority);
    let usual = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let name = name.to_ascii_lowercase();
    match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) if Some(port) != usual => Some(format!("{name}:{port}")),
        _ => Some(name),
    }
}

/// The host and the port. An IPv6 address keeps its brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

fn is_authority(authority: &str) -> bool {
    let (name, port) = split_port(authority);
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port =
        port.is_none_or(|port| is_number(port) && port.parse::<u16>().is_ok_and(|port| port > 0));
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_host = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(name),
    };
    is_port && is_host
}

/// `given` is in lower case.
fn host(given: &str) -> Option<Host> {
    let bare = given.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(given);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Host::Address(address));
    }
    // `300.1.1.1` and `127.1` are slips of the pen, not names: a last label has a letter.
    let last = given.rsplit('.').next().unwrap_or_default();
    let is_name = is_host_name(given) && last.bytes().any(|b| b.is_ascii_alphabetic());
    is_name.then(|| Host::Name(given.to_owned()))
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for inside in ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
            assert!(Host::parse(&Raw::text(inside)).unwrap().is_loopback(), "{inside}");
        }
        for outside in ["0.0.0.0", "::", "192.168.1.2", "my-machine", "localhost.example.com"] {
            assert!(!Host::parse(&Raw::text(outside)).unwrap().is_loopback(), "{outside}");
        }
        for odd in ["localhost:3000", "a b", "http://x", "*", "127.1", "300.1.1.1", "a..b"] {
            assert!(Host::parse(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_port_is_a_number_or_auto() {
        assert_eq!(Port::parse(&Raw::text("auto")), Ok(Port::Auto));
        assert_eq!(Port::parse(&Raw::text("0")), Ok(Port::Number(0)));
        assert_eq!(Port::parse(&Raw::text("65535")), Ok(Port::Number(65535)));
        for odd in ["65536", "-1", "http", "80,81", "3000.0"] {
            assert!(Port::parse(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_host_pattern_matches_names_below_it_and_nothing_that_only_ends_so() {
        let patterns = HostPattern::parse_list(&Raw::text("Example.com,*.home.lan,::1")).unwrap();
        let matches = |host: &str| patterns.iter().any(|pattern| pattern.matches(host));

        for fits in ["example.com", "EXAMPLE.com.", "a.home.lan", "a.b.home.lan", "[::1]"] {
            assert!(matches(fits), "{fits}");
        }
        for foreign in ["a.example.com", "home.lan", ".home.lan", "evilhome.lan", "example.com.x"] {
            assert!(!matches(foreign), "{foreign}");
        }
        for odd in ["example.com:3000", "*example.com", "https://example.com", "a/b"] {
            assert!(HostPattern::parse_list(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_and_a_star_stands_alone() {
        let given = AllowedOrigins::parse(&Raw::text(
            "https://Claude.ai/, https://a.example:443,http://[::1]:8080,vscode-webview://ab-1",
        ));
        let known = [
            "https://claude.ai",
            "https://a.example",
            "http://[::1]:8080",
            "vscode-webview://ab-1",
        ];
        assert_eq!(given, Ok(AllowedOrigins::These(known.map(str::to_owned).to_vec())));

        assert_eq!(AllowedOrigins::parse(&Raw::text("*")), Ok(AllowedOrigins::Any));
        for odd in
            ["claude.ai", "*,https://a.example", "null", "https://", "https://a/b", "a://b:0"]
        {
            assert!(AllowedOrigins::parse(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_public_url_is_a_web_address() {
        let kept = public_url(&Raw::text("HTTPS://memory.example.com:8443/base/"));
        assert_eq!(kept, Ok("https://memory.example.com:8443/base".to_owned()));
        for odd in [
            "memory.example.com",
            "ftp://a",
            "https://",
            "https://a b",
            "https://u:p@a",
            "https://a:+443",
            "https://a:",
        ] {
            assert!(public_url(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_public_url_has_one_spelling() {
        for (given, kept) in [
            ("https://Memory.Example.COM", "https://memory.example.com"),
            ("https://memory.example.com/", "https://memory.example.com"),
            ("https://memory.example.com:443//", "https://memory.example.com"),
            ("HTTPS://MEMORY.example.com:0443/Base/", "https://memory.example.com/Base"),
            ("https://memory.example.com:80", "https://memory.example.com:80"),
            ("http://LocalHost:80/", "http://localhost"),
            ("http://[2001:DB8::1]:3000", "http://[2001:db8::1]:3000"),
            ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
        ] {
            assert_eq!(public_url(&Raw::text(given)).as_deref(), Ok(kept), "{given}");
        }
    }
}
