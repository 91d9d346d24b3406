//! Reads a `.env` file. Nothing of it goes into the process environment.

/// One assignment of the file.
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// A line that is no assignment. It does not keep the text, which may hold a key.
#[derive(Debug)]
pub(super) struct BadLine {
    pub(super) number: usize,
    pub(super) expected: &'static str,
}

/// Accepts `NAME=value`, `export`, quotes, blank lines, whole-line and ` # inline` comments.
///
/// A name given twice comes back twice, in order; the later one counts.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, BadLine> {
    let mut lines = Vec::new();
    for (index, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = index.saturating_add(1);
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = assignment(line).map_err(|expected| BadLine { number, expected })?;
        lines.push(Line { number, name, value });
    }
    Ok(lines)
}

fn assignment(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once('=').ok_or("NAME=value, or # before a comment")?;
    let name = name.trim();
    let name = match name.split_once(char::is_whitespace) {
        Some(("export", rest)) => rest.trim(),
        _ => name,
    };
    if !is_name(name) {
        return Err("a name of letters, digits and '_' before the '='");
    }
    let value = match value.trim_start().chars().next() {
        Some('\'') => quoted(value.trim_start(), '\'')?,
        Some('"') => quoted(value.trim_start(), '"')?,
        _ => bare(value).to_owned(),
    };
    Ok((name.to_owned(), value))
}

/// The text up to a `#` that follows white space: `900000  # 15 minutes` is `900000`, `a#b` stays.
fn bare(value: &str) -> &str {
    let mut after_space = false;
    for (at, c) in value.char_indices() {
        if c == '#' && after_space {
            return value.get(..at).unwrap_or_default().trim();
        }
        after_space = c.is_whitespace();
    }
    value.trim()
}

/// The text between the quotes. In double quotes `\"` and `\\` stand for `"` and `\`.
fn quoted(value: &str, quote: char) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut rest = value.chars();
    rest.next();
    while let Some(c) = rest.next() {
        if c == quote {
            let tail = rest.as_str().trim();
            let clean = tail.is_empty() || tail.starts_with('#');
            return if clean { Ok(text) } else { Err("nothing after the closing quote") };
        }
        if c == '\\' && quote == '"' {
            match rest.next() {
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                Some(other) => text.extend(['\\', other]),
                None => text.push('\\'),
            }
        } else {
            text.push(c);
        }
    }
    Err("a closing quote on the same line")
}

fn is_name(name: &str) -> bool {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value_of(line: &str) -> String {
        let lines = parse(line).unwrap_or_else(|bad| panic!("{line:?}: {}", bad.expected));
        lines.into_iter().next_back().unwrap().value
    }

    #[test]
    fn the_usual_spellings_are_understood() {
        for (line, value) in [
            ("A=900000  # 15 minutes (in milliseconds)", "900000"),
            ("A=a#b", "a#b"),
            ("A=# nothing", "# nothing"),
            ("A= # nothing", ""),
            ("A=", ""),
            ("export A=1", "1"),
            ("  export   A = 1  ", "1"),
            ("A='it # stays' # goes", "it # stays"),
            (r#"A="say \"hi\" \n""#, r#"say "hi" \n"#),
            ("A='C:\\data'", "C:\\data"),
            ("A=x=y", "x=y"),
            ("\u{feff}A=1\r\n", "1"),
            ("A=1\nA=2", "2"),
            ("# A=0\n\nA=it's", "it's"),
        ] {
            assert_eq!(value_of(line), value, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_assignment_is_named_by_its_number() {
        for line in ["garbage", "=1", "A B=1", "1A=1", "A='open", "A=\"1\" 2", "export"] {
            let refused = parse(&format!("# first\n\n{line}\n")).err().unwrap();
            assert_eq!(refused.number, 3, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn a_quoted_value_comes_back_as_it_was(value in "[^'\\n\\r]*") {
            prop_assert_eq!(value_of(&format!("A='{value}' # note")), value);
        }
    }
}
