//! What has changed between two texts, word by word.

use super::text::PageText;

/// A piece of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiffPart {
    pub(super) text: PageText,
    pub(super) is_new: bool,
    pub(super) is_gone: bool,
}

/// Pairs of words that are compared at most; beyond, the middle is shown as replaced.
const MOST_PAIRS: usize = 1_000_000;

/// Shows what of the old text is gone and what of the new one is new. The longest common subsequence of
/// their words (Wagner and Fischer), after what both begin and end with.
pub(super) fn diff(old: &str, new: &str) -> Vec<DiffPart> {
    let (old, new) = (words(old), words(new));
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (head, old) = old.split_at(start);
    let new = new.get(start..).unwrap_or_default();
    let end = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, tail) = old.split_at(old.len() - end);
    let new = new.get(..new.len() - end).unwrap_or_default();
    let mut parts = Parts::default();
    head.iter().for_each(|word| parts.push(word, false, false));
    if old.len().saturating_mul(new.len()) > MOST_PAIRS {
        old.iter().for_each(|word| parts.push(word, false, true));
        new.iter().for_each(|word| parts.push(word, true, false));
    } else {
        middle(old, new, &mut parts);
    }
    tail.iter().for_each(|word| parts.push(word, false, false));
    parts.finish()
}

#[derive(Default)]
struct Parts {
    done: Vec<DiffPart>,
    text: String,
    is_new: bool,
    is_gone: bool,
}

impl Parts {
    fn push(&mut self, word: &str, is_new: bool, is_gone: bool) {
        if (is_new, is_gone) != (self.is_new, self.is_gone) {
            self.flush();
            (self.is_new, self.is_gone) = (is_new, is_gone);
        }
        self.text.push_str(word);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = PageText::of(&std::mem::take(&mut self.text));
            self.done.push(DiffPart { text, is_new: self.is_new, is_gone: self.is_gone });
        }
    }

    fn finish(mut self) -> Vec<DiffPart> {
        self.flush();
        self.done
    }
}

fn middle(old: &[&str], new: &[&str], parts: &mut Parts) {
    let width = new.len() + 1;
    // How much the rests from each pair of places have in common.
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at =
        |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or_default();
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let value = if one == other {
                at(&common, i + 1, j + 1) + 1
            } else {
                at(&common, i + 1, j).max(at(&common, i, j + 1))
            };
            if let Some(place) = common.get_mut(i * width + j) {
                *place = value;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    while let (Some(one), Some(other)) = (old.get(i), new.get(j)) {
        if one == other {
            parts.push(one, false, false);
            (i, j) = (i + 1, j + 1);
        } else if at(&common, i + 1, j) >= at(&common, i, j + 1) {
            parts.push(one, false, true);
            i += 1;
        } else {
            parts.push(other, true, false);
            j += 1;
        }
    }
    old.iter().skip(i).for_each(|word| parts.push(word, false, true));
    new.iter().skip(j).for_each(|word| parts.push(word, true, false));
}

/// Words, each with the white space behind it.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut was_space = false;
    for (place, c) in text.char_indices() {
        if was_space && !c.is_whitespace() {
            words.extend(text.get(start..place));
            start = place;
        }
        was_space = c.is_whitespace();
    }
    words.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> String {
        let mark = |part: &DiffPart| match (part.is_new, part.is_gone) {
            (true, _) => format!("+{}", part.text),
            (_, true) => format!("-{}", part.text),
            _ => part.text.to_string(),
        };
        diff(old, new).iter().map(mark).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_told_word_by_word() {
        assert_eq!(told("the dog is blue", "the cat is blue"), "the |-dog |+cat |is blue");
        assert_eq!(told("", "a b"), "+a b");
        assert_eq!(told("a b", ""), "-a b");
        assert_eq!(told("same text", "same text"), "same text");
        assert_eq!(told("a b c d", "a c d e"), "a |-b |c |-d|+d e");
    }

    #[test]
    fn large_texts_take_no_time() {
        let (old, new) = ("a ".repeat(5_000), "b ".repeat(5_000));

        let parts = diff(&old, &new);

        assert_eq!(parts.len(), 2);
    }
}
