use super::oauth::is_access_token;
use crate::model::UserId;

/// Longer than any key. What is longer is wrong, and is not worth a digest.
const MAX_SECRET_BYTES: usize = 512;

/// What a header line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// `Authorization`: the secret stands behind the scheme `Bearer`, or `Token`, as the client of Mem0
    /// has it.
    Authorization,
    /// `X-API-Key` and `X-MCP-Token`: the secret is the whole value.
    Key,
    /// `X-MCP-UserID`: whom the client believes to be.
    User,
}

/// What a request brought to show who it is. Nothing of it is checked yet.
#[derive(Clone, Default)]
pub struct Presented<'a> {
    secret: Option<&'a str>,
    user: Option<&'a str>,
    /// Two secrets that differ, or one that cannot be a secret of ours.
    is_contradictory: bool,
    /// Two users that differ, or one that cannot be read.
    is_user_unclear: bool,
    /// Whether a secret came in a header that only our own keys have.
    has_key_header: bool,
}

impl<'a> Presented<'a> {
    /// Reads header lines, each as it came. Other schemes are nobody's credential
    /// here: a proxy in front may have asked for a password of its own.
    pub fn parse(lines: impl IntoIterator<Item = (Carrier, &'a [u8])>) -> Self {
        let mut presented = Self::default();
        for (carrier, line) in lines {
            let line = std::str::from_utf8(line).map(str::trim);
            match carrier {
                Carrier::Authorization => presented.take_secret(line.ok().and_then(bearer)),
                Carrier::Key => {
                    presented.has_key_header = true;
                    presented.take_secret(line.ok());
                }
                Carrier::User => presented.take_user(line.ok()),
            }
        }
        presented
    }

    /// Whether there is something to verify at all.
    #[must_use]
    pub fn is_attempt(&self) -> bool {
        self.secret.is_some()
    }

    /// Whether who brought this may be told to sign in: who brought nothing, or an access token that is
    /// not good any more. Who brought a key has to hear that the key is wrong.
    #[must_use]
    pub fn may_sign_in(&self) -> bool {
        !self.has_key_header && self.secret.is_none_or(is_access_token)
    }

    pub(super) fn secret(&self) -> Option<&'a str> {
        self.secret
    }

    pub(super) fn is_contradictory(&self) -> bool {
        self.is_contradictory
    }

    pub(super) fn may_be(&self, user: &UserId) -> bool {
        !self.is_user_unclear && self.user.is_none_or(|named| named == user.as_str())
    }

    fn take_secret(&mut self, secret: Option<&'a str>) {
        let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
            return;
        };
        let is_too_long = secret.len() > MAX_SECRET_BYTES;
        let secret = if is_too_long { "" } else { secret };
        self.is_contradictory |= is_too_long || self.secret.is_some_and(|first| first != secret);
        self.secret.get_or_insert(secret);
    }

    fn take_user(&mut self, user: Option<&'a str>) {
        let Some(user) = user else {
            self.is_user_unclear = true;
            return;
        };
        if !user.is_empty() {
            self.is_user_unclear |= self.user.is_some_and(|first| first != user);
            self.user.get_or_insert(user);
        }
    }
}

fn bearer(line: &str) -> Option<&str> {
    let (scheme, secret) = line.split_once(char::is_whitespace)?;
    let is_ours = ["bearer", "token"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours));
    is_ours.then(|| secret.trim())
}

/// Shows nothing of what was brought.
impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("is_attempt", &self.is_attempt()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_brought_no_key_is_told_to_sign_in() {
        let may = |lines: &[(Carrier, &str)]| {
            let lines = lines.iter().map(|(carrier, line)| (*carrier, line.as_bytes()));
            Presented::parse(lines).may_sign_in()
        };

        assert!(may(&[]) && may(&[(Carrier::Authorization, "Bearer mat_x")]));
        assert!(may(&[(Carrier::Authorization, "Basic eDp5")]), "a password of a proxy in front");
        for wrong in [
            (Carrier::Authorization, "Bearer wrong-key"),
            (Carrier::Authorization, "Token mcp_x"),
            (Carrier::Key, "mat_x"),
            (Carrier::Key, ""),
        ] {
            assert!(!may(&[wrong]), "{wrong:?}");
        }
    }
}
