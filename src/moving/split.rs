//! Texts that are longer than a memory may be, cut where a reader would cut them.

use crate::model::foreign;

/// Parts of at most so many bytes, which together are the text: cut before a heading, else behind an
/// empty line, else behind a line or a sentence, else between two characters.
pub(super) fn split(text: &str, limit: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while rest.len() > limit {
        let window = foreign::cut(rest, limit.max(MIN_BYTES));
        let (part, behind) = rest.split_at(best_cut(window));
        parts.push(part);
        rest = behind;
    }
    if !rest.trim().is_empty() || parts.is_empty() {
        parts.push(rest);
    }
    parts
}

/// No character is longer, so that every part has one.
const MIN_BYTES: usize = 4;

/// The last good place in a window, in its second half if there is one.
fn best_cut(window: &str) -> usize {
    let half = window.len() / 2;
    let last = |mark: &str, behind: usize| {
        window.rfind(mark).map(|at| at + behind).filter(|at| *at > half && *at < window.len())
    };
    last("\n#", 1)
        .or_else(|| last("\n\n", 2))
        .or_else(|| last("\n", 1))
        .or_else(|| last(". ", 2))
        .or_else(|| last(" ", 1))
        .unwrap_or(window.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_where_a_reader_would() {
        let text = format!("# One\n{}\n# Two\n{}", "a ".repeat(30), "b ".repeat(30));

        let parts = split(&text, 80);

        assert_eq!(parts.concat(), text);
        assert!(parts[1].starts_with("# Two"), "{parts:?}");
        assert_eq!(split("short", 80), ["short"]);
        assert_eq!(split("", 80), [""]);
    }

    proptest! {
        #[test]
        fn parts_make_the_text_again_and_none_is_too_long(text in "\\PC{0,200}", limit in 4_usize..40) {
            let parts = split(&text, limit);

            prop_assert!(parts.iter().all(|part| part.len() <= limit));
            let whole = parts.concat();
            prop_assert_eq!(whole.trim_end(), text.trim_end());
        }
    }
}
