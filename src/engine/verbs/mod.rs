//! One file per verb: its arguments, its rules, its effect. They are named as the tools are.

mod add;
pub use add::{Add, AddStatus, Added, Message, Similar};
mod add_all;
pub use add_all::AddAll;
mod capture;
pub use capture::Capture;
mod context;
pub use context::{Context, ContextBlock, Extent, Replay};
mod delete;
pub use delete::{Delete, DeleteTarget, Deleted};
mod export;
pub use export::{Export, ExportLine, ExportPlace, Exported, MoreVersions, Whole};
mod files;
pub use files::{AskFiles, FileAnswer, ROOT};
mod get;
pub use get::{Get, Got};
mod graph;
pub use graph::{AskGraph, GraphAnswer};
mod growth;
pub use growth::Growth;
mod history;
pub use history::History;
mod import;
#[cfg(feature = "fuzzing")]
pub use import::read_import_line;
pub use import::{
    FileLine, IMPORT, IMPORT_CONFIRM, IMPORT_DRY_RUN, IMPORT_RUN, IMPORT_STEP, ImportLines,
    Imported, LineCutter, ListImports, MovedCounts, MovedLine, NOTES_FORMAT, OnChange,
    TriedOutcome,
};
mod link;
pub use link::{Link, Linked};
mod list;
pub use list::{List, Listed, Order, Sort};
mod look;
pub use look::Look;
mod names;
pub use names::{ListProjects, ListTags};
mod neighborhood;
pub use neighborhood::{Neighborhood, Neighbors};
mod number;
pub use number::{NumberAll, OfNumber};
mod related;
pub use related::Related;
mod restore;
pub use restore::Restore;
mod search;
pub use search::{Detail, Mode, Search, SearchHit, SearchResults, Shown};
mod stats;
pub use stats::{CountVectors, GivenTotals, Stats};
mod undo;
pub use undo::{ToldStep, Undo, Undone};
mod update;
pub use update::{Update, Updated};
mod why;
pub use why::{Again, Against, ListRecalls, RecallView, Recalled};
