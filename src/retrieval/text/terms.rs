//! The tokenizer.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};

use super::{compound, fold, function, irregular, script, stop, symbol};
use crate::retrieval::memo::Memo;

/// A longer word is data, not language; its head is enough to find it.
const LONGEST_BYTES: usize = 128;

/// One term of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term<'a> {
    pub(crate) text: &'a str,
    /// It carries no subject: kept so that "the who" can be found, but not asked for otherwise.
    pub(crate) is_stop: bool,
    /// It would carry none in another European language. Not told by an analyzer for many texts.
    pub(crate) is_function: bool,
    /// It repeats its parts, which are terms of their own.
    pub(crate) is_whole: bool,
    /// How it is written. Not told by an analyzer for many texts.
    pub(crate) spelling: Spelling,
    /// The same number stands for the same text, as long as the analyzer lives. Only one for many
    /// texts gives numbers, from 0 up, and only from a word's second time on.
    pub(crate) number: Option<u32>,
}

/// What the way in which a word is written says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Spelling {
    #[default]
    Plain,
    /// As names are, and first words.
    Capital,
    /// As what nobody writes by chance: with a digit, an underscore, or a capital inside.
    Identifier,
}

/// Turns texts into terms. It owns the space for that, so one may serve many texts.
pub(crate) struct Analyzer {
    stemmer: Stemmer,
    folded: String,
    met: Option<Met>,
}

/// The words that were met before.
struct Met {
    /// The number of each, and whether it is a stop word.
    words: Memo<(u32, bool)>,
    /// The term of each, by number.
    terms: Vec<Box<str>>,
}

impl Analyzer {
    /// For a text or two.
    pub(crate) fn new() -> Self {
        let stemmer = Stemmer::create(Algorithm::English);
        Self { stemmer, folded: String::new(), met: None }
    }

    /// For so many texts that it pays to remember stems.
    pub(crate) fn for_many() -> Self {
        Self { met: Some(Met { words: Memo::new(), terms: Vec::new() }), ..Self::new() }
    }

    /// Gives every term of a text to `sink`, in the order of the text.
    ///
    /// Words are `[^\W_]+` with apostrophes inside, folded, without the possessive, stemmed
    /// (Snowball English). Text without spaces between words becomes pairs of characters.
    pub(crate) fn each(&mut self, text: &str, sink: &mut dyn FnMut(Term<'_>)) {
        let text = fold::compatible(text);
        for run in text.split(|c| !is_part(c)).filter(|run| !run.is_empty()) {
            if is_plain(run) {
                self.stem(run, false, sink);
            } else {
                self.run(run.trim_matches(|c| !fold::is_word(c)), sink);
            }
        }
        if symbol::may_hold(&text) {
            symbol::each(&text, |symbol| sink(Term { is_whole: true, ..Term::of(symbol) }));
        }
    }

    /// One run of words and joiners, such as `src/mod.rs` or `don't`.
    fn run(&mut self, run: &str, sink: &mut dyn FnMut(Term<'_>)) {
        let is_compound = run.contains(compound::is_joiner);
        if is_compound && compound::is_name(run) {
            fold::word(run, &mut self.folded);
            let spelling = Spelling::of(run);
            sink(Term { is_whole: true, spelling, ..Term::of(&self.folded) });
        }
        if !is_compound {
            return self.word(run, sink);
        }
        if let Some(joined) = compound::joined(run) {
            self.stem(&joined, true, sink);
        }
        for word in run.split(compound::is_joiner).filter(|word| !word.is_empty()) {
            self.word(word, sink);
        }
    }

    fn word(&mut self, word: &str, sink: &mut dyn FnMut(Term<'_>)) {
        if word.is_ascii() {
            return self.spaced(word, sink);
        }
        for (run, is_unspaced) in script::runs(word) {
            if is_unspaced {
                script::pairs(run, |pair| sink(Term::of(pair)));
            } else {
                self.spaced(run, sink);
            }
        }
    }

    /// A word of a script with spaces: itself, then its humps if it has any.
    fn spaced(&mut self, word: &str, sink: &mut dyn FnMut(Term<'_>)) {
        let word = word.trim_matches(fold::is_apostrophe);
        let has_humps = word.chars().skip(1).any(char::is_uppercase);
        self.stem(word, has_humps, sink);
        if has_humps {
            compound::humps(word, |part| {
                if part.chars().nth(1).is_some() {
                    self.stem(part, false, sink);
                }
            });
        }
    }

    fn stem(&mut self, word: &str, is_whole: bool, sink: &mut dyn FnMut(Term<'_>)) {
        if let Some(met) = &self.met
            && let Some((number, is_stop)) = met.words.get(word)
            && let Some(text) = met.terms.get(number as usize)
        {
            let is_whole = is_whole && !is_stop;
            let number = Some(number);
            return sink(Term { is_stop, is_whole, number, ..Term::of(text) });
        }
        fold::word(if word.len() > LONGEST_BYTES { head(word) } else { word }, &mut self.folded);
        let folded = self.folded.strip_suffix("'s").unwrap_or(&self.folded);
        if folded.is_empty() {
            return;
        }
        let is_stop = stop::is_stop(folded);
        let is_english = folded.bytes().all(|b| b.is_ascii_alphabetic() || b == b'\'');
        let text = if is_english && !is_stop {
            self.stemmer.stem(irregular::base(folded).unwrap_or(folded))
        } else {
            Cow::Borrowed(folded)
        };
        let is_function = self.met.is_none() && function::is_function(folded);
        let (is_whole, spelling) = (is_whole && !is_stop, Spelling::of(word));
        sink(Term { is_stop, is_function, is_whole, spelling, ..Term::of(&text) });
        if let Some(met) = &mut self.met {
            let number = u32::try_from(met.terms.len()).unwrap_or(u32::MAX);
            if met.words.put(word, (number, is_stop)) {
                met.terms.push(text.into());
            }
        }
    }
}

impl<'a> Term<'a> {
    fn of(text: &'a str) -> Self {
        let spelling = Spelling::default();
        let is_function = false;
        Self { text, is_stop: false, is_function, is_whole: false, spelling, number: None }
    }
}

impl Spelling {
    fn of(word: &str) -> Self {
        let mut letters = word.chars();
        let first = letters.next();
        if letters.any(char::is_uppercase) || word.contains(|c: char| c.is_numeric() || c == '_') {
            Self::Identifier
        } else if first.is_some_and(char::is_uppercase) {
            Self::Capital
        } else {
            Self::Plain
        }
    }
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Analyzer")
    }
}

/// Whether a run is one word and no more, as most are.
fn is_plain(run: &str) -> bool {
    run.bytes().all(|b| b.is_ascii_alphanumeric())
        && !run.bytes().skip(1).any(|b| b.is_ascii_uppercase())
}

fn is_part(c: char) -> bool {
    fold::is_word(c) || fold::is_apostrophe(c) || compound::is_joiner(c)
}

fn head(word: &str) -> &str {
    (0..=LONGEST_BYTES).rev().find_map(|end| word.get(..end)).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        Analyzer::new().each(text, &mut |term| {
            if !term.is_stop {
                found.push(term.text.to_owned());
            }
        });
        found
    }

    #[test]
    fn words_are_folded_stemmed_and_cleared_of_possessives() {
        assert_eq!(terms("Where did Ada's neighbours go?"), ["ada", "neighbour", "go"]);
        assert_eq!(terms("na\u{ef}ve caf\u{e9}s, Ada\u{2019}s"), ["naiv", "cafe", "ada"]);
        assert_eq!(terms("'quoted' o'clock"), ["quot", "o'clock"]);
    }

    #[test]
    fn identifiers_yield_themselves_and_their_parts() {
        assert_eq!(terms("getUserName"), ["getusernam", "get", "user", "name"]);
        assert_eq!(terms("max_body_bytes"), ["max_body_bytes", "max", "bodi", "byte"]);
        assert_eq!(terms("(ada@example.com)"), ["ada@example.com", "ada", "exampl", "com"]);
        assert_eq!(terms("192.168.1.10:"), ["192.168.1.10", "192", "168", "1", "10"]);
        assert_eq!(terms("rustls 0.23."), ["rustl", "0.23", "0", "23"]);
    }

    #[test]
    fn a_hyphenated_word_is_found_in_one_as_well() {
        assert_eq!(terms("e-mail"), ["email", "e", "mail"]);
        assert_eq!(terms("co-workers'"), ["cowork", "co", "worker"]);
        assert_eq!(terms("a-very-long-row-of-words"), ["long", "row", "word"]);
    }

    #[test]
    fn spellings_tell_names_and_identifiers() {
        let mut found = Vec::new();
        Analyzer::new().each("ask Ada about getUserName, x_y, NASA or v2", &mut |term| {
            found.push((term.text.to_owned(), term.spelling));
        });

        let of = |text: &str| found.iter().find(|(found, _)| found == text).unwrap().1;
        assert_eq!(of("ask"), Spelling::Plain);
        assert_eq!(of("ada"), Spelling::Capital);
        for text in ["getusernam", "x_y", "nasa", "v2"] {
            assert_eq!(of(text), Spelling::Identifier, "{text}");
        }
    }

    #[test]
    fn unspaced_scripts_become_pairs() {
        assert_eq!(terms("\u{6771}\u{4eac}\u{90fd}"), ["\u{6771}\u{4eac}", "\u{4eac}\u{90fd}"]);
        assert_eq!(terms("v2\u{732b}"), ["v2", "\u{732b}"]);
    }

    #[test]
    fn signs_that_somebody_means_are_terms() {
        assert_eq!(terms("C# or C++?"), ["c", "c", "c#", "c++"]);
        assert_eq!(terms("\u{1f389} party \u{2764}\u{fe0f}"), ["parti", "\u{1f389}", "\u{2764}"]);
        assert_eq!(terms("#ops 1+1 a + b"), ["op", "1+1", "1", "1", "b"]);
    }

    #[test]
    fn stop_words_are_marked_not_lost() {
        let mut all = Vec::new();
        Analyzer::new().each("The Who", &mut |term| all.push((term.text.to_owned(), term.is_stop)));

        assert_eq!(all, [("the".to_owned(), true), ("who".to_owned(), true)]);
    }
}
