//! How each client is told of this server: the lines of `docs/CLIENTS.md`, with the address that a browser
//! used and, once, a key.

const DOCUMENT: &str = include_str!("../../../docs/CLIENTS.md");
/// What the document writes for the address of a server, and for a key.
pub(super) const ADDRESS: &str = "http://127.0.0.1:3000";
const KEYS: [&str; 2] = ["YOUR_KEY", "$K"];
/// What follows is about machines and not about a client.
const END: &str = "## HTTPS and other machines";

/// What is pasted into one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) client: String,
    /// For the page, to be found by a button.
    pub(super) id: String,
    pub(super) code: String,
}

/// The clients in the order of the document. Without a key the places for one stay as they are.
pub(super) fn snippets(origin: &str, key: Option<&str>) -> Vec<Snippet> {
    let document = DOCUMENT.split(END).next().unwrap_or_default();
    let mut found: Vec<Snippet> = Vec::new();
    for part in document.split("\n## ").skip(1) {
        let (client, text) = part.split_once('\n').unwrap_or((part, ""));
        let mut code = code_of(text).replace(ADDRESS, origin);
        for (key, place) in key.into_iter().flat_map(|key| KEYS.map(|place| (key, place))) {
            code = code.replace(place, key);
        }
        if !code.is_empty() {
            let id = format!("snippet-{}", found.len());
            found.push(Snippet { client: client.to_owned(), id, code });
        }
    }
    found
}

/// The lines of a part that are indented, with those between them that are empty.
fn code_of(text: &str) -> String {
    let mut code: Vec<&str> = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("    ") {
            Some(line) => code.push(line),
            None if code.last().is_some_and(|last| !last.is_empty()) => code.push(""),
            None => {}
        }
    }
    code.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_of_the_document_has_its_lines() {
        let found = snippets("https://nas.lan:3000", Some("a-key"));

        let clients: Vec<_> = found.iter().map(|snippet| snippet.client.as_str()).collect();
        assert!(clients.starts_with(&["Claude Code", "VS Code", "Cursor", "Codex"]), "{clients:?}");
        let claude = &found[0].code;
        assert!(claude.contains("https://nas.lan:3000/mcp") && claude.contains("Bearer a-key"));
        assert!(found.iter().all(|snippet| !snippet.code.contains("YOUR_KEY")));
        assert!(snippets(ADDRESS, None)[0].code.contains("$K"));
    }
}
