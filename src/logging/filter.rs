use log::LevelFilter;

use super::LoggingError;

/// Checks a filter and writes it as env_logger wants it. env_logger itself takes a misspelled level
/// for the name of a crate, and then says nothing at all.
pub(super) fn parse(filter: &str) -> Result<String, LoggingError> {
    // What follows a slash is a text to look for in messages.
    let (directives, pattern) = match filter.split_once('/') {
        Some((directives, pattern)) => (directives, Some(pattern)),
        None => (filter, None),
    };
    let parts = directives.split(',').map(str::trim).filter(|part| !part.is_empty());
    let mut parsed = parts.map(directive).collect::<Result<Vec<_>, _>>()?.join(",");
    if parsed.is_empty() || pattern.is_some_and(|pattern| pattern.contains('/')) {
        return Err(LoggingError::Filter { found: filter.to_owned() });
    }
    if let Some(pattern) = pattern {
        parsed = format!("{parsed}/{pattern}");
    }
    Ok(parsed)
}

fn directive(part: &str) -> Result<String, LoggingError> {
    let unknown = || LoggingError::Filter { found: part.to_owned() };
    match part.split_once('=') {
        Some((target, name)) => {
            let level = level(name.trim()).ok_or_else(unknown)?;
            Ok(format!("{}={level}", target.trim()))
        }
        None => match level(part) {
            Some(level) => Ok(level.to_string()),
            // A bare target means all of its lines; ours and paths are hardly misspelled levels.
            None if part == "memoryd" || part.contains("::") || part.contains('_') => {
                Ok(part.to_owned())
            }
            None => Err(unknown()),
        },
    }
}

/// Levels by our names and by those that Python servers use.
fn level(name: &str) -> Option<LevelFilter> {
    match name.to_ascii_lowercase().as_str() {
        "warning" => Some(LevelFilter::Warn),
        "critical" | "fatal" => Some(LevelFilter::Error),
        plain => plain.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_understood() {
        for (given, meant) in [
            ("info", "INFO"),
            ("WARNING", "WARN"),
            ("critical", "ERROR"),
            ("info, memoryd::http=Debug", "INFO,memoryd::http=DEBUG"),
            ("memoryd", "memoryd"),
            ("actix_web=off,debug/word", "actix_web=OFF,DEBUG/word"),
        ] {
            assert_eq!(parse(given).unwrap(), meant);
        }
    }

    #[test]
    fn a_misspelled_level_is_refused() {
        for given in ["", "inof", "verbose", "info,loud", "memoryd=loud", "info/a/b", ","] {
            assert!(parse(given).is_err(), "{given}");
        }
    }
}
