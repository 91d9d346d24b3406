//! What must be true of the index whatever is in it.

use proptest::prelude::*;

use super::*;
use crate::model::{Priority, Tags, Timestamp};
use crate::retrieval::document::tests::note;
use crate::retrieval::{Hit, Query};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn ask(index: &Index, text: &str) -> Vec<u32> {
    ranked(index, text).iter().map(|hit| hit.doc.0).collect()
}

fn ranked(index: &Index, text: &str) -> Vec<Hit> {
    index.rank(&Query::new(text, NOW), &|_| true, 10)
}

fn index_of(contents: &[&str]) -> Index {
    let mut index = Index::new();
    index.extend((0..).map(DocId).zip(contents.iter().map(|content| note(content))));
    index
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

    let found = ask(&index, "lisbon");

    assert_eq!(found, [3, 2, 0]);
}

#[test]
fn a_question_of_stop_words_still_finds_them() {
    let index = index_of(&["The Who played in Leeds", "Leeds is in Yorkshire"]);

    assert_eq!(ask(&index, "the who"), [0]);
}

#[test]
fn of_equals_the_newer_comes_first() {
    let index = index_of(&["milk", "milk", "milk"]);

    assert_eq!(ask(&index, "milk"), [2, 1, 0]);
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

fn texts() -> impl Strategy<Value = Vec<String>> {
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
    prop::collection::vec(text, 1..20)
}

proptest! {
    #[test]
    fn a_filter_never_lets_the_excluded_through(texts in texts(), query in ".{0,20}", odd: bool) {
        let contents: Vec<&str> = texts.iter().map(String::as_str).collect();
        let index = index_of(&contents);
        let allowed = |doc: DocId| (doc.0 % 2 == 1) == odd;
        for query in [query.as_str(), "red sled Lisbon"] {
            let all = index.rank(&Query::new(query, NOW), &|_| true, 100);
            let some = index.rank(&Query::new(query, NOW), &allowed, 100);

            let expected: Vec<Hit> = all.into_iter().filter(|hit| allowed(hit.doc)).collect();
            prop_assert_eq!(some, expected);
        }
    }

    #[test]
    fn removing_leaves_what_would_have_been_built(texts in texts(), keep in any::<u32>()) {
        let stays = |doc: u32| keep >> doc & 1 == 1;
        let mut index = Index::new();
        for (doc, text) in (0..).zip(&texts).collect::<Vec<_>>().into_iter().rev() {
            index.insert(DocId(doc), &note(text));
        }
        for (doc, text) in (0..).zip(&texts).filter(|&(doc, _)| !stays(doc)) {
            index.remove(DocId(doc), &note(text));
        }
        let mut built = Index::new();
        built.extend((0..).zip(&texts).filter(|&(doc, _)| stays(doc)).map(|(doc, text)| (DocId(doc), note(text))));

        prop_assert_eq!(index.len(), built.len());
        prop_assert_eq!(index.terms(), built.terms());
        for query in ["red the sled", "user name", "\u{6771}\u{4eac} cup 7", "the"] {
            prop_assert_eq!(ranked(&index, query), ranked(&built, query));
        }
        for text in &texts {
            let similar = |index: &Index| index.similar(&note(text), &|_| true, 5);
            prop_assert_eq!(similar(&index), similar(&built));
        }
    }

    #[test]
    fn scores_fall_from_one_to_zero(texts in texts()) {
        let contents: Vec<&str> = texts.iter().map(String::as_str).collect();
        let hits = ranked(&index_of(&contents), "red Lisbon getUserName");

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
