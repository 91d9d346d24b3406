//! One name, one type: whoever reads it knows which is meant.

use std::collections::BTreeMap;

use super::source::sources;

/// Names that two rooms may share, and why.
const SHARED: &[(&str, &str)] = &[];

#[test]
fn no_two_public_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in sources("src") {
        for (number, line) in source.shipped() {
            if let Some(name) = declared(line) {
                let place = format!("{}:{number}", source.path.display());
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
    }
    for (name, places) in &places {
        let is_shared = SHARED.iter().any(|(shared, _)| shared == name);
        assert!(places.len() == 1 || is_shared, "{name} stands for several types: {places:?}");
    }
    for (shared, reason) in SHARED {
        let is_needed = places.get(*shared).is_some_and(|places| places.len() > 1);
        assert!(is_needed && !reason.is_empty(), "{shared} is shared by nobody any more");
    }
}

/// The public type that a line declares.
fn declared(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    Some(&rest[..end])
}
