use std::sync::LazyLock;

use serde_json::json;

use super::entry::{ToolEntry, dressed, tool};
use super::render;
use super::schema::{boolean, destroying, list_of, output, string};
use crate::engine::Undo;

/// The tools of the set `admin`: for whoever looks after what was stored.
pub(super) fn entries() -> &'static [ToolEntry] {
    static ENTRIES: LazyLock<[ToolEntry; 1]> = LazyLock::new(|| [undo()]);
    &*ENTRIES
}

const UNDO: &str = "Take changes back: one by its id (step), the last one of a memory (id) or of this client (last), or all of a \
     session or a credential since a time. Tells first what would happen; dry_run false does it. What was changed again since stays \
     and is told. An undo can be undone by its own step.";

fn undo() -> ToolEntry {
    let answer = output(json!({
        "dry_run": boolean(),
        "steps": list_of(json!({ "type": "object" })),
        "reverted": list_of(json!({ "type": "object" })),
        "conflicts": list_of(json!({ "type": "object" })),
        "gone": list_of(string()),
        "step": string(),
    }));
    let shown = tool::<Undo>("undo", "Undo changes", UNDO, destroying(), answer);
    ToolEntry::of::<Undo>(shown, |answer, ignored| dressed(answer, render::undone(answer), ignored))
}
