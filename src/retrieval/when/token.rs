//! The words of which times are made.

/// One word, as far as it can be part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A number of a year, in a place where a year stands.
    Year(i16),
    /// A small number, written as figures or as a word.
    Number(i8),
    /// A number that can only be a day: "8th".
    Day(i8),
    Month(i8),
    /// 0 is spring, 3 is winter.
    Season(i8),
    /// 0 is Monday.
    Weekday(i8),
    Weekend,
    Night,
    Unit(Unit),
    Today,
    Yesterday,
    Ago,
    Last,
    This,
    Of,
    /// "each November" is no time, but a habit.
    Every,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    Week,
    Month,
    Year,
}

pub(super) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const SEASONS: [&str; 4] = ["spring", "summer", "autumn", "winter"];
const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];
/// Words after which four figures are a year, and "may" and "march" are months.
const BEFORE_A_TIME: [&str; 20] = [
    "in",
    "during",
    "since",
    "of",
    "by",
    "until",
    "till",
    "before",
    "after",
    "around",
    "early",
    "late",
    "mid",
    "last",
    "this",
    "next",
    "year",
    "from",
    "throughout",
    "for",
];

/// Reads a text word by word. "the" is passed over.
pub(super) fn read(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut before = String::new();
    let mut words = text
        .split_whitespace()
        .map(|chunk| if is_version(chunk) { "version" } else { chunk })
        .flat_map(|chunk| chunk.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .peekable();
    while let Some(raw) = words.next() {
        let word = raw.to_lowercase();
        if word == "the" {
            continue;
        }
        let in_place = BEFORE_A_TIME.contains(&before.as_str())
            || matches!(tokens.last(), Some(Token::Month(_) | Token::Season(_) | Token::Day(_)))
            || matches!(tokens.last(), Some(Token::Number(_)));
        let then_figures =
            words.peek().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
        tokens.push(one(&word, in_place || then_figures));
        before = word;
    }
    tokens
}

/// "2025.50" is a version or an amount, and no year.
fn is_version(chunk: &str) -> bool {
    let chunk = chunk.trim_matches(|c: char| !c.is_alphanumeric());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    chunk.split_once('.').is_some_and(|(whole, rest)| is_number(whole) && is_number(rest))
}

fn one(word: &str, in_place: bool) -> Token {
    let at = |list: &[&str]| {
        list.iter().position(|name| *name == word).and_then(|at| i8::try_from(at).ok())
    };
    if let Some(number) = figures(word, in_place) {
        return number;
    }
    if let Some(month) = month(word) {
        // Verbs and names of people, unless they stand where a month stands.
        let is_doubtful =
            matches!(word, "may" | "march" | "april" | "june" | "august") || word.len() == 3;
        return if is_doubtful && !in_place { Token::Other } else { Token::Month(month) };
    }
    if let Some(n) = at(&NUMBERS) {
        return Token::Number(n + 1);
    }
    if let Some(day) = at(&WEEKDAYS) {
        return Token::Weekday(day);
    }
    if let Some(season) = at(&SEASONS) {
        return Token::Season(season);
    }
    match word {
        "fall" if in_place => Token::Season(2),
        "a" | "an" => Token::Number(1),
        "couple" => Token::Number(2),
        "few" => Token::Number(3),
        "weekend" => Token::Weekend,
        "night" | "evening" | "morning" | "afternoon" => Token::Night,
        "day" | "days" => Token::Unit(Unit::Day),
        "week" | "weeks" => Token::Unit(Unit::Week),
        "month" | "months" => Token::Unit(Unit::Month),
        "year" | "years" => Token::Unit(Unit::Year),
        "today" | "tonight" => Token::Today,
        "yesterday" => Token::Yesterday,
        "ago" => Token::Ago,
        "last" | "past" | "previous" => Token::Last,
        "this" | "current" => Token::This,
        "of" => Token::Of,
        "each" | "every" => Token::Every,
        _ => Token::Other,
    }
}

/// Names of months, whole or cut to three letters ("Sept" too).
fn month(word: &str) -> Option<i8> {
    let whole = |name: &str| name == word || word.len() == 3 && name.starts_with(word);
    let at =
        MONTHS.iter().position(|name| whole(name) || word == "sept" && *name == "september")?;
    i8::try_from(at + 1).ok()
}

fn figures(word: &str, in_place: bool) -> Option<Token> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let value: i16 = digits.parse().ok()?;
    let small = i8::try_from(value).ok().filter(|n| (0..=99).contains(n));
    match (word.strip_prefix(digits)?, small) {
        ("", None) if in_place && (1900..2100).contains(&value) => Some(Token::Year(value)),
        ("", Some(n)) if digits.len() <= 2 => Some(Token::Number(n)),
        ("st" | "nd" | "rd" | "th", Some(n)) if n <= 31 => Some(Token::Day(n)),
        _ => Some(Token::Other),
    }
}
