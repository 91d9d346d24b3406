//! What must be true of the index whatever is in it.

use proptest::prelude::*;

use super::*;
use crate::model::{Priority, Tags, Timestamp};
use crate::retrieval::document::tests::{note, turn};
use crate::retrieval::{Hit, Query, Ranking, SittingKey};

pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn ask(index: &Index, text: &str) -> Vec<u32> {
    ranked(index, text).iter().map(|hit| hit.doc.0).collect()
}

fn ranked(index: &Index, text: &str) -> Vec<Hit> {
    index.rank(&Query::new(text, NOW), &|_| true, 10)
}

fn ask_words(index: &Index, text: &str) -> Vec<u32> {
    let query = Query::new(text, NOW).with_mode(Ranking::Keyword);
    index.rank(&query, &|_| true, 10).iter().map(|hit| hit.doc.0).collect()
}

fn index_of(contents: &[&str]) -> Index {
    let mut index = Index::new();
    let documents = contents.iter().map(|content| note(content));
    index.extend(&(0..).map(DocId).zip(documents).collect::<Vec<_>>(), &[]);
    index.settle();
    index
}

/// So many texts of 25 words out of 4,000, of which few are frequent and most are rare.
fn texts(count: u64) -> Vec<String> {
    const SYLLABLES: [&str; 16] = [
        "ba", "co", "du", "fe", "gi", "ka", "lo", "mu", "ne", "pi", "ra", "so", "tu", "ve", "wi",
        "zo",
    ];
    let word = |rank: u64| {
        let syllable = |shift: u64| SYLLABLES[(rank >> shift & 15) as usize];
        [8, 4, 0].map(syllable).concat()
    };
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let part = (state >> 33) % 4_000;
        // Squared, so that half of all words are out of a quarter of the vocabulary.
        word(part * part / 4_000)
    };
    (0..count).map(|_| (0..25).map(|_| next()).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_memory_takes_less_than_700_bytes_of_the_index() {
    let texts = texts(10_000);
    let index = index_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());

    let bytes = index.bytes() / index.len();

    assert!((300..700).contains(&bytes), "{bytes}: 256 of them are the vector");
}

#[test]
fn what_goes_while_many_come_leaves_no_trace() {
    let mut index = Index::new();
    // Twice, so that the words are met again and their terms remembered.
    index.extend(&[(DocId(0), note("red sled, red sled"))], &[]);
    index.remove(DocId(0), &note("red sled, red sled"));
    index.extend(&[(DocId(1), note("blue cup")), (DocId(2), note("red cup"))], &[]);

    assert_eq!(ask_words(&index, "red"), [2]);
    assert_eq!(ask_words(&index, "blue"), [1]);
    assert!(ask_words(&index, "sled").is_empty());
}

#[test]
fn one_after_the_other_and_many_at_once_are_found_alike() {
    let texts = texts(60);
    let together = index_of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut singly = Index::new();
    for (doc, text) in (0..).map(DocId).zip(&texts) {
        singly.insert(doc, &note(text));
    }

    for text in &texts {
        assert_eq!(ranked(&singly, text), ranked(&together, text));
    }
}

#[test]
fn a_rare_term_outweighs_a_common_one() {
    let index = index_of(&["a red cup", "a red bowl", "a red sled", "a blue sled"]);

    assert_eq!(ask(&index, "red sled").first(), Some(&2));
    assert_eq!(ask(&index, "bowl sled red").first(), Some(&1));
}

#[test]
fn title_and_tags_weigh_more_than_content() {
    let tags: Tags = serde_json::from_str(r#"["lisbon"]"#).unwrap();
    let mut index = index_of(&["we flew to lisbon and had fish", "we flew home and had soup"]);
    index.insert(DocId(2), &Document { title: Some("Lisbon"), ..note("we had fish and wine") });
    index.insert(DocId(3), &Document { tags: tags.as_slice(), ..note("we had fish and wine") });

    let found = ask_words(&index, "lisbon");

    assert_eq!(found, [3, 2, 0]);
}

#[test]
fn a_question_of_stop_words_still_finds_them() {
    let index = index_of(&["The Who played in Leeds", "Leeds is in Yorkshire"]);

    assert_eq!(ask_words(&index, "the who"), [0]);
}

#[test]
fn what_only_builds_a_sentence_weighs_little_in_other_languages_too() {
    let index = index_of(&[
        "Haust\u{fc}r: gr\u{fc}ner Anstrich",
        "die Ferien von unseren Eltern und welchen Freunden",
    ]);

    let found = ask_words(&index, "welchen Anstrich bekommt die Haust\u{fc}r von unseren Nachbarn");

    assert_eq!(found, [0, 1]);
}

#[test]
fn of_equals_the_newer_comes_first() {
    let index = index_of(&["milk", "milk", "milk"]);

    assert_eq!(ask_words(&index, "milk").first(), Some(&2));
}

#[test]
fn names_numbers_and_addresses_are_found_in_every_script() {
    let index = index_of(&[
        "call getUserName from src/users.rs",
        "mail ada@example.com about 192.168.1.10",
        "\u{6771}\u{4eac}\u{90fd}\u{306b}\u{4f4f}\u{3080}",
        "Caf\u{e9} Zo\u{eb} closes at 18:30",
    ]);

    assert_eq!(ask(&index, "user name").first(), Some(&0));
    assert_eq!(ask(&index, "getUserName").first(), Some(&0));
    assert_eq!(ask(&index, "Ada@Example.com").first(), Some(&1));
    assert_eq!(ask(&index, "192.168.1.10").first(), Some(&1));
    assert_eq!(ask(&index, "\u{6771}\u{4eac}").first(), Some(&2));
    assert_eq!(ask(&index, "cafe zoe").first(), Some(&3));
    assert_eq!(ask(&index, "18:30").first(), Some(&3));
}

#[test]
fn priors_decide_between_equals_and_nothing_else() {
    let weighty = Document {
        priority: Priority::new(5).unwrap(),
        pinned: true,
        written_at: NOW,
        ..note("the cello lesson")
    };
    let mut index = index_of(&["the cello lesson is on tuesday"]);
    index.insert(DocId(1), &weighty);
    index.insert(DocId(2), &note("the cello lesson"));

    assert_eq!(ask(&index, "cello lesson").first(), Some(&1));
    assert_eq!(ask(&index, "cello lesson tuesday").first(), Some(&0));
}

#[test]
fn an_empty_index_and_an_empty_question_find_nothing() {
    assert!(ask(&Index::new(), "milk").is_empty());
    assert!(ask(&index_of(&["milk"]), " ?! ").is_empty());
    assert!(index_of(&["milk"]).rank(&Query::new("milk", NOW), &|_| true, 0).is_empty());
}

const DAY: i64 = 86_400_000;

/// Two sittings of a conversation and a note, a month apart.
fn conversation() -> Index {
    let at = |day: i64, line| Document { event_at: Some(Timestamp(NOW.0 - day * DAY)), ..line };
    let mut index = Index::new();
    let lines = [
        at(60, turn("Ada", "Ada: Where did you go on holiday?")),
        at(60, turn("Ben", "Ben: To Lisbon! I ate a lot of fish.")),
        at(60, turn("Ada", "Ada: Nice.")),
        at(30, turn("Ben", "Ben: My cat is ill.")),
        at(30, turn("Ada", "Ada: Oh no, poor thing.")),
        at(30, note("Rubbish is collected on Mondays.")),
    ];
    index.extend(&(0..).map(DocId).zip(lines).collect::<Vec<_>>(), &[]);
    index.settle();
    index
}

#[test]
fn an_answer_is_found_by_the_words_of_the_question_before_it() {
    let found = ask(&conversation(), "Where did Ben go on holiday?");

    assert_eq!(found.first(), Some(&1));
    assert!(!ask_words(&conversation(), "holiday").contains(&5), "a note has no neighbors");
}

#[test]
fn words_do_not_reach_into_another_sitting() {
    let found = ask_words(&conversation(), "holiday");

    assert!(found.contains(&2) && !found.contains(&3));
}

#[test]
fn a_plain_note_between_turns_is_ranked_by_its_own_words() {
    let mut index = conversation();
    let before = ranked(&index, "rubbish monday");
    index.remove(
        DocId(4),
        &Document {
            event_at: Some(Timestamp(NOW.0 - 30 * DAY)),
            ..turn("Ada", "Ada: Oh no, poor thing.")
        },
    );

    assert_eq!(before.first().map(|hit| hit.doc.0), Some(5));
    assert_eq!(ask(&index, "rubbish monday").first(), Some(&5));
}

#[test]
fn the_speaker_whom_a_question_names_comes_first() {
    let mut index = Index::new();
    index.insert(DocId(0), &turn("Ada", "Ada: I play the cello"));
    index.insert(DocId(1), &turn("Ben", "Ben: I play the cello"));
    index.insert(DocId(2), &turn("Ada", "Ada: yes"));
    index.insert(DocId(3), &turn("Ben", "Ben: yes"));

    assert_eq!(ask(&index, "Does Ada play the cello?").first(), Some(&0));
    assert_eq!(ask(&index, "Does Ben play the cello?").first(), Some(&1));
    assert!(ranked(&index, "Does Ben play the cello?").iter().any(|hit| hit.why.speaker > 0.0));
}

#[test]
fn a_question_that_names_a_time_prefers_it() {
    let at = |day| Document { event_at: Some(Timestamp(NOW.0 - day * DAY)), ..note("we had soup") };
    let mut index = Index::new();
    // NOW is 14 November 2023.
    for (doc, day) in (0..).map(DocId).zip([1, 31, 250, 400]) {
        index.insert(doc, &at(day));
    }

    assert_eq!(ask(&index, "what did we have yesterday").first(), Some(&0));
    assert_eq!(ask(&index, "soup last month").first(), Some(&1));
    assert_eq!(ask(&index, "soup last March").first(), Some(&2));
    assert_eq!(ask(&index, "soup in 2022").first(), Some(&3));
}

#[test]
fn slips_of_the_pen_are_forgiven() {
    let index = index_of(&[
        "The user is allergic to penicillin",
        "Deploys need authentication",
        "\u{9ed2}\u{732b}\u{304c}\u{3044}\u{308b}",
        "She plays the cello",
    ]);

    assert_eq!(ask_words(&index, "alergic to penicilin").first(), Some(&0));
    assert_eq!(ask_words(&index, "auth").first(), Some(&1));
    assert_eq!(ask_words(&index, "\u{732b}").first(), Some(&2));
    assert!(ask_words(&index, "zebra").is_empty());
}

#[test]
fn what_was_bought_is_found_by_buy() {
    let index = index_of(&["She bought a red bicycle", "He sold his car"]);

    assert_eq!(ask_words(&index, "what did she buy"), [0]);
}

#[test]
fn meaning_finds_what_words_do_not() {
    let index =
        index_of(&["We watched a film", "The router needs a reboot", "Rent is due on Friday"]);

    assert!(ask_words(&index, "movie").is_empty());
    assert_eq!(ask(&index, "movie"), [0], "and nothing that has nothing to do with it");
}

#[test]
fn repeats_make_room() {
    let index =
        index_of(&["cello lesson at noon", "Cello lesson at NOON", "cello lesson with Ada"]);
    let hits = ranked(&index, "cello lesson");

    let last = hits.last().map(|hit| (hit.doc.0, hit.why.repeats < 0.0));
    assert_eq!(last, Some((0, true)));
}

#[test]
fn vectors_of_another_model_are_used_instead_of_the_table() {
    let mut index = Index::for_model(ModelDigest([7; 16]));
    index.insert(DocId(0), &note("one"));
    index.insert(DocId(1), &note("two"));
    index.place(DocId(0), &Vector::quantize(&[1.0, 0.0]));
    index.place(DocId(1), &Vector::quantize(&[0.0, 1.0]));
    let asked = Vector::quantize(&[0.1, 1.0]);

    let query = Query { vector: Some(&asked), ..Query::new("three", NOW) };
    let hits = index.rank(&query, &|_| true, 1);

    assert_eq!(hits.first().map(|hit| hit.doc), Some(DocId(1)));
}

#[test]
fn what_each_part_gave_adds_up_to_the_score() {
    for hit in ranked(&conversation(), "Where did Ben go on holiday in September 2023?") {
        let why = hit.why;
        let sum = why.words + why.meaning + why.speaker + why.time + why.priors + why.repeats;

        assert!((sum - hit.score).abs() < 1e-5, "{hit:?}");
    }
}

#[derive(Debug, Clone)]
pub(super) struct Made {
    text: String,
    author: Option<&'static str>,
    run: Option<u64>,
    minute: i64,
}

impl Made {
    pub(super) fn document(&self) -> Document<'_> {
        Document {
            author: self.author,
            sitting: self.run.map(|run| SittingKey { run, is_told: true }),
            event_at: Some(Timestamp(self.minute * 60_000)),
            ..note(&self.text)
        }
    }
}

pub(super) fn made() -> impl Strategy<Value = Vec<Made>> {
    let word = prop::sample::select(vec![
        "red",
        "blue",
        "the",
        "sled",
        "cup",
        "Lisbon",
        "getUserName",
        "a_b",
        "\u{6771}\u{4eac}",
        "7",
    ]);
    let text = prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    let author = prop::sample::select(vec![None, Some("Ada"), Some("Ben Red")]);
    let run = prop::sample::select(vec![None, Some(1), Some(1), Some(2)]);
    let one = (text, author, run, 0..200_i64);
    let one = one.prop_map(|(text, author, run, minute)| Made { text, author, run, minute });
    prop::collection::vec(one, 1..24)
}

pub(super) fn built(made: &[Made], stays: impl Fn(u32) -> bool) -> Index {
    let all = (0..).zip(made).filter(|&(doc, _)| stays(doc));
    let mut index = Index::new();
    let documents: Vec<_> = all.map(|(doc, made)| (DocId(doc), made.document())).collect();
    index.extend(&documents, &[]);
    index.settle();
    index
}

/// A text of some of six words: one of 64.
fn few_words(bits: u32) -> String {
    let words = ["red", "sled", "cup", "Lisbon", "Ada", "two"];
    let chosen = words.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    chosen.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_filter_lets_all_allowed_through_and_no_other(made in made(), query in ".{0,20}", odd: bool) {
        let index = built(&made, |_| true);
        let allowed = |doc: DocId| (doc.0 % 2 == 1) == odd;
        for query in [query.as_str(), "red sled Lisbon"] {
            let all = index.rank(&Query::new(query, NOW), &|_| true, 100);
            let some = index.rank(&Query::new(query, NOW), &allowed, 100);

            prop_assert!(some.iter().all(|hit| allowed(hit.doc)));
            prop_assert_eq!(some.len(), all.iter().filter(|hit| allowed(hit.doc)).count());
        }
    }

    #[test]
    fn removing_leaves_what_would_have_been_built(made in made(), keep in any::<u32>()) {
        let stays = |doc: u32| keep >> doc & 1 == 1;
        let numbered: Vec<(u32, &Made)> = (0..).zip(&made).collect();
        let mut index = Index::new();
        for (doc, made) in numbered.iter().rev() {
            index.insert(DocId(*doc), &made.document());
        }
        for (doc, made) in numbered.iter().filter(|(doc, _)| !stays(*doc)) {
            index.remove(DocId(*doc), &made.document());
        }
        let built = built(&made, stays);

        prop_assert_eq!((index.len(), index.terms()), (built.len(), built.terms()));
        for query in ["red the sled", "user name", "\u{6771}\u{4eac} cup 7", "the", "Ben sledd", ""] {
            for mode in [Ranking::Keyword, Ranking::Semantic, Ranking::Hybrid] {
                let rank = |index: &Index| {
                    index.rank(&Query::new(query, NOW).with_mode(mode), &|_| true, 10)
                };
                prop_assert_eq!(rank(&index), rank(&built));
            }
        }
        for made in &made {
            let newcomer = ParsedDocument::of(&made.document());
            let similar = |index: &Index| index.similar(&newcomer, None, &|_| true, 5);
            prop_assert_eq!(similar(&index), similar(&built));
        }
    }

    #[test]
    fn what_is_passed_over_would_not_have_been_among_the_best(
        made in prop::collection::vec((0..64_u32, 1..=5_u8, any::<bool>(), 0..90_i64), 100..400),
        named: bool,
    ) {
        let texts: Vec<String> = made.iter().map(|one| few_words(one.0)).collect();
        let mut index = Index::new();
        for (doc, (text, &(bits, priority, pinned, age))) in (0..).zip(texts.iter().zip(&made)) {
            let written_at = Timestamp(NOW.0 - age * DAY);
            let priority = Priority::new(priority).unwrap_or_default();
            let author = (bits % 3 == 0).then_some("Ada");
            let note = Document { written_at, priority, pinned, author, ..note(text) };
            index.insert(DocId(doc), &note);
        }
        let query = if named { "Ada red sled yesterday" } else { "red sled" };
        let raw = |hit: &Hit| hit.score - hit.why.repeats;

        let best = index.rank(&Query::new(query, NOW), &|_| true, 40);
        let all = index.rank(&Query::new(query, NOW), &|_| true, made.len());

        let worst = best.iter().map(raw).fold(1.0, f32::min);
        let others = all.iter().filter(|hit| best.iter().all(|other| other.doc != hit.doc));
        prop_assert_eq!(best.len(), all.len().min(40));
        prop_assert!(others.map(raw).all(|other| other <= worst + 1e-6));
    }

    #[test]
    fn the_best_few_are_the_first_of_all_and_all_are_counted(
        made in prop::collection::vec((0..64_u32, 0..90_i64), 0..300),
        wanted in 0..60_usize,
        most in 0..230_usize,
        every in 1..4_u32,
    ) {
        let texts: Vec<String> = made.iter().map(|one| few_words(one.0)).collect();
        let mut index = Index::new();
        for (doc, (text, (_, age))) in (0..).map(DocId).zip(texts.iter().zip(&made)) {
            let written_at = Timestamp(NOW.0 - age * DAY);
            index.insert(doc, &Document { written_at, ..note(text) });
        }
        let allowed = |doc: DocId| doc.0.is_multiple_of(every);
        for mode in [Ranking::Keyword, Ranking::Semantic, Ranking::Hybrid] {
            let query = Query::new("red sled Lisbon", NOW).with_mode(mode);

            let all = index.rank(&query, &allowed, most);
            let few = index.answers(&query, &allowed, wanted, most);

            prop_assert_eq!(few.total, all.len());
            prop_assert_eq!(few.hits.as_slice(), &all[..wanted.min(all.len())]);
            if mode == Ranking::Keyword {
                let shares = |&(doc, (bits, _)): &(u32, &(u32, i64))| {
                    allowed(DocId(doc)) && bits & 0b1011 != 0
                };
                prop_assert_eq!(few.total, (0..).zip(&made).filter(shares).count().min(most));
            }
        }
    }

    #[test]
    fn scores_fall_from_one_to_zero(made in made()) {
        let hits = ranked(&built(&made, |_| true), "red Lisbon getUserName");

        prop_assert!(hits.iter().all(|hit| hit.score > 0.0 && hit.score <= 1.0));
        prop_assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
    }

    #[test]
    fn no_text_is_too_strange(text in any::<String>(), query in any::<String>()) {
        let mut index = index_of(&[&text]);
        let _ = ask(&index, &query);
        index.remove(DocId(0), &note(&text));

        prop_assert_eq!(index.terms(), 0);
    }
}
