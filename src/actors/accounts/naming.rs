use crate::model::CredentialName;

/// What of a text can stand in a name, so many characters at most: letters, digits, and these marks. A
/// hyphen stands for all else.
pub(super) fn fitting(text: &str, most: usize, marks: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    let fit: String = text.chars().map(|c| if is_fit(c) { c } else { '-' }).take(most).collect();
    fit.trim_matches('-').to_owned()
}

/// The first of `base`, `base-2`, `base-3` and so on that is free. The base leaves room for a number.
pub(super) fn first_free(base: &str, is_free: impl Fn(&CredentialName) -> bool) -> CredentialName {
    let mut name = base.to_owned();
    let mut number = 2_u64;
    loop {
        if let Some(free) = CredentialName::parse(&name).ok().filter(&is_free) {
            return free;
        }
        name = format!("{base}-{number}");
        number += 1;
    }
}
