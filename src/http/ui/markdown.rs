//! A text of Markdown as pieces, which a template writes one after the other. No markup of the text comes
//! through: what it says in HTML is shown, and nothing is loaded, so a picture is its other text.

use pulldown_cmark::{Event, HeadingLevel, LinkType, Parser, Tag};

use super::text::PageText;

/// Bytes that are read; nobody reads more of one memory on a page.
const LONGEST: usize = 64 << 10;
/// Pieces that are made of them, so that a page of nothing but marks has an end, too.
const MOST_PIECES: usize = 20_000;
/// Lists and quotations within each other. What is deeper stands at the last of them.
const DEEPEST: usize = 24;

/// A text with its form.
#[derive(Debug, Default)]
pub(super) struct FormattedText {
    pub(super) pieces: Vec<Piece>,
    /// Whether there is more than is shown.
    pub(super) is_cut: bool,
}

/// A piece of it. Whatever opens is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// An element without attributes, by its name.
    Open(&'static str),
    Close(&'static str),
    /// A list with numbers begins, at this one.
    Numbered(u64),
    Text(PageText),
    /// A link begins, that leads there.
    Link(String),
    /// It ends, with the host, or the address of a mail; empty if the text says it.
    LinkEnd(PageText),
    Break,
    Rule,
}

/// Something that has begun.
struct Opened {
    /// Where its pieces begin.
    start: usize,
    /// Nothing if it has no form.
    end: Option<Piece>,
    /// The last heading before it.
    heading: usize,
}

struct Writer {
    pieces: Vec<Piece>,
    open: Vec<Opened>,
    /// The level of the last heading. The page itself has the first.
    heading: usize,
}

/// Reads a text as Markdown (CommonMark, without extensions).
pub(super) fn formatted(text: &str) -> FormattedText {
    let end = text.char_indices().find(|(at, c)| at + c.len_utf8() > LONGEST).map(|(at, _)| at);
    let beginning = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let beginning = beginning.replace("\r\n", "\n");
    let mut writer = Writer { pieces: Vec::new(), open: Vec::new(), heading: 1 };
    let mut is_cut = end.is_some();
    for event in Parser::new(&beginning) {
        if writer.pieces.len() >= MOST_PIECES {
            is_cut = true;
            break;
        }
        writer.take(event);
    }
    while !writer.open.is_empty() {
        writer.close();
    }
    FormattedText { pieces: writer.pieces, is_cut }
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(&tag),
            Event::End(_) => self.close(),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => {
                self.pieces.push(Piece::Open("code"));
                self.text(&text);
                self.pieces.push(Piece::Close("code"));
            }
            Event::SoftBreak => self.text("\n"),
            Event::HardBreak => self.pieces.push(Piece::Break),
            Event::Rule => self.pieces.push(Piece::Rule),
            // Those of extensions, which are off.
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        self.pieces.push(Piece::Text(PageText::of(text)));
    }

    fn open(&mut self, tag: &Tag<'_>) {
        let (start, heading) = (self.pieces.len(), self.heading);
        let has_form = match tag {
            Tag::Item => self.open.last().is_some_and(|list| list.end.is_some()),
            _ => self.open.len() < DEEPEST,
        };
        let (first, end) = if has_form { self.form(tag) } else { (None, None) };
        self.pieces.extend(first);
        self.open.push(Opened { start, end, heading });
    }

    fn close(&mut self) {
        let Some(Opened { start, end, heading }) = self.open.pop() else { return };
        let is_empty = !self.says_something(start);
        match &end {
            // Who hears the page would hear of a heading and of no words.
            Some(Piece::Close("h2" | "h3" | "h4" | "h5" | "h6")) if is_empty => {
                self.pieces.truncate(start);
                self.heading = heading;
                return;
            }
            Some(Piece::LinkEnd(host)) if is_empty => self.pieces.push(Piece::Text(host.clone())),
            _ => {}
        }
        self.pieces.extend(end);
    }

    /// How something begins and ends.
    fn form(&mut self, tag: &Tag<'_>) -> (Option<Piece>, Option<Piece>) {
        let name = match tag {
            Tag::Paragraph => "p",
            Tag::Heading { level, .. } => self.heading(*level),
            Tag::BlockQuote(_) => "blockquote",
            Tag::CodeBlock(_) | Tag::HtmlBlock => "pre",
            Tag::List(Some(first)) => {
                return (Some(Piece::Numbered(*first)), Some(Piece::Close("ol")));
            }
            Tag::List(None) => "ul",
            Tag::Item => "li",
            Tag::Emphasis => "em",
            Tag::Strong => "strong",
            Tag::Link { link_type, dest_url, .. } => return link(*link_type, dest_url),
            // The words of a picture are those between its ends.
            _ => return (None, None),
        };
        (Some(Piece::Open(name)), Some(Piece::Close(name)))
    }

    /// A heading is below that of the page, and none is left out on the way down.
    fn heading(&mut self, level: HeadingLevel) -> &'static str {
        let wanted = match level {
            HeadingLevel::H1 => 2,
            HeadingLevel::H2 => 3,
            HeadingLevel::H3 => 4,
            HeadingLevel::H4 => 5,
            HeadingLevel::H5 | HeadingLevel::H6 => 6,
        };
        self.heading = wanted.min(self.heading + 1);
        match self.heading {
            2 => "h2",
            3 => "h3",
            4 => "h4",
            5 => "h5",
            _ => "h6",
        }
    }

    fn says_something(&self, start: usize) -> bool {
        let is_word =
            |piece: &Piece| matches!(piece, Piece::Text(text) if !text.as_str().trim().is_empty());
        self.pieces.iter().skip(start).any(is_word)
    }
}

/// A way elsewhere is a link if it is plain where it leads; else it is written behind the words.
fn link(kind: LinkType, to: &str) -> (Option<Piece>, Option<Piece>) {
    match destination(kind, to) {
        Some((href, host)) => {
            let is_said = matches!(kind, LinkType::Autolink | LinkType::Email);
            let host = if is_said { PageText::default() } else { PageText::of(host) };
            (Some(Piece::Link(href)), Some(Piece::LinkEnd(host)))
        }
        None => (None, Some(Piece::Text(PageText::of(&format!(" ({to})"))))),
    }
}

/// Where a link leads, and the part of it to be shown: of the web the host, of a mail the address. Nothing
/// of another scheme, of this server, or with a host that is not what it looks like: letters of other
/// scripts, a name before an `@`.
fn destination(kind: LinkType, to: &str) -> Option<(String, &str)> {
    if to.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (scheme, rest) = match kind {
        LinkType::Email => ("mailto", to),
        _ => to.split_once(':')?,
    };
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    if is("mailto") {
        // Nobody else says what a letter says.
        let address = rest.split(['?', '#']).next().unwrap_or_default();
        return is_plain(address, "@.+-_").then(|| (format!("mailto:{address}"), address));
    }
    let rest = rest.strip_prefix("//").filter(|_| is("http") || is("https"))?;
    let host = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    is_plain(host, ".-_:[]").then(|| (to.to_owned(), host))
}

fn is_plain(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use askama::Template;

    #[derive(Template)]
    #[template(path = "ui/formatted.html")]
    struct Part {
        formatted: FormattedText,
    }

    fn page(text: &str) -> String {
        Part { formatted: formatted(text) }.render().unwrap()
    }

    #[test]
    fn what_markdown_means_is_written_by_the_template() {
        for (text, written) in [
            (
                "one *two* **three** `four`",
                "<p>one <em>two</em> <strong>three</strong> <code>four</code></p>",
            ),
            ("a\r\nb  \r\nc", "<p>a\nb<br>c</p>"),
            ("# A\n### B\n###### C\n# D", "<h2>A</h2><h3>B</h3><h4>C</h4><h2>D</h2>"),
            ("- a\n- b\n\n7. c", "<ul><li>a</li><li>b</li></ul><ol start=\"7\"><li>c</li></ol>"),
            ("> a\n\n---", "<blockquote><p>a</p></blockquote><hr>"),
            ("```html\n<b>&\n```", "<pre>&#60;b&#62;&#38;\n</pre>"),
            ("#\n\n## B", "<h2>B</h2>"),
        ] {
            assert_eq!(page(text).trim(), written, "{text}");
        }
    }

    #[test]
    fn a_link_says_where_it_leads_and_only_what_is_plain_is_one() {
        let rel = "rel=\"noopener noreferrer nofollow\"";
        let web = page("[Bank](https://evil.example/a?b=\"c\")");
        assert!(
            web.contains(&format!(
                "<a href=\"https://evil.example/a?b=&#34;c&#34;\" {rel}>Bank</a>"
            ))
        );
        assert!(web.contains("(<bdi>evil.example</bdi>)"), "{web}");
        assert!(page("[](HTTP://a.example:8)").contains(">a.example:8</a>"));
        assert!(page("<https://a.example/b>").contains(">https://a.example/b</a>"));
        assert!(page("<ada@example.com>").contains("href=\"mailto:ada@example.com\""));
        let mail = page("[m](mailto:ada@example.com?body=x)");
        assert!(mail.contains("href=\"mailto:ada@example.com\""), "{mail}");
        for odd in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "/ui/logout",
            "//evil.example",
            "https:evil.example",
            "https:///evil.example",
            "file:///etc/passwd",
            "x",
            "https://bank.example@evil.example",
            "https://b\u{430}nk.example",
            "https://a%2eb/",
            "java&#10;script:alert(1)",
            "&#106;avascript:alert(1)",
            "https://a&#9;b.example",
        ] {
            let page = page(&format!("[words]({odd}) [{odd}][x] ![{odd}]({odd})\n\n[x]: <{odd}>"));
            assert!(!page.contains("<a ") && page.contains("words"), "{odd}: {page}");
        }
    }

    #[test]
    fn no_markup_and_no_picture_comes_through_and_what_is_hidden_is_shown() {
        let hostile = "<script>x()</script>\n\n<img src=x onerror=y()> a <b onclick=z()>b</b>\n\n\
                       ![other *text*](https://evil.example/x.png \"t\")\n\na\u{202e}b &#x202e; \
                       <svg/onload=x> <!-- c -->\n\n[a](https://a.example \"\\\" onclick=x\")";
        let page = page(hostile);

        for tag in page.split('<').skip(1) {
            let name: String = tag
                .trim_start_matches('/')
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            assert!(
                ["p", "em", "pre", "a", "span", "bdi"].contains(&name.as_str()),
                "{name}: {page}"
            );
        }
        assert!(!page.contains("x.png") && page.contains("other <em>text</em>"), "{page}");
        assert!(page.contains("&#60;script&#62;x()") && page.contains("&#60;b onclick=z()&#62;"));
        assert_eq!(page.matches("\u{27e6}U+202E\u{27e7}").count(), 2, "{page}");
        assert!(!page.contains('\u{202e}'));
    }

    #[test]
    fn depth_and_length_have_an_end_and_whatever_opens_is_closed() {
        let deep = format!(
            "{}x\n\n{}y\n\n{}z",
            "> ".repeat(5_000),
            "- ".repeat(5_000),
            "*a ".repeat(5_000)
        );
        for text in [
            deep,
            "#\n".repeat(50_000),
            "[a](https://a.example) `b` ".repeat(9_000),
            "\u{1f389}".repeat(40_000),
            format!("[a]: {}\n\n{}", "x".repeat(5_000), "[a] ".repeat(9_000)),
        ] {
            let FormattedText { pieces, is_cut } = formatted(&text);

            assert!(pieces.len() < MOST_PIECES + 200, "{}", pieces.len());
            assert!(is_cut || text.len() <= LONGEST);
            let mut open = Vec::new();
            for piece in &pieces {
                match piece {
                    Piece::Open(name) => open.push(*name),
                    Piece::Numbered(_) => open.push("ol"),
                    Piece::Link(_) => open.push("a"),
                    Piece::Close(name) => assert_eq!(open.pop(), Some(*name)),
                    Piece::LinkEnd(_) => assert_eq!(open.pop(), Some("a")),
                    Piece::Text(_) | Piece::Break | Piece::Rule => {}
                }
                assert!(open.len() < DEEPEST + 2, "{open:?}");
            }
            assert!(open.is_empty(), "{open:?}");
            assert!(
                Part { formatted: FormattedText { pieces, is_cut } }.render().unwrap().len()
                    < 4 << 20
            );
        }
    }
}
