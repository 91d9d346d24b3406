use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Hook, HookClient, Moment, Saying};
use crate::model::{Caller, CredentialName, MemoryId, UserId};

/// What is known of one conversation by its hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sitting {
    /// What it was given; nothing before it was given what to know at a start. Some clients do not say
    /// that a session begins.
    given: Option<Vec<MemoryId>>,
    /// Of the turn that goes on.
    prompt: Option<Saying>,
    answer: Option<Saying>,
}

/// The conversations that hooks tell of now, as far as they are needed: those that told something last.
/// Losing one costs a turn, or gives a context twice.
#[derive(Debug, Default)]
pub struct Sittings(Mutex<VecDeque<(Seat, Sitting)>>);

/// Whose conversation it is, with which client, and what that calls it. Two clients may tell of one: each
/// is to be heard to its end. What one credential said is not another's to keep: that may do more, or
/// elsewhere.
type Seat = (UserId, CredentialName, HookClient, String);

/// So many are known at a time; each may hold two texts.
const MOST: usize = 128;
/// After so many a conversation may be given something again.
const MOST_GIVEN: usize = 500;

impl Sitting {
    /// Takes in what a hook says of the turn that goes on.
    pub fn note(&mut self, hook: &Hook) {
        match hook.moment {
            Moment::Start => self.given = None,
            Moment::Prompt => (self.prompt, self.answer) = (hook.prompt.clone(), None),
            Moment::Answer => self.answer = hook.answer.clone().or(self.answer.take()),
            Moment::Stop | Moment::End | Moment::Other => {}
        }
    }

    /// The turn that a hook ends, with what it and those before it have told; nothing where there is no
    /// prompt that may be kept. What was answered to a prompt with something private in it may repeat it.
    pub fn end_turn(&mut self, hook: Hook) -> Option<Hook> {
        // One that tells the whole turn may tell of an earlier one than that which goes on.
        let (prompt, answer) = match hook.prompt {
            Some(prompt) => (prompt, hook.answer),
            None => {
                let answer = self.answer.take();
                (self.prompt.take()?, hook.answer.or(answer))
            }
        };
        if prompt.as_str().is_empty() {
            return None;
        }
        let answer = answer.filter(|_| !prompt.hides());
        Some(Hook { prompt: Some(prompt), answer, ..hook })
    }

    pub(super) fn given(&self) -> Option<&Vec<MemoryId>> {
        self.given.as_ref()
    }

    pub(super) fn note_given(&mut self, ids: Vec<MemoryId>) {
        let given = self.given.get_or_insert_default();
        given.extend(ids);
        let over = given.len().saturating_sub(MOST_GIVEN);
        given.drain(..over);
    }
}

impl Sittings {
    /// Goes on with a conversation that somebody else kept.
    pub fn resume(&self, caller: &Caller, hook: &Hook, sitting: Sitting) {
        self.with(caller, hook, |known| *known = sitting);
    }

    /// What is known of a conversation now.
    #[must_use]
    pub fn known(&self, caller: &Caller, hook: &Hook) -> Sitting {
        self.with(caller, hook, |known| known.clone())
    }

    /// Does something with what is known of a conversation.
    pub(super) fn with<T>(
        &self,
        caller: &Caller,
        hook: &Hook,
        work: impl FnOnce(&mut Sitting) -> T,
    ) -> T {
        let seat = seat_of(caller, hook);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(own, _)| *own == seat);
        let known = place.and_then(|place| all.remove(place));
        let mut sitting = known.map(|(_, sitting)| sitting).unwrap_or_default();
        let told = work(&mut sitting);
        if all.len() >= MOST {
            all.pop_front();
        }
        all.push_back((seat, sitting));
        told
    }

    pub(super) fn forget(&self, caller: &Caller, hook: &Hook) {
        let seat = seat_of(caller, hook);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(own, _)| *own != seat);
    }
}

fn seat_of(caller: &Caller, hook: &Hook) -> Seat {
    let session = hook.session.clone().unwrap_or_default();
    (caller.user.clone(), caller.credential.clone(), hook.client, session)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Scopes;

    fn caller(credential: &str) -> Caller {
        Caller::of_test("ada", credential, Scopes::read_write())
    }

    fn hook(event: &str, told: &Value) -> Hook {
        Hook::read(HookClient::ClaudeCode, Some(event), told.as_object().unwrap())
    }

    fn texts(hook: Hook) -> (Option<String>, Option<String>) {
        let text = |saying: Option<Saying>| saying.map(|one| one.as_str().to_owned());
        (text(hook.prompt), text(hook.answer))
    }

    fn pair(prompt: &str, answer: &str) -> (Option<String>, Option<String>) {
        (Some(prompt.to_owned()), Some(answer.to_owned()))
    }

    #[test]
    fn a_turn_is_put_together_from_what_several_hooks_tell() {
        let mut sitting = Sitting::default();
        sitting.note(&hook("UserPromptSubmit", &json!({ "prompt": "which?" })));
        let stop = hook("Stop", &json!({ "last_assistant_message": "red" }));
        assert_eq!(texts(sitting.end_turn(stop.clone()).unwrap()), pair("which?", "red"));
        assert_eq!(sitting.end_turn(stop), None, "a turn ends once");

        sitting.note(&hook("beforeSubmitPrompt", &json!({ "prompt": "why?" })));
        sitting.note(&hook("afterAgentResponse", &json!({ "text": "let me see" })));
        sitting.note(&hook("afterAgentResponse", &json!({ "text": "paint" })));
        let turn = sitting.end_turn(hook("stop", &json!({ "status": "completed" })));
        assert_eq!(texts(turn.unwrap()), pair("why?", "paint"));

        sitting.note(&hook("UserPromptSubmit", &json!({ "prompt": "where?" })));
        let whole = hook("AfterAgent", &json!({ "prompt": "when?", "prompt_response": "now" }));
        assert_eq!(texts(sitting.end_turn(whole).unwrap()), pair("when?", "now"));
        let stop = hook("Stop", &json!({ "last_assistant_message": "here" }));
        assert_eq!(texts(sitting.end_turn(stop).unwrap()), pair("where?", "here"));
    }

    #[test]
    fn what_is_answered_to_something_private_is_not_kept() {
        let mut sitting = Sitting::default();
        let stop = hook("Stop", &json!({ "last_assistant_message": "4711, as you say" }));

        let partly = json!({ "prompt": "open it <private>4711</private>" });
        sitting.note(&hook("UserPromptSubmit", &partly));
        let turn = texts(sitting.end_turn(stop.clone()).unwrap());
        assert_eq!(turn, (Some("open it".to_owned()), None));

        let wholly = json!({ "prompt": "<private>4711</private>" });
        sitting.note(&hook("UserPromptSubmit", &wholly));
        assert_eq!(sitting.end_turn(stop), None);
    }

    #[test]
    fn a_session_that_begins_anew_is_given_everything_again() {
        let mut sitting = Sitting::default();
        sitting.note_given(vec![MemoryId::LAST; MOST_GIVEN + 7]);
        assert_eq!(sitting.given().map(Vec::len), Some(MOST_GIVEN));

        sitting.note(&hook("SessionStart", &json!({ "source": "compact" })));

        assert_eq!(sitting.given(), None);
    }

    #[test]
    fn what_one_credential_said_is_no_turn_of_another() {
        let (sittings, [first, second]) = (Sittings::default(), ["laptop", "phone"].map(caller));
        let prompt = hook("UserPromptSubmit", &json!({ "session_id": "s", "prompt": "which?" }));
        sittings.with(&first, &prompt, |sitting| sitting.note(&prompt));

        let stop = hook("Stop", &json!({ "session_id": "s", "last_assistant_message": "red" }));
        sittings.forget(&second, &stop);
        let end = |by: &Caller| sittings.with(by, &stop, |sitting| sitting.end_turn(stop.clone()));
        assert_eq!(end(&second), None);
        assert_eq!(texts(end(&first).unwrap()), pair("which?", "red"));
    }
}
