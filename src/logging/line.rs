use std::fmt::{self, Write};

use log::Record;

use crate::model::Timestamp;

/// Room for most lines without growing.
const USUAL_BYTES: usize = 256;

/// One event as one line: `2026-11-21T11:22:33.123Z INFO  target message`.
pub(super) fn of(record: &Record<'_>, now: Timestamp) -> String {
    let mut line = Escaping(String::with_capacity(USUAL_BYTES));
    let (level, target, message) = (record.level(), record.target(), record.args());
    // Writing to a string fails only where something's own Display does; what stands is kept.
    let _ = write!(line, "{now} {level:<5} {target} {message}");
    line.0.push('\n');
    line.0
}

/// The text with everything escaped that could end a line, forge one, or steer a terminal.
pub(super) fn escaped(text: &str) -> String {
    let mut out = Escaping(String::with_capacity(text.len()));
    let _ = out.write_str(text);
    out.0
}

struct Escaping(String);

impl Write for Escaping {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if misleads(c) {
                self.0.extend(c.escape_default());
            } else {
                self.0.push(c);
            }
        }
        Ok(())
    }
}

/// Control characters, line and paragraph separators, and those that turn the reading direction.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    fn line(message: &str) -> String {
        let args = format_args!("{message}");
        let record =
            Record::builder().level(Level::Info).target("memoryd::http").args(args).build();
        of(&record, Timestamp(1_795_260_153_123))
    }

    #[test]
    fn a_line_has_time_level_target_and_message() {
        assert_eq!(line("started"), "2026-11-21T11:22:33.123Z INFO  memoryd::http started\n");
    }

    #[test]
    fn nothing_in_a_message_can_forge_a_line() {
        let hostile = "GET /a\r\n2026-11-21T11:22:33Z INFO ok\u{1b}[2J\u{2028}x\u{202e}y\0\u{85}";

        let written = line(hostile);

        assert_eq!(written.matches('\n').count(), 1);
        assert!(!written.trim_end().contains(misleads));
        assert!(written.contains(r"GET /a\r\n2026"), "{written}");
        assert_eq!(escaped("caf\u{e9} \u{1f511}"), "caf\u{e9} \u{1f511}");
    }
}
