//! What each setting is and who said so, for those who may know it.

use std::fmt;

use super::declare::{Fallback, Row};
use super::layers::Layers;
use super::source::{Given, Raw};
use super::{RateLimitSection, settings};

/// A setting as it counts, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveSetting {
    pub key: &'static str,
    /// As it was written, the beginning of it if it is long; of a secret only that it is set.
    pub value: String,
    /// `default`, or who gave it.
    pub source: String,
}

/// All of them, in the order of `config.toml`.
#[derive(Clone, Default)]
pub(super) struct EffectiveSettings(pub(super) Vec<EffectiveSetting>);

const RATE_LIMIT: &str = "rate_limit";

impl EffectiveSettings {
    /// `limit` is what was made of the variables of the rate limit.
    pub(super) fn of(layers: &Layers, limit: RateLimitSection) -> Self {
        Self(settings::table().iter().map(|row| effective(row, layers, limit)).collect())
    }
}

fn effective(row: &Row, layers: &Layers, limit: RateLimitSection) -> EffectiveSetting {
    let giver = places_of(row).into_iter().find_map(|place| counting(layers, &place));
    let value = match (giver, row.default) {
        (Some(_), _) if row.is_secret => "set, and not shown".to_owned(),
        _ if row.key == "rate_limit.requests" => limit.requests.to_string(),
        _ if row.key == "rate_limit.window" => limit.window.as_secs_f64().to_string(),
        (Some(given), _) => shown(&given.raw),
        (None, Fallback::Value(text) | Fallback::Unset(text)) => text.to_owned(),
    };
    let source = match giver {
        Some(given) if !given.is_default() => given.giver(),
        _ => "default".to_owned(),
    };
    EffectiveSetting { key: row.key, value, source }
}

/// Where values of a setting lie, the place that counts first.
fn places_of(row: &Row) -> Vec<String> {
    let places = |row: &'static Row| row.variables.iter().map(move |name| row.place_of(name));
    let mut found: Vec<String> = row.variables.iter().map(|name| row.place_of(name)).collect();
    if row.split().0 == RATE_LIMIT {
        // Whoever says one of a pair has said what the other one is.
        let pair = settings::table().iter().filter(|other| other.split().0 == RATE_LIMIT);
        found.extend(pair.flat_map(places));
    }
    found.push(row.key.to_owned());
    found
}

fn counting<'a>(layers: &'a Layers, place: &str) -> Option<&'a Given> {
    layers.given(place).filter(|given| !given.raw.is_unset()).last()
}

fn shown(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => Raw::Text(without_login(text)).to_string(),
        Raw::List(_) => raw.to_string(),
    }
}

/// The URL of a service may carry a password before its host or a key in its query.
fn without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, _)| (place, "?***"));
    let end = place.find('/').unwrap_or(place.len());
    let (authority, path) = place.split_at(end);
    let host = authority.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
    format!("{scheme}://{}{path}{query}", host.unwrap_or_else(|| authority.to_owned()))
}

/// Says nothing: two starts that were told the same are the same, whoever said it.
impl fmt::Debug for EffectiveSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectiveSettings").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::Start;

    fn told(start: &Start, key: &str) -> (String, String) {
        let config = start.config();
        let found = config.effective().iter().find(|setting| setting.key == key).unwrap();
        (found.value.clone(), found.source.clone())
    }

    fn pair(value: &str, source: &str) -> (String, String) {
        (value.to_owned(), source.to_owned())
    }

    #[test]
    fn every_setting_is_told_with_who_said_it_and_no_secret_is() {
        let key = "a-key-0123456789-abcdef";
        let env = [
            ("PORT", "4000"),
            ("MCP_API_KEY", key),
            ("EMBEDDING_URL", "http://me:word@127.0.0.1:1/api/embed?key=other"),
        ];
        let start = Start::new(&env).with_file("config.toml", "[log]\nlevel = \"debug\"\n");

        assert_eq!(told(&start, "server.port"), pair("4000", "PORT (environment)"));
        assert_eq!(told(&start, "server.host"), pair("127.0.0.1", "default"));
        let (level, source) = told(&start, "log.level");
        assert_eq!(level, "debug");
        assert!(source.contains("config.toml"), "{source}");
        assert_eq!(
            told(&start, "auth.api_key"),
            pair("set, and not shown", "MCP_API_KEY (environment)")
        );
        assert_eq!(told(&start, "embedding.url").0, "http://***@127.0.0.1:1/api/embed?***");
        let config = start.config();
        assert_eq!(config.effective().len(), settings::table().len());
        let all = format!("{:?}", config.effective());
        assert!(!all.contains(key) && !all.contains("word@") && !all.contains("other"), "{all}");
    }

    #[test]
    fn of_a_pair_of_variables_the_one_that_is_said_is_named_for_both() {
        let start = Start::new(&[("RATE_LIMIT_REQUESTS", "7")]);

        let giver = "RATE_LIMIT_REQUESTS (environment)";
        assert_eq!(told(&start, "rate_limit.requests"), pair("7", giver));
        assert_eq!(told(&start, "rate_limit.window"), pair("3600", giver));
        let usual = Start::new(&[]);
        assert_eq!(told(&usual, "rate_limit.window"), pair("60", "default"));
    }
}
