//! Every client that is known, one row each, in the order of `docs/CLIENTS.md`.

use serde_json::{Map, Value, json};

use super::{ClientSyntax, KnownClient, ProjectFile, Reach, Trust};

/// What programs on Node.js and Bun read.
const NODE: &str = "NODE_EXTRA_CA_CERTS";

/// The clients, in the order of the document.
pub static KNOWN: [KnownClient; 10] = [
    KnownClient {
        id: "claude-code",
        title: "Claude Code",
        syntax: ClientSyntax::Json,
        section: "mcpServers",
        places: |machine| {
            let folder = machine.named("CLAUDE_CONFIG_DIR").or_else(|| machine.home());
            folder.into_iter().map(|folder| folder.join(".claude.json")).collect()
        },
        project: Some(ProjectFile {
            places: &[".mcp.json"],
            variable: "${MEMORY_KEY}",
            entry: None,
        }),
        entry: with_type,
        command: Some(|reach| {
            format!(
                "claude mcp add -s user --transport http memory {} --header \"Authorization: Bearer {}\"",
                reach.url(),
                reach.key
            )
        }),
        trust: Trust::Variable(NODE),
        then: "start Claude Code anew; /mcp shows the server",
    },
    KnownClient {
        id: "vscode",
        title: "VS Code",
        syntax: ClientSyntax::JsonWithComments,
        section: "servers",
        places: |machine| {
            let folder = machine.application_settings();
            folder.into_iter().map(|folder| folder.join("Code/User/mcp.json")).collect()
        },
        project: Some(ProjectFile {
            places: &[".vscode/mcp.json"],
            variable: "${env:MEMORY_KEY}",
            entry: None,
        }),
        entry: with_type,
        command: None,
        trust: Trust::VariableAndSystem(NODE),
        then: "start the server in the list of MCP servers; its tools are in the agent mode of the chat",
    },
    KnownClient {
        id: "cursor",
        title: "Cursor",
        syntax: ClientSyntax::JsonWithComments,
        section: "mcpServers",
        places: |machine| {
            machine.home().into_iter().map(|home| home.join(".cursor/mcp.json")).collect()
        },
        project: Some(ProjectFile {
            places: &[".cursor/mcp.json"],
            variable: "${env:MEMORY_KEY}",
            entry: None,
        }),
        entry: with_type,
        command: None,
        trust: Trust::VariableAndSystem(NODE),
        then: "start Cursor anew; the settings show the server under MCP",
    },
    KnownClient {
        id: "codex",
        title: "Codex",
        syntax: ClientSyntax::Toml,
        section: "mcp_servers",
        places: |machine| {
            let of_home = || Some(machine.home()?.join(".codex"));
            let folder = machine.named("CODEX_HOME").or_else(of_home);
            folder.into_iter().map(|folder| folder.join("config.toml")).collect()
        },
        project: Some(ProjectFile {
            places: &[".codex/config.toml"],
            variable: "MEMORY_KEY",
            entry: Some(|reach| json!({ "url": reach.url(), "bearer_token_env_var": reach.key })),
        }),
        entry: |reach| json!({ "url": reach.url(), "http_headers": headers(reach) }),
        command: None,
        trust: Trust::Variable("CODEX_CA_CERTIFICATE"),
        then: "start Codex anew; /mcp shows the server",
    },
    KnownClient {
        id: "gemini",
        title: "Gemini CLI",
        syntax: ClientSyntax::JsonWithComments,
        section: "mcpServers",
        places: |machine| {
            let home = machine.named("GEMINI_CLI_HOME").or_else(|| machine.home());
            home.into_iter().map(|home| home.join(".gemini/settings.json")).collect()
        },
        project: Some(ProjectFile {
            places: &[".gemini/settings.json"],
            variable: "${MEMORY_KEY}",
            entry: None,
        }),
        entry: |reach| json!({ "httpUrl": reach.url(), "headers": headers(reach) }),
        command: Some(|reach| {
            format!(
                "gemini mcp add -s user --transport http memory {} --header \"Authorization: Bearer {}\"",
                reach.url(),
                reach.key
            )
        }),
        trust: Trust::Variable(NODE),
        then: "start Gemini CLI anew in a folder that it trusts; /mcp shows the server",
    },
    KnownClient {
        id: "claude-desktop",
        title: "Claude Desktop",
        syntax: ClientSyntax::Json,
        section: "mcpServers",
        places: |machine| {
            let folder = machine.application_settings();
            let name = "Claude/claude_desktop_config.json";
            folder.into_iter().map(|folder| folder.join(name)).collect()
        },
        project: None,
        entry: program,
        command: None,
        trust: Trust::Written,
        then: "quit Claude Desktop, not only its window, and start it again",
    },
    KnownClient {
        id: "windsurf",
        title: "Windsurf",
        syntax: ClientSyntax::JsonWithComments,
        section: "mcpServers",
        places: |machine| {
            let name = ".codeium/windsurf/mcp_config.json";
            machine.home().into_iter().map(|home| home.join(name)).collect()
        },
        project: None,
        entry: |reach| json!({ "serverUrl": reach.url(), "headers": headers(reach) }),
        command: None,
        trust: Trust::VariableAndSystem(NODE),
        then: "press Refresh in the list of MCP servers of Cascade",
    },
    KnownClient {
        id: "zed",
        title: "Zed",
        syntax: ClientSyntax::JsonWithComments,
        section: "context_servers",
        places: |machine| {
            let folder = match machine.platform {
                super::Platform::Windows => {
                    machine.application_settings().map(|folder| folder.join("Zed"))
                }
                _ => machine.settings().map(|folder| folder.join("zed")),
            };
            folder.into_iter().map(|folder| folder.join("settings.json")).collect()
        },
        // A header of its file can name no variable, and the files of a project go to others.
        project: None,
        entry: |reach| json!({ "url": reach.url(), "headers": headers(reach) }),
        command: None,
        trust: Trust::System,
        then: "look at the server in the settings of the agent panel",
    },
    KnownClient {
        id: "opencode",
        title: "opencode",
        syntax: ClientSyntax::JsonWithComments,
        section: "mcp",
        places: |machine| {
            let folder = machine.settings().map(|folder| folder.join("opencode"));
            let names = ["opencode.json", "opencode.jsonc"];
            let all = |folder: std::path::PathBuf| names.map(|name| folder.join(name)).to_vec();
            folder.map(all).unwrap_or_default()
        },
        project: Some(ProjectFile {
            places: &["opencode.json", "opencode.jsonc"],
            variable: "{env:MEMORY_KEY}",
            entry: None,
        }),
        entry: |reach| {
            json!({
                "type": "remote",
                "url": reach.url(),
                "enabled": true,
                // Else a refused key sends it looking for a sign-in.
                "oauth": false,
                "headers": headers(reach),
            })
        },
        command: None,
        trust: Trust::Variable(NODE),
        then: "start opencode anew; opencode mcp list shows the server",
    },
    KnownClient {
        id: "open-webui",
        title: "Open WebUI",
        syntax: ClientSyntax::ByHand,
        section: "TOOL_SERVER_CONNECTIONS",
        places: |_| Vec::new(),
        project: None,
        entry: |reach| {
            json!({
                "type": "mcp",
                "url": reach.url(),
                "path": "",
                "auth_type": "bearer",
                "key": reach.key,
                "config": { "enable": true },
                "info": { "id": "memory", "name": "memory", "description": "memoryd" },
            })
        },
        command: None,
        trust: Trust::Variable("SSL_CERT_FILE"),
        then: "Admin Settings, External Tools, add: type MCP (Streamable HTTP), the URL, Bearer and the key",
    },
];

/// The client that is called so.
#[must_use]
pub fn find(id: &str) -> Option<&'static KnownClient> {
    KNOWN.iter().find(|client| client.id == id)
}

fn headers(reach: &Reach) -> Value {
    json!({ "Authorization": format!("Bearer {}", reach.key) })
}

fn with_type(reach: &Reach) -> Value {
    json!({ "type": "http", "url": reach.url(), "headers": headers(reach) })
}

/// For a client that only starts programs.
fn program(reach: &Reach) -> Value {
    let mut program = reach.program.iter();
    let mut entry = Map::new();
    entry.insert("command".to_owned(), json!(program.next()));
    entry.insert("args".to_owned(), json!(program.collect::<Vec<_>>()));
    entry.insert("env".to_owned(), json!({ "MCP_API_KEY": reach.key }));
    Value::Object(entry)
}
