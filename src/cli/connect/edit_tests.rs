//! Files as people and clients write them, edited and put back.

use serde_json::{Value, json};

use super::edit::Slot;
use crate::clients::{Reach, find};

const CLAUDE_CODE: &str = r#"{
  "numStartups": 12,
  "tipsHistory": { "new-user-warmup": 3 },
  "cut": "party \ud83c",
  "mcpServers": {
    "github": {
      "type": "stdio",
      "command": "docker",
      "args": ["run", "-i", "--rm"],
      "env": {}
    }
  },
  "projects": {
    "/home/me/work": { "allowedTools": [], "mcpServers": {} }
  }
}
"#;

const VS_CODE: &str = "{
\t// Asked for once and kept.
\t\"inputs\": [
\t\t{ \"type\": \"promptString\", \"id\": \"gh\", \"password\": true }, // trailing comma below
\t],
\t\"servers\": {
\t\t/* the team's */
\t\t\"github\": {
\t\t\t\"type\": \"http\",
\t\t\t\"url\": \"https://api.githubcopilot.com/mcp/\", // hosted
\t\t},
\t\t// \"old\": { \"command\": \"gone\" },
\t},
}
";

const ZED: &str = r#"// Zed settings
//
// For information on how to configure Zed, see the Zed
// documentation: https://zed.dev/docs/configuring-zed
{
  "theme": { "mode": "system", "light": "One Light", "dark": "One Dark" },
  "buffer_font_size": 16, // pt
  "vim_mode": true, /* of course */
}
"#;

const CODEX: &str = r#"# my settings
model = "gpt-5" # the big one
approval_policy = 'on-request'

[mcp_servers.docs]
command = "npx"
args = [
  "-y", # yes
  "docs-mcp",
]

[mcp_servers.docs.env]
TOKEN = "x"

[projects."/home/me/work"]
trust_level = "trusted"
# the end
"#;

const GEMINI: &str =
    "{\r\n    \"selectedAuthType\": \"oauth-personal\",\r\n    \"mcpServers\": {\r\n    }\r\n}";

/// Every file, and the client whose it is.
const FILES: &[(&str, &str)] = &[
    ("claude-code", CLAUDE_CODE),
    ("claude-code", "{\"mcpServers\":{\"a\":{\"command\":\"x\"}},\"b\":1}"),
    ("claude-code", "{}"),
    ("claude-desktop", "{\n  \"mcpServers\": {}\n}\n"),
    ("claude-desktop", "{ \"globalShortcut\": \"\" }\n"),
    ("vscode", VS_CODE),
    ("vscode", "{ \"servers\": { /* none yet */ } }"),
    ("cursor", "{\n  \"mcpServers\": {\n    // none yet\n  }\n}\n"),
    ("cursor", "\u{feff}{\n  \"mcpServers\": {\n    \"a\": {}\n  },\n}"),
    ("zed", ZED),
    ("zed", "{\n  \"context_servers\": {\n    \"a\": { \"command\": \"x\" } // mine\n  }\n}\n"),
    ("gemini", GEMINI),
    ("opencode", "{\n  \"$schema\": \"https://opencode.ai/config.json\",\n  \"mcp\": {\n  },\n}\n"),
    ("codex", CODEX),
    ("codex", "model = \"o3\"\r\n\r\n[mcp_servers.a]\r\ncommand = \"x\"\r\n"),
    ("codex", "model = \"o3\""),
    ("codex", "[mcp_servers]\nstartup = { command = \"x\" }\n"),
];

fn slot(client: &str) -> Slot<'_> {
    Slot { client: find(client).unwrap(), name: "memory" }
}

fn entry(client: &str, key: &str) -> Value {
    let base = "http://127.0.0.1:3000".to_owned();
    let program = vec!["/usr/bin/memoryd".to_owned(), "stdio".to_owned()];
    find(client).unwrap().entry(&Reach { base, key: key.to_owned(), program })
}

/// The lines without commas, of which one may come to stand behind the last value.
fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.replace([',', '\r'], "").trim_end_matches(['{', '}', ' ']).to_owned())
        .collect()
}

#[test]
fn an_entry_is_added_and_no_line_of_the_owner_changes() {
    for (client, text) in FILES {
        let entry = entry(client, "mcp_one");

        let edited = slot(client).with(text, &entry).unwrap_or_else(|e| panic!("{text}: {e}"));

        assert_eq!(slot(client).entry(&edited).unwrap(), Some(entry), "{edited}");
        let after = lines(&edited);
        let mut at = 0;
        for line in lines(text).into_iter().filter(|line| text.contains('\n') && !line.is_empty()) {
            let found = after[at..].iter().position(|other| other.contains(line.trim_end()));
            at += found.unwrap_or_else(|| panic!("{line:?} is gone from {edited}"));
        }
        assert_eq!(text.contains('\r'), edited.contains("\r\n"), "{edited:?}");
        let lone = edited.replace("\r\n", "").contains('\n');
        assert!(!text.contains('\r') || !lone, "{edited:?}");
    }
}

#[test]
fn what_was_added_is_taken_out_again_to_the_last_character() {
    for (client, text) in FILES {
        let slot = slot(client);
        let had_section = slot.servers(text).unwrap().is_some();
        let edited = slot.with(text, &entry(client, "mcp_one")).unwrap();

        let back = slot.without(&edited, !had_section).unwrap();

        // White space between empty brackets, and a missing end of the last line, are nobody's.
        let plain = |text: &str| text.replace(char::is_whitespace, "");
        let is_same = back == **text || plain(&back) == plain(text);
        assert!(is_same, "{client}: {text}\n{edited}\n{back}");
        assert_eq!(slot.entry(&back).unwrap(), None);
    }
    for (client, text) in
        [("claude-code", CLAUDE_CODE), ("vscode", VS_CODE), ("zed", ZED), ("codex", CODEX)]
    {
        let slot = slot(client);
        let had_section = slot.servers(text).unwrap().is_some();
        let edited = slot.with(text, &entry(client, "mcp_one")).unwrap();
        assert_eq!(slot.without(&edited, !had_section).unwrap(), text, "{client}");
    }
}

#[test]
fn an_entry_takes_the_place_of_the_one_before_it() {
    for (client, text) in FILES {
        let slot = slot(client);
        let first = slot.with(text, &entry(client, "mcp_one")).unwrap();

        let second = slot.with(&first, &entry(client, "mcp_two")).unwrap();

        assert_eq!(second, first.replace("mcp_one", "mcp_two"), "{client}");
    }
}

#[test]
fn what_is_added_looks_like_what_is_there() {
    let told = slot("vscode").with(VS_CODE, &entry("vscode", "k")).unwrap();
    assert!(told.contains("\n\t\t\"memory\": {\n\t\t\t\"type\": \"http\","), "{told}");
    assert!(told.ends_with("\n\t\t},\n\t},\n}\n"), "{told}");

    let told = slot("gemini").with(GEMINI, &entry("gemini", "k")).unwrap();
    assert!(told.contains("\r\n        \"memory\": {\r\n            \"httpUrl\""), "{told:?}");

    let told = slot("codex").with(CODEX, &entry("codex", "k")).unwrap();
    assert!(told.ends_with(
        "# the end\n\n[mcp_servers.memory]\nurl = \"http://127.0.0.1:3000/mcp\"\nhttp_headers = \
         { Authorization = \"Bearer k\" }\n"
    ), "{told}");
}

#[test]
fn an_entry_in_the_middle_leaves_its_neighbors_alone() {
    let slot = slot("cursor");
    for (text, left) in [
        (
            "{\n  \"mcpServers\": {\n    \"a\": 1,\n    \"memory\": {\n      \"x\": 2\n    }, // ours\n    \"b\": 3\n  }\n}",
            "{\n  \"mcpServers\": {\n    \"a\": 1, // ours\n    \"b\": 3\n  }\n}",
        ),
        ("{\"mcpServers\": {\"memory\": 1, \"b\": 2}}", "{\"mcpServers\": { \"b\": 2}}"),
        ("{\"mcpServers\": {\"a\": 1, \"memory\": 2}}", "{\"mcpServers\": {\"a\": 1}}"),
        (
            "{\"mcpServers\": {\n  \"a\": 1, // one\n  \"memory\": 2\n}}",
            "{\"mcpServers\": {\n  \"a\": 1 // one\n}}",
        ),
    ] {
        assert_eq!(slot.without(text, true).unwrap(), left);
    }
    let codex = Slot { client: find("codex").unwrap(), name: "docs" };
    let left = codex.without(CODEX, true).unwrap();
    assert!(left.contains("on-request'\n\n[projects."), "{left}");
    assert!(left.ends_with("# the end\n"), "{left}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused_with_the_place() {
    for (client, text, told) in [
        ("claude-code", "{\n  \"mcpServers\": {\n", "line 3, column 1: the file ends too early"),
        ("claude-code", "{ // mine\n}", "line 1, column 3: a comment"),
        ("claude-code", "[]", "line 1, column 1: expected an object"),
        ("cursor", "{\"mcpServers\": []}", "line 1, column 16: \"mcpServers\" is no object"),
        (
            "cursor",
            "{\"mcpServers\": {},\n\"mcpServers\": {}}",
            "line 2, column 1: \"mcpServers\" stands there a second time",
        ),
        (
            "cursor",
            "{\"mcpServers\": {\"memory\": 1, \"memory\": 2}}",
            "line 1, column 30: \"memory\" stands there a second time",
        ),
        ("codex", "model = \n[a]\n", "line 1, column 9: "),
        ("codex", "[a]\nx = 1\n[a]\n", "line 3, column 1: "),
        (
            "codex",
            "mcp_servers = { a = { command = \"x\" } }\n",
            "line 1, column 15: mcp_servers is written",
        ),
    ] {
        let refusal = slot(client).with(text, &entry(client, "k")).unwrap_err().to_string();

        assert!(refusal.starts_with(told), "{text:?}: {refusal}");
    }
}

#[test]
fn an_empty_file_is_written_whole() {
    for client in ["claude-code", "codex", "zed"] {
        for empty in ["", "\n", "\u{feff}"] {
            let told = slot(client).with(empty, &entry(client, "k")).unwrap();

            assert_eq!(slot(client).entry(&told).unwrap(), Some(entry(client, "k")));
        }
    }
    assert_eq!(slot("cursor").servers("").unwrap(), None);
    assert_eq!(json!(slot("cursor").servers("{\"mcpServers\": {}}").unwrap()), json!({}));
}
