use std::collections::BTreeSet;

use super::OauthError;

/// Named values of a query or of a form, in the order in which they came. Those without a value are left
/// out, as RFC 6749 (3.1) has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs(Vec<(String, String)>);

/// A name stands there twice, and two readers could understand two things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Pairs {
    /// Reads `application/x-www-form-urlencoded`; nothing if it is no UTF-8.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut pairs = Vec::new();
        for part in text.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !value.is_empty() {
                pairs.push((decoded(name)?, decoded(value)?));
            }
        }
        Some(Self(pairs))
    }

    /// The value of a name that may stand there once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut found = self.all(name);
        let first = found.next();
        if found.next().is_some() { Err(Repeated) } else { Ok(first) }
    }

    /// The first value of a name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Fails if any name stands there twice.
    pub fn refuse_repeated(&self) -> Result<(), Repeated> {
        let names: BTreeSet<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() < self.0.len() { Err(Repeated) } else { Ok(()) }
    }
}

impl From<Repeated> for OauthError {
    fn from(_: Repeated) -> Self {
        Self::InvalidRequest("a parameter stands there twice")
    }
}

/// Undoes the escapes of a form, in which a plus stands for a space.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match (first, rest) {
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = behind;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// Writes a text so that it stands whole in a query, whichever way it is read.
pub(super) fn encoded(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_and_what_stands_twice_is_seen() {
        let pairs = Pairs::parse("a=1+2&b=%C3%a9%26&c=&d&a%3d=x&e=%zz%4").unwrap();

        assert_eq!(pairs.one("a"), Ok(Some("1 2")));
        assert_eq!(pairs.one("b"), Ok(Some("\u{e9}&")));
        assert_eq!(
            (pairs.one("c"), pairs.one("d")),
            (Ok(None), Ok(None)),
            "no value is no parameter"
        );
        assert_eq!(pairs.one("a="), Ok(Some("x")));
        assert_eq!(pairs.one("e"), Ok(Some("%zz%4")));
        assert_eq!(pairs.refuse_repeated(), Ok(()));

        let twice = Pairs::parse("resource=a&x=1&resource=a").unwrap();
        assert_eq!(twice.one("resource"), Err(Repeated));
        assert_eq!((twice.refuse_repeated(), twice.first("resource")), (Err(Repeated), Some("a")));
        assert_eq!(twice.all("resource").count(), 2);
        assert!(Pairs::parse("a=%ff").is_none());
    }

    #[test]
    fn what_is_written_is_read_back_the_same_in_either_way() {
        for text in ["", "plain", "a b+c%d&e=f#g", "\u{e9}\u{1f697}\"'<>", "..%2F"] {
            let written = encoded(text);
            assert_eq!(decoded(&written).as_deref(), Some(text));
            assert!(!written.contains('+'), "only some readers take it for a space");
        }
    }
}
