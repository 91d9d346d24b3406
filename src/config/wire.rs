//! The settings of the wire: whom it believes, how many connections there may be, and how long it
//! waits for each.
//!
//! What is no setting, because nobody would choose another number, is fixed where it is used:
//! `http/front/bounds.rs` (descriptors for the store), `http/front/connection.rs` (requests that may
//! wait, answers without a body), `server/handshakes.rs` (handshakes at a time), `server/wiring.rs`
//! (how long a refusal waits for its reader) and `http/streams.rs` (streams of one credential).

use std::ops::RangeInclusive;
use std::thread::available_parallelism;
use std::time::Duration;

use ipnet::IpNet;

use super::declare::{Row, optional, section, setting};
use super::layers::Layers;
use super::parse::{self, Parsed};
use super::sections::{BYTES, SECONDS};
use super::source::Raw;
use super::{ConfigError, HostPattern, web};

/// More threads than this only wait for the store.
const MOST_DEFAULT_WORKERS: usize = 8;

/// An hour: a client that needs longer for one body, or for a piece of an answer, is gone.
const LONGEST_READ_S: u32 = 3_600;

/// A minute: whoever needs longer to say what it wants holds a place for nothing.
const LONGEST_GREETING_S: u32 = 60;

/// What a household has, even on a machine that allows next to nothing.
const LEAST_CONNECTIONS: u32 = 16;

/// What one process can have open anywhere.
const MOST_CONNECTIONS: u32 = 262_144;

/// Fewer, and a browser or an agent waits for itself; more, and one connection is a crowd.
const STREAMS: RangeInclusive<u32> = 8..=1_000;

/// Less would refuse a single large page.
const LEAST_UNREAD: usize = 8 << 20;

section! {
    /// Whom the wire believes, and how long it waits.
    #[derive(Debug, Clone)]
    pub struct HttpSection {
        pub trusted_hosts: Vec<HostPattern> = setting(
            "http.trusted_hosts", &["TRUSTED_HOSTS"], "*", HostPattern::parse_list,
        )
        .unit("comma list")
        .because(
            "Naming your hosts stops DNS rebinding; *.example.com stands for every name below.",
        ),

        pub trusted_proxies: Vec<IpNet> = setting(
            "http.trusted_proxies", &["TRUSTED_PROXIES"], HttpSection::USUAL_PROXIES, parse::networks,
        )
        .unit("CIDRs, or none")
        .because("Only these may say whom they forward for; anybody else could lie."),

        /// How long a request's body may take to arrive.
        pub read_timeout: Duration = setting(
            "http.read_timeout", &["READ_TIMEOUT"], "30",
            |raw| parse::seconds(raw, 1..=LONGEST_READ_S),
        )
        .unit(SECONDS)
        .because("A body that trickles in would otherwise hold its connection for ever."),

        /// How long a TLS handshake may take, from the connection to its end.
        pub handshake_timeout: Duration = setting(
            "http.handshake_timeout", &["HTTP_HANDSHAKE_TIMEOUT"], "10",
            |raw| parse::seconds(raw, 1..=LONGEST_GREETING_S),
        )
        .unit(SECONDS)
        .because(
            "A TLS handshake takes no second; one that never ends would hold its place from others.",
        ),

        /// How long the head of a request may take.
        pub head_timeout: Duration = setting(
            "http.head_timeout", &["HTTP_HEAD_TIMEOUT"], "10",
            |raw| parse::seconds(raw, 1..=LONGEST_GREETING_S),
        )
        .unit(SECONDS)
        .because("The head of a request is small; one that trickles in holds a connection."),

        /// Between two requests of a connection.
        pub keep_alive: Duration = setting(
            "http.keep_alive", &["HTTP_KEEP_ALIVE"], "75",
            |raw| parse::seconds(raw, 1..=LONGEST_READ_S),
        )
        .unit(SECONDS)
        .because(
            "Clients keep a connection for their next call. Proxies close theirs after a minute, and must \
             do so first.",
        ),

        /// How long a piece of an answer may wait for its reader.
        pub unread_timeout: Duration = setting(
            "http.unread_timeout", &["HTTP_UNREAD_TIMEOUT"], "60",
            |raw| parse::seconds(raw, 1..=LONGEST_READ_S),
        )
        .unit(SECONDS)
        .because(
            "An answer whose next piece nobody takes for so long ends with its connection; after a \
             quarter of it where answers take more than half of unread_bytes.",
        ),

        /// Of answers that wait for their readers, over all connections.
        pub unread_bytes: usize = setting(
            "http.unread_bytes", &["HTTP_UNREAD_BYTES"], "64 MiB", unread_bytes,
        )
        .unit(BYTES)
        .because(
            "Answers lie in memory until they are read. So much of it for all connections together, and a \
             quarter for one; what is beyond is refused as busy. 8 MiB to 1 GiB.",
        ),

        pub connections: Option<usize> = optional(
            "http.connections", &["HTTP_CONNECTIONS"],
            "a quarter of the open files without a reserve, at most 8192",
            |raw| counted(raw, LEAST_CONNECTIONS..=MOST_CONNECTIONS),
        )
        .because(
            "Each takes two of the files that may be open, of which the store keeps half: no number makes \
             more of them. What is beyond waits.",
        ),

        pub connections_per_address: Option<usize> = optional(
            "http.connections_per_address", &["HTTP_CONNECTIONS_PER_ADDRESS"],
            "a quarter of all connections, at most 256",
            |raw| counted(raw, 1..=MOST_CONNECTIONS),
        )
        .because(
            "Nobody takes every place. Browsers open six and agents a few; this machine and trusted proxies \
             speak for many, and are not counted.",
        ),

        /// Requests at a time on one HTTP/2 connection.
        pub streams: usize = setting(
            "http.streams", &["HTTP_STREAMS"], "100", |raw| counted(raw, STREAMS),
        )
        .because(
            "Requests at a time on one HTTP/2 connection, each of which takes memory; RFC 9113 asks for 100. \
             What is beyond gets an empty 503.",
        ),

        pub workers: usize = optional(
            "http.workers", &["HTTP_WORKERS"], "number of cores, at most 8", threads,
        )
        .or_else(|_| Ok(available_parallelism().map_or(1, usize::from).min(MOST_DEFAULT_WORKERS)))
        .unit("threads")
        .because("They only parse and pass on, so more threads than cores bring nothing."),
    }
}

section! {
    /// Who may read the figures.
    #[derive(Debug, Clone, Copy)]
    pub struct MetricsSection {
        /// Without a key, as long as nothing says that a proxy stands before the server.
        pub open: bool = setting("metrics.open", &["METRICS_OPEN"], "false", parse::boolean)
            .because(
                "With true, programs of this machine may read /metrics without a key, until trusted_proxies \
                 or a public URL is set or a proxy was seen. One that leaves no trace of itself is not.",
            ),
    }
}

section! {
    /// The pages for people.
    #[derive(Debug, Clone)]
    pub struct DashboardSection {
        pub enabled: bool = setting("dashboard.enabled", &["DASHBOARD"], "true", parse::boolean)
            .because(
                "Pages at /ui/ to see and mend what is remembered, behind a sign-in; with off there are none.",
            ),

        /// Whether browsers of other machines may sign in without TLS.
        pub allow_http: bool = setting(
            "dashboard.allow_http", &["DASHBOARD_ALLOW_HTTP"], "false", parse::boolean,
        )
        .because(
            "Whoever can read along on the network could take over what a browser shows. With true people may \
             sign in from other machines without TLS all the same.",
        ),

        /// Begins with a slash and ends with none.
        pub base_path: Option<String> = optional(
            "dashboard.base_path", &["DASHBOARD_BASE_PATH"], "none: the pages are at /ui/",
            web::parse_base_path,
        )
        .because(
            "What a proxy takes off the path, such as /memory, so that links lead back to it. A trusted proxy \
             may tell it in X-Forwarded-Prefix instead.",
        ),

        /// Whether a trusted proxy may have the pages shown in a frame, at the path that it tells.
        pub ingress: bool = setting(
            "dashboard.ingress", &["DASHBOARD_INGRESS"], "false", parse::boolean,
        )
        .because(
            "For the ingress of Home Assistant. With true, what a trusted proxy says in X-Ingress-Path is where \
             the pages are, and there a page of the same host may show them in a frame.",
        ),
    }
}

impl HttpSection {
    /// What is trusted where nobody says anything: this machine, which need not have a proxy.
    const USUAL_PROXIES: &str = "127.0.0.0/8,::1";

    /// Whether somebody named proxies.
    #[must_use]
    pub fn names_proxies(&self) -> bool {
        let usual = parse::networks(&Raw::text(Self::USUAL_PROXIES)).unwrap_or_default();
        !self.trusted_proxies.is_empty() && self.trusted_proxies != usual
    }
}

fn threads(raw: &Raw) -> Parsed<usize> {
    counted(raw, 1..=256)
}

fn counted(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<usize> {
    usize::try_from(parse::count(raw, range)?).map_err(|error| error.to_string())
}

fn unread_bytes(raw: &Raw) -> Parsed<usize> {
    let size = parse::size_bytes(raw)?;
    let expected = || "a size from 8 MiB to 1 GiB, such as 64 MiB".to_owned();
    if size >= LEAST_UNREAD { Ok(size) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::Start;

    #[test]
    fn limits_of_the_wire_have_their_ranges() {
        for (name, odd) in [
            ("HTTP_CONNECTIONS", "15"),
            ("HTTP_CONNECTIONS_PER_ADDRESS", "0"),
            ("HTTP_STREAMS", "7"),
            ("HTTP_STREAMS", "1001"),
            ("HTTP_HANDSHAKE_TIMEOUT", "0"),
            ("HTTP_HEAD_TIMEOUT", "61"),
            ("HTTP_KEEP_ALIVE", "0"),
            ("HTTP_UNREAD_TIMEOUT", "3601"),
            ("HTTP_UNREAD_BYTES", "7 MiB"),
            ("HTTP_UNREAD_BYTES", "2 GiB"),
        ] {
            let line = Start::new(&[(name, odd)]).refusal();
            assert!(
                line.starts_with(&format!("{name}={odd} (environment): expected a ")),
                "{line}"
            );
        }
        let http = Start::new(&[("HTTP_CONNECTIONS", "500")]).config().http;
        assert_eq!((http.connections, http.connections_per_address), (Some(500), None));
        assert_eq!((http.streams, http.unread_bytes), (100, 64 << 20));
    }

    #[test]
    fn what_stands_before_the_pages_is_a_path() {
        let of = |path| Start::new(&[("DASHBOARD_BASE_PATH", path)]).config().dashboard.base_path;

        assert_eq!(of("/memory/"), Some("/memory".to_owned()));
        assert_eq!(of(""), None);
        for odd in ["memory", "/a//b", "/a/../b", "https://a", "/a?b"] {
            let line = Start::new(&[("DASHBOARD_BASE_PATH", odd)]).refusal();
            assert!(line.contains("expected a path such as /memory"), "{line}");
        }
    }

    #[test]
    fn proxies_are_named_by_whoever_says_others_than_the_usual_ones() {
        let names = |value| Start::new(&[("TRUSTED_PROXIES", value)]).config().http.names_proxies();

        assert!(names("127.0.0.1/32") && names("10.0.0.0/8"));
        assert!(!names("none") && !names("127.0.0.0/8, ::1"));
        assert!(!Start::new(&[]).config().http.names_proxies());
    }
}
