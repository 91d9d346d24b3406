//! Turns the text of a value into its type. An error says what would have been accepted.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::source::Raw;
use crate::model::SecretKey;

/// `Err` holds what was expected.
pub(super) type Parsed<T> = Result<T, String>;

const SECONDS_PER_HOUR: u64 = 3_600;
const SECONDS_PER_DAY: u64 = 86_400;
const BYTES_PER_MIB: u64 = 1 << 20;

pub(super) fn text(raw: &Raw) -> Parsed<&str> {
    match raw {
        Raw::Text(text) if !text.is_empty() => Ok(text),
        Raw::Text(_) => Err("a text that is not empty".to_owned()),
        Raw::List(_) => Err("one value instead of a list".to_owned()),
    }
}

/// Reads a list, or one text with commas. `expected` is what one item has to be.
pub(super) fn list<T>(
    raw: &Raw,
    expected: &str,
    item: impl Fn(&str) -> Option<T>,
) -> Parsed<Vec<T>> {
    let parsed: Option<Vec<T>> = match raw {
        // Commas alone are a slip of the pen, unlike `[]`, which says that there shall be none.
        Raw::Text(text) if items(text).next().is_none() => None,
        Raw::Text(text) => items(text).map(item).collect(),
        Raw::List(list) => list.iter().map(|text| item(text.trim())).collect(),
    };
    parsed.ok_or_else(|| expected.to_owned())
}

pub(super) fn boolean(raw: &Raw) -> Parsed<bool> {
    let given = text(raw).unwrap_or_default().to_ascii_lowercase();
    match given.as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn count(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<u32> {
    let number = digits(text(raw).unwrap_or_default()).and_then(|n| u32::try_from(n).ok());
    let expected = || format!("a whole number from {} to {}", range.start(), range.end());
    number.filter(|n| range.contains(n)).ok_or_else(expected)
}

/// How many there may be; 0 is as many as there are.
pub(super) fn limit(raw: &Raw, most: u32) -> Parsed<u32> {
    count(raw, 0..=most).map_err(|expected| format!("{expected}; 0 is off"))
}

pub(super) fn seconds(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<Duration> {
    let counted = count(raw, range).map_err(|expected| format!("{expected} (seconds)"))?;
    Ok(Duration::from_secs(u64::from(counted)))
}

pub(super) fn milliseconds(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<Duration> {
    let counted = count(raw, range).map_err(|expected| format!("{expected} (milliseconds)"))?;
    Ok(Duration::from_millis(u64::from(counted)))
}

pub(super) fn days(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<Duration> {
    let counted = count(raw, range).map_err(|expected| format!("{expected} (days)"))?;
    Ok(Duration::from_secs(u64::from(counted).saturating_mul(SECONDS_PER_DAY)))
}

pub(super) fn hours(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<Duration> {
    let counted = count(raw, range).map_err(|expected| format!("{expected} (hours)"))?;
    Ok(Duration::from_secs(u64::from(counted).saturating_mul(SECONDS_PER_HOUR)))
}

/// Reads a key of 32 bytes.
pub(super) fn key_of_256_bits(raw: &Raw) -> Parsed<SecretKey> {
    let expected = || {
        "32 random bytes as 64 hexadecimal digits or in base64, such as openssl rand -hex 32 makes"
            .to_owned()
    };
    SecretKey::parse(text(raw).unwrap_or_default()).ok_or_else(expected)
}

/// Reads a number of MiB; the result is in bytes.
pub(super) fn mebibytes(raw: &Raw, range: RangeInclusive<u32>) -> Parsed<u64> {
    Ok(u64::from(count(raw, range)?).saturating_mul(BYTES_PER_MIB))
}

/// Reads `2 MiB`, `64KiB`, or plain bytes, from 1 byte to 1 GiB.
pub(super) fn size_bytes(raw: &Raw) -> Parsed<usize> {
    // More than any request has to carry, and it fits the memory of the smallest machine's usize.
    const LARGEST: u64 = 1 << 30;
    let given = text(raw).unwrap_or_default();
    let end = given.find(|c: char| !c.is_ascii_digit()).unwrap_or(given.len());
    let (number, unit) = given.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kib" => Some(1 << 10),
        "mib" => Some(1 << 20),
        "gib" => Some(1 << 30),
        _ => None,
    };
    let bytes = digits(number).zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
    bytes
        .filter(|n| (1..=LARGEST).contains(n))
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| "a size from 1 byte to 1 GiB, such as 65536, 64KiB or 2 MiB".to_owned())
}

/// Reads the same, up to what one record may hold with room to spare.
pub(super) fn record_bytes(raw: &Raw) -> Parsed<usize> {
    const LARGEST: usize = 4 << 20;
    let size = size_bytes(raw)?;
    if size <= LARGEST {
        Ok(size)
    } else {
        Err("a size from 1 byte to 4 MiB, such as 64KiB".to_owned())
    }
}

pub(super) fn path(raw: &Raw) -> Parsed<PathBuf> {
    let given = text(raw)?;
    // A folder that is really called `~` would be a surprise.
    if given == "~" || given.starts_with("~/") {
        return Err("a path; only a shell knows what ~ means".to_owned());
    }
    Ok(PathBuf::from(given))
}

/// Reads CIDRs and single addresses; the word `none` and an empty list mean no network.
pub(super) fn networks(raw: &Raw) -> Parsed<Vec<IpNet>> {
    if text(raw).is_ok_and(|text| text.eq_ignore_ascii_case("none")) {
        return Ok(Vec::new());
    }
    let expected = "addresses and CIDRs separated by commas, such as 10.0.0.0/8,::1, or none";
    list(raw, expected, |item| {
        let one_address = || item.parse::<IpAddr>().ok().map(IpNet::from);
        item.parse::<IpNet>().ok().or_else(one_address)
    })
}

/// Reads a value of the `Server` header.
pub(super) fn header(raw: &Raw) -> Parsed<String> {
    let given = text(raw)?;
    let sendable = given.len() <= 128 && given.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let expected = || "at most 128 printable ASCII characters".to_owned();
    if sendable { Ok(given.to_owned()) } else { Err(expected()) }
}

/// Reads a filter in the language of `env_logger`: `info`, or `warn,memoryd=debug`.
///
/// A lone target such as `verbos` would be taken there for "everything of the module verbos" and
/// silence all the rest, so here a target needs its level.
pub(super) fn log_filter(raw: &Raw) -> Parsed<String> {
    let given = match raw {
        Raw::Text(text) => text.clone(),
        Raw::List(list) => list.join(","),
    };
    let (directives, pattern) = match given.split_once('/') {
        Some((directives, pattern)) => (directives, format!("/{pattern}")),
        None => (given.as_str(), String::new()),
    };
    let read: Option<Vec<String>> = items(directives).map(log_directive).collect();
    let expected = "off, error, warn, info, debug or trace, or target=level pairs with commas";
    let read = read.filter(|read| !read.is_empty()).ok_or_else(|| expected.to_owned())?;
    Ok(format!("{}{pattern}", read.join(",")))
}

fn log_directive(directive: &str) -> Option<String> {
    match directive.split_once('=') {
        None => log_level(directive).map(str::to_owned),
        Some((target, level)) => {
            let target = target.trim();
            let is_path = |c: char| c.is_alphanumeric() || "_:-.".contains(c);
            let named = !target.is_empty() && target.chars().all(is_path);
            log_level(level).filter(|_| named).map(|level| format!("{target}={level}"))
        }
    }
}

/// Also knows the words of other servers: their guides say `LOG_LEVEL=WARNING`.
fn log_level(word: &str) -> Option<&'static str> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "off" => "off",
        "error" | "critical" | "fatal" => "error",
        "warn" | "warning" => "warn",
        "info" => "info",
        "debug" => "debug",
        "trace" => "trace",
        _ => return None,
    })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would also take a leading plus sign.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boolean_is_never_guessed() {
        for yes in ["true", "TRUE", "1", "Yes", "on"] {
            assert_eq!(boolean(&Raw::text(yes)), Ok(true), "{yes}");
        }
        for no in ["false", "False", "0", "NO", "off"] {
            assert_eq!(boolean(&Raw::text(no)), Ok(false), "{no}");
        }
        for odd in ["maybe", "2", "y", "tru", "true,false", "-"] {
            assert_eq!(boolean(&Raw::text(odd)), Err("true or false".to_owned()), "{odd}");
        }
    }

    #[test]
    fn a_size_has_binary_units_or_none() {
        for (given, bytes) in
            [("2 MiB", 2 << 20), ("64KiB", 64 << 10), ("65536", 65536), ("1gib", 1 << 30)]
        {
            assert_eq!(size_bytes(&Raw::text(given)), Ok(bytes), "{given}");
        }
        for odd in ["2 MB", "MiB", "-1", "+1", "0", "1.5 MiB", "2GiB", "99999999999999999999"] {
            assert!(size_bytes(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn networks_are_cidrs_addresses_or_none() {
        let given = networks(&Raw::text("127.0.0.0/8, ::1")).unwrap();
        assert_eq!(given, ["127.0.0.0/8".parse().unwrap(), "::1/128".parse::<IpNet>().unwrap()]);

        assert_eq!(networks(&Raw::text("none")), Ok(Vec::new()));
        assert_eq!(networks(&Raw::List(Vec::new())), Ok(Vec::new()));
        for odd in ["10.0.0.0/33", "proxy.lan", ",", "10.0.0.0/8,*"] {
            assert!(networks(&Raw::text(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_log_filter_is_one_that_env_logger_understands_as_meant() {
        for (given, filter) in [
            ("INFO", "info"),
            ("WARNING", "warn"),
            ("warn, memoryd::http=Debug", "warn,memoryd::http=debug"),
            ("info/slow", "info/slow"),
        ] {
            assert_eq!(log_filter(&Raw::text(given)), Ok(filter.to_owned()), "{given}");
        }
        for odd in ["verbos", "memoryd=loud", "=info", ",", "5"] {
            assert!(log_filter(&Raw::text(odd)).is_err(), "{odd}");
        }
    }
}
