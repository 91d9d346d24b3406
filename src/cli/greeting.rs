use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::{Outcome, say};
use crate::config::{Config, Host};
use crate::logging;
use crate::server::Server;

/// How much of a key is shown, so that it can be recognized.
const SHOWN_OF_KEY: usize = 16;

/// What the guides of older servers look for, and what a newcomer needs next.
pub(super) fn greet(config: &Config, server: &Server) -> Outcome {
    let port = server.address().port();
    let scheme = if config.tls.enabled { "https" } else { "http" };
    let names = names_of(&config.server.host);
    let urls: Vec<String> =
        names.iter().map(|name| format!("{scheme}://{}:{port}", in_url(name))).collect();
    let nearest = urls.first().cloned().unwrap_or_default();
    let url = config.server.public_url.clone().unwrap_or(nearest);
    let listening = SocketAddr::new(server.address().ip(), port).to_string();
    let is_loopback = config.server.host.is_loopback();
    let place = if is_loopback { format!("localhost:{port}") } else { listening };

    logging::announce(&format!("Starting MCP Memory Server on {place}"));
    logging::announce(&format!("Port {port} saved to .mcp_port"));
    logging::announce("Authentication token saved to .mcp_token");
    let token = shown(server.token().reveal());
    logging::announce(&format!("Authentication token: {token}... (keep this secret!)"));
    let mut key = "YOUR_KEY".to_owned();
    if let Some(kept) = server.kept_key() {
        say(&format!("🔑 Generated API Key: {}...", shown(kept.secret.reveal())))?;
        say(&format!("   The whole key is in {}", kept.path.display()))?;
        key = format!("$(cat '{}')", kept.path.display());
    }
    say(&format!("   Address: {url}  (MCP at {url}/mcp, REST at {url}/api/v1)"))?;
    for other in urls.iter().filter(|other| **other != url) {
        say(&format!("   Also at: {other}"))?;
    }
    say("   For Claude Code, paste:")?;
    say(&format!(
        "   claude mcp add -s user --transport http memory {url}/mcp --header \"Authorization: Bearer {key}\""
    ))?;
    let is_plain = !config.tls.enabled && config.server.public_url.is_none();
    if is_plain && !is_loopback {
        log::warn!(
            "keys and memories cross the network as plain text; use HTTPS (memoryd certs) or a \
             proxy that does"
        );
    }
    let state = if config.auth.disabled { "disabled" } else { "enabled" };
    logging::announce(&format!(
        "MCP Memory Server started successfully with authentication {state}"
    ));
    Ok(())
}

fn shown(key: &str) -> String {
    key.chars().take(SHOWN_OF_KEY).collect()
}

/// By what names clients reach the server, the best first. An address that stands for all is none
/// that anybody could connect to.
fn names_of(host: &Host) -> Vec<String> {
    let is_for_all = match host {
        Host::Address(address) => address.is_unspecified(),
        Host::Name(_) => false,
    };
    if host.is_loopback() {
        return vec!["localhost".to_owned()];
    }
    if !is_for_all {
        return vec![host.to_string()];
    }
    let mut names = vec![rustix::system::uname().nodename().to_string_lossy().into_owned()];
    let has_ipv6 = matches!(host, Host::Address(IpAddr::V6(_)));
    names.extend(own_address(Ipv4Addr::UNSPECIFIED.into()));
    names.extend(has_ipv6.then(|| own_address(Ipv6Addr::UNSPECIFIED.into())).flatten());
    names.push("localhost".to_owned());
    names.retain(|name| !name.is_empty());
    names.dedup();
    names
}

/// The address that this machine has in its network: the one from which it would send to an address
/// of documentation (RFC 5737, RFC 3849). Nothing is sent. Without a network there is none.
fn own_address(any: IpAddr) -> Option<String> {
    let far: IpAddr = match any {
        IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((far, 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then(|| own.to_string())
}

/// An IPv6 address stands in brackets, or its colons would be taken for that of the port.
fn in_url(name: &str) -> String {
    match name.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_told_as_one_that_can_be_connected_to() {
        for all in ["0.0.0.0", "::"] {
            let names = names_of(&Host::Address(all.parse().unwrap()));

            assert!(!names.iter().any(|name| name == all), "{names:?}");
            assert_eq!(names.last().unwrap(), "localhost");
        }
    }

    #[test]
    fn a_host_that_was_named_is_told_as_it_is() {
        let lan = Host::Address("192.168.1.5".parse().unwrap());

        assert_eq!(names_of(&lan), ["192.168.1.5"]);
        assert_eq!(names_of(&Host::Name("nas.lan".to_owned())), ["nas.lan"]);
        assert_eq!(names_of(&Host::Address("::1".parse().unwrap())), ["localhost"]);
        assert_eq!(in_url("2001:db8::5"), "[2001:db8::5]");
        assert_eq!(in_url("nas.lan"), "nas.lan");
    }
}
