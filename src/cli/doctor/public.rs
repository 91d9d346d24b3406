//! `memoryd doctor --public`: asks a server as a client from outside would, step by step, and tells with
//! which one it fails.

use std::path::Path;

use actix_web::http::Method;
use actix_web::http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use crate::cli::daemon::Channel;
use crate::cli::waiting::wait_for;
use crate::cli::{Failed, Outcome, say_inline, say_json};
use crate::config::{Config, web_address};

/// What is asked in one step, and what has to come back.
struct Step {
    what: &'static str,
    method: Method,
    path: &'static str,
    judge: fn(&Answer, &str) -> Result<(), String>,
}

/// What came back, as far as it matters.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    challenge: String,
    body: Value,
}

/// Enough for a page of a proxy that says what is wrong.
const ANSWER_LIMIT: usize = 1 << 20;
const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";

/// In the order in which a client goes.
static STEPS: [Step; 4] = [
    Step {
        what: "the name leads here, and TLS is good",
        method: Method::GET,
        path: "/health",
        judge: is_ours,
    },
    Step {
        what: "who has no key is told where to sign in",
        method: Method::POST,
        path: "/mcp",
        judge: invites,
    },
    Step {
        what: "the resource names its server",
        method: Method::GET,
        path: RESOURCE,
        judge: names_server,
    },
    Step {
        what: "the server says how to sign in",
        method: Method::GET,
        path: "/.well-known/oauth-authorization-server",
        judge: says_how,
    },
];

/// Prints a line a step, and the command that shows the same. It fails if one of them does.
pub(super) fn run(
    config: &Config,
    url: Option<&str>,
    authority: Option<&Path>,
    wants_json: bool,
) -> Outcome {
    let url = meant(url, config.server.public_url.as_deref())?;
    let url = url.as_str();
    let authorities = authority.into_iter().chain(config.tls.authority.as_deref());
    let authorities = authorities.map(Path::to_owned).collect();
    let outcomes = wait_for(async {
        let channel = Channel::to(url, authorities)?;
        let mut outcomes = Vec::new();
        for step in &STEPS {
            let answer = step.ask(&channel).await;
            outcomes.push(answer.and_then(|answer| (step.judge)(&answer, url)));
        }
        Ok::<_, Failed>(outcomes)
    })?;
    let told = STEPS.iter().zip(&outcomes);
    if wants_json {
        let steps: Vec<Value> = told
            .map(|(step, outcome)| {
                let problem = outcome.as_ref().err();
                json!({
                    "step": step.what,
                    "ok": problem.is_none(),
                    "problem": problem,
                    "command": step.command(url),
                })
            })
            .collect();
        say_json(&json!({ "steps": steps }))?;
    } else {
        for (step, outcome) in told {
            match outcome {
                Ok(()) => say_inline(&format!("ok    {}", step.what))?,
                Err(problem) => say_inline(&format!("FAIL  {}: {problem}", step.what))?,
            }
            say_inline(&format!("      {}", step.command(url)))?;
        }
    }
    match outcomes.iter().filter(|outcome| outcome.is_err()).count() {
        0 => Ok(()),
        failed => Err(Failed::new(format!("{failed} of {} steps failed", STEPS.len()))),
    }
}

/// The URL that is asked for, spelled as the server spells its own.
fn meant(given: Option<&str>, set: Option<&str>) -> Result<String, Failed> {
    let Some(given) = given else {
        return set.map(str::to_owned).ok_or_else(|| {
            Failed::new(
                "no public URL is set: set server.public_url (PUBLIC_URL), or use --url".to_owned(),
            )
        });
    };
    web_address(given).ok_or_else(|| {
        Failed::new(format!("--url {given}: expected a URL such as https://memory.example.com"))
    })
}

impl Step {
    async fn ask(&self, channel: &Channel) -> Result<Answer, String> {
        let request = channel.request(self.method.clone(), self.path);
        let sent = if self.method == Method::POST {
            request.send_json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await
        } else {
            request.send().await
        };
        let mut response = sent.map_err(|error| {
            format!(
                "{error}; look whether the name is in public DNS, the port is open from outside, and the \
                 certificate is one that everybody trusts"
            )
        })?;
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge =
            challenge.and_then(|line| line.to_str().ok()).unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        let body = response.body().limit(ANSWER_LIMIT).await.map_err(|error| error.to_string())?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Answer { status, challenge, body })
    }

    /// What a person types to see the same.
    fn command(&self, url: &str) -> String {
        let path = self.path;
        match self.method == Method::POST {
            true => format!(
                "curl -i -H 'Content-Type: application/json' -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}' {url}{path}"
            ),
            false => format!("curl -i {url}{path}"),
        }
    }
}

impl Answer {
    fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Fails with what another status usually means.
    fn is(&self, status: u16) -> Result<(), String> {
        if self.status == status {
            return Ok(());
        }
        let code = self.text("code");
        let why = match (self.status, code) {
            (_, "host_refused") => "the name is none of http.trusted_hosts (TRUSTED_HOSTS)",
            (_, "https_required") => {
                "the proxy does not say X-Forwarded-Proto: https, or is not trusted"
            }
            (404, _) => {
                "oauth.enabled is off, or the request came under another name: the proxy has to pass on Host, or \
                 X-Forwarded-Host from an address in http.trusted_proxies"
            }
            (_, "") => {
                "another program answered: a proxy, a tunnel or its sign-in stands before memoryd"
            }
            _ => "",
        };
        Err(format!("the status is {}, not {status} {code} {why}", self.status))
    }
}

fn is_ours(answer: &Answer, _: &str) -> Result<(), String> {
    answer.is(200)?;
    match answer.text("service") {
        "memoryd" => Ok(()),
        _ => Err("what answers there is not memoryd".to_owned()),
    }
}

fn invites(answer: &Answer, url: &str) -> Result<(), String> {
    answer.is(401)?;
    let place = format!("resource_metadata=\"{url}{RESOURCE}\"");
    if answer.challenge.contains(&place) {
        return Ok(());
    }
    Err("WWW-Authenticate names no resource_metadata: oauth.enabled is off, server.public_url is another, or the \
         proxy passes on another Host"
        .to_owned())
}

fn names_server(answer: &Answer, url: &str) -> Result<(), String> {
    answer.is(200)?;
    let is_ours = answer.text("resource") == format!("{url}/mcp");
    let servers = answer.body.get("authorization_servers");
    if is_ours && servers == Some(&json!([url])) {
        return Ok(());
    }
    Err("it is the document of another URL; server.public_url has to be the one that clients are given".to_owned())
}

fn says_how(answer: &Answer, url: &str) -> Result<(), String> {
    answer.is(200)?;
    let has_pkce =
        answer.body.pointer("/code_challenge_methods_supported/0") == Some(&json!("S256"));
    if answer.text("issuer") == url && has_pkce {
        return Ok(());
    }
    Err("it is not the document of this server".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(at: usize, answer: &Answer) -> Result<(), String> {
        (STEPS[at].judge)(answer, "https://h")
    }

    #[test]
    fn every_step_knows_its_good_answer_and_says_what_is_wrong_with_others() {
        let ok = |body| Answer { status: 200, body, ..Answer::default() };
        let challenge = "Bearer resource_metadata=\"https://h/.well-known/oauth-protected-resource/mcp\", \
                         scope=\"read write\"";
        let invited = Answer { status: 401, challenge: challenge.to_owned(), ..Answer::default() };
        let resource =
            json!({ "resource": "https://h/mcp", "authorization_servers": ["https://h"] });
        let server = json!({ "issuer": "https://h", "code_challenge_methods_supported": ["S256"] });

        assert_eq!(outcome(0, &ok(json!({ "service": "memoryd" }))), Ok(()));
        assert_eq!(outcome(1, &invited), Ok(()));
        assert_eq!(outcome(2, &ok(resource)), Ok(()));
        assert_eq!(outcome(3, &ok(server)), Ok(()));

        let told = |at, answer: &Answer| outcome(at, answer).unwrap_err();
        let host = json!({ "code": "host_refused" });
        assert!(
            told(0, &Answer { status: 400, body: host, ..Answer::default() })
                .contains("TRUSTED_HOSTS")
        );
        assert!(told(0, &ok(json!({ "service": "other" }))).contains("not memoryd"));
        assert!(told(0, &Answer { status: 302, ..Answer::default() }).contains("tunnel"));
        assert!(told(1, &Answer { status: 401, ..Answer::default() }).contains("oauth.enabled"));
        assert!(told(2, &Answer { status: 404, ..Answer::default() }).contains("X-Forwarded-Host"));
        assert!(told(2, &ok(json!({ "resource": "https://other/mcp" }))).contains("another URL"));
        assert!(told(3, &ok(json!({ "issuer": "https://h" }))).contains("not the document"));
    }

    #[test]
    fn a_url_is_asked_for_as_the_server_spells_its_own() {
        let asked = |given, set| meant(given, set).map_err(|failed| failed.text);

        let own = Some("https://memory.example.com");
        assert_eq!(asked(None, own).as_deref(), Ok("https://memory.example.com"));
        let typed = asked(Some(" HTTPS://Nas.Example.com:443/ "), own);
        assert_eq!(typed.as_deref(), Ok("https://nas.example.com"));
        assert!(asked(Some("memory.example.com"), own).unwrap_err().contains("--url"));
        assert!(asked(None, None).unwrap_err().contains("PUBLIC_URL"));
    }

    #[test]
    fn every_step_has_its_command() {
        let commands: Vec<String> = STEPS.iter().map(|step| step.command("https://h")).collect();

        assert_eq!(commands[2], "curl -i https://h/.well-known/oauth-protected-resource/mcp");
        assert!(
            commands[1]
                .ends_with("-d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}' https://h/mcp")
        );
    }
}
