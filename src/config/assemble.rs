//! Reads every section into the tree, and checks what only several settings together can break.

use log::Level;

use super::layers::Layers;
use super::{
    AuthSection, BackupSection, Config, ConfigError, CorsSection, DashboardSection,
    EmbeddingSection, Flags, HttpSection, LimitsSection, LogSection, MetricsSection, Notice,
    ProjectsSection, RateLimitSection, Reader, ServerSection, SessionsSection, StorageSection,
    TlsSection, ToolsSection, keys, pairs, rate, settings,
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
    };
    refuse_half_tls(&config.tls, layers)?;
    pairs::refuse(&config, layers)?;
    config.rate_limit = rate::limit(config.rate_limit, layers)?;
    config.keys = keys::collect(&config, layers, flags, reader, notices)?;
    config.presented = keys::presented(layers, flags)?;
    notices.extend(worth_telling(&config, layers));
    Ok(config)
}

fn refuse_half_tls(tls: &TlsSection, layers: &Layers) -> Result<(), ConfigError> {
    let (set, unset): (&str, &[&str]) = match (&tls.cert_path, &tls.key_path) {
        (Some(_), None) => ("tls.cert_path", &["tls.key_path"]),
        (None, Some(_)) => ("tls.key_path", &["tls.cert_path"]),
        (None, None) if tls.enabled => ("tls.enabled", &["tls.cert_path", "tls.key_path"]),
        _ => return Ok(()),
    };
    let missing: Vec<String> = unset.iter().map(|key| settings::describe(key)).collect();
    Err(ConfigError::HalfTls { given: layers.subject(set), missing: missing.join(" and ") })
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
    notices
}
