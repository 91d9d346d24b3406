use serde::{Deserialize, Serialize};

use super::arguments::Arguments;
use super::catalog::{Catalog, Entry, Word};
use super::field::{Field, Shape};
use crate::model::{Caller, Category, Kind, Memory, Priority, Project, Status, Tags, Timestamp};

/// Which memories a verb is about. An empty filter means every active memory in scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    #[serde(skip_serializing_if = "is_unsaid")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub tag_match: TagMatch,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub kinds: Vec<String>,
    #[serde(flatten)]
    pub named: Named,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub project: Option<String>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub scope: Option<QueryScope>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub since: Option<i64>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub until: Option<i64>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub as_of: Option<i64>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub pinned: Option<bool>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub min_priority: Option<u8>,
    #[serde(skip_serializing_if = "is_unsaid")]
    pub statuses: Vec<Status>,
    /// Who wrote it, as [`Source::writer`](crate::model::Source::writer) has it. For the pages.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub writer: Option<String>,
    /// What is given to somebody unasked.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub only_confirmed: bool,
    /// What waits for somebody to say that it is so.
    #[serde(skip_serializing_if = "is_unsaid")]
    pub only_provisional: bool,
}

const TAGS: Field = Field::new("tags", Shape::Names, "");
const TAG_MATCH: Field = Field::new("tag_match", Shape::Word(&["all", "any"]), "");
const KIND: Field = Field::new("kind", Shape::Names, "");
const PROJECT: Field = Field::new("project", Shape::Name, "");
const SCOPE: Field = Field::new("scope", Shape::Word(&["project", "user"]), "user: all projects");
const SINCE: Field = Field::new("since", Shape::Moment, "");
const UNTIL: Field = Field::new("until", Shape::EndMoment, "");
const PINNED: Field = Field::new("pinned", Shape::Flag, "");
const PRIORITY: Field = Field::new("priority", Shape::Whole { least: 1, most: 5 }, "At least this");
const STATUS: Field =
    Field::new("status", Shape::Words(&["active", "archived", "superseded", "deleted"]), "");
const INCLUDE: Field =
    Field::new("include", Shape::Words(&["archived", "superseded", "deleted"]), "");
/// The past can be looked at, but not changed, so not every verb with a filter takes this.
const AS_OF: Field = Field::new("as_of", Shape::Moment, "State at that time");

/// Declares the fields that hold one name, by which memories are told apart: how each is called, the
/// type that it has in [`Memory`] under the same name, and what is said of it.
macro_rules! named {
    ($($name:ident: $type:ty, $about:literal;)*) => {
        /// The names that are asked for. Who asks for one leaves the others unsaid, however many there are.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct Named {
            $(
                #[serde(skip_serializing_if = "is_unsaid")]
                pub $name: Option<String>,
            )*
        }

        /// What is known of them, as numbers: of a memory, and of what is asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) struct NamedWords {
            $($name: Option<Word>,)*
        }

        impl Named {
            pub const FIELDS: &'static [Field] =
                &[$(Field::new(stringify!($name), Shape::Name, $about),)*];

            fn take(arguments: &mut Arguments) -> Self {
                $(let $name: Option<$type> =
                    arguments.take(&Field::new(stringify!($name), Shape::Name, $about));)*
                Self { $($name: $name.map(|name| name.as_str().to_owned()),)* }
            }

            fn chooses(&self) -> bool {
                $(self.$name.is_some())||*
            }

            fn matcher(&self, catalog: &Catalog) -> Vec<NamedRule> {
                let mut rules: Vec<NamedRule> = Vec::new();
                $(if let Some(name) = &self.$name {
                    rules.push((|words| words.$name, catalog.word(name)));
                })*
                rules
            }
        }

        impl NamedWords {
            /// Those of a memory.
            pub(super) fn of(memory: &Memory, mut word: impl FnMut(&str) -> Word) -> Self {
                Self { $($name: memory.$name.as_ref().map(|name| word(name.as_str())),)* }
            }

            /// All of them, in the order in which they are declared.
            pub(super) fn all(&self) -> impl Iterator<Item = Option<Word>> + use<> {
                [$(self.$name,)*].into_iter()
            }

            /// Takes them in that order.
            pub(super) fn each<E>(
                mut next: impl FnMut() -> Result<Option<Word>, E>,
            ) -> Result<Self, E> {
                Ok(Self { $($name: next()?,)* })
            }
        }
    };
}

/// Which of a memory's names is looked at, and which it must be; nothing for one that no memory has.
type NamedRule = (fn(&NamedWords) -> Option<Word>, Option<Word>);

named! {
    category: Category, "";
}

/// Whether one of the tags is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagMatch {
    Any,
    #[default]
    All,
}

/// How far a query looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryScope {
    Project,
    User,
}

/// A filter made ready for one walk over a catalog.
#[derive(Debug)]
pub(super) struct Matcher {
    tags: Vec<Option<Word>>,
    tag_match: TagMatch,
    kinds: Vec<Option<Word>>,
    named: Vec<NamedRule>,
    project: Option<Option<Word>>,
    writer: Option<Option<Word>>,
    since: Timestamp,
    until: Timestamp,
    pinned: Option<bool>,
    min_priority: u8,
    statuses: Vec<Status>,
    only_confirmed: bool,
    only_provisional: bool,
    now: Timestamp,
}

impl Filter {
    /// What every verb with a filter takes.
    pub(super) fn fields() -> impl Iterator<Item = &'static Field> {
        [&TAGS, &TAG_MATCH, &KIND, &PROJECT, &SCOPE, &SINCE, &UNTIL]
            .into_iter()
            .chain(Named::FIELDS)
            .chain([&PRIORITY, &PINNED, &INCLUDE, &STATUS])
    }

    /// What chooses some memories over others, as [`Filter::chooses`] has it, in words.
    pub(super) fn choosing() -> String {
        let named: Vec<&str> = Named::FIELDS.iter().map(|field| field.name).collect();
        format!("tags, kind, {}, project, since, until, pinned, or priority", named.join(", "))
    }

    /// What those take besides that only look.
    pub(super) const PAST_FIELDS: [&'static Field; 1] = [&AS_OF];

    /// Takes the filter's fields out of a call's arguments.
    pub(super) fn take(arguments: &mut Arguments) -> Self {
        let tags: Tags = arguments.take(&TAGS).unwrap_or_default();
        let kinds: Vec<Kind> = arguments.take(&KIND).unwrap_or_default();
        let filter = Self {
            tags: tags.as_slice().iter().map(|tag| tag.as_str().to_owned()).collect(),
            tag_match: arguments.take(&TAG_MATCH).unwrap_or_default(),
            kinds: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
            named: Named::take(arguments),
            project: arguments.take(&PROJECT).map(|p: Project| p.as_str().to_owned()),
            scope: arguments.take(&SCOPE),
            since: arguments.take(&SINCE).map(|since: Timestamp| since.0),
            until: arguments.take(&UNTIL).map(|until: Timestamp| until.0),
            as_of: None,
            pinned: arguments.take(&PINNED),
            min_priority: arguments.take(&PRIORITY).map(Priority::get),
            statuses: take_statuses(arguments),
            writer: None,
            only_confirmed: false,
            only_provisional: false,
        };
        if filter.since.zip(filter.until).is_some_and(|(since, until)| since > until) {
            arguments.refuse("until", "lies before since");
        }
        if filter.scope == Some(QueryScope::User) && filter.project.is_some() {
            arguments.refuse("scope", "user looks at all projects; leave out project or scope");
        }
        filter
    }

    /// The same for a verb that only looks, and may look at the past.
    pub(super) fn take_with_past(arguments: &mut Arguments) -> Self {
        let as_of = arguments.take(&AS_OF).map(|as_of: Timestamp| as_of.0);
        Self { as_of, ..Self::take(arguments) }
    }

    /// Whether it chooses some memories over others. How tags are matched, where it looks and what
    /// it includes only say how a choice is meant.
    #[must_use]
    pub fn chooses(&self) -> bool {
        !self.tags.is_empty()
            || !self.kinds.is_empty()
            || self.named.chooses()
            || self.project.is_some()
            || self.writer.is_some()
            || self.since.is_some()
            || self.until.is_some()
            || self.pinned.is_some()
            // Every memory has at least the least priority.
            || self.min_priority.is_some_and(|least| Priority::new(least) > Priority::new(1))
    }

    /// Looks only where the caller stands, unless the call says otherwise.
    #[must_use]
    pub(super) fn for_caller(mut self, caller: &Caller) -> Self {
        if self.project.is_none() && self.scope != Some(QueryScope::User) {
            self.project = caller.project.as_ref().map(|project| project.as_str().to_owned());
        }
        self
    }

    /// The moment whose state is asked for, if it is not the present one.
    pub(super) fn past(&self) -> Option<Timestamp> {
        self.as_of.map(Timestamp)
    }

    pub(super) fn matcher(&self, catalog: &Catalog, now: Timestamp) -> Matcher {
        let word = |name: &String| catalog.word(name);
        let statuses =
            if self.statuses.is_empty() { vec![Status::Active] } else { self.statuses.clone() };
        Matcher {
            tags: self.tags.iter().map(word).collect(),
            tag_match: self.tag_match,
            kinds: self.kinds.iter().map(word).collect(),
            named: self.named.matcher(catalog),
            project: self.project.as_ref().map(word),
            writer: self.writer.as_ref().map(|name| catalog.writer(name)),
            since: Timestamp(self.since.unwrap_or(i64::MIN)),
            until: Timestamp(self.until.unwrap_or(i64::MAX)),
            pinned: self.pinned,
            min_priority: self.min_priority.unwrap_or(0),
            statuses,
            only_confirmed: self.only_confirmed,
            only_provisional: self.only_provisional,
            now: self.past().unwrap_or(now),
        }
    }
}

impl Matcher {
    pub(super) fn accepts(&self, entry: &Entry) -> bool {
        let moment = entry.moment();
        self.statuses.contains(&entry.status)
            && !entry.is_expired(self.now)
            && !(self.only_confirmed && entry.provisional)
            && (entry.provisional || !self.only_provisional)
            && self.project.is_none_or(|project| project.is_some() && project == entry.project)
            && self.writer.is_none_or(|writer| writer.is_some() && writer == entry.writer)
            && self.named.iter().all(|(of, name)| name.is_some() && of(&entry.named) == *name)
            && (self.kinds.is_empty() || self.kinds.contains(&Some(entry.kind)))
            && self.accepts_tags(&entry.tags)
            && (self.since..=self.until).contains(&moment)
            && self.pinned.is_none_or(|pinned| pinned == entry.pinned)
            && entry.priority.get() >= self.min_priority
    }

    fn accepts_tags(&self, tags: &[Word]) -> bool {
        let mut wanted = self.tags.iter();
        let bears = |tag: &Option<Word>| tag.is_some_and(|tag| tags.contains(&tag));
        match self.tag_match {
            _ if self.tags.is_empty() => true,
            TagMatch::All => wanted.all(bears),
            TagMatch::Any => wanted.any(bears),
        }
    }
}

/// What is not said is not written down.
fn is_unsaid<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn take_statuses(arguments: &mut Arguments) -> Vec<Status> {
    let mut statuses: Vec<Status> = arguments.take(&STATUS).unwrap_or_default();
    let include: Vec<Status> = arguments.take(&INCLUDE).unwrap_or_default();
    if !include.is_empty() && statuses.is_empty() {
        statuses.push(Status::Active);
    }
    statuses.extend(include);
    statuses
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_to_choose_is_what_chooses() {
        let said = Filter::choosing();
        for field in Filter::fields() {
            let value = match field.shape {
                Shape::Flag => json!(true),
                Shape::Whole { most, .. } => json!(most),
                Shape::Moment | Shape::EndMoment => json!("2026-01-01"),
                Shape::Word(words) | Shape::Words(words) => json!(words[0]),
                _ => json!("x"),
            };
            let mut arguments = Arguments::parse(json!({ (field.name): value })).unwrap();

            let filter = Filter::take(&mut arguments);

            assert!(!arguments.has_problems(), "{}", field.name);
            let is_said = said.split([',', ' ']).any(|word| word == field.name);
            assert_eq!(filter.chooses(), is_said, "{}", field.name);
        }
    }
}
