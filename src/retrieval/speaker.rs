//! Who says a memory, where its text tells: "Ada: I went to Lisbon."

/// A name is no longer than this.
const LONGEST: usize = 40;
/// Nobody has more names than this before a colon.
const MOST_WORDS: usize = 3;

/// The name before the colon at the head of a text, if it can be a speaker's.
///
/// One to three words that each begin as names do, then a colon and a space. Words that head notes
/// rather than lines of a conversation ("Note: ...") are not names; a few are enough to know, as a
/// wrong guess costs little: it is one name among many in the index.
pub(super) fn label(content: &str) -> Option<&str> {
    let (name, rest) = content.split_once(':')?;
    let is_name = name.len() <= LONGEST
        && rest.starts_with(char::is_whitespace)
        && (1..=MOST_WORDS).contains(&name.split(' ').count())
        && name.split(' ').all(is_name_word)
        && !name.split(' ').any(heads_notes);
    (is_name || is_role(name)).then_some(name)
}

fn is_name_word(word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '\'' | '_' | '\u{2019}');
    let begins = |c: char| c.is_uppercase() || c.is_alphabetic() && !c.is_lowercase();
    word.starts_with(begins) && word.chars().all(is_part)
}

/// Who takes part in a conversation with a program.
fn is_role(name: &str) -> bool {
    matches!(
        name,
        "user" | "assistant" | "human" | "ai" | "system" | "agent" | "bot" | "me" | "you"
    )
}

fn heads_notes(word: &str) -> bool {
    NOTE_WORDS.binary_search(&word.to_lowercase().as_str()).is_ok()
}

/// Sorted, so that it can be searched by halves.
#[rustfmt::skip]
const NOTE_WORDS: &[&str] = &[
    "about", "action", "actions", "address", "agenda", "answer", "api", "author", "background",
    "birthday", "bug", "category", "cause", "caution", "cc", "code", "command", "comment", "config",
    "contact", "context", "correction", "date", "deadline", "decision", "default", "definition", "description",
    "edit", "email", "error", "event", "example", "fact", "faq", "feature", "file", "fix", "fixme",
    "follow-up", "from", "fwd", "fyi", "goal", "goals", "hint", "how", "http", "https", "idea",
    "ideas", "important", "info", "input", "instruction", "issue", "item", "items", "key", "lesson",
    "link", "list", "location", "log", "meeting", "memo", "memory", "metadata", "name", "next",
    "note", "notes", "output", "password", "path", "phone", "plan", "preference", "problem",
    "project", "prompt", "ps", "q", "question", "quote", "re", "reason", "recipe", "reminder",
    "result", "rule", "solution", "source", "status", "step", "steps", "subject", "summary", "tag",
    "tags", "task", "tasks", "time", "tip", "tips", "title", "tldr", "to", "todo", "topic", "type",
    "update", "url", "usage", "version", "warning", "when", "where", "why", "wip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speaker_is_read_from_the_head_of_a_line() {
        assert_eq!(label("Ada: I went to Lisbon"), Some("Ada"));
        assert_eq!(label("Fahim Khan: hello"), Some("Fahim Khan"));
        assert_eq!(label("user: hello"), Some("user"));
        assert_eq!(label("\u{7530}\u{4e2d}: \u{6771}\u{4eac}"), Some("\u{7530}\u{4e2d}"));
    }

    #[test]
    fn the_head_of_a_note_is_no_speaker() {
        for note in [
            "Note: buy milk",
            "TODO: buy milk",
            "Decision: use sled",
            "https://example.com",
            "the port: 3000",
            "Ada:3",
            "10:30 at the dentist",
            "Next steps: write tests",
            "no colon",
            "A very long sentence that happens to hold: a colon",
        ] {
            assert_eq!(label(note), None, "{note}");
        }
        assert!(NOTE_WORDS.is_sorted());
    }
}
