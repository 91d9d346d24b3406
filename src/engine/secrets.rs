//! Secrets in texts that are about to be stored: told, masked or refused, as the settings say.
//!
//! A memory is read back by every assistant of its user, so a key that was pasted once is shown again
//! and again. Looked for is what a service itself marks as a secret by how it begins, private keys,
//! JSON web tokens, passwords within URLs, and numbers of payment cards. What has no such mark, as a
//! password in a sentence, cannot be told from any other word.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::arguments::Change;
use super::draft::Draft;
use super::secret_marks::{begins_word, is_dotted, is_word, marked_secrets, run};
use super::{Engine, EngineError, InvalidArguments};
use crate::model::few;
use crate::model::{Memory, Metadata, SecretScreen, Title, foreign};

/// What was found, by name.
pub(super) type SecretKinds = BTreeSet<&'static str>;

const PEM_START: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";
const PEM_KEY: &str = "PRIVATE KEY";
const DASHES: &str = "-----";
/// How much of a PEM file is looked at behind its beginning.
const PEM_BYTES: usize = 16 << 10;
/// A header and a payload in JSON begin so in base64url (RFC 7519).
const JWT_START: &str = "eyJ";
const JWT_LEAST: usize = 10;
const JWT_MOST: usize = 4 << 10;
/// What stands before a password in a URL (RFC 3986, 3.2.1).
const AUTHORITY: &str = "://";
/// No host and no password in a URL is longer.
const AUTHORITY_BYTES: usize = 512;

impl Engine {
    /// Looks for secrets in all that a writer says in a memory, and does about them what the settings
    /// want. What was found is added to `found`.
    pub(super) fn screen(
        &self,
        memory: &mut Memory,
        found: &mut SecretKinds,
    ) -> Result<(), EngineError> {
        if self.limits.secrets == SecretScreen::Off {
            return Ok(());
        }
        self.screen_text(&mut memory.content, found)?;
        if let Some(title) = &mut memory.title {
            self.screen_title(title, found)?;
        }
        self.screen_metadata(&mut memory.metadata, found)
    }

    /// The same for what is said besides a text. It comes before it is compared with what is there,
    /// and before a memory that is there takes it over.
    pub(super) fn screen_draft(
        &self,
        draft: &mut Draft,
        found: &mut SecretKinds,
    ) -> Result<(), EngineError> {
        if let Change::Set(title) = &mut draft.title {
            self.screen_title(title, found)?;
        }
        if let Change::Set(metadata) = &mut draft.metadata {
            self.screen_metadata(metadata, found)?;
        }
        Ok(())
    }

    /// The same for one text.
    pub(super) fn screen_text(
        &self,
        text: &mut String,
        found: &mut SecretKinds,
    ) -> Result<(), EngineError> {
        let screen = self.limits.secrets;
        if screen == SecretScreen::Off {
            return Ok(());
        }
        let secrets = secrets_in(text);
        if secrets.is_empty() {
            return Ok(());
        }
        found.extend(secrets.iter().map(|(_, name)| *name));
        match screen {
            SecretScreen::Refuse => {
                let names: Vec<&str> = found.iter().copied().collect();
                let problem = format!(
                    "holds what looks like a secret ({}); say where it is kept instead",
                    names.join(", ")
                );
                return Err(InvalidArguments::one("content", &problem).into());
            }
            SecretScreen::Mask => mask(text, secrets),
            SecretScreen::Warn | SecretScreen::Off => {}
        }
        Ok(())
    }

    fn screen_title(&self, title: &mut Title, found: &mut SecretKinds) -> Result<(), EngineError> {
        let mut text = title.as_str().to_owned();
        self.screen_text(&mut text, found)?;
        if text != title.as_str()
            && let Ok(masked) = Title::parse(&text)
        {
            *title = masked;
        }
        Ok(())
    }

    fn screen_metadata(
        &self,
        metadata: &mut Metadata,
        found: &mut SecretKinds,
    ) -> Result<(), EngineError> {
        let mut values: Vec<&mut Value> = metadata.values_mut().collect();
        while let Some(value) = values.pop() {
            match value {
                Value::String(text) => self.screen_text(text, found)?,
                Value::Array(items) => values.extend(items),
                Value::Object(fields) => values.extend(fields.values_mut()),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        Ok(())
    }
}

/// A text in which every secret is masked, whatever the settings want: for what is kept without anybody
/// looking on.
#[must_use]
pub fn without_secrets(mut text: String) -> String {
    let secrets = secrets_in(&text);
    mask(&mut text, secrets);
    text
}

/// From behind, so that what comes before stays where it is.
fn mask(text: &mut String, secrets: Vec<(Range<usize>, &'static str)>) {
    for (place, name) in secrets.into_iter().rev() {
        text.replace_range(place, &format!("[masked: {name}]"));
    }
}

/// The secrets of a text, in order, none within another.
fn secrets_in(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = marked_secrets(text);
    found.extend(private_keys(text));
    found.extend(web_tokens(text));
    found.extend(passwords_in_urls(text));
    found.extend(card_numbers(text));
    few::sort_by_key(&mut found, |(place, _)| (place.start, place.end));
    let mut end = 0;
    found.retain(|(place, _)| {
        let is_first = place.start >= end;
        if is_first {
            end = place.end;
        }
        is_first
    });
    found
}

/// PEM blocks of private keys (RFC 7468), to their end or as far as they go.
fn private_keys(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(PEM_START) {
        let rest = head(text, at, PEM_BYTES);
        let label = rest.get(PEM_START.len()..).and_then(|rest| rest.split(DASHES).next());
        if !label.is_some_and(|label| label.ends_with(PEM_KEY) && !label.contains('\n')) {
            continue;
        }
        let ends = rest.find(PEM_END).and_then(|end| {
            let line = rest.get(end + PEM_END.len()..)?;
            Some(end + PEM_END.len() + line.find(DASHES)? + DASHES.len())
        });
        found.push((at..at + ends.unwrap_or(rest.len()), "private key"));
    }
    found
}

fn web_tokens(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    for (at, _) in text.match_indices(JWT_START) {
        if !begins_word(bytes, at) {
            continue;
        }
        let end = at + run(bytes.get(..at + JWT_MOST).unwrap_or(bytes), at, is_dotted);
        let parts: Vec<&str> = text.get(at..end).unwrap_or_default().split('.').collect();
        let [header, payload, signature, ..] = parts[..] else { continue };
        let is_token = payload.starts_with(JWT_START)
            && [header, payload, signature].iter().all(|part| part.len() >= JWT_LEAST);
        if is_token {
            found.push((at..end, "JSON web token"));
        }
    }
    found
}

/// `scheme://user:password@host`: the password.
fn passwords_in_urls(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(AUTHORITY) {
        let start = at + AUTHORITY.len();
        let rest = head(text, start, AUTHORITY_BYTES);
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c));
        let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((name, password)) = user.split_once(':') else { continue };
        // What stands for a password is none.
        let is_blank =
            password.chars().all(|c| "*.x<>".contains(c)) || password.starts_with(['$', '{', '[']);
        if !is_blank {
            let from = start + name.len() + 1;
            found.push((from..from + password.len(), "password in a URL"));
        }
    }
    found
}

/// Numbers of payment cards: of the length and the beginning of an issuer (ISO/IEC 7812), with the
/// check digit of Luhn.
fn card_numbers(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = (at..bytes.len()).find(|at| is_digit_at(bytes, *at)) {
        // Digits in groups, with one blank or hyphen between two of them.
        let (mut digits, mut end) = (Vec::new(), start);
        loop {
            let length = run(bytes, end, |byte| byte.is_ascii_digit());
            digits
                .extend(bytes.get(end..end + length).unwrap_or_default().iter().map(|b| b - b'0'));
            end += length;
            let is_joined = matches!(bytes.get(end), Some(b' ' | b'-'));
            if !is_joined || !is_digit_at(bytes, end + 1) || digits.len() > MOST_DIGITS {
                break;
            }
            end += 1;
        }
        let is_alone = begins_word(bytes, start)
            && !bytes.get(end).is_some_and(|byte| is_word(*byte) || !byte.is_ascii());
        if is_alone && is_card(&digits) {
            found.push((start..end, "card number"));
        }
        at = end.max(start + 1);
    }
    found
}

const MOST_DIGITS: usize = 19;

fn is_card(digits: &[u8]) -> bool {
    let leading = |count: usize| {
        digits.iter().take(count).fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    let is_issued = match digits.len() {
        13 | 19 => leading(1) == 4,
        14 => matches!(leading(2), 36 | 38) || matches!(leading(3), 300..=305),
        15 => matches!(leading(2), 34 | 37),
        16 => {
            leading(1) == 4
                || matches!(leading(2), 51..=55 | 65)
                || matches!(leading(4), 2221..=2720 | 6011 | 3528..=3589)
                || matches!(leading(3), 644..=649)
        }
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, factor)| u32::from(*digit) * factor)
        .map(|product| product / 10 + product % 10)
        .sum();
    is_issued && sum.is_multiple_of(10)
}

/// A text from a place on, as far as it is looked at: whatever somebody wrote, looking stays cheap.
fn head(text: &str, at: usize, most: usize) -> &str {
    foreign::cut(text.get(at..).unwrap_or_default(), most)
}

fn is_digit_at(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::secret_marks::tests::made_up;

    fn names(text: &str) -> Vec<&'static str> {
        secrets_in(text).into_iter().map(|(_, name)| name).collect()
    }

    /// Made up, and put together here so that no scanner takes this file for a leak.
    fn made(start: &str, letters: &str, count: usize) -> String {
        let body: String = letters.chars().cycle().take(count).collect();
        format!("{start}{body}")
    }

    #[test]
    fn what_a_service_marks_is_found() {
        for (secret, name) in made_up() {
            assert_eq!(names(&format!("use {secret}, please")), [name], "{secret}");
            assert_eq!(names(&format!("x{secret}")), Vec::<&str>::new(), "{secret}");
        }
    }

    #[test]
    fn private_keys_tokens_and_passwords_are_found_whole() {
        let key = format!("{PEM_START}RSA {PEM_KEY}-----\nMIIE\n{PEM_END}RSA {PEM_KEY}-----");
        let jwt = [made("eyJ", "aB3", 20), made("eyJ", "c4", 20), made("s", "d5", 20)].join(".");
        for (secret, name) in [(key, "private key"), (jwt, "JSON web token")] {
            let text = format!("before {secret} after");
            let found = secrets_in(&text);
            assert_eq!(found, [(7..7 + secret.len(), name)], "{text}");
        }
        let text = "postgres://ada:hunter2@db.example.org/x and https://example.org:8080/@x";
        assert_eq!(secrets_in(text), [(15..22, "password in a URL")]);
    }

    #[test]
    fn cards_are_told_from_other_numbers() {
        for card in ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"] {
            assert_eq!(names(&format!("pay with {card}.")), ["card number"]);
        }
        for other in [
            "4111 1111 1111 1112",
            "1764169200000",
            "order 9411111111111111117",
            "call +49 30 901820 or 4111",
            "9111111111111111",
            "2026-11-26 14:39:37",
        ] {
            assert_eq!(names(other), Vec::<&str>::new(), "{other}");
        }
    }

    #[test]
    fn what_repeats_a_beginning_is_looked_at_once() {
        for part in ["sk-", "eyJ", ".eyJ", "-----BEGIN PRIVATE KEY-----", "://", "4 ", "ghp_"] {
            let text = part.repeat((64 << 10) / part.len());

            assert!(secrets_in(&text).len() <= text.len(), "{part}");
        }
    }

    #[test]
    fn ordinary_text_holds_no_secret() {
        for text in [
            "",
            "Ask before sk- anything; the AKIA prefix marks AWS keys, ghp_ marks GitHub's.",
            "https://user@example.org/path, mailto:a@b.c, postgres://$USER:$PASSWORD@host/db",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "caf\u{e9} 4111\u{e9}",
        ] {
            assert_eq!(names(text), Vec::<&str>::new(), "{text}");
        }
    }
}
