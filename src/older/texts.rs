//! Long texts in pieces that a memory can hold.

/// Cuts a text into pieces of at most so many bytes, at the end of a paragraph, else of a line, a
/// sentence, a word or a letter. Put together again they are the text, byte for byte.
pub(in crate::older) fn pieces(text: &str, limit: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > limit {
        let end = end_within(rest, limit.max(4));
        let (piece, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        pieces.push(piece);
        rest = behind;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// Where the first piece ends. A piece of less than half of what fits would be no better place.
fn end_within(text: &str, limit: usize) -> usize {
    let limit = (1..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
    let within = text.get(..limit).unwrap_or(text);
    let behind = |mark: &str| within.rfind(mark).map(|at| at + mark.len());
    let ends = ["\n\n", "\n", ". ", " "].into_iter().filter_map(behind);
    ends.into_iter().find(|end| *end >= limit / 2).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_text_again_and_fit() {
        let paragraph = "One sentence. Another one, which is longer.\nA line.\n\n".repeat(40);
        for (text, limit) in [
            (paragraph.as_str(), 100),
            ("", 10),
            ("short", 10),
            (&"\u{1f697}".repeat(50), 10),
            (&"x".repeat(101), 10),
        ] {
            let pieces = pieces(text, limit);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| piece.len() <= limit), "{pieces:?}");
        }
        assert!(pieces(&paragraph, 100)[0].ends_with("\n\n"));
    }
}
