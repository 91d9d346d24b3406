//! A browser of the tests: it keeps cookies, and sends forms as browsers do.

use std::fmt::Write as _;

use actix_web::rt::net::TcpStream;

use super::harness::TestServer;

/// An answer, in its parts.
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// What a browser keeps of a server.
pub struct Browser<'a> {
    pub server: &'a TestServer,
    cookies: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// What a browser that keeps its cookies shows from then on.
    pub fn cookies(&self) -> String {
        let given = self.headers("set-cookie");
        let given = given.iter().filter_map(|line| line.split(';').next());
        given.collect::<Vec<_>>().join("; ")
    }

    /// Where the first link with these words leads.
    pub fn way(&self, words: &str) -> Option<String> {
        let (before, _) = self.body.split_once(&format!(">{words}</a>"))?;
        let href = before.rsplit("href=\"").next()?.split('"').next()?;
        Some(href.replace("&#38;", "&"))
    }

    /// What the form that goes to a path carries.
    pub fn csrf(&self, action: &str) -> String {
        self.field(action, "csrf")
    }

    /// What a field holds of the first form that goes to a path.
    pub fn field(&self, action: &str, name: &str) -> String {
        let form = self.body.split(&format!("action=\"{action}\"")).nth(1);
        let form = form.unwrap_or_else(|| panic!("no form goes to {action}: {}", self.body));
        let value = form.split(&format!("name=\"{name}\" value=\"")).nth(1);
        let value = value.unwrap_or_else(|| panic!("no {name} goes to {action}: {}", self.body));
        value.split('"').next().unwrap().to_owned()
    }
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a TestServer) -> Self {
        Self { server, cookies: String::new() }
    }

    /// Signs in, as by the page.
    pub async fn signed_in(server: &'a TestServer, key: &str) -> Self {
        let mut browser = Self::new(server);
        let page = browser.post("/ui/login", &[("credential", key), ("next", "/ui/")]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        browser.cookies = page.cookies();
        browser
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send("GET", path, &[("Sec-Fetch-Site", "none")], "").await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.send("POST", path, &[("Sec-Fetch-Site", "same-origin")], &written(form)).await
    }

    /// Opens the stream of changes that pages have, and waits for its first words.
    pub async fn listen(&self) -> TcpStream {
        let host = self.server.url.trim_start_matches("http://");
        let headers = [("Host", host), ("Cookie", self.cookies.as_str())];
        self.server.listen_at("/ui/events", &headers).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Page {
        let host = self.server.url.trim_start_matches("http://");
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        if !self.cookies.is_empty() {
            write!(request, "Cookie: {}\r\n", self.cookies).unwrap();
        }
        if method == "POST" {
            request.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
            write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
        }
        write!(request, "Connection: close\r\n\r\n{body}").unwrap();
        let answer = self.server.raw(&request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Page { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// A form or a query as browsers write it.
pub fn written(form: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        text.bytes().fold(String::new(), |mut all, byte| {
            write!(all, "%{byte:02X}").unwrap();
            all
        })
    };
    let pairs: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}
