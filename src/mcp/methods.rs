use super::version::Version;

/// Methods of the handshake revisions, of the newest one, and of both.
pub(super) const LEGACY: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
const MODERN: [&str; 2] = ["server/discover", "subscriptions/listen"];
const BOTH: [&str; 8] = [
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
];

/// Whether some revision has a request of this name.
pub(super) fn is_known(method: &str) -> bool {
    LEGACY.into_iter().chain(MODERN).chain(BOTH).any(|known| known == method)
}

/// Whether this revision has it.
pub(super) fn is_offered(method: &str, version: Version) -> bool {
    let own = if version.is_modern() { &MODERN[..] } else { &LEGACY[..] };
    own.contains(&method) || BOTH.contains(&method)
}
