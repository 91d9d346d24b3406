//! What is written, as text.

use serde_json::{Map, Value, json};

use super::ClientSyntax;

/// A whole file with nothing else in it, or the line that is entered by hand.
pub(super) fn file_with(syntax: ClientSyntax, section: &str, name: &str, entry: &Value) -> String {
    match syntax {
        ClientSyntax::Json | ClientSyntax::JsonWithComments => {
            format!("{:#}\n", json!({ section: { name: entry } }))
        }
        ClientSyntax::Toml => toml_table(section, name, entry),
        ClientSyntax::ByHand => format!("{section}='{}'\n", json!([entry])),
    }
}

/// A table of TOML: a text of JSON is a basic string of TOML as well, and a flat object an inline table.
fn toml_table(section: &str, name: &str, entry: &Value) -> String {
    let nothing = Map::new();
    let lines: Vec<String> = entry
        .as_object()
        .unwrap_or(&nothing)
        .iter()
        .map(|(key, value)| format!("{} = {}\n", toml_key(key), toml_value(value)))
        .collect();
    format!("[{}.{}]\n{}", toml_key(section), toml_key(name), lines.concat())
}

fn toml_key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) {
        key.to_owned()
    } else {
        json!(key).to_string()
    }
}

fn toml_value(value: &Value) -> String {
    let Some(fields) = value.as_object() else { return value.to_string() };
    let fields: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{} = {}", toml_key(key), toml_value(value)))
        .collect();
    format!("{{ {} }}", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_toml_quotes_what_it_has_to() {
        let entry = json!({ "url": "http://h/\"x\"", "http_headers": { "A b": "Bearer k" } });

        assert_eq!(
            toml_table("mcp_servers", "my.server", &entry),
            "[mcp_servers.\"my.server\"]\nurl = \"http://h/\\\"x\\\"\"\nhttp_headers = { \"A b\" = \"Bearer k\" }\n"
        );
    }
}
