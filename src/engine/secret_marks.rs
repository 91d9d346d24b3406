//! Secrets that their services mark by how they begin.

use std::ops::Range;

/// A secret that its service marks by how it begins.
struct Marked {
    start: &'static str,
    /// The bytes behind the start.
    body: fn(u8) -> bool,
    /// So many of them at least.
    least: usize,
    name: &'static str,
}

const fn marked(
    start: &'static str,
    body: fn(u8) -> bool,
    least: usize,
    name: &'static str,
) -> Marked {
    Marked { start, body, least, name }
}

/// From the documents of the services, and what they publish for scanners of secrets. Of two that
/// begin alike the longer one comes first.
const MARKED: [Marked; 35] = [
    marked("AKIA", is_upper, 16, "AWS access key"),
    marked("ASIA", is_upper, 16, "AWS access key"),
    marked("ghp_", is_alphanumeric, 36, "GitHub token"),
    marked("gho_", is_alphanumeric, 36, "GitHub token"),
    marked("ghu_", is_alphanumeric, 36, "GitHub token"),
    marked("ghs_", is_alphanumeric, 36, "GitHub token"),
    marked("ghr_", is_alphanumeric, 36, "GitHub token"),
    marked("github_pat_", is_word, 40, "GitHub token"),
    marked("glpat-", is_url_safe, 20, "GitLab token"),
    marked("xoxb-", is_url_safe, 20, "Slack token"),
    marked("xoxp-", is_url_safe, 20, "Slack token"),
    marked("xoxa-", is_url_safe, 20, "Slack token"),
    marked("xoxr-", is_url_safe, 20, "Slack token"),
    marked("xapp-", is_url_safe, 20, "Slack token"),
    marked("sk_live_", is_alphanumeric, 16, "Stripe key"),
    marked("rk_live_", is_alphanumeric, 16, "Stripe key"),
    marked("whsec_", is_alphanumeric, 24, "webhook secret"),
    marked("sk-ant-", is_url_safe, 20, "Anthropic key"),
    marked("sk-proj-", is_url_safe, 20, "OpenAI key"),
    marked("sk-svcacct-", is_url_safe, 20, "OpenAI key"),
    marked("sk-or-v1-", is_alphanumeric, 32, "OpenRouter key"),
    marked("sk-", is_alphanumeric, 40, "OpenAI key"),
    marked("AIza", is_url_safe, 35, "Google key"),
    marked("ya29.", is_url_safe, 20, "Google token"),
    marked("npm_", is_alphanumeric, 36, "npm token"),
    marked("pypi-", is_url_safe, 40, "PyPI token"),
    marked("hf_", is_alphanumeric, 30, "Hugging Face token"),
    marked("SG.", is_dotted, 60, "SendGrid key"),
    marked("dop_v1_", is_alphanumeric, 64, "DigitalOcean token"),
    marked("shpat_", is_alphanumeric, 32, "Shopify token"),
    marked("gsk_", is_alphanumeric, 40, "Groq key"),
    marked("tskey-", is_url_safe, 20, "Tailscale key"),
    marked("AccountKey=", is_base64, 80, "Azure storage key"),
    marked("AGE-SECRET-KEY-1", is_upper, 58, "age key"),
    marked("mcp_", is_url_safe, 43, "memoryd token"),
];

/// The marked secrets of a text, by where they begin.
pub(super) fn marked_secrets(text: &str) -> Vec<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    // What begins within a run ends with it, and is no longer than that.
    let mut ends = [0; MARKED.len()];
    for (at, pair) in bytes.windows(2).enumerate() {
        if !may_begin_mark(pair) || !begins_word(bytes, at) {
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        for (Marked { start, body, least, name }, end) in MARKED.iter().zip(&mut ends) {
            if at < *end || !rest.starts_with(start.as_bytes()) {
                continue;
            }
            let behind = at + start.len();
            *end = behind + run(bytes, behind, *body);
            if *end >= behind + least {
                found.push((at..*end, *name));
            }
        }
    }
    found
}

/// Whether one of [`MARKED`] begins with these two letters, as few words do: to look for each of them in
/// every text takes longer than most of what an add does.
fn may_begin_mark(pair: &[u8]) -> bool {
    matches!(
        pair,
        [b'A', b'G' | b'I' | b'K' | b'S' | b'c']
            | [b'S', b'G']
            | [b'd', b'o']
            | [b'g', b'h' | b'i' | b'l' | b's']
            | [b'h', b'f']
            | [b'm', b'c']
            | [b'n', b'p']
            | [b'p', b'y']
            | [b'r' | b's', b'k']
            | [b's', b'h']
            | [b't', b's']
            | [b'w', b'h']
            | [b'x', b'a' | b'o']
            | [b'y', b'a']
    )
}

/// How many bytes from here on are of a kind.
pub(super) fn run(bytes: &[u8], at: usize, is: fn(u8) -> bool) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is(**byte)).count()
}

/// Whether no letter stands before it.
pub(super) fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    !before.is_some_and(|byte| is_word(*byte) || !byte.is_ascii())
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

pub(super) fn is_dotted(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What begins as each mark does and is just long enough, with its name. Put together here so that no
    /// scanner takes this file for a leak.
    pub(in crate::engine) fn made_up() -> Vec<(String, &'static str)> {
        let secret = |Marked { start, least, name, .. }: &Marked| {
            let letters =
                if *name == "AWS access key" || *name == "age key" { "A1B2" } else { "aB3" };
            let body: String = letters.chars().cycle().take(*least).collect();
            (format!("{start}{body}"), *name)
        };
        MARKED.iter().map(secret).collect()
    }

    /// The same as it is said: each mark is looked for by itself.
    fn one_after_the_other(text: &str) -> Vec<(Range<usize>, &'static str)> {
        let bytes = text.as_bytes();
        let mut found = Vec::new();
        for Marked { start, body, least, name } in &MARKED {
            let mut end = 0;
            for (at, _) in text.match_indices(start) {
                if at < end || !begins_word(bytes, at) {
                    continue;
                }
                end = at + start.len() + run(bytes, at + start.len(), *body);
                if end >= at + start.len() + least {
                    found.push((at..end, *name));
                }
            }
        }
        found
    }

    fn any_part() -> impl Strategy<Value = String> {
        let starts: Vec<&str> = MARKED.iter().map(|mark| mark.start).collect();
        prop_oneof![
            prop::sample::select(starts).prop_map(str::to_owned),
            prop::sample::select(made_up()).prop_map(|(secret, _)| secret),
            "[ ._=a-zA-Z0-9\u{e9}-]{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn one_walk_finds_what_looking_for_each_mark_finds(
            parts in prop::collection::vec(any_part(), 0..12),
        ) {
            let text = parts.concat();
            let by_place = |mut found: Vec<(Range<usize>, &'static str)>| {
                found.sort_by_key(|(place, name)| (place.start, place.end, *name));
                found
            };
            let expected = by_place(one_after_the_other(&text));
            prop_assert_eq!(by_place(marked_secrets(&text)), expected, "{:?}", text);
        }
    }
}
