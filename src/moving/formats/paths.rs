//! What the place of a file says, where nothing in it does.

use unicode_normalization::UnicodeNormalization;

const MARKDOWN: [&str; 2] = [".md", ".markdown"];

/// By what a file is called among others: its path in one spelling, since one system takes accents apart
/// and another does not. What has no name is called by its text.
pub(super) fn id_of_path(path: &str, text: &str) -> String {
    match path.contains('.') {
        true => path.nfc().collect(),
        false => text.to_owned(),
    }
}

/// The last part of a path without its ending.
pub(super) fn stem(path: &str) -> String {
    let name = last(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    stem.nfc().collect()
}

/// The last part of a path.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

pub(super) fn is_markdown(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    MARKDOWN.iter().any(|ending| path.ends_with(ending))
}
