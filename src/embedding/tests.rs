use std::path::PathBuf;

use super::{EmbedError, Embedder, EmbedderError, Purpose};
use crate::config::{BuiltIn, Config, EmbeddingSection, Flags, Reader, Surroundings};
use crate::model::Secret;

/// The settings of somebody who says nothing.
pub(super) fn nothing_set() -> EmbeddingSection {
    let around = Surroundings::only(PathBuf::from("/nowhere"), &[]);
    Config::load(&Flags::default(), &around, Reader::Verb).unwrap().config.embedding
}

fn refusal(settings: &EmbeddingSection) -> EmbedderError {
    Embedder::open(settings).unwrap_err()
}

#[test]
fn the_table_alone_is_no_embedder() {
    let settings = EmbeddingSection { builtin: BuiltIn::Table, ..nothing_set() };
    assert!(Embedder::open(&settings).unwrap().is_none());
}

#[actix_web::test]
async fn what_the_program_carries_is_there_where_nothing_is_set() {
    let embedder = Embedder::open(&nothing_set()).unwrap().unwrap();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();

    let passages = embedder.embed(&["The cat is ill.", "We sold the car."], Purpose::Passage).await;
    let passages = passages.unwrap();
    let query = embedder.embed(&["my pet feels bad"], Purpose::Query).await.unwrap();
    let again = embedder.embed(&["my pet feels bad"], Purpose::Query).await.unwrap();

    assert!(embedder.model().unwrap().to_string().starts_with("builtin:"));
    assert_eq!(query, again);
    assert!(cosine(&query[0], &passages[0]) > cosine(&query[0], &passages[1]) + 0.1);
    let nothing = embedder.embed(&["..."], Purpose::Query).await.map(|_| ());
    assert_eq!(nothing, Ok(()), "signs are pieces as well");
    let empty = embedder.embed(&[" "], Purpose::Query).await;
    assert_eq!(empty, Err(EmbedError::NothingToRead));
    assert!(!embedder.is_away(), "a text without words is no fault of it");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let url = || Some("http://localhost/v1".to_owned());
    let model = || Some("m".to_owned());
    let path = || Some(PathBuf::from("/nowhere"));
    let key = |text: &str| Some(Secret::new(text.to_owned()));
    let none = nothing_set();

    let both = EmbeddingSection { url: url(), model_path: path(), ..none.clone() };
    assert!(matches!(refusal(&both), EmbedderError::Both));
    let no_model = EmbeddingSection { url: url(), ..none.clone() };
    assert!(matches!(refusal(&no_model), EmbedderError::NoModel));
    let no_url = EmbeddingSection { model: model(), model_path: path(), ..none.clone() };
    assert!(matches!(refusal(&no_url), EmbedderError::OnlyForUrl { key: "model" }));
    let no_header = EmbeddingSection { url: url(), model: model(), key: key("a\nb"), ..none };
    assert!(matches!(refusal(&no_header), EmbedderError::Key));
}

#[test]
fn a_folder_that_cannot_be_used_says_why() {
    let settings = EmbeddingSection { model_path: Some("/nowhere".into()), ..nothing_set() };

    let error = refusal(&settings).to_string();

    assert!(error.starts_with("cannot read /nowhere/config.json: "), "{error}");
}
