//! Vectors of a better model than the table. They come from outside, later than the text.

use std::iter;

use super::mind::Mind;
use super::{Engine, EngineError};
use crate::model::MemoryId;
use crate::retrieval::{Document, Vector, asking_clauses};
use crate::store::StoredVector;

/// A text that waits for its vector.
#[derive(Debug)]
pub struct Unembedded {
    pub id: MemoryId,
    pub version: u32,
    pub text: String,
}

/// A text's vector, of any length.
#[derive(Debug)]
pub struct Embedded {
    pub id: MemoryId,
    pub version: u32,
    pub vector: Vec<f32>,
}

impl Unembedded {
    /// A text that is nobody's, to make a model show itself.
    #[must_use]
    pub fn probe() -> Self {
        Self { id: MemoryId::default(), version: 0, text: "memory".to_owned() }
    }
}

impl Engine {
    /// Whether vectors come from outside.
    #[must_use]
    pub fn has_model(&self) -> bool {
        self.mind.model.is_some()
    }

    /// A question as a model is to read it, without the names of those who speak in this session: as a
    /// whole, and then its clauses that ask, if it has others.
    #[must_use]
    pub fn readings(&self, question: &str) -> Vec<String> {
        let bare = self.mind.index.without_speakers(question);
        let clauses: Vec<String> = asking_clauses(&bare).into_iter().map(str::to_owned).collect();
        iter::once(bare).chain(clauses).collect()
    }

    /// Whether the model can tell what is like a newcomer: only of the one that is carried it was
    /// measured from where on its cosines say so.
    #[must_use]
    pub fn knows_alike(&self) -> bool {
        self.has_model() && !self.mind.index.has_chosen_model()
    }

    /// How many of all memories that can be seen have a vector of this engine's model, if it has one.
    pub(super) fn vectors(&self, seen: usize) -> Option<usize> {
        let Mind { catalog, waiting, .. } = &self.mind;
        let can_be_seen = |id: &&MemoryId| catalog.find(**id).is_some();
        self.mind.model.map(|_| seen.saturating_sub(waiting.iter().filter(can_be_seen).count()))
    }

    /// The next memories without a vector of this engine's model, newest first: those are asked for
    /// soonest.
    pub fn unembedded(&self, limit: usize) -> Result<Vec<Unembedded>, EngineError> {
        let ids: Vec<MemoryId> = self.mind.waiting.iter().rev().take(limit).copied().collect();
        let memories = ids.into_iter().map(|id| self.read(id));
        memories
            .map(|memory| {
                let memory = memory?;
                let doc = self.mind.catalog.find(memory.id);
                let is_turn = doc.is_some_and(|doc| self.mind.index.is_turn(doc));
                let text = Document::of(&memory).bare_text(is_turn);
                Ok(Unembedded { id: memory.id, version: memory.version, text })
            })
            .collect()
    }

    /// Keeps vectors. Those of texts that have changed meanwhile are dropped.
    pub fn place(&mut self, vectors: Vec<Embedded>) -> Result<(), EngineError> {
        let Some(model) = self.mind.model else { return Ok(()) };
        let mut write = self.begin()?;
        for Embedded { id, version, vector } in vectors {
            if self.mind.catalog.find(id).is_none() || self.read(id)?.version != version {
                continue;
            }
            let vector = Vector::quantize(&vector);
            let codes = vector.as_bytes().to_vec();
            write.embed(id, &StoredVector { model: model.0, of_version: version, codes }, vector);
        }
        self.commit(write)
    }

    /// Asks no more for vectors of these, until they change or the session wakes anew.
    pub fn pass_over(&mut self, ids: &[MemoryId]) {
        ids.iter().for_each(|id| self.mind.pass_over(*id));
    }

    /// Places what was stored of this engine's model, and notes what has none.
    pub(super) fn load_vectors(&mut self) -> Result<(), EngineError> {
        let Self { store, mind, .. } = self;
        let Some(model) = mind.model else { return Ok(()) };
        mind.waiting = mind.catalog.iter().map(|(_, entry)| entry.id).collect();
        for row in store.scan::<StoredVector>() {
            let (id, stored) = row?;
            let Some(doc) = mind.catalog.find(id) else { continue };
            let is_current =
                mind.catalog.get(doc).is_some_and(|entry| entry.version == stored.of_version);
            if is_current && stored.model == model.0 {
                mind.index.place(doc, &Vector::from_bytes(&stored.codes));
                mind.waiting.remove(&id);
            }
        }
        Ok(())
    }
}
