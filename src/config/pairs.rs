//! Settings that are harmless alone and dangerous together. A start with both is refused.

use ipnet::IpNet;

use super::layers::Layers;
use super::{AllowedOrigins, Config, ConfigError, HostPattern, web};

/// The largest private networks, 10.0.0.0/8 and fc00::/7. Nobody has proxies in a larger one, and
/// what is larger takes in strangers.
const SHORTEST_PREFIX_V4: u8 = 8;
const SHORTEST_PREFIX_V6: u8 = 7;

/// Two settings, what of them is dangerous, and why.
struct Pair {
    keys: (&'static str, &'static str),
    is_met: fn(&Config, &Layers) -> bool,
    /// What would happen.
    because: &'static str,
    /// What to set instead.
    instead: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        keys: ("auth.disabled", "server.host"),
        is_met: |config, _| config.auth.disabled && !config.server.host.is_loopback(),
        because: "everybody who can reach this machine could read and change every memory",
        instead: "auth.disabled = false, or a loopback host such as 127.0.0.1",
    },
    // The browser of whoever sits at this machine is on loopback, whatever page it shows.
    Pair {
        keys: ("auth.disabled", "cors.allowed_origins"),
        is_met: |config, _| {
            let lets_any = config.cors.allowed_origins == AllowedOrigins::Any;
            config.auth.disabled && config.cors.enabled && lets_any
        },
        because: "any web page that is opened on this machine could read and change every memory",
        instead: "auth.disabled = false, or the origins that may call, each by its name",
    },
    // A public name says that a proxy stands before memoryd, and whom a proxy lets through comes
    // from this machine.
    Pair {
        keys: ("auth.disabled", "server.public_url"),
        is_met: |config, _| {
            let url = config.server.public_url.as_deref();
            config.auth.disabled && url.is_some_and(|url| !web::is_on_loopback(url))
        },
        because: "everybody who can reach that address could read and change every memory",
        instead: "auth.disabled = false, or no public_url",
    },
    // So does a name that others can look up. `*` is the default, and then only names of this machine
    // are answered; who writes it wants more than that.
    Pair {
        keys: ("auth.disabled", "http.trusted_hosts"),
        is_met: |config, layers| {
            let key = "http.trusted_hosts";
            let is_open = |pattern: &HostPattern| match pattern {
                HostPattern::Any => layers.is_given(key),
                named => !named.is_loopback(),
            };
            config.auth.disabled && config.http.trusted_hosts.iter().any(is_open)
        },
        because: "everybody who comes by that name could read and change every memory",
        instead: "auth.disabled = false, or no name but localhost",
    },
    Pair {
        keys: ("auth.disabled", "http.trusted_proxies"),
        is_met: |config, _| config.auth.disabled && trusts_everybody(config),
        because: "everybody could pass on requests, and read and change every memory",
        instead: "auth.disabled = false, or the addresses of your proxies",
    },
    Pair {
        keys: ("server.host", "http.trusted_proxies"),
        is_met: |config, _| !config.server.host.is_loopback() && trusts_everybody(config),
        because: "everybody could call from an address of their choice, so that nothing is limited",
        instead: "the addresses of your proxies, such as 10.0.0.0/8",
    },
];

/// Refuses the first pair of the table that is met.
pub(super) fn refuse(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let Some(pair) = PAIRS.iter().find(|pair| (pair.is_met)(config, layers)) else { return Ok(()) };
    Err(ConfigError::Dangerous {
        first: layers.subject(pair.keys.0),
        second: layers.subject(pair.keys.1),
        because: pair.because,
        instead: pair.instead,
    })
}

/// Whether a range of trusted proxies is so large that it holds whoever may come.
fn trusts_everybody(config: &Config) -> bool {
    config.http.trusted_proxies.iter().any(|net| match net {
        IpNet::V4(net) => net.prefix_len() < SHORTEST_PREFIX_V4,
        IpNet::V6(net) => net.prefix_len() < SHORTEST_PREFIX_V6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::Start;

    type Variable = (&'static str, &'static str);

    /// For every row of the table, two variables that are fine alone.
    const EXAMPLES: &[(Variable, Variable)] = &[
        (("DISABLE_AUTH", "true"), ("HOST", "0.0.0.0")),
        (("DISABLE_AUTH", "true"), ("ALLOWED_ORIGINS", "*")),
        (("DISABLE_AUTH", "true"), ("PUBLIC_URL", "https://memory.example.com:8443/base")),
        (("DISABLE_AUTH", "true"), ("TRUSTED_HOSTS", "localhost,nas")),
        (("DISABLE_AUTH", "true"), ("TRUSTED_PROXIES", "0.0.0.0/0")),
        (("HOST", "0.0.0.0"), ("TRUSTED_PROXIES", "::1,::/0")),
    ];

    #[test]
    fn each_pair_is_refused_with_its_reason_and_either_half_is_not() {
        assert_eq!(EXAMPLES.len(), PAIRS.len());
        for ((first, second), pair) in EXAMPLES.iter().zip(PAIRS) {
            let line = Start::new(&[*first, *second]).refusal();
            let given = |(name, value): &Variable| format!("{name}={value} (environment)");
            let begins = format!("{} together with {}: ", given(first), given(second));
            assert_eq!(line, format!("{begins}{}; expected {}", pair.because, pair.instead));

            for half in [first, second] {
                assert!(Start::new(&[*half]).load().is_ok(), "{half:?}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_pair_is_let_through() {
        let disabled = ("DISABLE_AUTH", "true");
        for others in [
            &[("HOST", "::1")][..],
            &[("ALLOWED_ORIGINS", "https://app.example.com")],
            &[("ALLOWED_ORIGINS", "*"), ("ENABLE_CORS", "false")],
            &[("PUBLIC_URL", "http://LocalHost:3000")],
            &[("PUBLIC_URL", "https://[::1]:8443/base")],
            &[("PUBLIC_URL", "http://memory.localhost")],
            &[("TRUSTED_HOSTS", "LocalHost,127.0.0.1,[::1],*.localhost,memory.localhost")],
            &[("TRUSTED_PROXIES", "10.0.0.0/8,fc00::/7")],
            &[("TRUSTED_PROXIES", "none")],
        ] {
            let variables = [&[disabled][..], others].concat();
            assert!(Start::new(&variables).load().is_ok(), "{others:?}");
        }
    }

    #[test]
    fn every_way_to_say_everybody_is_a_pair() {
        for (name, value) in [
            ("TRUSTED_HOSTS", "*"),
            ("TRUSTED_HOSTS", "*.example.com"),
            ("TRUSTED_HOSTS", "192.168.1.2"),
            ("TRUSTED_HOSTS", "localhost.example.com"),
            ("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
            ("TRUSTED_PROXIES", "::1,2000::/3"),
        ] {
            let line = Start::new(&[("DISABLE_AUTH", "true"), (name, value)]).refusal();
            let begins = format!("DISABLE_AUTH=true (environment) together with {name}={value} ");
            assert!(line.starts_with(&begins), "{line}");
        }
    }
}
