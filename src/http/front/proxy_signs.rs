use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::{Config, is_on_loopback};

/// Whether anything says that a proxy of this machine passes on what strangers ask. Then what comes
/// from loopback is not the owner's any more.
#[derive(Debug)]
pub(super) struct ProxySigns {
    /// By the settings. Also where they say that loopback is not to be believed at all.
    are_configured: bool,
    /// By a header of a request. It stays so until the end: who takes away the headers of one request
    /// does not take the proxy away.
    were_seen: AtomicBool,
}

impl ProxySigns {
    pub(super) fn new(config: &Config) -> Self {
        let url = config.server.public_url.as_deref();
        let has_public_url = url.is_some_and(|url| !is_on_loopback(url));
        let are_configured = !config.metrics.open || has_public_url || config.http.names_proxies();
        Self { are_configured, were_seen: AtomicBool::new(false) }
    }

    pub(super) fn note(&self) {
        if !self.were_seen.swap(true, Ordering::Relaxed) && !self.are_configured {
            log::info!(
                "a proxy of this machine passes on requests: /metrics takes a key from now on"
            );
        }
    }

    pub(super) fn are_absent(&self) -> bool {
        !self.are_configured && !self.were_seen.load(Ordering::Relaxed)
    }
}
