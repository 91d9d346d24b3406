//! HTML as text, by leaving out its tags. Nothing of it is shown, run or loaded.

/// Tags that begin a line of their own.
const BLOCKS: [&str; 16] = [
    "p",
    "div",
    "br",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "pre",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
];
/// What stands within these is no text.
const UNSEEN: [&str; 4] = ["script", "style", "head", "template"];
/// Names of characters that stand for themselves elsewhere.
const NAMED: [(&str, char); 7] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("hellip", '\u{2026}'),
];
/// Characters of the longest name or number of a character that is read.
const NAME_CHARS: usize = 10;

/// The text of some HTML: a line for each block, and a `-` before each item of a list.
pub(super) fn text_of(html: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(html.len()), html);
    while let Some((before, behind)) = rest.split_once('<') {
        push(&mut text, before);
        // What does not begin as a tag is a character.
        let is_tag = behind.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
        if !is_tag {
            text.push('<');
            rest = behind;
            continue;
        }
        let Some((tag, after)) = behind.split_once('>') else {
            // No tag ends from here on.
            text.push('<');
            rest = behind;
            break;
        };
        let name = tag.trim_start_matches('/').split([' ', '/', '\n', '\t']).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        rest = match UNSEEN.contains(&name.as_str()) && !tag.starts_with('/') {
            true => behind_end(after, &name),
            false => after,
        };
        if BLOCKS.contains(&name.as_str()) && !text.ends_with('\n') {
            text.push('\n');
        }
        if name == "li" && !tag.starts_with('/') {
            text.push_str("- ");
        }
    }
    push(&mut text, rest);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

/// What stands behind the end of an element; nothing if it has none.
fn behind_end<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("</") {
        let own = behind.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
        if own {
            return behind.split_once('>').map_or("", |(_, after)| after);
        }
        rest = behind;
    }
    ""
}

/// Adds a text in which characters may stand under their names.
fn push(text: &mut String, html: &str) {
    let mut rest = html;
    while let Some((before, behind)) = rest.split_once('&') {
        text.push_str(before);
        let end = behind.bytes().take(NAME_CHARS).position(|byte| byte == b';');
        let named = end.and_then(|end| Some((behind.get(..end)?, behind.get(end + 1..)?)));
        match named.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((character, after)) => {
                text.push(character);
                rest = after;
            }
            None => {
                text.push('&');
                rest = behind;
            }
        }
    }
    text.push_str(rest);
}

fn character(name: &str) -> Option<char> {
    let number = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => return NAMED.iter().find(|(own, _)| *own == name).map(|(_, found)| *found),
    };
    char::from_u32(number).filter(|found| *found != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_text_stays() {
        for (html, text) in [
            ("<p>Tea &amp; <b>honey</b></p><p>2 &lt; 3</p>", "Tea & honey\n2 < 3"),
            ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
            ("a<br>b<br/>c", "a\nb\nc"),
            ("<script>alert('<p>')</script>x<STYLE>p{}</style>y", "xy"),
            ("<script>never ends", ""),
            ("1 < 2 and 3 <4", "1 < 2 and 3 <4"),
            ("&#233;&#x1f375;&unknown;&;& &#0;", "\u{e9}\u{1f375}&unknown;&;& &#0;"),
            ("<p title=\"a", "<p title=\"a"),
            ("\u{1f375}<b>\u{1f375}</b>", "\u{1f375}\u{1f375}"),
        ] {
            assert_eq!(text_of(html), text, "{html}");
        }
    }
}
