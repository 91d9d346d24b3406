//! Tokens, the audit and what a user has: asked of the running server, or of the store itself.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::account_arguments::{AuditArguments, StatsArguments, TokenVerb, UserVerb};
use super::arguments::{ExportArguments, ExportFormat, ServerArguments};
use super::daemon::{ANSWER_LIMIT, Daemon};
use super::door::Door;
use super::waiting::wait_for;
use super::{Failed, Outcome, export, say_inline, say_json, tell};
use crate::actors::{AdminRequest, Sessions, TokenChange};
use crate::config::Config;
use crate::engine::{Arguments, Stats};
use crate::model::percent::encoded;
use crate::model::{Caller, CredentialName, TokenPrefix};

/// One question, as a server is asked and as the store is.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: String,
    /// What is asked, by name: in the query of a `GET`, else in the body.
    pub(super) named: Map<String, Value>,
}

/// Carries out a verb of `memoryd token`. What a pipe reads goes to standard output, a token a line
/// and nothing else of that look; the rest is told beside it.
pub(super) fn token(config: &Config, verb: &TokenVerb, wants_json: bool) -> Outcome {
    match verb {
        TokenVerb::Create(arguments) => {
            let named = named(&[
                ("user_id", arguments.user_id.as_ref().map(|user| json!(user))),
                ("name", arguments.name.clone().map(Value::from)),
                ("email", arguments.email.clone().map(Value::from)),
                ("scopes", some(&arguments.scopes)),
                ("project", arguments.project.clone().map(Value::from)),
                ("guest", arguments.guest.then(|| json!(true))),
                ("expires_days", arguments.expires_days.map(Value::from)),
                ("tools", some(&arguments.tools)),
                ("compat", arguments.compat.clone().map(Value::from)),
            ]);
            let question =
                Question { method: Method::POST, path: "/admin/tokens".to_owned(), named };
            let made = ask(config, &arguments.server, &question, AdminRequest::CreateToken)?;
            show_made(&made, wants_json)
        }
        TokenVerb::Rotate(arguments) => {
            let which = meant(&arguments.which.token)?;
            let path = format!("/admin/tokens/{which}/rotate");
            let named = named(&[("grace_hours", arguments.grace_hours.map(Value::from))]);
            let question = Question { method: Method::POST, path, named };
            let local = |arguments| AdminRequest::RotateToken { which, arguments };
            show_made(&ask(config, &arguments.which.server, &question, local)?, wants_json)
        }
        TokenVerb::List(arguments) => {
            let named = named(&[("user_id", arguments.user_id.as_ref().map(|user| json!(user)))]);
            let question =
                Question { method: Method::GET, path: "/admin/tokens".to_owned(), named };
            let told = ask(config, &arguments.server, &question, AdminRequest::ListTokens)?;
            if wants_json {
                return say_json(&told);
            }
            listed(&told, "tokens").iter().try_for_each(|token| say_inline(&line_of(token)))
        }
        TokenVerb::Revoke(arguments) => {
            let named = (Method::POST, "/revoke", TokenChange::Revoke, "revoked");
            change(config, &arguments.server, &arguments.token, named, wants_json)
        }
        TokenVerb::Enable(arguments) => {
            let named = (Method::POST, "/enable", TokenChange::Enable, "enabled");
            change(config, &arguments.server, &arguments.token, named, wants_json)
        }
        TokenVerb::Delete(arguments) => {
            let named = (Method::DELETE, "", TokenChange::Delete, "deleted");
            change(config, &arguments.which.server, &arguments.which.token, named, wants_json)
        }
    }
}

/// Shows the audit. With `--min` it fails if there is a group of that size, so that a timer can tell
/// its owner.
pub(super) fn audit(config: &Config, arguments: &AuditArguments, wants_json: bool) -> Outcome {
    let named = named(&[
        ("days", arguments.days.map(Value::from)),
        ("since", arguments.since.as_ref().map(|since| json!(since.to_string()))),
        ("user_id", arguments.user_id.as_ref().map(|user| json!(user))),
        ("event", arguments.event.clone().map(Value::from)),
        ("failed", arguments.failed.then(|| json!(true))),
        ("group_by", arguments.group_by.clone().map(Value::from)),
        ("min", arguments.min.map(Value::from)),
        ("limit", arguments.limit.map(Value::from)),
    ]);
    let question = Question { method: Method::GET, path: "/admin/audit".to_owned(), named };
    let told = ask(config, &arguments.server, &question, AdminRequest::Audit)?;
    let groups = listed(&told, "groups");
    if wants_json {
        say_json(&told)?;
    } else {
        listed(&told, "events").iter().try_for_each(|event| say_inline(&line_of_event(event)))?;
        groups.iter().try_for_each(|group| say_inline(&line_of_group(group)))?;
    }
    match arguments.min {
        Some(min) if !groups.is_empty() => {
            Err(Failed::new(format!("{} with {min} or more", counted(groups.len(), "group"))))
        }
        _ => Ok(()),
    }
}

/// Carries out a verb of `memoryd user`.
pub(super) fn user(config: &Config, verb: &UserVerb, wants_json: bool) -> Outcome {
    match verb {
        UserVerb::List { server } => {
            let path = "/admin/users".to_owned();
            let question = Question { method: Method::GET, path, named: Map::new() };
            let told = ask(config, server, &question, |_| AdminRequest::ListUsers)?;
            if wants_json {
                return say_json(&told);
            }
            listed(&told, "users").iter().try_for_each(|user| {
                let tokens = user.get("tokens").map(plain).unwrap_or_default();
                say_inline(&format!("{}  tokens={tokens}", text(user, "user_id")))
            })
        }
        UserVerb::Export { user, output, server } => {
            let (server, output) = (server.clone(), output.clone());
            let (user_id, format) = (Some(user.clone()), ExportFormat::Jsonl);
            let arguments = ExportArguments { server, user_id, output, format, folder: None };
            export::export(config, &arguments)
        }
        UserVerb::Delete { user, yes, server } => {
            if !*yes {
                return Err(Failed::new(format!(
                    "this erases all memories of {user}, with their history, and all tokens, for good; \
                     --yes does it (memoryd user export {user} keeps a copy)"
                )));
            }
            let path = format!("/admin/users/{}", encoded(user.as_str()));
            let question = Question { method: Method::DELETE, path, named: Map::new() };
            let erase = |_| AdminRequest::EraseUser(user.clone());
            let told = ask(config, server, &question, erase)?;
            if wants_json {
                return say_json(&told);
            }
            let tokens = told.get("tokens").map(plain).unwrap_or_default();
            let pseudonym = text(&told, "pseudonym");
            say_inline(&format!("erased {user} and {tokens} tokens; the audit knows {pseudonym}"))
        }
    }
}

/// Counts what a user has.
pub(super) fn stats(config: &Config, arguments: &StatsArguments, wants_json: bool) -> Outcome {
    let told = wait_for(async {
        match Door::open_existing(config, &arguments.server).await? {
            Door::Daemon(daemon) => {
                let named = named(&[("user_id", Some(json!(arguments.user)))]);
                let path = "/api/v1/stats".to_owned();
                send(&daemon, &Question { method: Method::GET, path, named }).await
            }
            Door::Local(local) => {
                let ask = async |sessions: &Sessions, caller: &Caller| {
                    let told = sessions.ask(caller, Stats).await.map_err(Failed::because)?;
                    Ok(json!(told))
                };
                local.act(config, Some(&arguments.user), ask).await
            }
        }
    })?;
    if wants_json {
        return say_json(&told);
    }
    let fields = told.as_object().cloned().unwrap_or_default();
    fields.iter().try_for_each(|(name, value)| say_inline(&format!("{name:<12} {}", plain(value))))
}

/// How a token is changed: the method and the end of the path, the change, and its word.
type Changing = (Method, &'static str, TokenChange, &'static str);

fn change(
    config: &Config,
    server: &ServerArguments,
    token: &str,
    (method, end, change, word): Changing,
    wants_json: bool,
) -> Outcome {
    let which = meant(token)?;
    let path = format!("/admin/tokens/{which}{end}");
    let question = Question { method, path, named: Map::new() };
    let local = |_| AdminRequest::ChangeToken { which, change };
    let told = ask(config, server, &question, local)?;
    if wants_json {
        return say_json(&told);
    }
    let changed = listed(&told, "tokens");
    changed.iter().try_for_each(|token| {
        say_inline(&format!("{word} {} ({})", text(token, "prefix"), text(token, "name")))
    })
}

/// What a token is called in a path, which logs keep: never the whole of it.
pub(super) fn meant(token: &str) -> Result<String, Failed> {
    let token = token.trim();
    let named = TokenPrefix::of(token).map_or_else(|| token.to_owned(), |p| p.to_string());
    CredentialName::parse(&named).map(|named| named.to_string()).map_err(|_| {
        Failed::new("name a token by itself, by what it begins with, or by its name".to_owned())
    })
}

/// Asks whoever has the store open, or the store.
pub(super) fn ask(
    config: &Config,
    server: &ServerArguments,
    question: &Question,
    local: impl FnOnce(Arguments) -> AdminRequest,
) -> Result<Value, Failed> {
    wait_for(ask_within(config, server, question, local))
}

/// The same within an actix system.
pub(super) async fn ask_within(
    config: &Config,
    server: &ServerArguments,
    question: &Question,
    local: impl FnOnce(Arguments) -> AdminRequest,
) -> Result<Value, Failed> {
    match Door::open(config, server).await? {
        Door::Daemon(daemon) => send(&daemon, question).await,
        Door::Local(store) => {
            let request = local(Arguments::new(question.named.clone()));
            let ask = async |sessions: &Sessions, caller: &Caller| {
                sessions.administer(caller, request).await.map_err(Failed::because)
            };
            store.act(config, None, ask).await
        }
    }
}

pub(super) async fn send(daemon: &Daemon, question: &Question) -> Result<Value, Failed> {
    let request = daemon.channel()?.request(question.method.clone(), &question.path);
    let sent = if question.method == Method::GET {
        let query: Vec<(&String, String)> =
            question.named.iter().map(|(name, value)| (name, plain(value))).collect();
        request.query(&query).map_err(Failed::because)?.send().await
    } else {
        request.send_json(&question.named).await
    };
    let mut response = sent.map_err(Failed::because)?;
    let status = response.status();
    let body = response.body().limit(ANSWER_LIMIT).await.map_err(Failed::because)?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(answer);
    }
    let reason = answer.get("detail").and_then(Value::as_str);
    Err(Failed::new(reason.map_or_else(|| format!("the server refused: {status}"), str::to_owned)))
}

fn show_made(made: &Value, wants_json: bool) -> Outcome {
    if wants_json {
        return say_json(made);
    }
    say_inline(&format!("Token: {}", text(made, "token")))?;
    let end = match text(made, "expires_at") {
        "-" => "for ever".to_owned(),
        end => format!("until {end}"),
    };
    let scopes = joined(made, "scopes");
    let (name, user) = (text(made, "name"), text(made, "user_id"));
    tell(&format!("{name} acts for {user} with {scopes}, {end}. It is shown this once."));
    Ok(())
}

/// The beginning of the token comes first, for pipes.
fn line_of(token: &Value) -> String {
    let used = text(token, "last_used_at");
    format!(
        "{}  {:<8} {:<20} user={} scopes={} project={} expires={} used={used}",
        text(token, "prefix"),
        text(token, "state"),
        text(token, "name"),
        text(token, "user_id"),
        joined(token, "scopes"),
        text(token, "project"),
        text(token, "expires_at"),
    )
}

fn line_of_event(event: &Value) -> String {
    let [reason, client] = ["reason", "client"].map(|name| format!("{:?}", text(event, name)));
    format!(
        "{} {:<16} user={} credential={} token={} address={} count={} reason={reason} client={client}",
        text(event, "at"),
        text(event, "event"),
        text(event, "user"),
        text(event, "credential"),
        text(event, "prefix"),
        text(event, "address"),
        event.get("count").map(plain).unwrap_or_default(),
    )
}

fn line_of_group(group: &Value) -> String {
    format!("{:>8} {}", group.get("count").map(plain).unwrap_or_default(), text(group, "name"))
}

/// The words of a list, on one line.
pub(super) fn joined(told: &Value, name: &str) -> String {
    listed(told, name).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

pub(super) fn listed<'a>(told: &'a Value, name: &str) -> &'a [Value] {
    told.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text<'a>(told: &'a Value, name: &str) -> &'a str {
    told.get(name).and_then(Value::as_str).unwrap_or("-")
}

pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn some(list: &[String]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

pub(super) fn named(pairs: &[(&str, Option<Value>)]) -> Map<String, Value> {
    let said = |(name, value): &(&str, Option<Value>)| Some(((*name).to_owned(), value.clone()?));
    pairs.iter().filter_map(said).collect()
}
