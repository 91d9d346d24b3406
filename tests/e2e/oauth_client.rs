//! A client of OAuth and the browser of its user, as far as the tests need them.

pub use memoryd::model::percent::encoded;
use serde_json::{Value, json};

use crate::harness::{KEY, PATIENCE, Reply, TestServer, rpc};

/// The name under which the server is reached from outside.
pub const HOST: &str = "memory.example.com";
pub const ISSUER: &str = "https://memory.example.com";
/// The example of RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub const BACK: &str = "http://localhost:3118/callback";

/// A server with OAuth, as it is seen under its public name.
pub struct Outside {
    pub server: TestServer,
}

/// What a client has after its user allowed it.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
}

/// The browser of a user who has signed in.
pub struct Browser<'a> {
    outside: &'a Outside,
    cookie: String,
}

impl Outside {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(env: &[(&str, &str)]) -> Self {
        let mut all = vec![("OAUTH_ENABLED", "true"), ("PUBLIC_URL", ISSUER)];
        all.extend(env);
        Self { server: TestServer::with(&all) }
    }

    pub async fn restart(self) -> Self {
        Self { server: self.server.restart().await }
    }

    /// Asks under the public name, and follows no redirect.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, String)>,
    ) -> Reply {
        let client = awc::Client::builder().timeout(PATIENCE).disable_redirects().finish();
        // Another name among the headers takes its place.
        let mut all = vec![("Host", HOST)];
        all.extend(headers);
        let body = body.map(|(kind, body)| (kind, body.into_bytes()));
        self.server.send_by(&client, method, path, &all, body).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await
    }

    pub async fn form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let body = ("application/x-www-form-urlencoded", form(fields));
        self.send("POST", path, headers, Some(body)).await
    }

    /// Registers a client and returns what it is told.
    pub async fn register(&self, metadata: Value) -> Value {
        let body = ("application/json", metadata.to_string());
        let reply = self.send("POST", "/register", &[], Some(body)).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        reply.json()
    }

    /// Registers a public client and returns its id.
    pub async fn client(&self) -> String {
        let told = json!({ "client_name": "Claude Code (memory)", "redirect_uris": [BACK] });
        self.register(told).await["client_id"].as_str().unwrap().to_owned()
    }

    /// Signs a browser in.
    pub async fn browser(&self, key: &str) -> Browser<'_> {
        let fields = [("credential", key), ("next", "/ui/")];
        let same = [("Sec-Fetch-Site", "same-origin")];
        let reply = self.form("/ui/login", &fields, &same).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        let cookies = reply.headers.iter().filter(|(name, _)| name == "set-cookie");
        let cookies: Vec<&str> = cookies.map(|(_, line)| line.split(';').next().unwrap()).collect();
        Browser { outside: self, cookie: cookies.join("; ") }
    }

    /// Goes the whole way for a client of ours, with the box of every scope ticked.
    pub async fn signed_in(&self, client: &str) -> Tokens {
        let browser = self.browser(KEY).await;
        let code = browser.allow(&question(client)).await;
        tokens(&self.change(client, &code).await)
    }

    /// Changes a code for tokens.
    pub async fn change(&self, client: &str, code: &str) -> Reply {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", BACK),
            ("resource", "https://memory.example.com/mcp"),
        ];
        self.form("/token", &fields, &[]).await
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Reply {
        let fields =
            [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
        self.form("/token", &fields, &[]).await
    }

    /// Calls a tool with an access token.
    pub async fn tool(&self, access: &str, name: &str, arguments: Value) -> Reply {
        let call = rpc("tools/call", json!({ "name": name, "arguments": arguments }));
        let bearer = format!("Bearer {access}");
        let body = ("application/json", call.to_string());
        self.send("POST", "/mcp", &[("Authorization", &bearer)], Some(body)).await
    }

    /// The status of a harmless call.
    pub async fn status(&self, access: &str) -> u16 {
        self.tool(access, "search_memories", json!({ "query": "x" })).await.status
    }
}

impl Browser<'_> {
    pub async fn get(&self, path: &str) -> Reply {
        self.outside.send("GET", path, &[("Cookie", &self.cookie)], None).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let same = [("Cookie", self.cookie.as_str()), ("Sec-Fetch-Site", "same-origin")];
        self.outside.form(path, fields, &same).await
    }

    /// Follows a question to its page. Returns where the page is, and its text.
    pub async fn asked(&self, question: &str) -> (String, Reply) {
        let begun = self.get(question).await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        let path = begun.header("location").unwrap().to_owned();
        assert!(path.starts_with("/authorize/pending/"), "{path}");
        let page = self.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text());
        (path, page)
    }

    /// Allows what is asked for, and returns the code.
    pub async fn allow(&self, question: &str) -> String {
        let (path, page) = self.asked(question).await;
        let csrf = csrf_of(&page);
        let fields = [
            ("csrf", csrf.as_str()),
            ("scope", "read"),
            ("scope", "write"),
            ("days", "365"),
            ("answer", "allow"),
        ];
        let answered = self.post(&path, &fields).await;
        assert_eq!(answered.status, 303, "{}", answered.text());
        value_of(answered.header("location").unwrap(), "code").unwrap()
    }
}

/// A good question of a client.
pub fn question(client: &str) -> String {
    let fields = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", BACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "a/b c"),
        ("resource", "https://memory.example.com/mcp"),
    ];
    format!("/authorize?{}", form(&fields))
}

/// The token of the form in which the user answers; the frame of the page has others.
pub fn csrf_of(page: &Reply) -> String {
    field_of(page, "/authorize/pending/", "csrf")
}

/// What a hidden field holds of the first form that leads somewhere.
pub fn field_of(page: &Reply, action: &str, name: &str) -> String {
    let text = page.text();
    let form = text.split(&format!("action=\"{action}")).nth(1).expect("no form");
    let value = form.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("no field");
    value.split('"').next().unwrap().to_owned()
}

pub fn tokens(reply: &Reply) -> Tokens {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let told = reply.json();
    assert_eq!((&told["token_type"], &told["expires_in"]), (&json!("Bearer"), &json!(3_600)));
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token"), scope: text("scope") }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// What stands in the query of a URL under a name.
pub fn value_of(url: &str, name: &str) -> Option<String> {
    let mut pairs = url.split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value.to_owned())
}
