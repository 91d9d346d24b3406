use crate::model::{ClientAuth, OauthClient, Timestamp};

/// A client that names itself by the address of its description (CIMD), and where that description says
/// that browsers may be sent. Nothing is fetched: the description is this.
struct Known {
    /// `{id}` stands for what a client puts in; it stands in the redirects as well.
    id: &'static str,
    name: &'static str,
    redirect_uris: &'static [&'static str],
}

const HOLE: &str = "{id}";
/// More than any of them is long.
const MAX_ID_CHARS: usize = 64;

/// The trust lies in where the code goes, so these are whole addresses, never "the same domain". Those
/// without a hole come first: `codex` would fit into the hole of another.
const KNOWN: &[Known] = &[
    Known {
        id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
        name: "Claude",
        redirect_uris: &[
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
    },
    Known {
        id: "https://claude.ai/oauth/claude-code-client-metadata",
        name: "Claude Code",
        redirect_uris: &["http://localhost/callback", "http://127.0.0.1/callback"],
    },
    Known {
        id: "https://chatgpt.com/oauth/client.json",
        name: "ChatGPT",
        redirect_uris: &["https://chatgpt.com/connector_platform_oauth_redirect"],
    },
    Known {
        id: "https://chatgpt.com/oauth/codex/client.json",
        name: "Codex",
        redirect_uris: &["http://127.0.0.1/callback", "http://localhost/callback"],
    },
    Known {
        id: "https://chatgpt.com/oauth/codex/{id}/client.json",
        name: "Codex",
        redirect_uris: &["http://127.0.0.1/callback/{id}", "http://localhost/callback/{id}"],
    },
    Known {
        id: "https://chatgpt.com/oauth/{id}/client.json",
        name: "ChatGPT",
        redirect_uris: &["https://chatgpt.com/connector/oauth/{id}"],
    },
    Known {
        id: "https://vscode.dev/oauth/client-metadata.json",
        name: "Visual Studio Code",
        redirect_uris: &["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
    },
    Known {
        id: "https://zed.dev/oauth/client-metadata.json",
        name: "Zed",
        redirect_uris: &["http://127.0.0.1/callback"],
    },
    Known {
        id: "https://opencode.ai/oauth/opencode/client.json",
        name: "OpenCode",
        redirect_uris: &[
            "http://127.0.0.1/callback",
            "http://localhost/callback",
            "http://127.0.0.1/mcp/oauth/callback",
            "http://localhost/mcp/oauth/callback",
        ],
    },
];

/// The client with this address, if it is one of those that are known without asking anybody.
#[must_use]
pub fn pinned_client(id: &str) -> Option<OauthClient> {
    KNOWN.iter().find_map(|known| {
        let put_in = put_in(known.id, id)?;
        let filled = |uri: &&str| uri.replace(HOLE, put_in);
        Some(OauthClient {
            id: id.to_owned(),
            name: known.name.to_owned(),
            redirect_uris: known.redirect_uris.iter().map(filled).collect(),
            auth: ClientAuth::None,
            secret: None,
            registration: None,
            registered_at: Timestamp(0),
        })
    })
}

/// What stands in the hole, or nothing for a pattern that has none and is the id.
fn put_in<'a>(pattern: &str, id: &'a str) -> Option<&'a str> {
    let Some((before, behind)) = pattern.split_once(HOLE) else {
        return (pattern == id).then_some("");
    };
    let inside = id.strip_prefix(before)?.strip_suffix(behind)?;
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_whole = (1..=MAX_ID_CHARS).contains(&inside.len()) && inside.bytes().all(is_fit);
    is_whole.then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::oauth::Redirect;

    #[test]
    fn a_known_client_is_found_by_its_whole_address() {
        let redirects =
            |id| pinned_client(id).map(|client| client.redirect_uris).unwrap_or_default();

        assert_eq!(
            redirects("https://chatgpt.com/oauth/ab-C_1/client.json"),
            ["https://chatgpt.com/connector/oauth/ab-C_1"]
        );
        assert_eq!(
            redirects("https://chatgpt.com/oauth/codex/client.json"),
            ["http://127.0.0.1/callback", "http://localhost/callback"]
        );
        assert_eq!(
            redirects("https://chatgpt.com/oauth/codex/x1/client.json"),
            ["http://127.0.0.1/callback/x1", "http://localhost/callback/x1"]
        );
        for foreign in [
            "https://claude.ai/oauth/other",
            "https://claude.ai/oauth/mcp-oauth-client-metadata/",
            "HTTPS://claude.ai/oauth/mcp-oauth-client-metadata",
            "https://chatgpt.com/oauth/../client.json",
            "https://chatgpt.com/oauth/a/b/client.json",
            "https://chatgpt.com/oauth//client.json",
            "",
        ] {
            assert!(pinned_client(foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn every_redirect_of_a_known_client_is_one_that_we_would_register() {
        for known in KNOWN {
            for uri in known.redirect_uris {
                assert!(Redirect::parse(&uri.replace(HOLE, "x")).is_some(), "{uri}");
            }
        }
    }
}
