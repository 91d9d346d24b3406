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
    /// Lowers each hit that repeats a better one.
    pub(super) fn put_back_repeats(&self, hits: &mut [Hit]) {
        let docs: Vec<u32> = hits.iter().take(LOOKED_AT).map(|hit| hit.doc.0).collect();
        let few = self.vectors.only(&docs);
        let mut cosines = vec![0.0; docs.len()];
        for (place, (at, hit)) in (0..).zip(hits.iter_mut().enumerate()).take(LOOKED_AT) {
            // Those before it in the list are the better ones.
            let better = cosines.get_mut(..at).unwrap_or_default();
            few.scan_from(place, better);
            if better.iter().any(|&cosine| cosine > REPEATS) {
                hit.why.repeats = -PENALTY * hit.score;
                hit.score += hit.why.repeats;
            }
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.doc.cmp(&a.doc)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::retrieval::document::tests::note;
    use crate::retrieval::meaning::TableEmbedder;
    use crate::retrieval::{DocId, Why};

    proptest! {
        #[test]
        fn a_repetition_is_what_is_so_near_one_of_the_better(
            chosen in prop::collection::vec(0..6_usize, 0..LOOKED_AT + 8),
        ) {
            let texts = ["red sled", "Red sled!", "blue cup", "cello at noon", "", "sled, red"];
            let embedder = TableEmbedder::built_in().unwrap();
            let vectors = texts.map(|text| note(text).vector(|parts| embedder.embed(parts)));
            let mut index = Index::new();
            for (doc, &at) in (0..).map(DocId).zip(&chosen) {
                index.insert(doc, &note(texts[at]));
            }
            let hit = |doc: u32| Hit { doc: DocId(doc), score: 0.5, why: Why::default() };
            let mut hits: Vec<Hit> = (0..).take(chosen.len()).map(hit).collect();

            index.put_back_repeats(&mut hits);

            for hit in hits {
                let at = hit.doc.0 as usize;
                let is_near = |&other: &usize| vectors[chosen[at]].cosine(&vectors[other]) > REPEATS;
                let repeats = at < LOOKED_AT && chosen[..at].iter().any(is_near);
                prop_assert_eq!(hit.why.repeats < 0.0, repeats, "{} of {:?}", at, chosen);
            }
        }
    }
}
