//! What is found in other languages than English, on a small set of our own. The built-in table
//! knows English only, so beyond it words have to do the work.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::TestServer;

const SET: &str = include_str!("../data/languages.json");

/// First places out of all questions of a sort, for one language.
type Score = (usize, usize);

async fn score(server: &TestServer, memories: &[Value], questions: &Value) -> Score {
    let (mut right, mut asked) = (0, 0);
    for question in questions.as_array().unwrap() {
        let found = server.found(json!({ "query": question[0] })).await;
        let wanted = memories[usize::try_from(question[1].as_u64().unwrap()).unwrap()].as_str();
        asked += 1;
        right += usize::from(found.first().map(String::as_str) == wanted);
    }
    (right, asked)
}

async fn scores() -> BTreeMap<(String, &'static str), Score> {
    let set: BTreeMap<String, Value> = serde_json::from_str(SET).unwrap();
    let mut scores = BTreeMap::new();
    for (language, labelled) in set {
        let server = TestServer::start();
        let memories = labelled["memories"].as_array().unwrap();
        for memory in memories {
            server.add(memory.as_str().unwrap()).await;
        }
        for sort in ["same_word", "inflected", "other_words"] {
            scores
                .insert((language.clone(), sort), score(&server, memories, &labelled[sort]).await);
        }
    }
    scores
}

#[actix_web::test]
async fn in_other_languages_the_same_words_are_found() {
    let scores = scores().await;

    for ((language, sort), (right, asked)) in &scores {
        if *sort == "same_word" {
            assert_eq!(right, asked, "{language}: {scores:?}");
        }
    }
    // Compounds and endings are not taken apart: most are found by what they share, not all.
    let inflected = scores.iter().filter(|((_, sort), _)| *sort == "inflected");
    let right: usize = inflected.map(|(_, (right, _))| right).sum();
    assert!(right >= 14, "{scores:?}");
}
