//! The one table of settings, made from their declarations. The environment mapping, the defaults,
//! the refusal of unknown keys and the test of the annotated `config.toml` all come from it.

use std::sync::LazyLock;

use super::declare::Row;
use super::{
    AuthSection, BackupSection, CorsSection, DashboardSection, EmbeddingSection, HttpSection,
    LimitsSection, LogSection, MetricsSection, ProjectsSection, RateLimitSection, ServerSection,
    SessionsSection, StorageSection, TlsSection, ToolsSection, secret_file,
};

/// Every setting, in the order of `config.toml`.
pub(super) fn table() -> &'static [Row] {
    static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
        let sections = [
            ServerSection::rows(),
            TlsSection::rows(),
            HttpSection::rows(),
            MetricsSection::rows(),
            DashboardSection::rows(),
            CorsSection::rows(),
            AuthSection::rows(),
            RateLimitSection::rows(),
            ProjectsSection::rows(),
            SessionsSection::rows(),
            LogSection::rows(),
            StorageSection::rows(),
            BackupSection::rows(),
            LimitsSection::rows(),
            ToolsSection::rows(),
            EmbeddingSection::rows(),
        ];
        sections.concat()
    });
    &TABLE
}

/// Finds the setting of a whole key such as `server.port`.
pub(super) fn find(key: &str) -> Option<&'static Row> {
    table().iter().find(|setting| setting.key == key)
}

/// Whether a value must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    find(key).is_some_and(|setting| setting.is_secret)
}

/// The names of all sections, in order.
pub(super) fn sections() -> Vec<&'static str> {
    let mut names: Vec<&str> = table().iter().map(|setting| setting.split().0).collect();
    names.dedup();
    names
}

/// The names of the keys in a section, in order; none if there is no such section.
pub(super) fn names_in(section: &str) -> Vec<String> {
    let mut names = Vec::new();
    for setting in table() {
        let (of, name) = setting.split();
        if of == section {
            names.push(name.to_owned());
            names.extend(setting.is_secret.then(|| secret_file::key_beside(name)));
        }
    }
    names
}

/// A key and its variables, for an error line.
pub(super) fn describe(key: &str) -> String {
    let variables = find(key).map(|setting| setting.variables.join(", ")).unwrap_or_default();
    format!("{key} ({variables})")
}

/// What to tell about a variable that other servers know and memoryd has no use for.
pub(super) fn unused(variable: &str) -> Option<&'static str> {
    if variable == "SERVER_MODE" {
        return Some("one listener serves every transport");
    }
    let named = matches!(variable, "DATABASE_URL" | "MEMORYOS_LLM_MODEL");
    let service = ["OPENAI_", "OLLAMA_", "NEO4J_", "POSTGRES_"];
    let known = named || service.iter().any(|prefix| variable.starts_with(prefix));
    known.then_some("memoryd calls no other service unless a setting of its own asks for it")
}

impl Row {
    /// The section and the name within it.
    pub(super) fn split(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').unwrap_or(("", self.key))
    }

    /// Where a variable's value is kept while merging.
    ///
    /// The rate limit's variables are two pairs with defaults of their own, not aliases, so each
    /// has a place of its own until `rate` has made sense of them.
    pub(super) fn place_of(&self, variable: &str) -> String {
        if self.key.starts_with("rate_limit.") {
            place_in_rate_limit(variable)
        } else {
            self.key.to_owned()
        }
    }
}

/// Where one of the four variables of the rate limit is kept while merging.
pub(super) fn place_in_rate_limit(variable: &str) -> String {
    format!("variables.{variable}")
}
