//! Words made of words: identifiers, paths, addresses, version numbers.

/// The longest compound that is kept whole. Longer ones are data, such as a line of base64.
const LONGEST: usize = 64;
/// A word with more is a row of words.
const MOST_HYPHENS: usize = 2;

/// What may stand between the parts of a compound.
pub(super) fn is_joiner(c: char) -> bool {
    matches!(c, '_' | '.' | '-' | ':' | '/' | '@' | '\\' | '#' | '+' | '~')
}

/// Whether a run of words and joiners is one name, which may be asked for as a whole.
///
/// Prose has hyphens, slashes and forgotten spaces too ("and/or", "end.Next"), so those alone do
/// not make a name; a name has an underscore, an at sign, `::`, digits, or two dots or slashes.
pub(super) fn is_name(run: &str) -> bool {
    if run.len() > LONGEST {
        return false;
    }
    let count = |joiner: char| run.chars().filter(|&c| c == joiner).count();
    run.contains(['_', '@'])
        || run.contains("::")
        || run.contains(|c: char| c.is_ascii_digit())
        || count('.') + count('/') + count('\\') >= 2
        || is_dotted_lower(run)
}

/// A word with hyphens as many write it, in one: "e-mail" is "email". Nothing for rows of words.
pub(super) fn joined(run: &str) -> Option<String> {
    let hyphens = run.chars().filter(|&c| c == '-').count();
    let is_word = (1..=MOST_HYPHENS).contains(&hyphens)
        && run.len() <= LONGEST
        && run.chars().all(|c| c.is_alphabetic() || c == '-' || super::fold::is_apostrophe(c));
    is_word.then(|| run.chars().filter(|&c| c != '-').collect())
}

/// `mod.rs` and `example.com` are names, "end.Next" is a forgotten space.
fn is_dotted_lower(run: &str) -> bool {
    run.contains('.') && run.chars().all(|c| !c.is_uppercase())
}

/// Cuts `getUserName` and `HTTPServer` at their humps. A word without humps yields nothing.
pub(super) fn humps(word: &str, mut sink: impl FnMut(&str)) {
    let mut start = 0;
    let mut cut = |end: usize, start: &mut usize| {
        if let Some(part) = word.get(*start..end) {
            sink(part);
        }
        *start = end;
    };
    let mut previous = None;
    let mut chars = word.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next_is_lower = chars.peek().is_some_and(|(_, next)| next.is_lowercase());
        let begins = match previous {
            Some(before) if c.is_uppercase() => is_low(before) || next_is_lower,
            _ => false,
        };
        if begins && at > start {
            cut(at, &mut start);
        }
        previous = Some(c);
    }
    if start > 0 {
        cut(word.len(), &mut start);
    }
}

fn is_low(c: char) -> bool {
    c.is_lowercase() || c.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(word: &str) -> Vec<String> {
        let mut found = Vec::new();
        humps(word, |part| found.push(part.to_owned()));
        found
    }

    #[test]
    fn camel_case_is_cut_at_its_humps() {
        assert_eq!(parts("getUserName"), ["get", "User", "Name"]);
        assert_eq!(parts("HTTPServer"), ["HTTP", "Server"]);
        assert_eq!(parts("sha256Digest"), ["sha256", "Digest"]);
        assert!(parts("Lisbon").is_empty() && parts("NATO").is_empty());
    }

    #[test]
    fn names_are_told_from_prose() {
        for name in ["a_b", "ada@example.com", "Vec::new", "192.168.1.1", "v1.2", "src/text/mod.rs"]
        {
            assert!(is_name(name), "{name}");
        }
        for prose in ["and/or", "well-known", "end.Next", "Note:this"] {
            assert!(!is_name(prose), "{prose}");
        }
    }
}
