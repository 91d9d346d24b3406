use std::collections::BTreeSet;

use super::OauthError;
use crate::model::percent::decoded_form;

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
                pairs.push((decoded_form(name)?, decoded_form(value)?));
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
}
