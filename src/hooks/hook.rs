use serde_json::{Map, Value};

use super::{HookClient, Moment, Saying};
use crate::model::{Clock, Timestamp, foreign};

/// One start of a hook: what its client told, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub client: HookClient,
    pub moment: Moment,
    /// What the client calls the conversation.
    pub session: Option<String>,
    /// The folder that it stands in.
    pub folder: Option<String>,
    pub prompt: Option<Saying>,
    pub answer: Option<Saying>,
    /// When it was said, of what comes later.
    pub at: Option<Timestamp>,
}

const SESSION: [&str; 3] = ["session_id", "sessionId", "conversation_id"];
const EVENT: [&str; 2] = ["hook_event_name", "hookEventName"];
const FOLDER: &str = "cwd";
const FOLDERS: &str = "workspace_roots";
const PROMPT: &str = "prompt";
/// Claude Code and Codex, then Gemini, then Cursor.
const ANSWER: [&str; 3] = ["last_assistant_message", "prompt_response", "text"];
/// Said by `memoryd hook` alone.
const AT: &str = "at";

/// No client names a session at such length; it is as long as a name in a header may be.
const SESSION_CHARS: usize = 100;
/// The longest path that Linux takes.
const FOLDER_BYTES: usize = 4_096;

impl Hook {
    /// Reads what a client sent. What is not there, or not as it should be, is as if it were not there.
    #[must_use]
    pub fn read(client: HookClient, event: Option<&str>, told: &Map<String, Value>) -> Self {
        let text = |name: &str| told.get(name).and_then(Value::as_str);
        let first = |names: &[&str]| names.iter().find_map(|name| text(name));
        let moment = Moment::of_event(event.or_else(|| first(&EVENT)).unwrap_or_default());
        let session = first(&SESSION).map(|name| {
            let plain = name.chars().filter(char::is_ascii_graphic);
            plain.take(SESSION_CHARS).collect::<String>()
        });
        let root = told.get(FOLDERS).and_then(|roots| roots.get(0)?.as_str());
        let folder = text(FOLDER).or(root).filter(|folder| folder.len() <= FOLDER_BYTES);
        let says = |text: &str| !text.trim().is_empty();
        Self {
            client,
            moment,
            session: session.filter(|name| !name.is_empty()),
            folder: folder.filter(|folder| says(folder)).map(str::to_owned),
            prompt: text(PROMPT).filter(|text| says(text)).map(Saying::of),
            answer: first(&ANSWER).filter(|text| says(text)).map(Saying::of),
            at: text(AT).and_then(|at| Timestamp::parse(at).ok()),
        }
    }

    /// The same for the route of a server, which reads it as [`Hook::read`] does.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let said = |saying: &Option<Saying>| saying.as_ref().map(Saying::to_hand_on);
        let ([event, ..], [session, ..], [answer, ..]) = (EVENT, SESSION, ANSWER);
        let pairs = [
            (event, Some(self.moment.word().to_owned())),
            (session, self.session.clone()),
            (FOLDER, self.folder.clone()),
            (PROMPT, said(&self.prompt)),
            (answer, said(&self.answer)),
            (AT, self.at.map(|at| at.to_string())),
        ];
        let there = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Value::Object(there.map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
    }

    /// The same, said now.
    #[must_use]
    pub fn stamped(self, clock: &dyn Clock) -> Self {
        Self { at: Some(clock.now()), ..self }
    }

    /// The question that the user asked, as far as one may be asked.
    #[must_use]
    pub fn question(&self) -> Option<&str> {
        let prompt = self.prompt.as_ref().map(Saying::as_str);
        let prompt = prompt.map(|text| foreign::cut(text, QUESTION_BYTES));
        prompt.filter(|text| !text.is_empty())
    }
}

/// What is asked stands at the beginning; behind it is what somebody pasted, whose words would drown it.
const QUESTION_BYTES: usize = 2_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(client: HookClient, event: Option<&str>, told: &Value) -> Hook {
        Hook::read(client, event, told.as_object().unwrap())
    }

    #[test]
    fn the_json_of_every_client_is_read() {
        let claude = read(
            HookClient::ClaudeCode,
            None,
            &json!({
                "session_id": "s1", "transcript_path": "/t", "cwd": "/home/ada/boat",
                "hook_event_name": "Stop", "last_assistant_message": "it is red",
                "stop_hook_active": false,
            }),
        );
        assert_eq!((claude.moment, claude.session.as_deref()), (Moment::Stop, Some("s1")));
        assert_eq!(claude.answer, Some(Saying::of("it is red")));
        assert_eq!(claude.folder.as_deref(), Some("/home/ada/boat"));

        let gemini = json!({
            "session_id": "s", "hook_event_name": "AfterAgent", "prompt": "which?",
            "prompt_response": "red", "timestamp": "2026-01-01T00:00:00Z",
        });
        let gemini = read(HookClient::Gemini, None, &gemini);
        assert_eq!(gemini.moment, Moment::Stop);
        assert_eq!(gemini.prompt, Some(Saying::of("which?")));
        assert_eq!((gemini.answer, gemini.at), (Some(Saying::of("red")), None));

        let cursor = json!({
            "conversation_id": "c", "generation_id": "g", "hook_event_name": "afterAgentResponse",
            "workspace_roots": ["/w", "/v"], "text": "red",
        });
        let cursor = read(HookClient::Cursor, None, &cursor);
        assert_eq!((cursor.moment, cursor.session.as_deref()), (Moment::Answer, Some("c")));
        assert_eq!(cursor.folder.as_deref(), Some("/w"));
        assert_eq!(cursor.answer, Some(Saying::of("red")));

        let code = json!({ "sessionId": "v", "hookEventName": "UserPromptSubmit", "prompt": "x" });
        let code = read(HookClient::VsCode, None, &code);
        assert_eq!((code.moment, code.session.as_deref()), (Moment::Prompt, Some("v")));
    }

    #[test]
    fn whatever_a_client_sends_is_read_as_something() {
        for told in [
            json!({}),
            json!({ "session_id": 1, "prompt": ["x"], "cwd": {}, "hook_event_name": null }),
            json!({ "session_id": "\n", "prompt": " ", "workspace_roots": "x", "at": "soon" }),
            json!({ "cwd": "x".repeat(FOLDER_BYTES + 1), "workspace_roots": [] }),
        ] {
            let hook = read(HookClient::Codex, None, &told);
            assert_eq!((hook.moment, &hook.session, &hook.folder), (Moment::Other, &None, &None));
            assert_eq!((hook.prompt, hook.answer, hook.at), (None, None, None));
        }
        let long = json!({ "session_id": "s\u{1b}\u{e9} ".repeat(500) });
        assert_eq!(read(HookClient::Codex, None, &long).session.unwrap(), "s".repeat(100));
        let event = read(HookClient::Codex, Some("stop"), &json!({ "hook_event_name": "Start" }));
        assert_eq!(event.moment, Moment::Stop, "who set the hook up knows what it is for");
    }

    #[test]
    fn what_is_handed_on_is_read_as_it_was() {
        let told = json!({
            "session_id": "s", "cwd": "/w", "prompt": "which?", "last_assistant_message": "red",
            "at": "2026-01-01T00:00:00.000Z",
        });
        let hook = read(HookClient::Codex, Some("UserPromptSubmit"), &told);

        let again = read(HookClient::Codex, None, &hook.to_json());

        assert_eq!(again, hook);
        // What is answered to it may repeat it, and the server has to know.
        let partly =
            Hook { prompt: Some(Saying::of("open <private>4711</private>")), ..hook.clone() };
        let again = read(HookClient::Codex, None, &partly.to_json());
        assert!(again.prompt.is_some_and(|prompt| prompt.hides()));
        let long = Hook { prompt: Some(Saying::of(&"\u{e9}".repeat(4_000))), ..hook };
        assert_eq!(long.question().unwrap().len(), QUESTION_BYTES);
    }
}
