//! Cutting texts so that an answer fits into what a model can read at once.

use super::view::estimate_tokens;
use super::{MemoryView, Shown};

/// Texts up to this are shown whole or not at all: a fact that is cut is no fact any more.
const LEAST_TOKENS: usize = 250;

/// Cuts the longest texts until all fit together, and leaves out the last where even that is not
/// enough. At least one is left. Short texts are never cut for long ones.
pub(super) fn fit(shown: &mut Vec<Shown>, budget: usize) {
    let costs: Vec<usize> = shown.iter().map(Shown::cost).collect();
    let mut least = 0;
    let fitting = costs.iter().take_while(|cost| {
        least += (**cost).min(LEAST_TOKENS);
        least <= budget
    });
    let kept = fitting.count().max(1);
    shown.truncate(kept);
    let most = most_for_each(costs.get(..kept).unwrap_or_default(), budget);
    for one in shown {
        if let Shown::Full(view) = one {
            view.cut_to(most);
        }
    }
}

/// How many tokens each may have at most, so that all have no more than the budget.
fn most_for_each(costs: &[usize], budget: usize) -> usize {
    let mut sorted = costs.to_vec();
    sorted.sort_unstable();
    let (mut left, mut others) = (budget, sorted.len());
    for cost in sorted {
        let share = left / others.max(1);
        if cost > share {
            return share.max(LEAST_TOKENS.min(budget));
        }
        left -= cost;
        others -= 1;
    }
    usize::MAX
}

impl MemoryView {
    /// Cuts the text to about so many tokens, with a mark that says how to read on.
    pub(super) fn cut_to(&mut self, most: usize) {
        let content = &self.memory.content;
        if estimate_tokens(content) <= most {
            return;
        }
        let mark = format!("... [cut here; get_memory with id {} shows all]", self.memory.id);
        let end = end_within(content, most.saturating_sub(estimate_tokens(&mark)));
        let (shown, rest) = content.split_at_checked(end).unwrap_or((content, ""));
        self.cut_chars = Some(rest.chars().count());
        self.memory.content = format!("{shown}{mark}");
    }
}

/// Where a text has to end to have about so many tokens.
pub(super) fn end_within(text: &str, tokens: usize) -> usize {
    let mut quarters = 0;
    let fitting = text.char_indices().take_while(|(_, c)| {
        quarters += if c.is_ascii() { 1 } else { 4 };
        quarters <= tokens * 4
    });
    fitting.last().map_or(0, |(at, c)| at + c.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_give_way_and_short_texts_stay_whole() {
        assert_eq!(most_for_each(&[10, 10, 1_000], 500), 480);
        assert_eq!(most_for_each(&[1_000, 1_000], 600), 300);
        assert_eq!(most_for_each(&[10, 20], 500), usize::MAX);
        assert_eq!(most_for_each(&[1_000; 10], 1_000), LEAST_TOKENS);
        assert_eq!(most_for_each(&[1_000], 100), 100);
    }

    #[test]
    fn a_text_ends_between_two_characters() {
        assert_eq!(end_within("abcdefgh", 1), 4);
        assert_eq!(end_within("\u{e9}\u{e9}", 1), 2);
        assert_eq!(end_within("ab", 100), 2);
        assert_eq!(end_within("ab", 0), 0);
    }
}
