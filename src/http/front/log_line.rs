use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};

use super::RequestId;
use crate::error::Error;
use crate::model::{TOKEN_START, TokenPrefix};

/// Longer paths are somebody's attempt to fill the disk.
const MAX_PATH_CHARS: usize = 256;

/// What people search the log for. The words stay: docs/API.md names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Unauthorized,
    RateLimitExceeded,
    AccessDenied,
    CorsViolation,
}

/// The one line of a request. It holds no query, no body, and nothing of a credential but its name.
pub(super) struct LogLine<'a> {
    pub(super) id: &'a RequestId,
    pub(super) client: IpAddr,
    /// Its name; `-` stands for none, `invalid` for one that did not verify.
    pub(super) credential: &'a str,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) status: StatusCode,
    pub(super) took: Duration,
    pub(super) event: Option<Event>,
}

/// Text of a client, with nothing in it that could break a line or a terminal.
struct Escaped<'a>(&'a str);

impl Event {
    pub(super) fn of_refusal(refused: &Error) -> Option<Self> {
        match refused {
            Error::OriginRefused => Some(Self::CorsViolation),
            Error::HttpsRequired => Some(Self::AccessDenied),
            _ => None,
        }
    }

    pub(super) fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED => Some(Self::Unauthorized),
            StatusCode::FORBIDDEN => Some(Self::AccessDenied),
            StatusCode::TOO_MANY_REQUESTS => Some(Self::RateLimitExceeded),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::RateLimitExceeded => "Rate limit exceeded",
            Self::AccessDenied => "Access denied",
            Self::CorsViolation => "CORS violation",
        }
    }
}

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "request id={} client={} credential={} method={} path={} status={} ms={:.1}",
            self.id.as_str(),
            self.client,
            self.credential,
            Escaped(self.method.as_str()),
            Escaped(&without_tokens(self.path)),
            self.status.as_u16(),
            self.took.as_secs_f64() * 1000.0,
        )?;
        match self.event {
            Some(event) => write!(f, " event=\"{}\"", event.word()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(MAX_PATH_CHARS) {
            if c.is_ascii_graphic() {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        Ok(())
    }
}

/// A path with no more of a token in it than its beginning.
fn without_tokens(path: &str) -> Cow<'_, str> {
    if !path.contains(TOKEN_START) {
        return Cow::Borrowed(path);
    }
    let shown = |segment: &str| match TokenPrefix::of(segment) {
        Some(prefix) => prefix.to_string(),
        None => segment.to_owned(),
    };
    Cow::Owned(path.split('/').map(shown).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_token_in_a_path_only_the_beginning_is_shown() {
        let path = format!("/admin/tokens/mcp_{}/rotate", "x".repeat(43));

        assert_eq!(without_tokens(&path), "/admin/tokens/mcp_xxxxxxxx/rotate");
        assert_eq!(without_tokens("/mcp_/a"), "/mcp_/a");
    }

    #[test]
    fn what_could_break_a_line_is_escaped() {
        let path = "/a\n\u{1b}[2J\u{202e}b";

        assert_eq!(Escaped(path).to_string(), r"/a\u{a}\u{1b}[2J\u{202e}b");
        assert_eq!(Escaped(&"x".repeat(9_999)).to_string().len(), MAX_PATH_CHARS);
    }
}
