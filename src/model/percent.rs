//! Percent encoding (RFC 3986, 2.1), in the ways in which it is used here: one segment of a path or one value
//! of a query, a path within a query, and forms.

/// Writes a text so that it stands whole in a path, in a query and in a form, whichever way it is read.
#[must_use]
pub fn encoded(text: &str) -> String {
    escaped(text, is_unreserved)
}

/// The same, with the slashes of a path left as they are. For a query.
#[must_use]
pub fn encoded_path(path: &str) -> String {
    escaped(path, |byte| is_unreserved(byte) || byte == b'/')
}

/// Reads a segment of a path back; nothing if an escape is broken or the text is no UTF-8.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    unescaped(text, |first, behind| match first {
        b'%' => escape(behind),
        _ => Some((first, behind)),
    })
}

/// Reads a part of a form, in which a plus stands for a space and a broken escape for itself; nothing if the
/// text is no UTF-8.
#[must_use]
pub fn decoded_form(text: &str) -> Option<String> {
    unescaped(text, |first, behind| match first {
        b'%' => escape(behind).or(Some((first, behind))),
        b'+' => Some((b' ', behind)),
        _ => Some((first, behind)),
    })
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn escaped(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

/// Reads a text byte by byte: what the first one stands for with what is behind it, and what comes then.
fn unescaped(
    text: &str,
    read: impl for<'a> Fn(u8, &'a [u8]) -> Option<(u8, &'a [u8])>,
) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let (byte, behind) = read(first, behind)?;
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

/// The byte that the two digits behind a percent sign stand for, and what comes behind them.
fn escape(behind: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = behind else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((digit(*high)? * 16 + digit(*low)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 7] =
        ["", "plain", "a b+c%d&e=f#g", "\u{e9}\u{1f697}\"'<>", "..%2F", "caf\u{e9} 100%", "a/b"];

    #[test]
    fn what_is_written_is_read_back_the_same_in_either_way() {
        for text in TEXTS {
            let written = encoded(text);
            assert_eq!(decoded(&written).as_deref(), Some(text));
            assert_eq!(decoded_form(&written).as_deref(), Some(text));
            assert_eq!(decoded(&encoded_path(text)).as_deref(), Some(text));
            assert!(!written.contains(['+', '/']), "only some readers take a plus for a space");
        }
        assert_eq!(encoded_path("/a b?c=\u{e9}&d"), "/a%20b%3Fc%3D%C3%A9%26d");
    }

    #[test]
    fn a_form_has_a_plus_for_a_space_and_forgives_a_broken_escape() {
        assert_eq!(decoded_form("1+2%2b%C3%a9%26").as_deref(), Some("1 2+\u{e9}&"));
        assert_eq!(decoded_form("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(decoded_form("%+f").as_deref(), Some("% f"));
        assert_eq!(decoded("a+b").as_deref(), Some("a+b"));
        for broken in ["%", "%4", "%zz", "%+f", "%ff"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
        assert_eq!(decoded_form("%ff"), None);
    }
}
