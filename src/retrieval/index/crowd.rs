//! Holds a cosine against how crowded it is where a document lies.
//!
//! In many dimensions some texts lie near nearly all others, and so near to every question
//! (Radovanovic, Nanopoulos and Ivanovic, "Hubs in Space", 2010); and of many that say about the same
//! each is as near as the rest, though one is meant at most. Cross-domain similarity local scaling
//! (Conneau et al., "Word Translation Without Parallel Data", 2018) takes off what a document has of
//! its neighbors. Here these are looked for among what is nearest to the question only, so that
//! nothing is kept beside the vectors.

use super::Index;
use super::top::{Ranked, Top};

/// How many documents are held against one another. From 32 to 256 it makes no difference.
const LOOKED_AT: usize = 100;
/// How many neighbors make a crowd, as in the paper. 3 do the same.
const NEIGHBORS: usize = 10;
/// What of the neighbors' cosine is taken off. The paper has 0.5; of 0.15 to 0.5, less costs the notes
/// least whose neighbor shares more words with the question (`docs/RECALL.md`).
const CROWDED: f32 = 0.2;

impl Index {
    /// Lowers the model's cosines of what lies in a crowd and raises those of what stands alone, among
    /// the documents nearest to a question. Their mean stays as it is.
    pub(super) fn thin_out(&self, cosines: &mut [f32]) {
        let mut top = Top::new(LOOKED_AT);
        for (doc, &score) in (0..).zip(cosines.iter()) {
            let ranked = Ranked { score, doc };
            if top.takes(ranked) && self.made.has(doc) {
                top.push(ranked);
            }
        }
        let docs: Vec<u32> = top.into_sorted().iter().map(|ranked| ranked.doc).collect();
        let crowds = self.crowds(&docs);
        #[allow(clippy::cast_precision_loss, reason = "at most LOOKED_AT")]
        let usual = crowds.iter().sum::<f32>() / crowds.len().max(1) as f32;
        for (doc, crowd) in docs.into_iter().zip(crowds) {
            if let Some(cosine) = cosines.get_mut(doc as usize) {
                *cosine -= CROWDED * (crowd - usual);
            }
        }
    }

    /// The mean cosine of each of some documents to its nearest neighbors among them.
    fn crowds(&self, docs: &[u32]) -> Vec<f32> {
        let few = self.made.only(docs);
        let mut cosines = vec![0.0; docs.len()];
        let neighbors = NEIGHBORS.min(docs.len().saturating_sub(1));
        let crowd = |place| {
            few.scan_from(place, &mut cosines);
            cosines.select_nth_unstable_by(neighbors, |a, b| b.total_cmp(a));
            // The nearest of all is the document itself.
            let sum = cosines.iter().take(neighbors + 1).sum::<f32>() - 1.0;
            #[allow(clippy::cast_precision_loss, reason = "at most NEIGHBORS")]
            let mean = sum / neighbors.max(1) as f32;
            mean
        };
        (0..).take(docs.len()).map(crowd).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::retrieval::document::tests::note;
    use crate::retrieval::{DocId, ModelDigest, Vector};

    use super::*;

    #[test]
    fn of_two_that_are_as_near_the_one_that_stands_alone_comes_first() {
        let mut index = Index::for_model(ModelDigest([7; 16]));
        for doc in 0..4 {
            index.insert(DocId(doc), &note("a note"));
        }
        // Three lie in one place, the last as far from the question on the other side.
        for (doc, side) in [(0, 1.0), (1, 1.0), (2, 1.0), (3, -1.0)] {
            index.place(DocId(doc), &Vector::quantize(&[1.0, side, 0.0, 0.0]));
        }
        let mut cosines = [0.7_f32; 4];

        index.thin_out(&mut cosines);

        assert!(cosines[3] > 0.7 && cosines[..3].iter().all(|&cosine| cosine < 0.7));
        assert!((cosines.iter().sum::<f32>() - 2.8).abs() < 1e-5);
    }

    #[test]
    fn a_single_document_and_none_stay_what_they_are() {
        let mut index = Index::for_model(ModelDigest([7; 16]));
        index.thin_out(&mut []);
        index.insert(DocId(0), &note("a note"));
        index.place(DocId(0), &Vector::quantize(&[1.0, 0.0]));
        let mut cosines = [0.4];

        index.thin_out(&mut cosines);

        assert_eq!(cosines, [0.4]);
    }
}
