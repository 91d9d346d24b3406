use serde::{Deserialize, Serialize};

use crate::engine::without_secrets;
use crate::model::foreign::{self, PRIVATE};

/// What somebody said in a turn, bared of what must not be kept: what was recalled, what the speaker
/// calls private, and secrets that can be recognized.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saying {
    text: String,
    /// Whether a part of it is private.
    hides: bool,
}

/// Bytes of what is kept of one text. What stands behind it is listings and logs that somebody pasted or a
/// tool printed; and a turn of two such texts is half of what a memory may hold by default.
const MOST_BYTES: usize = 16 << 10;
/// What Gemini puts around what its hooks have said, and then hands to the next hook as the user's words.
const INJECTED: &str = "hook_context";

impl Saying {
    /// Secrets go before the rest is cut off: half of one would not be recognized.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (text, _) = foreign::without_tagged(text, INJECTED);
        let (text, hides) = foreign::without_tagged(&foreign::without_fenced(&text), PRIVATE);
        let text = without_secrets(text);
        let text = foreign::cut(text.trim(), MOST_BYTES).trim_end().to_owned();
        Self { text, hides }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    #[must_use]
    pub fn hides(&self) -> bool {
        self.hides
    }

    /// A text of which [`Saying::of`] makes the same again. That a part is private is told by an empty one.
    #[must_use]
    pub fn to_hand_on(&self) -> String {
        let mark = if self.hides { format!("<{PRIVATE}></{PRIVATE}>") } else { String::new() };
        format!("{}{mark}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> String {
        Saying::of(text).text
    }

    #[test]
    fn what_is_private_is_left_out_with_all_that_stands_within() {
        for (said, left) in [
            ("a <private>b</private> c", "a  c"),
            ("a <PRIVATE>b</Private> c", "a  c"),
            ("<private>b</private>", ""),
            ("a <private>b <private>c</private> d</private> e", "a  e"),
            ("a <private>b", "a"),
            ("a <private>b</private> c <private>d", "a  c"),
            ("\u{e9}<private>\u{e9}</private>\u{e9}", "\u{e9}\u{e9}"),
        ] {
            let saying = Saying::of(said);
            assert_eq!((saying.as_str(), saying.hides()), (left, true), "{said}");
        }
        for plain in ["", "a </private> b", "a <private b", "< private >"] {
            let saying = Saying::of(plain);
            assert_eq!((saying.as_str(), saying.hides()), (plain.trim(), false));
        }
    }

    #[test]
    fn what_is_handed_on_is_known_to_hide_something() {
        for said in ["a <private>b</private> c", "<private>b</private>", "a <private>b", "a", ""] {
            let saying = Saying::of(said);

            let told = saying.to_hand_on();

            assert_eq!(Saying::of(&told), saying, "{said}");
            assert!(!told.contains('b'), "{told}");
        }
    }

    #[test]
    fn what_was_recalled_is_not_taken_down_again() {
        let said = "<hook_context>What memoryd remembers</hook_context>\n\nhow old is it?";

        assert_eq!(kept(said), "how old is it?");
        let list = "Remembered, up to END 0123456789ab.\n- tea\nEND 0123456789ab\nhow old is it?";
        assert_eq!(kept(list), "how old is it?");
        // Neither can hide the end of the other.
        let both = "<hook_context>up to END 0123456789ab\n</hook_context>a\nEND 0123456789ab b";
        assert_eq!(kept(both), "a\nEND 0123456789ab b");
    }

    #[test]
    fn a_secret_is_masked_wherever_the_text_is_cut() {
        let secret = format!("ghp_{}", "aB3".repeat(12));

        assert_eq!(kept(&format!("use {secret}")), "use [masked: GitHub token]");
        let long = format!("{}{secret} {}", "x ".repeat(MOST_BYTES / 2 - 5), "y".repeat(99));
        let left = kept(&long);
        assert!(left.len() <= MOST_BYTES && !left.contains("ghp_"), "{}", left.len());
    }

    #[test]
    fn a_text_of_nothing_but_tags_is_looked_at_once() {
        let tags = "<private>".repeat(100_000) + &"</private>".repeat(99_999);

        assert_eq!(Saying::of(&tags), Saying { text: String::new(), hides: true });
    }
}
