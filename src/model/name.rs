use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;

/// A name that is empty, too long, or holds characters it may not.
#[derive(Debug, thiserror::Error)]
#[error("expected {expected}")]
pub struct InvalidName {
    expected: &'static str,
}

/// Makes a type for names of one sort, which can only be had by parsing.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $accepts:expr) => {
        name!($(#[$doc])* $name, $expected, $accepts, str::to_owned);
    };
    ($(#[$doc:meta])* $name:ident, $expected:literal, $accepts:expr, $spelled:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn parse(raw: &str) -> Result<Self, InvalidName> {
                let accepts: fn(&str) -> bool = $accepts;
                let spelled: String = $spelled(raw.trim());
                if accepts(&spelled) {
                    Ok(Self(spelled))
                } else {
                    Err(InvalidName { expected: $expected })
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = String::deserialize(deserializer)?;
                Self::parse(&raw).map_err(serde::de::Error::custom)
            }
        }
    };
}

/// What the log shows where no credential was brought, or none that verified.
const NOBODY: [&str; 2] = ["-", "invalid"];

name!(
    /// Names the owner of memories, such as `default` or `ada@example.com`.
    UserId,
    "a user id of 1 to 128 characters without control characters",
    |raw| is_plain(raw, 128)
);
name!(
    /// Names a key or token in logs and lists. Never a part of the secret itself.
    CredentialName,
    "a credential name of 1 to 64 characters of a-z, A-Z, 0-9, '-', '_', '.', '@' and ':', but neither '-' nor 'invalid'",
    |raw| is_plain(raw, 64)
        && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@:".contains(&b))
        && !NOBODY.contains(&raw)
);
name!(
    /// Groups the memories of one undertaking inside a user.
    Project,
    "a project name of 1 to 128 characters without control characters",
    |raw| is_plain(raw, 128)
);
name!(
    /// A free word on a memory.
    Tag,
    "a tag of 1 to 64 characters without control characters and commas",
    |raw| is_plain(raw, 64) && !raw.contains(',')
);
name!(
    /// The one shelf a memory stands on.
    Category,
    "a category of 1 to 64 characters without control characters",
    |raw| is_plain(raw, 64)
);
name!(
    /// A memory's heading.
    Title,
    "a title of 1 to 256 characters without control characters",
    |raw| is_plain(raw, 256)
);
name!(
    /// What sort of memory it is. An open set: `note`, `fact`, `preference`, `task`, ... Always in
    /// small letters.
    Kind,
    "a kind of 1 to 32 characters of a-z, 0-9, '-' and '_'",
    |raw| is_plain(raw, 32)
        && raw.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b)),
    str::to_ascii_lowercase
);

impl Kind {
    /// What a memory is when nobody says.
    #[must_use]
    pub fn note() -> Self {
        Self("note".to_owned())
    }

    /// Nothing where it is what a memory is when nobody says.
    #[must_use]
    pub fn unless_note(&self) -> Option<&Self> {
        Some(self).filter(|kind| **kind != Self::note())
    }

    /// A stored exchange between a user and an assistant.
    #[must_use]
    pub fn conversation() -> Self {
        Self("conversation".to_owned())
    }

    /// One turn of a conversation as a hook took it down.
    #[must_use]
    pub fn episode() -> Self {
        Self("episode".to_owned())
    }

    /// Only these are shown to a model as something to obey.
    #[must_use]
    pub fn is_instruction(&self) -> bool {
        self.0 == "instruction"
    }
}

impl Default for Kind {
    fn default() -> Self {
        Self::note()
    }
}

impl UserId {
    /// The user of single-user installations.
    #[must_use]
    pub fn default_user() -> Self {
        Self("default".to_owned())
    }
}

/// The form in which names are compared: in small letters, without the `#` that some write before a
/// tag. They are kept as they were written.
#[must_use]
pub fn folded(name: &str) -> String {
    let name: String = name.trim().trim_start_matches('#').nfkc().collect();
    name.to_lowercase()
}

/// At most this many tags on one memory; more is a list that lost its way.
const MAX_TAGS: usize = 64;

/// The tags of a memory: no tag twice, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Tags(Vec<Tag>);

impl Tags {
    #[must_use]
    pub fn as_slice(&self) -> &[Tag] {
        &self.0
    }

    /// Nothing where there is no tag.
    #[must_use]
    pub fn unless_none(&self) -> Option<&Self> {
        Some(self).filter(|tags| !tags.0.is_empty())
    }

    /// Takes what a store already checked.
    #[must_use]
    pub fn from_vec(tags: Vec<Tag>) -> Self {
        let mut kept: Vec<Tag> = Vec::with_capacity(tags.len());
        for tag in tags {
            if !kept.contains(&tag) {
                kept.push(tag);
            }
        }
        Self(kept)
    }

    /// Adds what is not there yet, however it is written.
    pub fn absorb(&mut self, others: &Self) {
        for tag in &others.0 {
            if self.0.iter().all(|own| folded(own.as_str()) != folded(tag.as_str())) {
                self.0.push(tag.clone());
            }
        }
        self.0.truncate(MAX_TAGS);
    }
}

/// Accepts a list of strings or one string with commas, as older clients send it.
impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a list of tags, or one string with commas")]
        enum Given {
            Line(String),
            List(Vec<String>),
        }
        let raw: Vec<String> = match Given::deserialize(deserializer)? {
            Given::Line(line) => line.split(',').map(str::to_owned).collect(),
            Given::List(list) => list,
        };
        let parsed = raw.iter().filter(|tag| !tag.trim().is_empty()).map(|tag| Tag::parse(tag));
        let tags: Vec<Tag> = parsed.collect::<Result<_, _>>().map_err(serde::de::Error::custom)?;
        if tags.len() > MAX_TAGS {
            let told = format!("{} tags; the limit is {MAX_TAGS}", tags.len());
            return Err(serde::de::Error::custom(told));
        }
        Ok(Self::from_vec(tags))
    }
}

fn is_plain(raw: &str, max_chars: usize) -> bool {
    !raw.is_empty() && raw.chars().count() <= max_chars && !raw.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_control_character_is_refused() {
        for raw in ["", "  ", "a\nb", "a\0b", &"x".repeat(129)] {
            assert!(UserId::parse(raw).is_err(), "{raw:?} was accepted");
        }
        assert_eq!(UserId::parse("ada@example.com").unwrap().as_str(), "ada@example.com");
    }

    #[test]
    fn tags_are_read_from_a_list_or_a_line() {
        let list: Tags = serde_json::from_str(r#"["home", "network", "home"]"#).unwrap();
        let line: Tags = serde_json::from_str(r#""home, network,""#).unwrap();

        assert_eq!(list, line);
        assert_eq!(list.as_slice().len(), 2);
    }
}
