//! Settings that are harmless alone and dangerous together. A start with both is refused.

use super::layers::Layers;
use super::{AllowedOrigins, Config, ConfigError, web};

/// Two settings, what of them is dangerous, and why.
struct Pair {
    keys: (&'static str, &'static str),
    is_met: fn(&Config) -> bool,
    /// What would happen.
    because: &'static str,
    /// What to set instead.
    instead: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        keys: ("auth.disabled", "server.host"),
        is_met: |config| config.auth.disabled && !config.server.host.is_loopback(),
        because: "everybody who can reach this machine could read and change every memory",
        instead: "auth.disabled = false, or a loopback host such as 127.0.0.1",
    },
    // The browser of whoever sits at this machine is on loopback, whatever page it shows.
    Pair {
        keys: ("auth.disabled", "cors.allowed_origins"),
        is_met: |config| {
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
        is_met: |config| {
            let url = config.server.public_url.as_deref();
            config.auth.disabled && url.is_some_and(|url| !web::is_on_loopback(url))
        },
        because: "everybody who can reach that address could read and change every memory",
        instead: "auth.disabled = false, or no public_url",
    },
];

/// Refuses the first pair of the table that is met.
pub(super) fn refuse(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let Some(pair) = PAIRS.iter().find(|pair| (pair.is_met)(config)) else { return Ok(()) };
    Err(ConfigError::Dangerous {
        first: layers.subject(pair.keys.0),
        second: layers.subject(pair.keys.1),
        because: pair.because,
        instead: pair.instead,
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
        ] {
            let variables = [&[disabled][..], others].concat();
            assert!(Start::new(&variables).load().is_ok(), "{others:?}");
        }
    }
}
