//! What the pages tell of the settings and of the keys that stand in them.

use std::time::Duration;

use crate::auth::oauth::Issuer;
use crate::config::{Config, EffectiveSetting};
use crate::model::Scopes;

/// What was settled at the start, as far as pages show it.
#[derive(Debug)]
pub struct AboutServer {
    pub settings: Vec<EffectiveSetting>,
    /// The keys that no page can change; none where nobody is asked for one.
    pub keys: Vec<KnownKey>,
    /// How long a deleted memory can be restored.
    pub undo: Duration,
    /// Where clients without a key are told to come; nothing where they cannot.
    pub connector: Option<String>,
}

/// A key without its secret.
#[derive(Debug)]
pub struct KnownKey {
    pub name: String,
    pub user: String,
    pub scopes: Scopes,
    /// Where it stands.
    pub place: &'static str,
}

impl AboutServer {
    /// `has_kept_key`: whether the first start made a key, which opens the server.
    #[must_use]
    pub fn new(config: &Config, has_kept_key: bool) -> Self {
        let of_settings = config.keys().into_iter().map(|key| KnownKey {
            name: key.name.to_string(),
            user: key.user.to_string(),
            scopes: key.scopes,
            place: "the settings",
        });
        let kept = has_kept_key.then(|| KnownKey {
            name: "default".to_owned(),
            user: config.project.default_user.to_string(),
            scopes: Scopes::all(),
            place: "the data directory, where the first start put it",
        });
        let keys = of_settings.chain(kept).filter(|_| !config.auth.disabled).collect();
        let public = config.server.public_url.as_deref().filter(|_| config.oauth.enabled);
        Self {
            settings: config.effective().to_vec(),
            keys,
            undo: config.storage.undo,
            connector: public.map(|url| Issuer::of(url).resource()),
        }
    }
}
