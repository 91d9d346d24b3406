use std::fmt;
use std::path::PathBuf;

use figment::value::{Dict, Map, Num, Value};
use figment::{Metadata, Profile, Provider};

use super::parse::Parsed;
use super::{ConfigError, settings};

/// A value longer than this is cut in an error line.
const SHOWN_CHARS: usize = 60;

/// A value as somebody wrote it, before it is parsed. Numbers and booleans of TOML are text too.
#[derive(Clone)]
pub(super) enum Raw {
    Text(String),
    List(Vec<String>),
}

/// The layer that a value comes from.
#[derive(Clone)]
pub(super) enum Origin {
    Default,
    File { path: PathBuf },
    DotEnv { line: usize },
    Environment,
    Flag,
}

/// One value of one layer. It is a figment provider of its own, so that figment, which does the
/// merging, can tell for every key who gave it.
pub(super) struct Given {
    pub(super) key: String,
    /// What the giver wrote it as: the key, a variable, or a flag.
    pub(super) name: String,
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

impl Raw {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.trim().to_owned())
    }

    /// Takes scalars and lists of scalars; a table, say, is nobody's value.
    pub(super) fn of_value(value: &Value) -> Option<Self> {
        if let Value::Array(_, items) = value {
            let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
            return Some(Self::List(texts?));
        }
        scalar(value).map(|text| Self::text(&text))
    }

    /// Whether it counts as not given. An empty list does count: somebody wants none.
    pub(super) fn is_unset(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// Whether it is free of control characters, and of what stands for bytes that are not UTF-8.
    pub(super) fn is_plain(&self) -> bool {
        let odd = |text: &str| text.chars().any(|c| c.is_control() || c == '\u{fffd}');
        match self {
            Self::Text(text) => !odd(text),
            Self::List(items) => !items.iter().any(|item| odd(item)),
        }
    }

    pub(super) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::List(one), Self::List(two)) => one == two,
            _ => false,
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.clone()),
            Self::List(items) => Value::from(items.clone()),
        }
    }
}

impl Given {
    /// Turns the value into its type, or says what would have been accepted.
    pub(super) fn parse<T>(&self, parse: impl Fn(&Raw) -> Parsed<T>) -> Result<T, ConfigError> {
        let refuse = |expected| ConfigError::Invalid { given: self.subject(), expected };
        if !self.raw.is_plain() {
            return Err(refuse("UTF-8 text without control characters".to_owned()));
        }
        parse(&self.raw).map_err(refuse)
    }

    /// Whether nobody said anything.
    pub(super) fn is_default(&self) -> bool {
        matches!(self.origin, Origin::Default)
    }

    /// Where it was given, without the value: `EMBEDDING_URL (environment)`.
    pub(super) fn giver(&self) -> String {
        format!("{} ({})", self.name, self.origin)
    }

    /// What was given and where, for an error line. The value of a secret is left out.
    pub(super) fn subject(&self) -> String {
        let Self { name, origin, .. } = self;
        if settings::is_secret(&self.key) {
            return self.giver();
        }
        match origin {
            Origin::Default | Origin::File { .. } => format!("{name} = {} ({origin})", self.raw),
            Origin::DotEnv { .. } | Origin::Environment => {
                format!("{name}={} ({origin})", self.raw)
            }
            Origin::Flag => format!("{name} {} ({origin})", self.raw),
        }
    }
}

impl Provider for &Given {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.subject())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        let nested = figment::util::nest(&self.key, self.raw.to_value());
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path } => write!(f, "{}", path.display()),
            Self::DotEnv { line } => write!(f, ".env line {line}"),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Shows the value on one line, whatever it holds.
impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = match self {
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(","),
        };
        if whole.is_empty() {
            return f.write_str("\"\"");
        }
        let shown: String = whole.chars().take(SHOWN_CHARS).collect();
        let dots = if shown.len() < whole.len() { "..." } else { "" };
        write!(f, "{}{dots}", shown.escape_debug())
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Char(_, c) => Some(c.to_string()),
        Value::Bool(_, truth) => Some(truth.to_string()),
        Value::Num(_, Num::F32(_) | Num::F64(_)) => value.to_f64().map(|n| n.to_string()),
        Value::Num(_, _) => value
            .to_i128()
            .map(|n| n.to_string())
            .or_else(|| value.to_u128().map(|n| n.to_string())),
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_on_one_line_and_a_secret_is_not_shown() {
        let long = format!("a\nb{}", "x".repeat(100));
        let mut given = Given {
            key: "server.header".to_owned(),
            name: "SERVER_HEADER".to_owned(),
            raw: Raw::text(&long),
            origin: Origin::Environment,
        };
        assert!(given.subject().starts_with("SERVER_HEADER=a\\nbxxx"));
        assert!(given.subject().ends_with("x... (environment)"));

        given.key = "auth.api_key".to_owned();

        assert_eq!(given.subject(), "SERVER_HEADER (environment)");
    }
}
