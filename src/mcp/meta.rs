//! The names under `params._meta` with which a request of the newest revision speaks for itself.

pub(super) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(super) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
