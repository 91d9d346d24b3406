use serde_json::{Value, json};

/// A program that starts hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookClient {
    ClaudeCode,
    Codex,
    Gemini,
    Cursor,
    VsCode,
}

/// When in a conversation a hook is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A session begins, or goes on with less than it knew.
    Start,
    /// The user has said something, and the model has not seen it yet.
    Prompt,
    /// The assistant has said something, and may go on.
    Answer,
    /// The assistant is done with a turn.
    Stop,
    /// The session is over.
    End,
    /// Nothing that matters here.
    Other,
}

impl HookClient {
    pub const ALL: [Self; 5] =
        [Self::ClaudeCode, Self::Codex, Self::Gemini, Self::Cursor, Self::VsCode];

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.word() == word)
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
        }
    }

    /// Whether it shows its model what a hook says at a moment.
    #[must_use]
    pub fn listens_at(self, moment: Moment) -> bool {
        match moment {
            Moment::Start => true,
            Moment::Prompt => matches!(self, Self::ClaudeCode | Self::Codex | Self::Gemini),
            Moment::Answer | Moment::Stop | Moment::End | Moment::Other => false,
        }
    }

    /// What it is told, which never holds it up: a text for the model, if there is one and it listens.
    #[must_use]
    pub fn answer(self, moment: Moment, text: Option<&str>) -> Value {
        let text = text.filter(|_| self.listens_at(moment));
        match (self, moment, text) {
            (Self::Cursor, Moment::Prompt, _) => json!({ "continue": true }),
            (_, _, None) => json!({}),
            (Self::Cursor, _, Some(text)) => json!({ "additional_context": text }),
            (_, _, Some(text)) => {
                let event = self.event(moment);
                let told = json!({ "hookEventName": event, "additionalContext": text });
                json!({ "hookSpecificOutput": told })
            }
        }
    }

    /// The text in what [`HookClient::answer`] made, if there is one.
    #[must_use]
    pub fn text_of(answer: &Value) -> Option<&str> {
        let places = ["/hookSpecificOutput/additionalContext", "/additional_context"];
        places.iter().find_map(|place| answer.pointer(place)?.as_str())
    }

    /// What it calls a moment at which it listens.
    fn event(self, moment: Moment) -> &'static str {
        match (self, moment) {
            (Self::Gemini, Moment::Prompt) => "BeforeAgent",
            (_, Moment::Prompt) => "UserPromptSubmit",
            _ => "SessionStart",
        }
    }
}

impl Moment {
    /// Reads the name of an event, whichever client it is from.
    #[must_use]
    pub fn of_event(name: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric();
        let name: String = name.chars().filter(|c| plain(*c)).collect();
        match name.to_ascii_lowercase().as_str() {
            "sessionstart" | "start" => Self::Start,
            "userpromptsubmit" | "beforeagent" | "beforesubmitprompt" | "prompt" => Self::Prompt,
            "afteragentresponse" | "answer" => Self::Answer,
            "stop" | "afteragent" => Self::Stop,
            "sessionend" | "end" => Self::End,
            _ => Self::Other,
        }
    }

    /// A name that [`Moment::of_event`] reads.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Prompt => "prompt",
            Self::Answer => "answer",
            Self::Stop => "stop",
            Self::End => "end",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_calls_the_moments_by_its_own_names() {
        for (names, moment) in [
            (&["SessionStart", "sessionStart", "start"][..], Moment::Start),
            (&["UserPromptSubmit", "BeforeAgent", "beforeSubmitPrompt"], Moment::Prompt),
            (&["afterAgentResponse"], Moment::Answer),
            (&["Stop", "AfterAgent", "stop"], Moment::Stop),
            (&["SessionEnd", "sessionEnd"], Moment::End),
            (&["", "SubagentStop", "PreToolUse", "\u{1b}[2J"], Moment::Other),
        ] {
            for name in names {
                assert_eq!(Moment::of_event(name), moment, "{name:?}");
            }
            if moment != Moment::Other {
                assert_eq!(Moment::of_event(moment.word()), moment);
            }
        }
        for client in HookClient::ALL {
            assert_eq!(HookClient::parse(client.word()), Some(client));
        }
        assert_eq!(HookClient::parse("Claude-Code"), None);
    }

    #[test]
    fn nothing_but_a_text_is_read_out_of_an_answer() {
        for odd in [json!({ "decision": "block" }), json!([]), json!({ "hookSpecificOutput": 1 })] {
            assert_eq!(HookClient::text_of(&odd), None);
        }
    }

    #[test]
    fn every_client_is_told_in_its_own_words() {
        let told = |client: HookClient, moment| client.answer(moment, Some("tea"));
        let specific = |event: &str| json!({ "hookSpecificOutput": { "hookEventName": event, "additionalContext": "tea" } });

        for client in [HookClient::ClaudeCode, HookClient::Codex, HookClient::Gemini] {
            assert_eq!(told(client, Moment::Start), specific("SessionStart"));
        }
        assert_eq!(told(HookClient::Codex, Moment::Prompt), specific("UserPromptSubmit"));
        assert_eq!(told(HookClient::Gemini, Moment::Prompt), specific("BeforeAgent"));
        assert_eq!(told(HookClient::Cursor, Moment::Start), json!({ "additional_context": "tea" }));
        assert_eq!(told(HookClient::Cursor, Moment::Prompt), json!({ "continue": true }));
        assert_eq!(told(HookClient::VsCode, Moment::Prompt), json!({}));
        for client in HookClient::ALL {
            assert_eq!(told(client, Moment::Stop), json!({}));
            assert_eq!(client.answer(Moment::Start, None), json!({}));
            let answer = told(client, Moment::Start);
            assert_eq!(HookClient::text_of(&answer), Some("tea"));
        }
    }
}
