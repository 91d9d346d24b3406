//! `memoryd undo`: takes changes back, or tells what that would do.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::account_arguments::UndoArguments;
use super::accounts::{Question, listed, named, plain, send, text};
use super::door::Door;
use super::waiting::wait_for;
use super::{Failed, Outcome, say_inline, say_json, tell};
use crate::actors::Sessions;
use crate::config::Config;
use crate::engine::{Arguments, Spoken, Undo};
use crate::model::Caller;

pub(super) fn run(config: &Config, arguments: &UndoArguments, wants_json: bool) -> Outcome {
    let named = named(&[
        ("user_id", arguments.user_id.as_ref().map(|user| json!(user))),
        ("step", arguments.step.clone().map(Value::from)),
        ("id", arguments.memory.clone().map(Value::from)),
        ("last", arguments.last.then(|| json!(true))),
        ("session", arguments.session.clone().map(Value::from)),
        ("credential", arguments.credential.clone().map(Value::from)),
        ("since", arguments.since.as_ref().map(|since| json!(since.to_string()))),
        ("purge", arguments.purge.then(|| json!(true))),
        ("wait", arguments.wait.then(|| json!(true))),
        ("dry_run", Some(json!(!arguments.yes))),
    ]);
    let question = Question { method: Method::POST, path: "/api/v1/undo".to_owned(), named };
    let told = wait_for(async {
        match Door::open_existing(config, &arguments.server).await? {
            Door::Daemon(daemon) => send(&daemon, &question).await,
            Door::Local(local) => {
                let mut named = question.named.clone();
                named.remove("user_id");
                let ask = async |sessions: &Sessions, caller: &Caller| {
                    let undo = Undo::parse(Arguments::new(named)).map_err(Failed::because)?.verb;
                    let told = sessions.ask(caller, undo).await.map_err(Failed::because)?;
                    Ok(json!(told))
                };
                local.act(config, arguments.user_id.as_ref(), ask).await
            }
        }
    })?;
    if wants_json {
        say_json(&told)?;
    } else {
        show(&told)?;
    }
    let conflicts = listed(&told, "conflicts").len();
    if arguments.yes && conflicts > 0 {
        return Err(Failed::new(format!(
            "{conflicts} memories were changed since, and stay as they are"
        )));
    }
    Ok(())
}

fn show(told: &Value) -> Outcome {
    for step in listed(told, "steps") {
        let [id, at, credential, client] =
            ["step", "at", "credential", "client"].map(|name| text(step, name));
        let memories = step.get("memories").map(plain).unwrap_or_default();
        say_inline(&format!("change {id}  {at}  by {credential} ({client}): {memories} memories"))?;
    }
    for memory in listed(told, "reverted") {
        say_inline(&format!("revert {}  {}", text(memory, "id"), text(memory, "becomes")))?;
    }
    for memory in listed(told, "conflicts") {
        let snippet =
            |side: &str| memory.get(side).map_or("-", |shown| text(shown, "snippet")).to_owned();
        say_inline(&format!("keep   {}  {}", text(memory, "id"), text(memory, "why")))?;
        say_inline(&format!("       now:  {}", snippet("now")))?;
        say_inline(&format!("       then: {}", snippet("then")))?;
    }
    for id in listed(told, "gone") {
        say_inline(&format!("gone   {}", plain(id)))?;
    }
    if told.get("dry_run") == Some(&json!(true)) {
        tell("nothing was changed; --yes does it");
    } else if let Some(step) = told.get("step").and_then(Value::as_str) {
        tell(&format!("this can be undone by: memoryd undo --step {step} --yes"));
    }
    Ok(())
}
