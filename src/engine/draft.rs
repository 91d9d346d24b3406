//! The fields of a memory that its writer chooses, declared once for adding and updating.

use super::arguments::{Arguments, Change};
use super::field::{Field, Shape};
use crate::model::{
    Category, EventTime, Kind, Memory, Metadata, Priority, Project, Tags, Title, json,
};

/// Declares a field: how it is called, the type that it has in [`Memory`] under the same name, its
/// shape, and what is said of it. A function cannot name a field of two structs.
macro_rules! draft {
    ($($name:ident: $type:ty = $shape:expr, $about:literal;)*) => {
        /// What a writer says of a memory besides its text. What is not said stays as it is.
        #[derive(Debug, Clone, Default)]
        pub struct Draft {
            $(pub $name: Change<$type>,)*
        }

        impl Draft {
            pub(super) const FIELDS: &'static [Field] =
                &[$(Field::new(stringify!($name), $shape, $about),)*];
            /// What can be cleared: each of the fields, and the end of a memory's life.
            pub(super) const CLEARABLE: &'static [&'static str] =
                &[$(stringify!($name),)* "ttl_days"];

            pub(super) fn take(arguments: &mut Arguments) -> Self {
                let draft = Self {
                    $($name: arguments.change(&Field::new(stringify!($name), $shape, $about)),)*
                };
                draft.refuse_what_is_too_large(arguments);
                draft
            }

            /// Says it all of a memory.
            pub(super) fn write_to(self, memory: &mut Memory) {
                $(memory.$name.change(self.$name);)*
            }
        }
    };
}

draft! {
    title: Title = Shape::Name, "";
    kind: Kind = Shape::Name, "note, fact, preference, conversation, task, instruction, decision, file, ...";
    tags: Tags = Shape::Names, "";
    project: Project = Shape::Name, "Groups what belongs together";
    category: Category = Shape::Name, "";
    priority: Priority = Shape::Whole { least: 1, most: 5 }, "Default 3";
    metadata: Metadata = Shape::Object, "";
    event_at: EventTime = Shape::Moment, "When it took place";
    pinned: bool = Shape::Flag, "Always part of the context";
}

/// Bytes of one memory's metadata, as JSON. Enough for a form; long texts belong into `content`.
pub(super) const METADATA_LIMIT: usize = 16 * 1024;
/// Deeper values could be stored, but not be read by every client.
const METADATA_DEPTH: usize = 32;

impl Draft {
    pub(super) fn is_instruction(&self) -> bool {
        matches!(&self.kind, Change::Set(kind) if kind.is_instruction())
    }

    /// Whether a memory says the same of the same. What is not said may be anything.
    pub(super) fn agrees(&self, memory: &Memory) -> bool {
        says(&self.kind, &memory.kind)
            && says(
                &self.event_at.clone().map(|event| Some(event.at)),
                &memory.event_at.map(|e| e.at),
            )
            && says(&self.metadata, &memory.metadata)
    }

    /// Adds to a memory that agrees what it does not say yet. Returns the names of the fields
    /// that it took over, and of those in which the two differ, where the old value stays.
    pub(super) fn merge_into(&self, memory: &mut Memory) -> (Vec<&'static str>, Vec<&'static str>) {
        let before = memory.clone();
        if let Change::Set(tags) = &self.tags {
            memory.tags.absorb(tags);
        }
        if let Change::Set(true) = self.pinned {
            memory.pinned = true;
        }
        fill(&mut memory.title, &self.title);
        fill(&mut memory.category, &self.category);
        if let Change::Set(priority) = self.priority
            && memory.priority == Priority::default()
        {
            memory.priority = priority;
        }
        let taken = [
            ("tags", memory.tags != before.tags),
            ("pinned", memory.pinned != before.pinned),
            ("title", memory.title != before.title),
            ("category", memory.category != before.category),
            ("priority", memory.priority != before.priority),
        ];
        let stayed = [
            ("title", differs(&self.title, &memory.title)),
            ("category", differs(&self.category, &memory.category)),
            ("priority", !says(&self.priority, &memory.priority)),
            ("pinned", !says(&self.pinned, &memory.pinned)),
        ];
        let names = |of: &[(&'static str, bool)]| {
            of.iter().filter(|(_, is_so)| *is_so).map(|(name, _)| *name).collect()
        };
        (names(&taken), names(&stayed))
    }

    fn refuse_what_is_too_large(&self, arguments: &mut Arguments) {
        let Change::Set(metadata) = &self.metadata else { return };
        if let Err(problem) = check_metadata(metadata) {
            arguments.refuse("metadata", &problem);
        }
    }
}

fn says<T: PartialEq>(change: &Change<T>, there: &T) -> bool {
    match change {
        Change::Keep | Change::Clear => true,
        Change::Set(said) => said == there,
    }
}

fn fill<T: Clone>(place: &mut Option<T>, said: &Change<T>) {
    if let (None, Change::Set(said)) = (&place, said) {
        *place = Some(said.clone());
    }
}

fn differs<T: PartialEq>(said: &Change<T>, there: &Option<T>) -> bool {
    matches!((said, there), (Change::Set(said), Some(there)) if said != there)
}

/// The same bounds for whatever brings metadata: a call, or a line of an export.
pub(super) fn check_metadata(metadata: &Metadata) -> Result<(), String> {
    let len = serde_json::to_string(metadata).map_or(0, |text| text.len());
    if len > METADATA_LIMIT {
        return Err(format!("is {len} bytes; the limit is {METADATA_LIMIT}"));
    }
    let depth = metadata.values().map(json::depth).max().unwrap_or_default();
    if depth > METADATA_DEPTH {
        return Err(format!("is nested {depth} deep; the limit is {METADATA_DEPTH}"));
    }
    Ok(())
}

/// A place of a memory that can be set and cleared.
trait Place<T> {
    fn change(&mut self, change: Change<T>);
}

impl<T> Place<T> for Option<T> {
    fn change(&mut self, change: Change<T>) {
        match change {
            Change::Keep => {}
            Change::Clear => *self = None,
            Change::Set(value) => *self = Some(value),
        }
    }
}

impl<T: Default> Place<T> for T {
    fn change(&mut self, change: Change<T>) {
        match change {
            Change::Keep => {}
            Change::Clear => *self = T::default(),
            Change::Set(value) => *self = value,
        }
    }
}
