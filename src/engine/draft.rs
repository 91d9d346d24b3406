//! The fields of a memory that its writer chooses, declared once for adding, updating and importing.

use Meeting::{Apart, Fills};

use super::arguments::{Arguments, Change, InvalidArguments};
use super::field::{Field, Shape};
use crate::model::{
    Category, EventTime, Kind, Memory, Metadata, Priority, Project, Tags, Title, json,
};

/// Declares a field: how it is called, the type that it has in [`Memory`] under the same name, its
/// shape, what is said of it, what becomes of it where its memory is there already, and, unless its
/// type has them, its bounds. A function cannot name a field of two structs.
macro_rules! draft {
    ($($name:ident: $type:ty = $shape:expr, $about:literal, $meeting:expr $(, within $check:expr)?;)*) => {
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
                $($(
                    if let Change::Set(said) = &draft.$name
                        && let Some(problem) = beyond::<$type>($check, said)
                    {
                        arguments.refuse(stringify!($name), &problem);
                    }
                )?)*
                draft
            }

            /// All that the writer of a memory chose.
            #[must_use]
            pub fn of(memory: Memory) -> Self {
                Self { $($name: Place::<$type>::said(memory.$name),)* }
            }

            /// Says it all of a memory.
            pub(super) fn write_to(self, memory: &mut Memory) {
                $(memory.$name.change(self.$name);)*
            }

            /// Holds a memory to the bounds, whatever brings it. What stays as it was before is not
            /// looked at again.
            pub(super) fn check(
                before: Option<&Memory>,
                after: &Memory,
            ) -> Result<(), InvalidArguments> {
                $($(
                    if before.is_none_or(|before| before.$name != after.$name)
                        && let Some(said) = Place::<$type>::there(&after.$name)
                        && let Some(problem) = beyond::<$type>($check, said)
                    {
                        return Err(InvalidArguments::one(stringify!($name), &problem));
                    }
                )?)*
                Ok(())
            }

            /// Whether a memory says all that another one says in the fields that fill.
            pub(super) fn covers(there: &Memory, other: &Memory) -> bool {
                $(covers($meeting, &there.$name, &other.$name))&&*
            }

            /// Fills what a memory leaves open. Tells of each field what became of it.
            fn fill(&self, memory: &mut Memory) -> Vec<(&'static str, Met)> {
                vec![$((stringify!($name), meet($meeting, &mut memory.$name, &self.$name)),)*]
            }
        }
    };
}

draft! {
    title: Title = Shape::Name, "", Fills;
    kind: Kind = Shape::Name, "note, fact, preference, conversation, task, instruction, decision, file, ...", Apart;
    tags: Tags = Shape::Names, "", Apart;
    project: Project = Shape::Name, "Groups what belongs together", Apart;
    category: Category = Shape::Name, "", Fills;
    priority: Priority = Shape::Whole { least: 1, most: 5 }, "Default 3", Fills;
    metadata: Metadata = Shape::Object, "", Apart, within check_metadata;
    event_at: EventTime = Shape::Moment, "When it took place", Apart;
    pinned: bool = Shape::Flag, "Always part of the context", Apart;
}

/// What becomes of a field where the same memory is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    /// It is taken over where the memory says nothing of it; else the memory stays as it is.
    Fills,
    /// It has a rule of its own, in [`Draft::agrees`], [`Draft::merge_into`] and `says_all_of` of the import.
    Apart,
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    /// The memory says the same, or nothing was said.
    Agreed,
    Taken,
    Stayed,
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
        let own = [
            ("tags", absorb(&mut memory.tags, &self.tags)),
            ("pinned", meet(Fills, &mut memory.pinned, &self.pinned)),
        ];
        let filled = self.fill(memory);
        let taken = names(own.iter().chain(&filled), Met::Taken);
        let stayed = names(filled.iter().chain(&own), Met::Stayed);
        (taken, stayed)
    }
}

fn says<T: PartialEq>(change: &Change<T>, there: &T) -> bool {
    match change {
        Change::Keep | Change::Clear => true,
        Change::Set(said) => said == there,
    }
}

fn absorb(tags: &mut Tags, said: &Change<Tags>) -> Met {
    let Change::Set(more) = said else { return Met::Agreed };
    let before = tags.clone();
    tags.absorb(more);
    if *tags == before { Met::Agreed } else { Met::Taken }
}

fn meet<T, P>(meeting: Meeting, place: &mut P, said: &Change<T>) -> Met
where
    T: Clone,
    P: Place<T> + Default + PartialEq,
{
    let (Fills, Change::Set(value)) = (meeting, said) else { return Met::Agreed };
    let mut wanted = P::default();
    wanted.change(Change::Set(value.clone()));
    if *place == wanted {
        Met::Agreed
    } else if *place == P::default() {
        *place = wanted;
        Met::Taken
    } else {
        Met::Stayed
    }
}

/// Those of the fields of which this became.
fn names<'a>(fields: impl Iterator<Item = &'a (&'static str, Met)>, met: Met) -> Vec<&'static str> {
    fields.filter(|(_, is)| *is == met).map(|(name, _)| *name).collect()
}

fn covers<P: Default + PartialEq>(meeting: Meeting, there: &P, other: &P) -> bool {
    meeting == Apart || *other == P::default() || there == other
}

/// What is wrong with a value that goes beyond its bounds.
fn beyond<T>(check: fn(&T) -> Result<(), String>, said: &T) -> Option<String> {
    check(said).err()
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

    /// The change that leads to it.
    fn said(self) -> Change<T>;

    fn there(&self) -> Option<&T>;
}

impl<T> Place<T> for Option<T> {
    fn change(&mut self, change: Change<T>) {
        match change {
            Change::Keep => {}
            Change::Clear => *self = None,
            Change::Set(value) => *self = Some(value),
        }
    }

    fn said(self) -> Change<T> {
        self.map_or(Change::Clear, Change::Set)
    }

    fn there(&self) -> Option<&T> {
        self.as_ref()
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

    fn said(self) -> Change<T> {
        Change::Set(self)
    }

    fn there(&self) -> Option<&T> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{MemoryId, Timestamp};

    fn memory(more: &serde_json::Value) -> Memory {
        let new = Memory::new(MemoryId::default(), "tea".to_owned(), Timestamp(0));
        let mut memory = serde_json::to_value(new).unwrap();
        memory.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(memory).unwrap()
    }

    fn dressed() -> Memory {
        memory(&json!({
            "title": "T", "kind": "fact", "tags": ["a"], "project": "p", "category": "c",
            "priority": 5, "pinned": true, "metadata": { "k": 1 },
            "event_at": "2026-03-01T12:00:00+01:00",
        }))
    }

    #[test]
    fn a_duplicate_fills_what_is_open_and_what_differs_stays() {
        let mut open = memory(&json!({}));
        let (taken, stayed) = Draft::of(dressed()).merge_into(&mut open);
        assert_eq!(taken, ["tags", "pinned", "title", "category", "priority"]);
        assert!(stayed.is_empty());
        assert_eq!((&open.title, open.pinned), (&dressed().title, true));

        let mut there = dressed();
        let other = json!({ "title": "U", "category": "d", "priority": 4, "tags": ["A"] });
        let (taken, stayed) = Draft::of(memory(&other)).merge_into(&mut there);
        assert!(taken.is_empty());
        assert_eq!(stayed, ["title", "category", "priority", "pinned"]);
        assert_eq!(there, dressed());
    }

    #[test]
    fn what_a_writer_chose_makes_the_same_of_any_memory() {
        for (from, to) in [(dressed(), memory(&json!({}))), (memory(&json!({})), dressed())] {
            let mut after = to;
            Draft::of(from.clone()).write_to(&mut after);
            assert_eq!(after, from);
        }
    }

    #[test]
    fn bounds_hold_for_what_is_new() {
        let large = memory(&json!({ "metadata": { "k": "x".repeat(METADATA_LIMIT) } }));

        let refused = Draft::check(None, &large).unwrap_err();
        assert!(refused.to_string().starts_with("metadata: is "), "{refused}");
        assert!(Draft::check(Some(&memory(&json!({}))), &large).is_err());
        assert_eq!(Draft::check(Some(&large), &large), Ok(()));
        assert_eq!(Draft::check(None, &dressed()), Ok(()));
    }
}
