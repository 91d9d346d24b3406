//! Vectors from a better embedder, made in the background while the session goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};

use super::CallError;
use super::session::Session;
use crate::embedding::{EmbedError, Embedder, Purpose};
use crate::engine::{Asker, Embedded, EngineError, Unembedded};
use crate::model::MemoryId;

/// How many memories are embedded before the session looks again what there is to do.
const PART: usize = 32;
/// So long after a write nobody writes any more. A vector is not missed for so long: the table
/// stands in.
const QUIET: Duration = Duration::from_millis(250);
/// Who writes for longer has to share.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Since when somebody writes, and when they wrote last; nothing once that has ended. The session's
/// handles share it, so that an add need not stand in line to learn of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Writing(Arc<Mutex<Option<(Instant, Instant)>>>);

/// Asks a session how a text is to be read by the model before its verb is carried out; nothing if
/// it is not to be read at all.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<String>, CallError>")]
pub(super) struct ToRead {
    pub(super) text: String,
    pub(super) asker: Asker,
}

impl Writing {
    pub(super) fn note(&self) {
        let (mut span, now) = (self.span(), Instant::now());
        *span = Some((span.map_or(now, |(since, _)| since), now));
    }

    /// Whether somebody has written just now, and may go on.
    pub(super) fn is_recent(&self) -> bool {
        self.span().is_some_and(|(_, last)| last.elapsed() < QUIET)
    }

    /// Whether somebody is still writing, who is to have the processor for themselves.
    fn goes_first(&self) -> bool {
        let mut span = self.span();
        let goes_first = span
            .is_some_and(|(since, last)| last.elapsed() < QUIET && since.elapsed() < LONGEST_WAIT);
        if !goes_first {
            *span = None;
        }
        goes_first
    }

    fn span(&self) -> MutexGuard<'_, Option<(Instant, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler<ToRead> for Session {
    type Result = Result<Vec<String>, CallError>;

    fn handle(&mut self, read: ToRead, context: &mut Context<Self>) -> Self::Result {
        let ToRead { text, asker } = read;
        let (text, _) = self.enter(context, |engine, _| {
            Ok(match asker {
                Asker::Search => engine.readings(&text),
                Asker::Newcomer => engine.knows_alike().then_some(text).into_iter().collect(),
            })
        });
        text
    }
}

impl Session {
    /// Sets the embedder to work, unless it is at work or there is nothing to do. It is tried again
    /// after the next call and at the next sweep.
    pub(super) fn embed(&mut self, context: &mut Context<Self>) {
        let Some(embedder) = self.settings.embedder.clone() else { return };
        if self.is_embedding || embedder.is_away() || self.awaits_proof() {
            return;
        }
        if self.waits_for_writers(context) {
            return;
        }
        let waiting = match self.waiting(&embedder) {
            Ok(waiting) if waiting.is_empty() => return,
            Ok(waiting) => waiting,
            Err(error) => {
                log::error!("session {}: cannot read what to embed: {error}", self.user);
                return;
            }
        };
        self.is_embedding = true;
        let made = async move { embed(&embedder, waiting).await };
        context.spawn(made.into_actor(self).map(|made, session, context| {
            session.is_embedding = false;
            match made {
                Ok(made) => session.place(made, context),
                Err(error) => log::debug!("session {}: not embedded: {error}", session.user),
            }
        }));
    }

    /// Leaves the processor to whoever writes. Then the embedder is tried again when they may have
    /// ended.
    fn waits_for_writers(&mut self, context: &mut Context<Self>) -> bool {
        if !self.writing.goes_first() {
            return false;
        }
        if !self.awaits_quiet {
            self.awaits_quiet = true;
            context.run_later(QUIET, |session, context| {
                session.awaits_quiet = false;
                session.embed(context);
            });
        }
        true
    }

    /// What has no vector yet. As long as the model has not shown itself, one text that makes it.
    fn waiting(&self, embedder: &Embedder) -> Result<Vec<Unembedded>, EngineError> {
        match &self.engine {
            None => Ok(Vec::new()),
            Some(_) if embedder.model().is_none() => Ok(vec![Unembedded::probe()]),
            // The engine was opened before the model was known; it has to be opened anew.
            Some(engine) if !engine.has_model() => Ok(vec![Unembedded::probe()]),
            Some(engine) => engine.unembedded(PART),
        }
    }

    fn place(&mut self, made: Made, context: &mut Context<Self>) {
        let Some(engine) = &mut self.engine else { return };
        if !engine.has_model() {
            // It opens anew with the model, and must not lose what it counted.
            let (counted, _) = self.enter(context, |engine, _| engine.write_access());
            if let Err(error) = counted {
                log::warn!("session {}: cannot write its counts: {error}", self.user);
            }
            self.engine = None;
            return;
        }
        engine.pass_over(&made.refused);
        let (placed, _) = self.enter(context, |engine, _| engine.place(made.vectors));
        match placed {
            Ok(()) => self.embed(context),
            // They are asked for again when the store takes writes.
            Err(error) => log::warn!("session {}: cannot keep vectors: {error}", self.user),
        }
    }
}

/// What came of one part.
struct Made {
    vectors: Vec<Embedded>,
    /// Texts that the service does not take.
    refused: Vec<MemoryId>,
}

async fn embed(embedder: &Embedder, waiting: Vec<Unembedded>) -> Result<Made, EmbedError> {
    match embed_part(embedder, &waiting).await {
        Ok(vectors) => Ok(Made { vectors, refused: Vec::new() }),
        Err(error) if error.is_about_the_texts() => embed_singly(embedder, waiting).await,
        Err(error) => Err(error),
    }
}

/// One text may spoil the request of all.
async fn embed_singly(embedder: &Embedder, waiting: Vec<Unembedded>) -> Result<Made, EmbedError> {
    let mut made = Made { vectors: Vec::new(), refused: Vec::new() };
    for one in waiting {
        match embed_part(embedder, std::slice::from_ref(&one)).await {
            Ok(vectors) => made.vectors.extend(vectors),
            Err(error) if error.is_about_the_texts() => {
                log::warn!("memory {} cannot be embedded: {error}", one.id);
                made.refused.push(one.id);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

async fn embed_part(
    embedder: &Embedder,
    waiting: &[Unembedded],
) -> Result<Vec<Embedded>, EmbedError> {
    let texts: Vec<&str> = waiting.iter().map(|one| one.text.as_str()).collect();
    let vectors = embedder.embed(&texts, Purpose::Passage).await?;
    let made = waiting.iter().zip(vectors);
    Ok(made.map(|(one, vector)| Embedded { id: one.id, version: one.version, vector }).collect())
}
