//! Where a JSON value ends, told by its bytes alone, whether or not it can be read.

/// How far into a value somebody is who goes through its bytes.
#[derive(Debug, Default)]
pub(super) struct Cut {
    depth: usize,
    is_text: bool,
    is_escaped: bool,
    has_begun: bool,
}

/// The values that stand one behind another in some bytes, as where two lines lost the end between
/// them.
pub(super) fn glued(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes.trim_ascii();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (length, _) = Cut::default().advance(rest);
        let (value, behind) = rest.split_at(length.max(1));
        rest = behind.trim_ascii();
        Some(value)
    })
}

impl Cut {
    /// Goes through some bytes. Returns how many of them belong to the value, and whether it ends there.
    pub(super) fn advance(&mut self, piece: &[u8]) -> (usize, bool) {
        for (at, byte) in piece.iter().enumerate() {
            match *byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.is_text => self.is_escaped = true,
                b'"' => {
                    self.is_text = !self.is_text;
                    if !self.is_text && self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ if self.is_text => {}
                b'{' | b'[' if self.depth == 0 && self.has_begun => return (at, true),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' | b',' | b':' if self.depth == 0 => return (at, true),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                byte if self.depth == 0 && byte.is_ascii_whitespace() => return (at, true),
                _ => {}
            }
            self.has_begun = true;
        }
        (piece.len(), false)
    }

    /// Whether a value would be whole if nothing came after what it went through.
    pub(super) fn is_whole(&self) -> bool {
        self.has_begun && self.depth == 0 && !self.is_text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_stand_one_behind_another_are_told_apart() {
        let values = |bytes: &'static [u8]| glued(bytes).collect::<Vec<_>>();

        let glued = values(b" {\"a\": \"}{\"}{\"b\": 1} ");

        assert_eq!(glued, [&b"{\"a\": \"}{\"}"[..], b"{\"b\": 1}"]);
        assert_eq!(values(b"}x"), [&b"}"[..], b"x"]);
    }
}
