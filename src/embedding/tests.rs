use std::path::PathBuf;

use super::{Embedder, EmbedderError};
use crate::config::{Config, EmbeddingSection, Flags, Reader, Surroundings};
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
fn nothing_set_is_no_embedder() {
    assert!(Embedder::open(&nothing_set()).unwrap().is_none());
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

    if cfg!(feature = "local-model") {
        assert!(error.starts_with("cannot read /nowhere/config.json: "), "{error}");
    } else {
        assert!(error.contains("--features local-model"), "{error}");
    }
}
