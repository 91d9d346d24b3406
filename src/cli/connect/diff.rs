//! What changes in a file, as people read it.

/// Lines that are shown around a change.
const AROUND: usize = 3;

/// Characters of a line that are shown; programs keep whole histories on one.
const LINE_CHARS: usize = 200;

/// The one place in which two texts differ, in the unified form. Nothing where they are the same.
pub(super) fn diff(path: &str, before: &str, after: &str) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let shorter = old.len().min(new.len());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old.iter().rev().zip(new.iter().rev())).min(shorter.saturating_sub(head));
    let start = head.saturating_sub(AROUND);
    let (old_end, new_end) = (old.len().saturating_sub(tail), new.len().saturating_sub(tail));
    let shown_after = tail.min(AROUND);
    let count = |end: usize| end.saturating_sub(start).saturating_add(shown_after);
    let first = |count: usize| if count == 0 { start } else { start.saturating_add(1) };
    let (old_count, new_count) = (count(old_end), count(new_end));
    let mut lines = vec![
        format!("--- {path}"),
        format!("+++ {path}"),
        format!("@@ -{},{old_count} +{},{new_count} @@", first(old_count), first(new_count)),
    ];
    let part = |mark: char, lines: &[&str], from: usize, to: usize| -> Vec<String> {
        let lines = lines.get(from..to).unwrap_or_default();
        lines.iter().map(|line| format!("{mark}{}", shown(line))).collect()
    };
    lines.extend(part(' ', &old, start, head));
    lines.extend(part('-', &old, head, old_end));
    lines.extend(part('+', &new, head, new_end));
    lines.extend(part(' ', &old, old_end, old_end.saturating_add(shown_after)));
    lines
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARS) {
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_with_the_lines_around_it() {
        let told = diff("f", "1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\n3\n4\nnew\n6\n7\n8\n");

        assert_eq!(
            told,
            ["--- f", "+++ f", "@@ -2,7 +2,7 @@", " 2", " 3", " 4", "-5", "+new", " 6", " 7", " 8"]
        );
    }

    #[test]
    fn what_is_new_or_gone_whole_is_shown_so() {
        assert_eq!(diff("f", "", "a\n"), ["--- f", "+++ f", "@@ -0,0 +1,1 @@", "+a"]);
        assert_eq!(diff("f", "a\n", ""), ["--- f", "+++ f", "@@ -1,1 +0,0 @@", "-a"]);
        assert_eq!(diff("f", "a\na\n", "a\n"), ["--- f", "+++ f", "@@ -1,2 +1,1 @@", " a", "-a"]);
        assert!(diff("f", "a", "a").is_empty());
        assert!(diff("f", "", &"x".repeat(1000))[3].len() < 300);
    }
}
