//! What of memoryd stands in the files of the clients of this machine.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::edit::Slot;
use super::file::ClientFile;
use super::places_of;
use crate::clients::{KNOWN, KnownClient, SERVER_NAME};
use crate::config::Surroundings;
use crate::model::TokenPrefix;

/// Where the entries of clients have keys, ours and those that people write.
const KEY_PLACES: [&str; 3] = ["headers", "http_headers", "env"];

/// What is shorter stands elsewhere as well, and is no key that keeps anybody out.
const KEY_CHARS: usize = 8;

/// A client whose file was found.
pub(in crate::cli) struct FoundClient {
    pub(in crate::cli) client: &'static KnownClient,
    pub(in crate::cli) path: PathBuf,
    /// Its servers that are memoryd, by what it calls them, or why nobody can tell.
    pub(in crate::cli) servers: Result<Vec<(String, Value)>, String>,
    pub(in crate::cli) is_open_to_others: bool,
}

/// Looks at the own file of every client that has one here.
pub(in crate::cli) fn found(around: &Surroundings, base: &str) -> Vec<FoundClient> {
    let places = KNOWN
        .iter()
        .flat_map(|client| places_of(client, around).into_iter().map(move |path| (client, path)));
    places
        .filter(|(_, path)| path.symlink_metadata().is_ok())
        .map(|(client, path)| look(client, path, base))
        .collect()
}

fn look(client: &'static KnownClient, path: PathBuf, base: &str) -> FoundClient {
    let file = ClientFile::read(&path).map_err(|failed| failed.to_string());
    let is_open_to_others = file.as_ref().is_ok_and(ClientFile::is_open_to_others);
    let slot = Slot { client, name: SERVER_NAME };
    let servers =
        file.and_then(|file| slot.servers(&file.text).map_err(|damage| damage.to_string()));
    let servers = servers.map(|servers| {
        let servers = servers.unwrap_or_default().into_iter();
        servers.filter(|(_, entry)| is_of_memoryd(entry, base)).collect()
    });
    FoundClient { client, path, servers, is_open_to_others }
}

/// Whether an entry leads to memoryd: by one of its tokens, by this server's URL, or by its program.
pub(super) fn is_of_memoryd(entry: &Value, base: &str) -> bool {
    let is_program = program_of(entry).is_some_and(|program| {
        program
            .first()
            .is_some_and(|path| Path::new(path).file_name().is_some_and(|name| name == "memoryd"))
    });
    is_program || token_in(entry).is_some() || base_of(entry).as_deref() == Some(base)
}

/// The token of ours that stands in an entry.
pub(in crate::cli) fn token_in(entry: &Value) -> Option<String> {
    let pieces = texts(entry).into_iter().flat_map(str::split_whitespace);
    let mut pieces = pieces.filter(|piece| TokenPrefix::of_token(piece).is_some());
    pieces.next().map(str::to_owned)
}

/// The key that an entry shows, whatever sort it is; nothing where it names a variable.
pub(in crate::cli) fn key_in(entry: &Value) -> Option<String> {
    let shown = texts(entry).into_iter().find_map(|text| text.strip_prefix("Bearer "));
    let shown = shown.map(str::trim).filter(|key| !key.is_empty() && !key.contains(['$', '{']));
    token_in(entry).or_else(|| shown.map(str::to_owned))
}

/// Everything in an entry that may be a key, so that nobody is shown it.
pub(super) fn keys_in(entry: &Value) -> Vec<String> {
    let places = KEY_PLACES.into_iter().filter_map(|place| entry.get(place));
    let bare = |text: &str| text.strip_prefix("Bearer ").unwrap_or(text).trim().to_owned();
    let kept = places.flat_map(texts).map(bare);
    let kept = kept.filter(|text| text.len() >= KEY_CHARS && !text.contains(['$', '{']));
    token_in(entry).into_iter().chain(kept).collect()
}

/// The URL that an entry names, without `/mcp`.
pub(in crate::cli) fn base_of(entry: &Value) -> Option<String> {
    let mut texts = texts(entry).into_iter();
    let url = texts.find(|text| text.starts_with("http://") || text.starts_with("https://"))?;
    let base = url.trim_end_matches('/');
    Some(base.strip_suffix("/mcp").unwrap_or(base).to_owned())
}

/// The program that an entry starts, with its arguments.
pub(in crate::cli) fn program_of(entry: &Value) -> Option<Vec<String>> {
    let path = entry.get("command")?.as_str()?.to_owned();
    let arguments =
        entry.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let arguments = arguments.iter().filter_map(Value::as_str).map(str::to_owned);
    Some(std::iter::once(path).chain(arguments).collect())
}

/// Every text of a value, in order.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TOKEN: &str = "mcp_0123456789abcdefghijklmnopqrstuvwxyz0123456";

    #[test]
    fn an_entry_of_memoryd_is_known_by_token_url_or_program() {
        let here = "http://127.0.0.1:3000";
        let header = |key: &str| json!({ "headers": { "Authorization": format!("Bearer {key}") } });
        for (entry, is_ours) in [
            (header(TOKEN), true),
            (header("sk-other"), false),
            (json!({ "url": "http://127.0.0.1:3000/mcp" }), true),
            (json!({ "httpUrl": "http://127.0.0.1:3000/mcp/" }), true),
            (json!({ "url": "http://127.0.0.1:3001/mcp" }), false),
            (json!({ "command": "/usr/bin/memoryd", "args": ["stdio"] }), true),
            (json!({ "command": "npx", "args": ["server-memory"] }), false),
            (json!({ "command": "npx", "env": { "KEY": TOKEN } }), true),
            (json!(7), false),
        ] {
            assert_eq!(is_of_memoryd(&entry, here), is_ours, "{entry}");
        }
        assert_eq!(keys_in(&header("own-key-of-mine")), ["own-key-of-mine"]);
        assert_eq!(
            keys_in(&json!({ "env": { "MCP_API_KEY": "own-key-2", "X": "1" } })),
            ["own-key-2"]
        );
        assert!(keys_in(&header("${MEMORY_KEY}")).is_empty());
        assert_eq!(token_in(&header(TOKEN)).as_deref(), Some(TOKEN));
        assert_eq!(key_in(&header("own-key")).as_deref(), Some("own-key"));
        assert_eq!(key_in(&header("${MEMORY_KEY}")), None);
        assert_eq!(
            program_of(&json!({ "command": "m", "args": ["stdio", "--x"] })).unwrap(),
            ["m", "stdio", "--x"]
        );
    }
}
