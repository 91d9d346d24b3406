//! The index written down, and read back.
//!
//! What is written is what was made of texts, in few bytes: entries, terms with their postings, who speaks, which turns
//! stand together, vectors. What follows from it, such as tables of hashes, is made anew. Of documents that were taken out
//! nothing is written, though the index may still hold a name or a vector of theirs.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::sync::OnceLock;

use crate::model::{Memory, MemoryId, Timestamp};
use crate::retrieval::meaning::{ModelDigest, TableEmbedder, Vectors};
use crate::retrieval::{DocId, Document, Packer, Unpacker};

use super::Index;
use super::english::English;
use super::entry::Entries;
use super::lexicon::Lexicon;
use super::sittings::Sittings;
use super::speakers::Speakers;

/// Raised when something else is made of texts than before, or it is written otherwise, and [`SAMPLES`] do not show it.
const VERSION: u64 = 1;

/// Texts that show what is made of texts: words and their stems, names, identifiers, dates, scripts.
const SAMPLES: [&str; 12] = [
    "Ada: We were running late, so the meetings were moved to next Thursday; nobody's happy.",
    "Ada: The router's password is taped below the desk, and not in the drawer!",
    "Ben Red: Did you see the geese? They ate the children's leaves, better than 3 of mine.",
    "getUserName() in src/http_server2.rs fails with E0308 for ada.lovelace@example.com",
    "Die H\u{e4}user der Donaudampfschifffahrtsgesellschaft wurden gr\u{fc}n gestrichen.",
    "Les enfants n'ont pas mang\u{e9} les \u{153}ufs que nous avions achet\u{e9}s hier.",
    "\u{41a}\u{43d}\u{438}\u{433}\u{438} \u{43b}\u{435}\u{436}\u{430}\u{43b}\u{438} \u{43d}\u{430} \u{441}\u{442}\u{43e}\u{43b}\u{435}",
    "\u{6771}\u{4eac}\u{3067}\u{5bff}\u{53f8}\u{3092}\u{98df}\u{3079}\u{307e}\u{3057}\u{305f}",
    "\u{c11c}\u{c6b8}\u{c5d0}\u{c11c} \u{ce5c}\u{ad6c}\u{b97c} \u{b9cc}\u{b0ac}\u{b2e4}",
    "\u{627}\u{644}\u{643}\u{62a}\u{627}\u{628} \u{639}\u{644}\u{649} \u{627}\u{644}\u{637}\u{627}\u{648}\u{644}\u{629}",
    "\u{915}\u{93f}\u{924}\u{93e}\u{92c} \u{92e}\u{947}\u{91c}\u{93c} \u{92a}\u{930} \u{939}\u{948}",
    "IMPORTANT: pay 1,299.50 EUR by 2023-05-08 -- ref. no. 4711/B \u{1f697}",
];

impl Index {
    /// Whether its documents lie so close together that it can be read back.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.entries.is_dense()
    }

    /// Writes it down.
    pub fn pack(&self, packer: &mut Packer<'_>) {
        self.entries.pack(packer);
        self.lexicon.pack(packer);
        self.sittings.pack(packer);
        self.speakers.pack(packer);
        self.english.pack(packer);
        self.vectors.pack(packer);
        let model = self.model.as_ref().map(|model| model.0.as_slice());
        packer.bytes(model.unwrap_or_default());
        self.made.pack(packer);
    }

    /// Reads one back, for a better model or for none. Tells whether it has what that model has made, or whether that
    /// has to be placed yet, because the index was another model's.
    pub fn unpack(
        unpacker: &mut Unpacker<'_>,
        model: Option<ModelDigest>,
    ) -> io::Result<(Self, bool)> {
        let entries = Entries::unpack(unpacker)?;
        let span = entries.span();
        let lexicon = Lexicon::unpack(unpacker, span)?;
        let sittings = Sittings::unpack(unpacker, span, &|doc| entries.moment(doc))?;
        let speakers = Speakers::unpack(unpacker)?;
        let english = English::unpack(unpacker)?;
        let vectors = Vectors::unpack(unpacker)?;
        let found: Option<[u8; 16]> = unpacker.bytes()?.try_into().ok();
        let made = Vectors::unpack(unpacker)?;
        let is_same = found.map(ModelDigest) == model;
        let made = if is_same { made } else { Vectors::default() };
        let known = Self { lexicon, entries, sittings, speakers, ..Self::default() };
        Ok((Self { vectors, made, model, english, ..known }, is_same))
    }

    /// Tells what this program makes of texts from what another one does: an index that was written by a program with
    /// another number is not to be read.
    #[must_use]
    pub fn fingerprint() -> u64 {
        static MADE: OnceLock<u64> = OnceLock::new();
        *MADE.get_or_init(|| {
            let mut digest = Digest(DefaultHasher::new());
            digest.0.write_u64(VERSION);
            digest.0.write(&TableEmbedder::built_in().map_or([0; 16], |table| table.model().0));
            let mut packer = Packer::new(&mut digest);
            of_samples().pack(&mut packer);
            // It takes whatever it is given.
            let _ = packer.finish();
            digest.0.finish()
        })
    }
}

/// Takes bytes for their digest.
struct Digest(DefaultHasher);

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn of_samples() -> Index {
    let at = Timestamp(1_683_500_000_000);
    let mut index = Index::new();
    for (doc, text) in (0..).map(DocId).zip(SAMPLES) {
        let memory = Memory::new(MemoryId::default(), text.to_owned(), at);
        let memory = Memory { event_at: Some(at.into()), ..memory };
        index.insert(doc, &Document::of(&memory));
    }
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ParsedDocument;
    use super::super::tests::{Made, NOW, built, made};
    use super::*;
    use crate::retrieval::packer::tests::{packed, unpacked};
    use crate::retrieval::{Query, Ranking, Vector};

    const MODEL: ModelDigest = ModelDigest([7; 16]);

    fn bytes_of(index: &Index) -> Vec<u8> {
        packed(|packer| index.pack(packer))
    }

    fn again(bytes: &[u8], model: Option<ModelDigest>) -> io::Result<(Index, bool)> {
        unpacked(bytes, |unpacker| Index::unpack(unpacker, model))
    }

    /// An index of a model from which some documents are gone, with vectors of some of the others.
    fn of_model(made: &[Made], keep: u32, placed: u32) -> Index {
        let mut index = Index::for_model(MODEL);
        for (doc, made) in (0_u32..).zip(made) {
            index.insert(DocId(doc), &made.document());
            if placed >> doc & 1 == 1 {
                #[allow(clippy::cast_precision_loss, reason = "a small number")]
                let side = doc as f32;
                index.place(DocId(doc), &Vector::quantize(&[1.0, side, 0.5, -side]));
            }
        }
        for (doc, made) in (0_u32..).zip(made).filter(|&(doc, _)| keep >> doc & 1 == 0) {
            index.remove(DocId(doc), &made.document());
        }
        index
    }

    fn answers(index: &Index, made: &[Made]) -> Vec<String> {
        let mut found = Vec::new();
        for query in ["red the sled", "user name", "\u{6771}\u{4eac} cup 7", "Ben sledd", ""] {
            for mode in [Ranking::Keyword, Ranking::Semantic, Ranking::Hybrid] {
                let query = Query::new(query, NOW).with_mode(mode);
                found.push(format!("{:?}", index.rank(&query, &|_| true, 10)));
            }
            found.push(index.without_speakers(query));
        }
        for (doc, made) in (0..).map(DocId).zip(made) {
            let newcomer = ParsedDocument::of(&made.document());
            found.push(format!("{:?}", index.similar(&newcomer, None, &|_| true, 5)));
            found.push(format!("{:?} {}", index.direction(doc), index.is_turn(doc)));
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_was_written_down_answers_as_before_and_goes_on_alike(
            made in made(),
            keep in any::<u32>(),
            placed in any::<u32>(),
        ) {
            let mut index = of_model(&made, keep, placed);
            let bytes = bytes_of(&index);
            let (mut again, has_vectors) = again(&bytes, Some(MODEL)).unwrap();

            prop_assert!(has_vectors && index.is_dense());
            prop_assert_eq!(answers(&again, &made), answers(&index, &made));
            prop_assert_eq!((again.len(), again.terms()), (index.len(), index.terms()));
            for (doc, made) in (0_u32..).zip(&made) {
                for index in [&mut index, &mut again] {
                    if keep >> doc & 1 == 0 {
                        index.insert(DocId(doc), &made.document());
                    } else if placed >> doc & 1 == 0 {
                        index.remove(DocId(doc), &made.document());
                    }
                }
            }
            prop_assert_eq!(answers(&again, &made), answers(&index, &made));
        }

        #[test]
        fn damage_is_refused_or_read_without_a_panic(
            made in made(),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = bytes_of(&of_model(&made, u32::MAX, u32::MAX));
            let cut = cut.index(bytes.len());
            prop_assert!(again(&bytes[..cut], Some(MODEL)).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            // Whoever keeps it knows that it is damaged, and asks it nothing.
            let _ = again(&bytes, Some(MODEL));
        }
    }

    #[test]
    fn what_another_model_has_made_is_left_out() {
        let index = Index::for_model(MODEL);
        let bytes = bytes_of(&index);

        for other in [None, Some(ModelDigest([8; 16]))] {
            let (again, has_vectors) = again(&bytes, other).unwrap();
            assert!(!has_vectors && again.model == other);
        }
        let (_, has_vectors) = again(&bytes_of(&built(&[], |_| true)), None).unwrap();
        assert!(has_vectors, "neither has any");
    }

    #[test]
    fn of_what_was_taken_out_nothing_is_written() {
        let text = "Quittenmus und Zwetschgenkn\u{f6}del";
        let memory = Memory::new(MemoryId::default(), format!("Annegret: {text}"), Timestamp(0));
        let document = Document::of(&memory);
        let mut index = Index::new();
        index.insert(DocId(0), &document);
        index.insert(DocId(1), &document);
        let finds = |index: &Index, name: &str| {
            let bytes = bytes_of(index);
            bytes.windows(name.len()).any(|window| window == name.as_bytes())
        };
        let name = "annegret";
        assert!(finds(&index, name));
        let vector = index.vectors.get(0).unwrap();

        index.remove(DocId(0), &document);
        index.remove(DocId(1), &document);

        assert!(!finds(&index, name) && !finds(&index, "quitt"));
        let bytes = bytes_of(&index);
        let head = &vector.as_bytes()[..64];
        assert!(!bytes.windows(head.len()).any(|window| window == head));
    }

    #[test]
    fn a_list_that_lies_about_its_length_takes_no_room() {
        let bytes = packed(|packer| {
            packer.number(1 << 40);
            packer.number(1 << 31);
        });
        assert!(again(&bytes, None).is_err());

        let many_numbers = packed(|packer| {
            packer.number(1);
            packer.number(1 << 31);
            packer.raw(&[0; 64]);
        });
        assert!(again(&many_numbers, None).is_err());
    }

    #[test]
    fn the_fingerprint_is_the_same_every_time() {
        let bytes = bytes_of(&of_samples());

        assert_eq!(bytes, bytes_of(&of_samples()));
        assert_eq!(Index::fingerprint(), Index::fingerprint());
        assert_eq!(of_samples().len(), SAMPLES.len());
    }
}
