//! What notes say in marks of their own: links between them (`[[Target|as shown]]`), and observations in
//! lists (`- [category] text #tag (context)`).

use unicode_normalization::UnicodeNormalization;

/// A link to another note.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WikiLink {
    pub(super) relation: String,
    /// The name of the note, as [`key`] spells it.
    pub(super) target: String,
}

/// A fact that stands in a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) category: String,
    pub(super) text: String,
    pub(super) tags: Vec<String>,
    pub(super) context: Option<String>,
}

/// The relation where nothing says which.
const LINKS_TO: &str = "links_to";
/// Words of a relation without quotation marks; more of them are a sentence.
const RELATION_WORDS: usize = 3;
/// Characters of a relation.
const RELATION_CHARS: usize = 64;
/// Links of one note that are kept, by the room that its metadata have.
const MOST_LINKS: usize = 64;
/// A box of a list of tasks has one mark at most.
const BOX_CHARS: usize = 1;

/// The links of a text, outside of code.
pub(super) fn links(text: &str) -> Vec<WikiLink> {
    let mut found = Vec::new();
    for line in lines(text) {
        let mut rest = line;
        while let Some((before, behind)) = rest.split_once("[[") {
            let Some((target, after)) = behind.split_once("]]") else { break };
            let relation = relation(line, before, after).unwrap_or_else(|| LINKS_TO.to_owned());
            let link = WikiLink { relation, target: key(target) };
            if !link.target.is_empty() && !found.contains(&link) {
                found.push(link);
            }
            if found.len() == MOST_LINKS {
                return found;
            }
            rest = after;
        }
    }
    found
}

/// How the name of a note is compared: without what stands behind `|`, `#` or `^`, without its ending, in
/// small letters, with accents as one character each.
pub(super) fn key(name: &str) -> String {
    let name = name.split(['|', '#', '^']).next().unwrap_or_default().trim();
    let name = name.strip_prefix("memory://").unwrap_or(name);
    let name: String = name.nfc().collect::<String>().to_lowercase();
    name.strip_suffix(".md").unwrap_or(&name).to_owned()
}

/// The observations of a text, and the lines that are none.
pub(super) fn observations(text: &str) -> (Vec<Observation>, Vec<&str>) {
    let (mut found, mut rest, mut is_code) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        is_code ^= is_fence(line);
        match observation(line).filter(|_| !is_code) {
            Some(one) => found.push(one),
            None => rest.push(line),
        }
    }
    (found, rest)
}

/// The lines of a text that are no code.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_mark = is_fence(line);
        is_code ^= is_mark;
        !is_code && !is_mark
    })
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("```") || line.starts_with("~~~")
}

/// The relation of a link that stands alone in its item: `- relates to [[Target]] (context)`.
fn relation(line: &str, before: &str, after: &str) -> Option<String> {
    let is_alone = line.starts_with(before);
    let behind = after.trim();
    let is_over = behind.is_empty() || (behind.starts_with('(') && behind.ends_with(')'));
    let said = item(before)?.trim();
    let quoted = said.strip_prefix('"').and_then(|said| said.strip_suffix('"'));
    let is_short = (1..=RELATION_WORDS).contains(&said.split_whitespace().count());
    let said = quoted.or_else(|| is_short.then_some(said))?;
    let is_plain = !said.contains(['[', ']', '!', ':']) && !said.trim().is_empty();
    (is_alone && is_over && is_plain).then(|| said.trim().chars().take(RELATION_CHARS).collect())
}

fn observation(line: &str) -> Option<Observation> {
    let (category, said) = item(line)?.strip_prefix('[')?.split_once(']')?;
    let is_box = category.trim().chars().count() <= BOX_CHARS;
    if is_box || category.contains('[') || !said.starts_with(' ') {
        return None;
    }
    let (mut said, mut context) = (said.trim(), None);
    if let Some((before, inner)) = said.strip_suffix(')').and_then(|said| said.rsplit_once(" (")) {
        (said, context) = (before.trim(), Some(inner.trim().to_owned()));
    }
    let is_tag = |word: &&str| {
        let name = word.strip_prefix('#').unwrap_or_default();
        name.starts_with(char::is_alphanumeric)
    };
    let (tags, words): (Vec<&str>, Vec<&str>) = said.split_whitespace().partition(is_tag);
    let text = words.join(" ");
    let tags = tags.iter().map(|tag| tag.trim_start_matches('#').to_owned()).collect();
    let category = category.trim().to_owned();
    (!text.is_empty()).then_some(Observation { category, text, tags, context })
}

/// What an item of a list says.
pub(super) fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("- ").or_else(|| line.strip_prefix("* ")).map(str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_say_where_they_lead_and_what_they_mean() {
        let text = "See [[Green Tea|tea]] and ![[Pot.md#Lid]].\n\
                    - relates to [[Cafe\u{301}]]\n\
                    - \"is a very old friend of\" [[notes/Ada]] (since 1840)\n\
                    - I once talked to [[Ada]] about it\n\
                    ```\n[[code]]\n```\n\
                    [[ ]] [[open";

        let found: Vec<(String, String)> =
            links(text).into_iter().map(|link| (link.relation, link.target)).collect();

        let told = [
            ("links_to", "green tea"),
            ("links_to", "pot"),
            ("relates to", "caf\u{e9}"),
            ("is a very old friend of", "notes/ada"),
            ("links_to", "ada"),
        ];
        assert_eq!(found, told.map(|(one, other)| (one.to_owned(), other.to_owned())));
        assert_eq!(links(&"[[a]] [[b]] ".repeat(1_000)).len(), 2);
    }

    #[test]
    fn observations_are_no_tasks_and_no_links() {
        let text = "# Tea\n- [taste] bitter if too hot #tea #heat/high (tried twice)\n\
                    - [ ] buy\n- [x] boil\n- [site](https://a.example)\n- [[Pot]]\n\
                    ```\n- [code] none\n```\n* [fact] grows in Assam";

        let (found, rest) = observations(text);

        let taste = Observation {
            category: "taste".to_owned(),
            text: "bitter if too hot".to_owned(),
            tags: vec!["tea".to_owned(), "heat/high".to_owned()],
            context: Some("tried twice".to_owned()),
        };
        assert_eq!(found[0], taste);
        assert_eq!((found[1].text.as_str(), found.len()), ("grows in Assam", 2));
        assert_eq!(rest.len(), 8);
    }
}
