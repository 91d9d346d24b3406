//! Makes sense of the rate limit's two pairs of variables.

use std::time::Duration;

use super::layers::Layers;
use super::parse::{self, Parsed};
use super::settings;
use super::source::Raw;
use super::{ConfigError, RateLimitSection};

/// What both guides that bring a pair of variables say their servers allow.
const REQUESTS_OF_A_PAIR: u32 = 100;

/// Nobody is slowed down by more than this; a larger number is a slip of the pen.
const MOST_REQUESTS: u32 = 1_000_000_000;

/// 30 days. The limiter keeps a window's calls in memory.
const LONGEST_WINDOW_S: u32 = 2_592_000;

/// 24 days, which is what milliseconds in 31 bits can say.
const LONGEST_WINDOW_MS: u32 = 2_147_483_647;

/// Two variables that belong together, and the window that holds where only the other is set.
struct Pair {
    requests: &'static str,
    window: &'static str,
    default_window: Duration,
    parse_window: fn(&Raw) -> Parsed<Duration>,
}

const PAIRS: [Pair; 2] = [
    Pair {
        requests: "RATE_LIMIT_REQUESTS",
        window: "RATE_LIMIT_WINDOW",
        default_window: Duration::from_secs(3_600),
        parse_window: window,
    },
    Pair {
        requests: "RATE_LIMIT_MAX_REQUESTS",
        window: "RATE_LIMIT_WINDOW_MS",
        default_window: Duration::from_millis(900_000),
        parse_window: |raw| parse::milliseconds(raw, 1..=LONGEST_WINDOW_MS),
    },
];

/// Takes the pair that is set; else what `config.toml` or the default says.
pub(super) fn limit(
    otherwise: RateLimitSection,
    layers: &Layers,
) -> Result<RateLimitSection, ConfigError> {
    let [seconds, milliseconds] = &PAIRS;
    match (seconds.read(layers)?, milliseconds.read(layers)?) {
        (None, None) => Ok(otherwise),
        (Some((limit, _)), None) | (None, Some((limit, _))) => Ok(limit),
        (Some((one, first)), Some((two, second))) => {
            let agree = one == two || (one.is_off() && two.is_off());
            if agree { Ok(one) } else { Err(ConfigError::TwoRateLimits { first, second }) }
        }
    }
}

impl Pair {
    /// Nothing when neither variable is set; else the limit, and what was set where.
    fn read(&self, layers: &Layers) -> Result<Option<(RateLimitSection, String)>, ConfigError> {
        let requests_place = settings::place_in_rate_limit(self.requests);
        let window_place = settings::place_in_rate_limit(self.window);
        let given_requests = layers.read(&requests_place, requests)?;
        let given_window = layers.read(&window_place, self.parse_window)?;
        let place = match (given_requests, given_window) {
            (None, None) => return Ok(None),
            (Some(_), _) => requests_place,
            (None, Some(_)) => window_place,
        };
        let limit = RateLimitSection {
            requests: given_requests.unwrap_or(REQUESTS_OF_A_PAIR),
            window: given_window.unwrap_or(self.default_window),
        };
        Ok(Some((limit, layers.subject(&place))))
    }
}

pub(super) fn requests(raw: &Raw) -> Parsed<u32> {
    parse::limit(raw, MOST_REQUESTS)
}

pub(super) fn window(raw: &Raw) -> Parsed<Duration> {
    parse::seconds(raw, 1..=LONGEST_WINDOW_S)
}
