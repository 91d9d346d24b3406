//! Memories as rows of a table for spreadsheets (RFC 4180).

use crate::model::Memory;

/// The first row, without an end of line.
pub const CSV_HEAD: &str = "id,created,changed,kind,project,tags,title,text,client";
/// What ends a row.
pub const CSV_END: &str = "\r\n";
/// A spreadsheet takes a cell that begins so for something to calculate, which may call out.
const FORMULAS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The row of a memory, without an end of line.
#[must_use]
pub fn csv_row(memory: &Memory) -> String {
    let tags: Vec<&str> = memory.tags.as_slice().iter().map(|tag| tag.as_str()).collect();
    let cells = [
        memory.id.to_string(),
        memory.created_at.to_string(),
        memory.updated_at.to_string(),
        memory.kind.to_string(),
        memory.project.as_ref().map(ToString::to_string).unwrap_or_default(),
        tags.join(", "),
        memory.title.as_ref().map(ToString::to_string).unwrap_or_default(),
        memory.content.clone(),
        memory.source.client.clone().unwrap_or_default(),
    ];
    cells.iter().map(|text| cell(text)).collect::<Vec<String>>().join(",")
}

/// Whether a spreadsheet may calculate a text, or it looks like one that was kept from that by the mark before it: such
/// a one gets one more, so that no text loses its own.
pub(super) fn may_calculate(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULAS)
}

/// A cell that no spreadsheet takes for a formula.
fn cell(text: &str) -> String {
    let mark = if may_calculate(text) { "'" } else { "" };
    format!("\"{mark}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_cell_or_is_calculated() {
        for (text, written) in [
            ("plain", "\"plain\""),
            ("=1+1", "\"'=1+1\""),
            ("'=1+1", "\"''=1+1\""),
            ("'plain'", "\"'plain'\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@x", "\"'@x\""),
            ("\tx", "\"'\tx\""),
            ("\rx", "\"'\rx\""),
            ("\"a\",b\r\nc", "\"\"\"a\"\",b\r\nc\""),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
