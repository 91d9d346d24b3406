//! The cookies of the pages: which there are, when they are believed, and how they are given.

use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::{HttpRequest, HttpResponse};

use super::sessions::LONGEST;
use crate::http::front::{Client, Ingress};
use crate::model::Secret;

/// A browser keeps it only if it came over TLS, or from this machine in some browsers, and no other
/// name of the domain can set it.
const SECURE: &str = "__Host-memoryd";
/// For what is not TLS: not every browser keeps the other one there.
const LOCAL: &str = "memoryd-local";
/// Within a frame there is a path, which a cookie with `__Host-` must not have. A browser keeps it only if it
/// came over TLS.
const FRAMED: &str = "__Secure-memoryd";
/// How the pages look.
const THEME: &str = "memoryd-theme";
/// As long as a session lasts at most, in seconds.
const SESSION_AGE: u64 = LONGEST.as_secs();
/// A year, in seconds.
const THEME_AGE: u32 = 365 * 86_400;

/// What the way between a browser and the server is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Tls,
    /// It stays within this machine.
    Loopback,
    /// Others may read along, and the owner said that this is fine.
    Plain,
}

impl Wire {
    pub(super) fn of(client: Client, allows_http: bool) -> Option<Self> {
        match client {
            Client { is_https: true, .. } => Some(Self::Tls),
            Client { is_local: true, .. } => Some(Self::Loopback),
            _ => allows_http.then_some(Self::Plain),
        }
    }

    /// The cookies by which a browser is known, with what stands behind each.
    fn cookies(self, is_framed: bool) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Tls if is_framed => &[(FRAMED, "; Secure")],
            Self::Tls => &[(SECURE, "; Secure")],
            Self::Loopback if is_framed => &[(FRAMED, "; Secure"), (LOCAL, "")],
            Self::Loopback => &[(SECURE, "; Secure"), (LOCAL, "")],
            Self::Plain => &[(LOCAL, "")],
        }
    }
}

/// What a browser shows of a sign-in. Over TLS a cookie counts for nothing that could have been set
/// without it.
pub(super) fn shown(request: &HttpRequest, client: Client) -> Vec<&str> {
    let secure = if Ingress::of(request).is_some() { FRAMED } else { SECURE };
    let mut found = values(request, secure);
    if !client.is_https {
        found.extend(values(request, LOCAL));
    }
    found
}

/// Lets a browser be known from now on.
pub(super) fn give(
    request: &HttpRequest,
    response: &mut HttpResponse,
    wire: Wire,
    secret: &Secret,
) {
    let ingress = Ingress::of(request);
    let (path, value) = (path_of(ingress.as_ref()), secret.reveal());
    for (name, more) in wire.cookies(ingress.is_some()) {
        let life = format!("Path={path}; Max-Age={SESSION_AGE}");
        append(response, &format!("{name}={value}; {life}; HttpOnly; SameSite=Lax{more}"));
    }
}

/// Makes a browser forget.
pub(super) fn take_back(request: &HttpRequest, response: &mut HttpResponse) {
    let ingress = Ingress::of(request);
    let path = path_of(ingress.as_ref());
    for (name, more) in Wire::Loopback.cookies(ingress.is_some()) {
        append(response, &format!("{name}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax{more}"));
    }
}

/// How the pages are to look: a word that a style sheet knows, or nothing.
pub(super) fn theme(request: &HttpRequest) -> &'static str {
    values(request, THEME).first().map_or("", |word| known_theme(word))
}

pub(super) fn keep_theme(request: &HttpRequest, response: &mut HttpResponse, word: &str) {
    let (word, ingress) = (known_theme(word), Ingress::of(request));
    let path = path_of(ingress.as_ref());
    append(response, &format!("{THEME}={word}; Path={path}; Max-Age={THEME_AGE}; SameSite=Lax"));
}

/// For which pages of its host a cookie is. Within a frame the rest of the host is another program's.
fn path_of(ingress: Option<&Ingress>) -> &str {
    ingress.map_or("/", Ingress::path)
}

fn known_theme(word: &str) -> &'static str {
    ["light", "dark"].into_iter().find(|known| *known == word).unwrap_or_default()
}

fn values<'a>(request: &'a HttpRequest, name: &str) -> Vec<&'a str> {
    let lines = request.headers().get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(own, _)| *own == name).map(|(_, value)| value).collect()
}

fn append(response: &mut HttpResponse, line: &str) {
    // What is made here holds nothing that a header cannot.
    if let Ok(line) = HeaderValue::from_str(line) {
        response.headers_mut().append(SET_COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use std::net::{IpAddr, Ipv4Addr};

    fn client(is_local: bool, is_https: bool) -> Client {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Client { address, is_local, is_proxied: false, is_https, is_owner: false }
    }

    #[test]
    fn over_tls_only_a_cookie_of_tls_counts() {
        let line = "a=b; memoryd-local=two;__Host-memoryd=one; x__Host-memoryd=three";
        let request = TestRequest::get().insert_header((COOKIE, line)).to_http_request();

        assert_eq!(shown(&request, client(true, false)), ["one", "two"]);
        assert_eq!(shown(&request, client(false, true)), ["one"]);
    }

    #[test]
    fn nobody_signs_in_where_others_may_read_along_unless_the_owner_says_so() {
        assert_eq!(Wire::of(client(false, false), false), None);
        assert_eq!(Wire::of(client(false, false), true), Some(Wire::Plain));
        assert_eq!(Wire::of(client(true, false), false), Some(Wire::Loopback));
        assert_eq!(Wire::of(client(false, true), false), Some(Wire::Tls));
    }

    #[test]
    fn every_cookie_says_which_sites_may_send_it() {
        let mut response = HttpResponse::Ok().finish();
        let request = TestRequest::get().to_http_request();
        give(&request, &mut response, Wire::Loopback, &Secret::new("s".to_owned()));
        take_back(&request, &mut response);
        keep_theme(&request, &mut response, "dark\r\nx: y");

        let lines: Vec<_> = response.headers().get_all(SET_COOKIE).collect();
        assert_eq!(lines.len(), 5);
        for line in lines {
            let line = line.to_str().unwrap();
            assert!(line.contains("; SameSite=Lax") && line.contains("; Path=/"), "{line}");
            assert_eq!(line.contains("Secure"), line.starts_with("__Host-"), "{line}");
        }
    }
}
