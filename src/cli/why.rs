//! `memoryd why`: what an assistant had been given.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::account_arguments::WhyArguments;
use super::accounts::{Question, listed, named, plain, send, text};
use super::door::Door;
use super::waiting::wait_for;
use super::{Failed, Outcome, say_inline, say_json, tell};
use crate::actors::Sessions;
use crate::config::Config;
use crate::engine::{Arguments, ListRecalls, Spoken};
use crate::model::Caller;

pub(super) fn run(config: &Config, arguments: &WhyArguments, wants_json: bool) -> Outcome {
    let named = named(&[
        ("user_id", arguments.user_id.as_ref().map(|user| json!(user))),
        ("client", arguments.client.clone().map(Value::from)),
        ("credential", arguments.credential.clone().map(Value::from)),
        ("session", arguments.session.clone().map(Value::from)),
        ("memory", arguments.memory.clone().map(Value::from)),
        ("since", arguments.since.as_ref().map(|since| json!(since.to_string()))),
        ("limit", arguments.limit.map(Value::from)),
        ("replay", arguments.replay.clone().map(Value::from)),
    ]);
    let question = Question { method: Method::GET, path: "/api/v1/why".to_owned(), named };
    let told = wait_for(ask(config, arguments, &question))?;
    if wants_json {
        return say_json(&told);
    }
    let recalls = listed(&told, "recalls");
    recalls.iter().try_for_each(show)?;
    let total = told.get("total").map(plain).unwrap_or_default();
    tell(&format!("{} of {total} answers that gave out memories", recalls.len()));
    Ok(())
}

async fn ask(
    config: &Config,
    arguments: &WhyArguments,
    question: &Question,
) -> Result<Value, Failed> {
    match Door::open_existing(config, &arguments.server).await? {
        Door::Daemon(daemon) => send(&daemon, question).await,
        Door::Local(local) => {
            let mut named = question.named.clone();
            named.remove("user_id");
            let ask = async |sessions: &Sessions, caller: &Caller| {
                let why = ListRecalls::parse(Arguments::new(named)).map_err(Failed::because)?.verb;
                let told = sessions.why(caller, None, why).await.map_err(Failed::because)?;
                Ok(json!(told))
            };
            local.act(config, arguments.user_id.as_ref(), ask).await
        }
    }
}

/// One answer: who asked for what, then what was given, then what has changed about it.
fn show(recall: &Value) -> Outcome {
    let none = Map::new();
    let asked = recall.get("asked").and_then(Value::as_object).unwrap_or(&none);
    let said: Vec<String> = asked
        .iter()
        .filter(|(name, _)| !["verb", "limit", "mode", "min_score"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let verb = asked.get("verb").map(plain).unwrap_or_default();
    let [at, credential, client] = ["at", "credential", "client"].map(|name| text(recall, name));
    let tokens = recall.get("tokens").map(plain).unwrap_or_default();
    let said = said.join(" ");
    say_inline(&format!("{at}  {verb} {said}  by {credential} ({client}), {tokens} tokens"))?;
    for given in listed(recall, "given") {
        let [version, score] =
            ["version", "score"].map(|name| given.get(name).map(plain).unwrap_or_default());
        let score = score.get(..5).unwrap_or(&score).to_owned();
        let now = match text(given, "now") {
            "same" => String::new(),
            now => format!("  [{now} since]"),
        };
        let (id, snippet) = (text(given, "id"), text(given, "snippet"));
        say_inline(&format!("    {id} v{version} {score:<5} {snippet}{now}"))?;
    }
    let Some(replay) = recall.get("replay") else { return Ok(()) };
    let against = text(replay, "against");
    if replay.get("given").is_none() {
        return say_inline(&format!("    {against}: this cannot be asked again"));
    }
    let names = |which: &str| {
        let ids: Vec<String> = listed(replay, which).iter().map(plain).collect();
        if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
    };
    say_inline(&format!("    {against}: missing {}; new {}", names("missing"), names("fresh")))
}
