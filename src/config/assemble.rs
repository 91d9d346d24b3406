//! Reads every section into the tree, and checks what only several settings together can break.

use log::Level;

use super::effective::EffectiveSettings;
use super::layers::Layers;
use super::{
    AuthSection, BackupSection, Config, ConfigError, CorsSection, DashboardSection,
    EmbeddingSection, Flags, HttpSection, LimitsSection, LogSection, MetricsSection, Notice,
    OauthSection, ProjectsSection, RateLimitSection, Reader, ServerSection, SessionsSection,
    StorageSection, TlsSection, ToolsSection, keys, pairs, rate, settings, web,
};

pub(super) fn config(
    layers: &Layers,
    flags: &Flags,
    reader: Reader,
    notices: &mut Vec<Notice>,
) -> Result<Config, ConfigError> {
    let mut config = Config {
        server: ServerSection::read(layers)?,
        tls: TlsSection::read(layers)?,
        http: HttpSection::read(layers)?,
        metrics: MetricsSection::read(layers)?,
        dashboard: DashboardSection::read(layers)?,
        cors: CorsSection::read(layers)?,
        auth: AuthSection::read(layers)?,
        oauth: OauthSection::read(layers)?,
        rate_limit: RateLimitSection::read(layers)?,
        project: ProjectsSection::read(layers)?,
        session: SessionsSection::read(layers)?,
        log: LogSection::read(layers)?,
        storage: StorageSection::read(layers)?,
        backup: BackupSection::read(layers)?,
        limits: LimitsSection::read(layers)?,
        tools: ToolsSection::read(layers)?,
        embedding: EmbeddingSection::read(layers)?,
        keys: Vec::new(),
        presented: None,
        effective: EffectiveSettings::default(),
    };
    refuse_halves(&config, layers)?;
    refuse_lonely_oauth(&config, layers)?;
    pairs::refuse(&config, layers)?;
    config.rate_limit = rate::limit(config.rate_limit, layers)?;
    config.keys = keys::collect(&config, layers, flags, reader, notices)?;
    config.presented = keys::presented(layers, flags)?;
    config.effective = EffectiveSettings::of(layers, config.rate_limit);
    notices.extend(worth_telling(&config, layers));
    Ok(config)
}

/// Settings that are nothing without others.
fn refuse_halves(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let (tls, storage) = (&config.tls, &config.storage);
    let (set, unset): (&str, &[&str]) = match (&tls.cert_path, &tls.key_path) {
        (Some(_), None) => ("tls.cert_path", &["tls.key_path"]),
        (None, Some(_)) => ("tls.key_path", &["tls.cert_path"]),
        (None, None) if tls.enabled => ("tls.enabled", &["tls.cert_path", "tls.key_path"]),
        _ if storage.previous_encryption_key.is_some() && storage.encryption_key.is_none() => {
            ("storage.previous_encryption_key", &["storage.encryption_key"])
        }
        _ => return Ok(()),
    };
    let missing: Vec<String> = unset.iter().map(|key| settings::describe(key)).collect();
    Err(ConfigError::Half { given: layers.subject(set), missing: missing.join(" and ") })
}

/// Clients look for us at one origin and make up the paths below it, a browser is sent back there with
/// codes, and whoever signs in does so on a page.
fn refuse_lonely_oauth(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    if !config.oauth.enabled {
        return Ok(());
    }
    let refused = |expected: String| {
        Err(ConfigError::LonelyOauth { given: layers.subject("oauth.enabled"), expected })
    };
    let Some(url) = config.server.public_url.as_deref() else {
        return refused(format!("{} to be set as well", settings::describe("server.public_url")));
    };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if rest.contains('/') || (scheme != "https" && !web::is_on_loopback(url)) {
        let given = layers.subject("server.public_url");
        return refused(format!("https://, a host and no path in {given}"));
    }
    if config.auth.disabled {
        return refused("auth.disabled to be false: there is nobody to sign in".to_owned());
    }
    if !config.dashboard.enabled {
        return refused("dashboard.enabled to be true: it is where one signs in".to_owned());
    }
    Ok(())
}

/// What its owner should know of a start that is not refused.
fn worth_telling(config: &Config, layers: &Layers) -> Vec<Notice> {
    let mut notices = Vec::new();
    if config.auth.disabled {
        let given = layers.subject("auth.disabled");
        let text = format!("{given}: everybody on this machine may read and change every memory");
        notices.push(Notice { level: Level::Warn, text });
    }
    if config.embedding.url.is_some() {
        let giver = layers.giver("embedding.url");
        let text = format!("{giver}: every memory and every question is sent there");
        notices.push(Notice { level: Level::Info, text });
    }
    if config.oauth.enabled && config.oauth.fetch_clients {
        let giver = layers.giver("oauth.fetch_clients");
        let text =
            format!("{giver}: descriptions of clients are fetched once somebody has signed in");
        notices.push(Notice { level: Level::Info, text });
    }
    notices
}

#[cfg(test)]
mod tests {
    use crate::config::tests::Start;

    #[test]
    fn oauth_takes_a_name_of_its_own_somebody_to_sign_in_and_a_page_for_it() {
        let on = ("OAUTH_ENABLED", "true");
        let here = ("PUBLIC_URL", "https://memory.example.com");

        assert!(Start::new(&[on, here]).load().is_ok());
        assert!(Start::new(&[on, ("PUBLIC_URL", "http://127.0.0.1:3000/")]).load().is_ok());
        assert!(!Start::new(&[here]).config().oauth.enabled);
        for (others, told) in [
            (&[on][..], "server.public_url (PUBLIC_URL) to be set as well"),
            (&[on, ("PUBLIC_URL", "https://memory.example.com/base")], "no path"),
            (&[on, ("PUBLIC_URL", "http://memory.example.com")], "https://"),
            (&[on, ("PUBLIC_URL", "http://127.0.0.1"), ("DISABLE_AUTH", "true")], "auth.disabled"),
            (&[on, here, ("DASHBOARD", "false")], "dashboard.enabled"),
        ] {
            let line = Start::new(others).refusal();
            assert!(line.starts_with("OAUTH_ENABLED=true (environment): expected"), "{line}");
            assert!(line.contains(told), "{line}");
        }
    }
}
