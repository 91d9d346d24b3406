//! Times that a text names: "last March", "in 2023", "two weeks ago".

mod calendar;
mod token;

pub(crate) use calendar::{Span, date_words};

use calendar::{around, day, month, weekday_before, year};
use jiff::civil::Date;
use token::Token::{
    self, Ago, Day, Every, Last, Month, Night, Number, Of, Other, Season, This, Today, Unit,
    Weekday, Weekend, Year, Yesterday,
};

use crate::model::Timestamp;

/// How far back a month or day without a year is looked for.
const YEARS_BACK: i16 = 30;

/// The spans of time that a question names, seen from `now`; none if it names none.
///
/// Days are those of UTC.
pub(crate) fn named(text: &str, now: Timestamp) -> Vec<Span> {
    let Some(today) = calendar::date(now) else { return Vec::new() };
    let tokens = token::read(text);
    let mut spans = Vec::new();
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        let taken = one(rest, today, &mut spans);
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
    spans
}

/// Reads the time that stands at the head of the tokens, and says how many it took.
fn one(tokens: &[Token], today: Date, spans: &mut Vec<Span>) -> usize {
    if let [Every, Month(_) | Season(_) | Weekday(_) | Weekend, ..] = *tokens {
        return 2;
    }
    absolute(tokens, spans)
        .or_else(|| without_year(tokens, today, spans))
        .or_else(|| relative(tokens, today, spans))
        .unwrap_or(0)
}

/// Times that do not depend on today.
fn absolute(tokens: &[Token], spans: &mut Vec<Span>) -> Option<usize> {
    let (span, taken) = match *tokens {
        [Year(y), Number(m), Day(d) | Number(d), ..] => (day(y, m, d)?, 3),
        [Day(d) | Number(d), Month(m), Year(y), ..] => (day(y, m, d)?, 3),
        [Day(d) | Number(d), Of, Month(m), Year(y), ..] => (day(y, m, d)?, 4),
        [Month(m), Day(d) | Number(d), Year(y), ..] => (day(y, m, d)?, 3),
        [Month(m), Year(y), ..] => (month(y, m)?, 2),
        [Month(m), Of, Year(y), ..] => (month(y, m)?, 3),
        [Season(s), Year(y), ..] => (calendar::season(y, s)?, 2),
        [Season(s), Of, Year(y), ..] => (calendar::season(y, s)?, 3),
        [Year(y), ..] => (year(y)?, 1),
        _ => return None,
    };
    spans.push(span);
    Some(taken)
}

/// "in May", "on 8 May": any year's, unless "last" or "this" picks one.
fn without_year(tokens: &[Token], today: Date, spans: &mut Vec<Span>) -> Option<usize> {
    let this_year = today.year();
    let latest = |at: &dyn Fn(i16) -> Option<Span>| {
        let begun = |span: &Span| span.from <= calendar::start(today);
        (this_year - 1..=this_year).rev().find_map(|y| at(y).filter(begun))
    };
    let (span, taken) = match *tokens {
        [Last, Month(m), ..] => {
            let before = |y| month(y, m).filter(|span| span.to <= calendar::start(today));
            ((this_year - 1..=this_year).rev().find_map(before)?, 2)
        }
        [Last, Season(s), ..] => {
            let ended = |y| calendar::season(y, s).filter(|s| s.to <= calendar::start(today));
            ((this_year - 2..=this_year).rev().find_map(ended)?, 2)
        }
        [This, Month(m), ..] => (month(this_year, m)?, 2),
        [This, Season(s), ..] => (latest(&|y| calendar::season(y, s))?, 2),
        [Day(d) | Number(d), Month(m), ..] | [Month(m), Day(d) | Number(d), ..] => {
            spans.extend(every_year(this_year, |y| day(y, m, d)));
            return Some(2);
        }
        [Month(m), ..] => {
            spans.extend(every_year(this_year, |y| month(y, m)));
            return Some(1);
        }
        _ => return None,
    };
    spans.push(span);
    Some(taken)
}

fn every_year(this: i16, at: impl Fn(i16) -> Option<Span>) -> impl Iterator<Item = Span> {
    (this - YEARS_BACK..=this + 1).filter_map(at)
}

/// Times that are counted from today.
fn relative(tokens: &[Token], today: Date, spans: &mut Vec<Span>) -> Option<usize> {
    let (span, taken) = match *tokens {
        [Today, ..] => (Span::of_day(today)?, 1),
        [Yesterday, ..] => (Span::of_day(today.yesterday().ok()?)?, 1),
        [Last, Night, ..] => (Span::of_day(today.yesterday().ok()?)?, 2),
        [This, Night, ..] => (Span::of_day(today)?, 2),
        [Last, Weekend, ..] => (calendar::weekend_before(today)?, 2),
        [Last, Weekday(w), ..] | [Other, Weekday(w), ..] => (weekday_before(today, w)?, 2),
        [This, Unit(u), ..] => (u.around(today)?, 2),
        [Last, Unit(u), ..] => (u.before(today)?, 2),
        [Last, Number(n), Unit(u), ..] => (u.since(today, n)?, 3),
        [Number(n), Unit(u), Ago, ..] => (around(today, u, n)?, 3),
        _ => return None,
    };
    spans.push(span);
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Friday.
    const NOW: &str = "2026-03-20T12:00:00Z";

    fn holds(question: &str, date: &str) -> bool {
        let moment = Timestamp::parse(date).unwrap();
        named(question, Timestamp::parse(NOW).unwrap()).iter().any(|span| span.holds(moment))
    }

    #[test]
    fn dates_with_a_year_stand_by_themselves() {
        for question in [
            "on 8 May, 2023",
            "on May 8, 2023?",
            "on the 8th of May 2023",
            "2023-05-08",
            "May 8th 2023",
        ] {
            assert!(holds(question, "2023-05-08T23:00:00Z"), "{question}");
            assert!(!holds(question, "2023-05-09"), "{question}");
        }
        assert!(holds("in 2023", "2023-12-31") && !holds("in 2023", "2024-01-01"));
        assert!(holds("What happened in May 2023?", "2023-05-31"));
        assert!(holds("in the summer of 2023", "2023-07-01"));
    }

    #[test]
    fn times_without_a_year_mean_every_year_or_the_last() {
        assert!(holds("camping in June", "2023-06-10") && holds("camping in June", "2025-06-10"));
        assert!(holds("last March", "2025-03-02") && !holds("last March", "2026-03-02"));
        assert!(holds("this March", "2026-03-02"));
        assert!(holds("last summer", "2025-08-02") && !holds("last summer", "2024-08-02"));
        assert!(holds("last winter", "2026-01-15"));
    }

    #[test]
    fn times_are_counted_from_today() {
        assert!(
            holds("What did I say yesterday?", "2026-03-19") && !holds("yesterday", "2026-03-20")
        );
        assert!(holds("two weeks ago", "2026-03-06") && !holds("two weeks ago", "2026-03-19"));
        assert!(holds("last week", "2026-03-11") && !holds("last week", "2026-03-17"));
        assert!(holds("a month ago", "2026-02-20"));
        assert!(holds("in the last 3 days", "2026-03-18"));
        assert!(holds("last Tuesday", "2026-03-17") && holds("last weekend", "2026-03-14"));
        assert!(holds("last year", "2025-05-05") && holds("this year", "2026-01-05"));
        assert!(holds("last night", "2026-03-19"));
    }

    #[test]
    fn words_that_only_look_like_times_name_none() {
        for question in [
            "may I march on?",
            "port 2049",
            "at last",
            "the last one",
            "call 8 people",
            "June said",
            "who looks after it each November",
            "the fix of release 2025.50?",
            "",
        ] {
            assert!(named(question, Timestamp::parse(NOW).unwrap()).is_empty(), "{question}");
        }
    }
}
