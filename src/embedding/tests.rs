use std::path::PathBuf;

use super::{Embedder, EmbedderError, Settings};
use crate::model::Secret;

fn refusal(settings: &Settings) -> EmbedderError {
    Embedder::open(settings).unwrap_err()
}

#[test]
fn nothing_set_is_no_embedder() {
    assert!(Embedder::open(&Settings::default()).unwrap().is_none());
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let url = || Some("http://localhost/v1".to_owned());
    let model = || Some("m".to_owned());
    let path = || Some(PathBuf::from("/nowhere"));
    let key = |text: &str| Some(Secret::new(text.to_owned()));
    let none = Settings::default();

    let both = Settings { url: url(), model_path: path(), ..none.clone() };
    assert!(matches!(refusal(&both), EmbedderError::Both));
    let no_model = Settings { url: url(), ..none.clone() };
    assert!(matches!(refusal(&no_model), EmbedderError::NoModel));
    let no_url = Settings { model: model(), model_path: path(), ..none.clone() };
    assert!(matches!(refusal(&no_url), EmbedderError::OnlyForUrl { key: "model" }));
    let no_header = Settings { url: url(), model: model(), key: key("a\nb"), ..none.clone() };
    assert!(matches!(refusal(&no_header), EmbedderError::Key));
    let no_batch = Settings { batch: 0, ..none };
    assert!(matches!(refusal(&no_batch), EmbedderError::Zero { key: "batch" }));
}

#[test]
fn a_folder_that_cannot_be_used_says_why() {
    let settings = Settings { model_path: Some("/nowhere".into()), ..Settings::default() };

    let error = refusal(&settings).to_string();

    if cfg!(feature = "local-model") {
        assert!(error.starts_with("cannot read /nowhere/config.json: "), "{error}");
    } else {
        assert!(error.contains("--features local-model"), "{error}");
    }
}
