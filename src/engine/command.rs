use serde::Serialize;

use super::verbs::{
    Add, Added, Context, ContextBlock, Delete, Deleted, Export, Exported, Get, Got, History,
    Import, Imported, List, Listed, Mode, Projects, Related, Restore, Search, SearchResults,
    Shelves, Stats, Tags, Totals, Update, Updated,
};
use crate::model::Scope;

/// Everything that can be asked of a session, whichever face it was asked through.
#[derive(Debug)]
pub enum Command {
    Add(Box<Add>),
    Search(Box<Search>),
    Get(Get),
    List(Box<List>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Context(Context),
    History(History),
    Restore(Restore),
    Related(Related),
    Tags(Tags),
    Projects(Projects),
    Stats(Stats),
    Export(Export),
    Import(Import),
}

/// What a session answers. Each face gives it its own clothes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    Added(Box<Added>),
    Found(SearchResults),
    Got(Box<Got>),
    Listed(Listed),
    Updated(Box<Updated>),
    Deleted(Deleted),
    Context(ContextBlock),
    Shelves(Shelves),
    Totals(Totals),
    Exported(Exported),
    Imported(Imported),
}

impl Command {
    /// The scope a caller must hold. Exhaustive, so a new verb cannot forget to say.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Self::Add(add) => writing(add.is_instruction()),
            Self::Update(update) => writing(update.makes_instruction()),
            Self::Import(import) => writing(import.has_instruction()),
            Self::Delete(_) | Self::Restore(_) => Scope::Write,
            Self::Search(_)
            | Self::Get(_)
            | Self::List(_)
            | Self::Context(_)
            | Self::History(_)
            | Self::Related(_)
            | Self::Tags(_)
            | Self::Projects(_)
            | Self::Stats(_)
            | Self::Export(_) => Scope::Read,
        }
    }
}

impl Command {
    /// The question of a command whose answer depends on what it means, and the place of its vector.
    pub fn question(&mut self) -> Option<(&str, &mut Option<Vec<f32>>)> {
        match self {
            Self::Search(search) if search.mode != Mode::Keyword => {
                Some((&search.query, &mut search.vector))
            }
            Self::Context(context) => Some((context.query.as_deref()?, &mut context.vector)),
            _ => None,
        }
    }
}

fn writing(is_instruction: bool) -> Scope {
    if is_instruction { Scope::Instructions } else { Scope::Write }
}
