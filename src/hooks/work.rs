//! What is done at each moment, through the one door to a session.

use serde_json::Value;

use super::{Hook, Moment, Saying, Sittings};
use crate::actors::{CallError, Sessions};
use crate::engine::{Capture, Context, Extent, QueryText};
use crate::model::{Caller, MemoryId, Project};

/// What a conversation is given at its start. A token is at most four bytes by the engine's estimate, so
/// this is at most 6 KB: clients put what is longer into a file, and show its beginning.
const START_TOKENS: usize = 1_500;
/// What it is given with a prompt, each of which costs that much for as long as the conversation lasts.
const PROMPT_TOKENS: usize = 500;

/// Does what a hook is there for, and returns what its client is to be told.
pub async fn carry_out(
    sessions: &Sessions,
    caller: &Caller,
    sittings: &Sittings,
    hook: &Hook,
    project: Option<Project>,
) -> Result<Value, CallError> {
    let (client, moment) = (hook.client, hook.moment);
    let caller = Caller {
        client: Some(client.word().to_owned()),
        session: hook.session.clone(),
        ..caller.clone()
    };
    // Who is bound to a project stays there, whatever the client says.
    let project = match &caller.bound {
        Some(bound) => Some(bound.clone()),
        None => project.or_else(|| caller.project.clone()),
    };
    sittings.with(&caller, hook, |sitting| sitting.note(hook));
    let mut text = None;
    match moment {
        Moment::Start | Moment::Prompt if client.listens_at(moment) => {
            text = context(sessions, &caller, sittings, hook, project).await?;
        }
        Moment::Stop => keep(sessions, &caller, sittings, hook, project).await?,
        Moment::End => sittings.forget(&caller, hook),
        Moment::Start | Moment::Prompt | Moment::Answer | Moment::Other => {}
    }
    Ok(client.answer(moment, text.as_deref()))
}

/// What to know: all of it where the conversation has been given nothing yet, else what answers the
/// prompt and was not given before.
async fn context(
    sessions: &Sessions,
    caller: &Caller,
    sittings: &Sittings,
    hook: &Hook,
    project: Option<Project>,
) -> Result<Option<String>, CallError> {
    let given_before = sittings.with(caller, hook, |sitting| sitting.given().cloned());
    let query = hook.question().map(QueryText::beginning_of);
    if given_before.is_some() && query.is_none() {
        return Ok(None);
    }
    let max_tokens = if given_before.is_some() { PROMPT_TOKENS } else { START_TOKENS };
    let asked = Context {
        project,
        query,
        max_tokens,
        extent: Extent::Text,
        vector: None,
        replay: None,
        given_before,
    };
    let block = sessions.ask(caller, asked).await?;
    let ids: Vec<MemoryId> = block.ids();
    sittings.with(caller, hook, |sitting| sitting.note_given(ids));
    Ok((!block.is_empty()).then_some(block.text))
}

/// Keeps the turn that is over, if there is something to keep.
async fn keep(
    sessions: &Sessions,
    caller: &Caller,
    sittings: &Sittings,
    hook: &Hook,
    project: Option<Project>,
) -> Result<(), CallError> {
    let ended = sittings.with(caller, hook, |sitting| sitting.end_turn(hook.clone()));
    let Some(turn) = ended else { return Ok(()) };
    let text = |saying: Option<Saying>| saying.map_or_else(String::new, Saying::into_text);
    let (prompt, answer) = (text(turn.prompt), text(turn.answer));
    sessions.ask(caller, Capture { prompt, answer, project, at: turn.at }).await?;
    Ok(())
}
