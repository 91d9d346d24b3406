//! One file per verb: its arguments, its rules, its effect. They are named as the tools are.

mod add;
mod bare;
mod context;
mod delete;
mod export;
mod get;
mod history;
mod import;
mod list;
mod names;
mod related;
mod restore;
mod search;
mod stats;
mod update;

pub use add::{Add, AddStatus, Added, Similar};
pub use bare::Bare;
pub use context::{Context, ContextBlock};
pub use delete::{Delete, Deleted};
pub use export::{Export, ExportPlace, Exported, MoreVersions, Whole};
pub use get::{Get, Got};
pub use history::History;
pub use import::{FileLine, ImportLines, Imported, LineCutter};
pub use list::{List, Listed, Order, Sort};
pub use names::{ListProjects, ListTags};
pub use related::Related;
pub use restore::Restore;
pub use search::{Detail, Mode, Search, SearchHit, SearchResults, Shown};
pub use stats::Stats;
pub use update::{Update, Updated};
