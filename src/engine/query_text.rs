use serde::{Deserialize, Deserializer, Serialize};

use crate::model::foreign;

/// What is looked for. It can be had by reading or cutting only, so nothing is ever ranked by more than a question
/// may hold, whichever face asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct QueryText(String);

impl QueryText {
    /// Bytes. A longer question is a text, and should be stored or shortened.
    pub const LIMIT: usize = 8 * 1024;

    /// As much of a text as may be asked.
    #[must_use]
    pub fn beginning_of(text: &str) -> Self {
        Self(foreign::cut(text, Self::LIMIT).to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for QueryText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (len, limit) = (text.len(), Self::LIMIT);
        if len > limit {
            let problem = format!("is {len} bytes; the limit is {limit}");
            return Err(serde::de::Error::custom(problem));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_an_end() {
        let longest = "\u{e9}".repeat(QueryText::LIMIT / 2);

        let read = |text: &str| serde_json::from_value::<QueryText>(text.into());
        assert_eq!(read(&longest).unwrap().as_str(), longest);
        assert!(read(&format!("{longest}x")).unwrap_err().to_string().contains("the limit is"));
        let begun = QueryText::beginning_of(&format!("x{longest}"));
        assert_eq!(begun.as_str().len(), QueryText::LIMIT - 1, "no letter is cut in two");
    }
}
