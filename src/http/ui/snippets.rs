//! How each client is told of this server, with the address that a browser used and, once, a key.

use crate::clients::{KEY_PLACE, KNOWN, Machine, Platform, Reach, SERVER_NAME};

/// Where a server is whose address nobody said.
pub(super) const ADDRESS: &str = "http://127.0.0.1:3000";

/// What is pasted into one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) client: &'static str,
    /// What `memoryd connect` calls it.
    pub(super) connect: &'static str,
    /// Its file, as it is called on Linux; empty where it has none.
    pub(super) place: String,
    /// For the page, to be found by a button.
    pub(super) id: String,
    pub(super) code: String,
}

/// The clients in the order of the document. Without a key there is a place for one.
pub(super) fn snippets(origin: &str, key: Option<&str>) -> Vec<Snippet> {
    let program = ["/path/to/memoryd", "stdio", "--url", origin].map(str::to_owned).to_vec();
    let key = key.unwrap_or(KEY_PLACE).to_owned();
    let reach = Reach { base: origin.to_owned(), key, program };
    let home = |name: &str| (name == "HOME").then(|| "~".to_owned());
    let machine = Machine { platform: Platform::Linux, variable: &home };
    let snippet = |(index, client): (usize, &'static crate::clients::KnownClient)| {
        let places = client.places(&machine);
        Snippet {
            client: client.title,
            connect: client.id,
            place: places.first().map(|place| place.display().to_string()).unwrap_or_default(),
            id: format!("snippet-{index}"),
            code: client.to_paste(SERVER_NAME, &reach).trim_end().to_owned(),
        }
    };
    KNOWN.iter().enumerate().map(snippet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_its_lines_and_its_file() {
        let found = snippets("https://nas.lan:3000", Some("a-key"));

        let clients: Vec<_> = found.iter().map(|snippet| snippet.client).collect();
        assert!(clients.starts_with(&["Claude Code", "VS Code", "Cursor", "Codex"]), "{clients:?}");
        let claude = &found[0].code;
        assert!(claude.contains("https://nas.lan:3000/mcp") && claude.contains("Bearer a-key"));
        assert_eq!(found[2].place, "~/.cursor/mcp.json");
        assert!(found.iter().all(|snippet| snippet.code.contains("a-key")));
        assert!(found.iter().all(|snippet| snippet.code.contains("https://nas.lan:3000")));
        assert!(snippets(ADDRESS, None).iter().all(|snippet| snippet.code.contains(KEY_PLACE)));
    }
}
