//! Scripts that are written without spaces between words.

/// Whether a word of such a script must be cut into pairs, because nothing marks where it ends.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' // iteration mark, ideographic zero
        | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
        | '\u{31f0}'..='\u{31ff}' // small Katakana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' // Han
        | '\u{20000}'..='\u{3ffff}' // Han, the supplementary planes
        | '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' // Hangul
        | '\u{0e00}'..='\u{0eff}' // Thai, Lao
        | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}') // Myanmar, Khmer
}

/// Overlapping pairs of characters; a lone character is its own term.
pub(super) fn pairs(run: &str, mut sink: impl FnMut(&str)) {
    let starts = || run.char_indices().map(|(at, _)| at);
    if starts().nth(1).is_none() {
        sink(run);
        return;
    }
    let ends = starts().skip(2).chain([run.len()]);
    for (start, end) in starts().zip(ends) {
        if let Some(pair) = run.get(start..end) {
            sink(pair);
        }
    }
}

/// Cuts a word where it passes from a spaced script into an unspaced one, as in "iPhone\u{3092}".
pub(super) fn runs(word: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = word;
    std::iter::from_fn(move || {
        let unspaced = is_unspaced(rest.chars().next()?);
        let end = rest.find(|c| is_unspaced(c) != unspaced).unwrap_or(rest.len());
        let (run, after) = rest.split_at_checked(end)?;
        rest = after;
        Some((run, unspaced))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(run: &str) -> Vec<String> {
        let mut found = Vec::new();
        pairs(run, |pair| found.push(pair.to_owned()));
        found
    }

    #[test]
    fn a_run_becomes_overlapping_pairs() {
        assert_eq!(of("\u{6771}\u{4eac}\u{90fd}"), ["\u{6771}\u{4eac}", "\u{4eac}\u{90fd}"]);
        assert_eq!(of("\u{732b}"), ["\u{732b}"]);
    }

    #[test]
    fn scripts_are_told_apart_within_a_word() {
        let cut: Vec<_> = runs("v2\u{3092}\u{4f7f}x").collect();

        assert_eq!(cut, [("v2", false), ("\u{3092}\u{4f7f}", true), ("x", false)]);
    }
}
