use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::answer;
use super::breaker::{Breaker, Ticket};
use super::id::Fingerprint;
use super::line::{Answered, Line};
use super::started::{Name, Prefixes, Started};
use super::{EmbedError, EmbedderError, ModelId, PACE, Pace, Purpose, builtin, url};
use crate::config::{BuiltIn, EmbeddingSection};

/// A handle on the embedder; copies share it. The last one to go ends its threads.
#[derive(Debug, Clone)]
pub struct Embedder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    line: Line,
    breaker: Breaker,
    /// All of the model's name but its dimensions.
    name: Name,
    /// Known with the first answer.
    dimensions: OnceLock<usize>,
    prefixes: Prefixes,
    timeout: Duration,
    pace: Pace,
}

impl Embedder {
    /// Starts the embedder of the settings; nothing if they want none. A folder is read here, which
    /// takes a second for each 100 MB or so; a service is not called yet, and what the program
    /// carries is read with its first text.
    pub fn open(settings: &EmbeddingSection) -> Result<Option<Self>, EmbedderError> {
        Self::open_at(PACE, settings)
    }

    pub(super) fn open_at(
        pace: Pace,
        settings: &EmbeddingSection,
    ) -> Result<Option<Self>, EmbedderError> {
        let Some(started) = start(pace, settings)? else { return Ok(None) };
        let prefixes = Prefixes {
            query: settings.query_prefix.clone().unwrap_or(started.prefixes.query),
            passage: settings.passage_prefix.clone().unwrap_or(started.prefixes.passage),
        };
        let mut name = started.name;
        if let Name::Made(fingerprint) = &mut name {
            fingerprint.add(prefixes.passage.as_bytes());
            fingerprint.add_length(pace.text_limit_bytes);
        }
        Ok(Some(Self(Arc::new(Shared {
            line: started.line,
            breaker: Breaker::default(),
            name,
            dimensions: started.dimensions.map_or_else(OnceLock::new, OnceLock::from),
            prefixes,
            timeout: settings.timeout,
            pace,
        }))))
    }

    /// One vector of length 1 for each text, in their order, all of one dimension.
    ///
    /// Texts should not be empty: some services refuse the whole request for it.
    pub async fn embed(
        &self,
        texts: &[&str],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(self.0.pace.batch) {
            vectors.extend(self.embed_batch(batch, purpose).await?);
        }
        Ok(vectors)
    }

    /// The name to keep with the vectors; nothing before a service has given its first one.
    #[must_use]
    pub fn model(&self) -> Option<ModelId> {
        match &self.0.name {
            Name::Known(id) => Some(*id),
            Name::Made(fingerprint) => {
                let mut fingerprint = Fingerprint::clone(fingerprint);
                fingerprint.add_length(self.dimensions()?);
                Some(fingerprint.finish())
            }
        }
    }

    /// How many numbers a vector has; nothing before a service has given its first one.
    #[must_use]
    pub fn dimensions(&self) -> Option<usize> {
        self.0.dimensions.get().copied()
    }

    /// Whether it failed lately, so that asking now gives `EmbedError::Away` at once.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.breaker.is_open(Instant::now())
    }

    async fn embed_batch(&self, texts: &[&str], purpose: Purpose) -> Answered {
        let patience = match purpose {
            Purpose::Query => self.0.timeout,
            Purpose::Passage => self.0.pace.batch_timeout,
        };
        let admitted = self.0.breaker.admit(Instant::now(), patience);
        let ticket = admitted.map_err(|left| EmbedError::Away { left })?;
        let outcome = self.ask(texts, purpose).await;
        self.note(&ticket, outcome.as_ref().err());
        outcome
    }

    async fn ask(&self, texts: &[&str], purpose: Purpose) -> Answered {
        let shared = &*self.0;
        let prefix = match purpose {
            Purpose::Query => &shared.prefixes.query,
            Purpose::Passage => &shared.prefixes.passage,
        };
        let whole =
            |text: &&str| format!("{prefix}{}", clipped(text, shared.pace.text_limit_bytes));
        let asking = shared.line.ask(texts.iter().map(whole).collect(), purpose);
        let answered = match purpose {
            // A search waits so long and no longer, wherever in the line its question is.
            Purpose::Query => tokio::time::timeout(shared.timeout, asking)
                .await
                .unwrap_or(Err(EmbedError::TimedOut { after: shared.timeout })),
            // Only a service can hang, and its lane has the time-out.
            Purpose::Passage => asking.await,
        };
        answer::check(answered?, texts.len(), &shared.dimensions)
    }

    fn note(&self, ticket: &Ticket, error: Option<&EmbedError>) {
        let breaker = &self.0.breaker;
        match error {
            Some(error) if error.is_fault() => match breaker.failed(ticket, Instant::now()) {
                Some(pause) => warn!("searching by keyword for {pause:?}: {error}"),
                None => debug!("the embedder failed again: {error}"),
            },
            Some(EmbedError::Busy) => {}
            // A refusal of the texts is a sign of life, too.
            _ => {
                if breaker.answered(ticket) {
                    info!("the embedder answers again");
                }
            }
        }
    }
}

fn start(pace: Pace, settings: &EmbeddingSection) -> Result<Option<Started>, EmbedderError> {
    let only_for_url = [
        ("model", settings.model.is_some()),
        ("key", settings.key.is_some()),
        ("authority", settings.authority.is_some()),
    ];
    match (&settings.url, &settings.model_path) {
        (Some(_), Some(_)) => Err(EmbedderError::Both),
        (Some(url), None) => url::start(url, pace, settings).map(Some),
        (None, path) => match (only_for_url.iter().find(|(_, is_set)| *is_set), path) {
            (Some((key, _)), _) => Err(EmbedderError::OnlyForUrl { key }),
            (None, None) => match settings.builtin {
                BuiltIn::Model => builtin::start(),
                BuiltIn::Table => Ok(None),
            },
            (None, Some(path)) if path.is_file() => builtin::start_file(path).map(Some),
            #[cfg(any(test, feature = "local-model"))]
            (None, Some(path)) => super::folder::start(path).map(Some),
            #[cfg(not(any(test, feature = "local-model")))]
            (None, Some(_)) => Err(EmbedderError::NotBuilt),
        },
    }
}

/// The beginning of a text, whole characters only.
fn clipped(text: &str, limit_bytes: usize) -> &str {
    if text.len() <= limit_bytes {
        return text;
    }
    (0..=limit_bytes).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}
