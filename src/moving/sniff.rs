//! What can be told of a file by its beginning.

use std::collections::BTreeSet;

/// What the beginning of a file says of it.
#[derive(Debug, Default)]
pub(super) struct Sniff {
    /// Where it lies in what was given. Only files that have no marks in them are known by their place.
    pub(super) path: String,
    pub(super) look: Look,
    /// Names of the object at the top; of several, one behind another, those of all.
    pub(super) names: BTreeSet<String>,
    /// Names of the objects in a list at the top, or in a list right below it.
    pub(super) inner: BTreeSet<String>,
    /// The beginning as text.
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Look {
    /// JSON that begins with an object: one, or one a line.
    Object,
    List,
    /// Lines of which some are JSON objects.
    Mixed,
    #[default]
    Text,
    Empty,
}

/// How well a file fits a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    No,
    /// If nothing else fits.
    Perhaps,
    /// By its place or its ending.
    Likely,
    /// By a mark that only this format has.
    Sure,
}

impl Fit {
    /// Sure, if it is so.
    pub(super) fn sure_if(is_so: bool) -> Self {
        if is_so { Self::Sure } else { Self::No }
    }
}

impl Sniff {
    pub(super) fn of(path: &str, head: &[u8]) -> Self {
        let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        let text = String::from_utf8_lossy(head).into_owned();
        let mut sniff = Self { path: path.to_owned(), ..Self::default() };
        sniff.look = match text.trim_start().chars().next() {
            None => Look::Empty,
            Some('{') => Look::Object,
            Some('[') if !is_dated_list(&text) => Look::List,
            Some(_) if text.lines().any(is_object) => Look::Mixed,
            Some(_) => Look::Text,
        };
        if matches!(sniff.look, Look::Object | Look::List) {
            sniff.read_names(&text);
        }
        sniff.text = text;
        sniff
    }

    /// Whether any of these names stands at the top.
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.names.contains(*name))
    }

    /// Whether all of these names stand in elements of a list.
    pub(super) fn lists_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.inner.contains(*name))
    }

    /// The same for any of them.
    pub(super) fn lists_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.inner.contains(*name))
    }

    /// Takes the names of objects as far as the text goes, which may end anywhere.
    fn read_names(&mut self, text: &str) {
        let mut open: Vec<u8> = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'{' | b'[' => open.push(byte),
                b'}' | b']' => drop(open.pop()),
                b'"' => {
                    let Some(length) = text_length(rest) else { return };
                    let (name, behind) = rest.split_at(length);
                    rest = behind.strip_prefix(b"\"").unwrap_or(behind);
                    if rest.trim_ascii_start().starts_with(b":") {
                        let name = String::from_utf8_lossy(name).into_owned();
                        match open.as_slice() {
                            b"{" => drop(self.names.insert(name)),
                            b"[{" | b"{[{" => drop(self.inner.insert(name)),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Bytes up to the quotation mark that ends a text; nothing if it is not there.
fn text_length(bytes: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    bytes.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })
}

/// Whether a text begins as a list of memories does that somebody copied: `[2026-01-02] - likes tea`.
pub(super) fn is_dated_list(text: &str) -> bool {
    let inner = text.trim_start().strip_prefix('[').and_then(|rest| rest.get(..11));
    inner.is_some_and(|inner| {
        inner.ends_with(']') && inner.bytes().take(10).all(|b| b.is_ascii_digit() || b == b'-')
    })
}

fn is_object(line: &str) -> bool {
    let line = line.trim();
    line.starts_with('{') && line.ends_with('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn names_are_taken_from_the_top_and_from_lists_alone() {
        let text =
            br#"{"user": {"id": 1}, "a\"b": "x: {", "memories": [{"id": 2, "metadata": {"k": []}}"#;

        let sniff = Sniff::of("f", text);

        assert_eq!(sniff.look, Look::Object);
        assert_eq!(names(&sniff.names), ["a\\\"b", "memories", "user"]);
        assert_eq!(names(&sniff.inner), ["id", "metadata"]);
        let list = Sniff::of("f", b"\xef\xbb\xbf [{\"mapping\": {\"x\": {\"id\"");
        assert_eq!((list.look, names(&list.inner)), (Look::List, vec!["mapping"]));
    }

    #[test]
    fn a_file_is_looked_at_for_what_it_is() {
        for (text, look) in [
            ("", Look::Empty),
            (" \n", Look::Empty),
            ("{\"a\": 1}\n{\"b\": 2}", Look::Object),
            ("no json\n{\"content\": \"x\"}", Look::Mixed),
            ("# A note\n", Look::Text),
            ("[2026-01-02] - likes tea", Look::Text),
        ] {
            assert_eq!(Sniff::of("f", text.as_bytes()).look, look, "{text}");
        }
    }
}
