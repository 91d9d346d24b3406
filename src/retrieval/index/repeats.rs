//! Keeps near-duplicates from filling the first places.

use crate::retrieval::Hit;

use super::Index;

/// How many of the best hits are held against one another. It does not depend on the limit, so
/// that a longer list begins as a shorter one does.
pub(super) const LOOKED_AT: usize = 32;
/// Texts with a cosine above this have the same words. Not lower: "at 3 pm" and "at 4 pm", "is" and
/// "is not" give 0.98.
const REPEATS: f32 = 0.99;
/// The part of its score that a repetition loses. Maximal marginal relevance (Carbonell and
/// Goldstein, 1998), on near-duplicates only.
const PENALTY: f32 = 0.2;

impl Index {
    /// Lowers each hit that repeats a better one, and cuts the list.
    pub(super) fn put_back_repeats(&self, mut hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
        let docs: Vec<u32> = hits.iter().take(LOOKED_AT).map(|hit| hit.doc.0).collect();
        for (at, hit) in hits.iter_mut().enumerate().take(LOOKED_AT) {
            let better = docs.get(..at).unwrap_or_default();
            let Some(vector) = self.vectors.get(hit.doc.0) else { continue };
            let mut cosines = self.vectors.cosines(&vector, better.iter().copied());
            if cosines.any(|cosine| cosine > REPEATS) {
                hit.why.repeats = -PENALTY * hit.score;
                hit.score += hit.why.repeats;
            }
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.doc.cmp(&a.doc)));
        hits.truncate(limit);
        hits
    }
}
