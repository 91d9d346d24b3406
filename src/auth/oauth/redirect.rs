/// Longer ones are none that a client needs.
const MAX_URI_CHARS: usize = 512;

/// Schemes of applications that are known. One with a dot in it is named after a domain (RFC 8252, 7.1).
const APPLICATIONS: [&str; 5] = ["cursor", "vscode", "vscode-insiders", "windsurf", "claude"];

/// Names of this machine that need no look-up, or that RFC 6761 reserves.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What is at the other end of a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectKind {
    Web,
    /// A program that listens on the machine of the browser. Its port may be any (RFC 8252, 7.3).
    Loopback,
    /// A program that the browser's machine knows by a scheme.
    Application,
}

/// Where a browser may be sent with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redirect<'a> {
    pub kind: RedirectKind,
    scheme: &'a str,
    /// Host and port as they stand there; may be empty behind the scheme of an application.
    authority: &'a str,
    /// Path and query.
    rest: &'a str,
}

impl<'a> Redirect<'a> {
    /// Reads a redirect URI; nothing if no browser should be sent there. `javascript:` and its like are no
    /// schemes of applications.
    #[must_use]
    pub fn parse(uri: &'a str) -> Option<Self> {
        let is_fit = |byte: u8| byte.is_ascii_graphic() && !b"\"#'<>\\^`{|}".contains(&byte);
        if uri.len() > MAX_URI_CHARS || !uri.bytes().all(is_fit) {
            return None;
        }
        let (scheme, behind) = uri.split_once(':')?;
        let (authority, rest) = match behind.strip_prefix("//") {
            Some(behind) => behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len())),
            None => ("", behind),
        };
        let kind = match scheme {
            "https" if is_authority(authority) => RedirectKind::Web,
            "http" if is_authority(authority) && LOOPBACK.contains(&host_of(authority)) => {
                RedirectKind::Loopback
            }
            "https" | "http" => return None,
            _ if is_application(scheme) && !authority.contains('@') && !behind.is_empty() => {
                RedirectKind::Application
            }
            _ => return None,
        };
        Some(Self { kind, scheme, authority, rest })
    }

    /// Whether a client that registered one URI may ask for another: they are the same to the byte, the
    /// port on loopback apart.
    #[must_use]
    pub fn matches(registered: &str, as_asked: &str) -> bool {
        let (known, asked) = (Redirect::parse(registered), Redirect::parse(as_asked));
        let (Some(known), Some(asked)) = (known, asked) else {
            return false;
        };
        let is_loopback = |redirect: Redirect<'_>| redirect.kind == RedirectKind::Loopback;
        if is_loopback(known) && is_loopback(asked) {
            return (host_of(known.authority), known.rest)
                == (host_of(asked.authority), asked.rest);
        }
        registered == as_asked
    }

    /// Who gets the code, for a person to see: the host, or the scheme of an application.
    #[must_use]
    pub fn host(&self) -> String {
        match self.kind {
            RedirectKind::Web | RedirectKind::Loopback => self.authority.to_owned(),
            RedirectKind::Application => format!("{}://{}", self.scheme, self.authority),
        }
    }

    /// What a page may send its form on to (CSP `form-action`). There is no way to write an IPv6 address.
    #[must_use]
    pub fn csp_source(&self) -> String {
        let is_v6 = self.authority.starts_with('[');
        match self.kind {
            RedirectKind::Web | RedirectKind::Loopback if !is_v6 => {
                format!("{}://{}", self.scheme, self.authority)
            }
            _ => format!("{}:", self.scheme),
        }
    }
}

/// The host without its port. Of what [`is_authority`] let through.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A name or an address, and a port if there is one. No userinfo: it is made to deceive.
fn is_authority(authority: &str) -> bool {
    let host = host_of(authority);
    let port = authority.strip_prefix(host).unwrap_or_default();
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok_and(|n| n > 0));
    let is_name = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_v6 = inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok());
    is_port && (is_name || is_v6)
}

fn is_application(scheme: &str) -> bool {
    let is_fit =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_scheme =
        scheme.bytes().all(is_fit) && scheme.starts_with(|c: char| c.is_ascii_lowercase());
    is_scheme && (scheme.contains('.') || APPLICATIONS.contains(&scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_the_web_to_loopback_and_to_applications() {
        for (uri, kind, host, source) in [
            (
                "https://claude.ai/api/mcp/auth_callback",
                RedirectKind::Web,
                "claude.ai",
                "https://claude.ai",
            ),
            ("https://a.b:8443", RedirectKind::Web, "a.b:8443", "https://a.b:8443"),
            (
                "http://localhost:3118/callback?x=1",
                RedirectKind::Loopback,
                "localhost:3118",
                "http://localhost:3118",
            ),
            ("http://127.0.0.1/", RedirectKind::Loopback, "127.0.0.1", "http://127.0.0.1"),
            ("http://[::1]:80/cb", RedirectKind::Loopback, "[::1]:80", "http:"),
            (
                "cursor://anysphere.cursor-mcp/oauth/callback",
                RedirectKind::Application,
                "cursor://anysphere.cursor-mcp",
                "cursor:",
            ),
            (
                "com.example.app:/cb",
                RedirectKind::Application,
                "com.example.app://",
                "com.example.app:",
            ),
        ] {
            let redirect = Redirect::parse(uri).unwrap();
            assert_eq!((redirect.kind, redirect.host().as_str()), (kind, host), "{uri}");
            assert_eq!(redirect.csp_source(), source);
            assert!(Redirect::matches(uri, uri));
        }
    }

    #[test]
    fn nobody_is_sent_where_code_runs_or_a_stranger_listens() {
        let long = format!("https://a.b/{}", "x".repeat(512));
        for uri in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "blob:https://a.b/1",
            "about:blank",
            "vbscript:x",
            "JavaScript://a.b/%0aalert(1)",
            "HTTPS://a.b/",
            "http://a.b/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.2/cb",
            "https://user:pw@a.b/cb",
            "https://a.b/cb#fragment",
            "https://a.b\\@evil.example/cb",
            "https://a.b/c b",
            "https://a.b/\u{e9}",
            "https:///cb",
            "https://:443/cb",
            "https://a.b:0/cb",
            "https://a.b:65536/cb",
            "https://[::g]/cb",
            "https:a.b",
            "unknown://x",
            "cursor:",
            "",
            long.as_str(),
        ] {
            assert_eq!(Redirect::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_redirect_is_the_same_to_the_byte_or_has_another_port_on_loopback() {
        let web = "https://claude.ai/api/mcp/auth_callback";
        for other in [
            "https://claude.ai/api/mcp/auth_callback/",
            "https://claude.ai/api/mcp/auth_callback?x=1",
            "https://claude.ai/api/mcp/auth_callback.evil",
            "https://claude.ai:444/api/mcp/auth_callback",
            "https://Claude.ai/api/mcp/auth_callback",
            "https://claude.ai.evil.example/api/mcp/auth_callback",
            "https://evil.example/https://claude.ai/api/mcp/auth_callback",
            "http://claude.ai/api/mcp/auth_callback",
            "https://claude.ai/api/mcp/Auth_callback",
        ] {
            assert!(!Redirect::matches(web, other), "{other}");
        }
        assert!(!Redirect::matches("com.example.app:/cb", "com.example.app:///cb"));
        let loopback = "http://localhost/callback";
        assert!(Redirect::matches(loopback, "http://localhost:54321/callback"));
        assert!(Redirect::matches("http://127.0.0.1:33418/", "http://127.0.0.1:1/"));
        for other in [
            "http://127.0.0.1:54321/callback",
            "http://localhost:54321/callback/x",
            "http://localhost:54321/",
            "https://localhost:54321/callback",
        ] {
            assert!(!Redirect::matches(loopback, other), "{other}");
        }
    }
}
