use serde::Deserialize;

use super::arguments::Arguments;
use super::catalog::{Catalog, Entry, Word};
use crate::model::{Caller, Category, Kind, Priority, Project, Status, Tags, Timestamp};

/// Which memories a verb is about. An empty filter means every active memory in scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Filter {
    pub tags: Vec<String>,
    pub tag_match: TagMatch,
    pub kinds: Vec<String>,
    pub category: Option<String>,
    pub project: Option<String>,
    pub scope: Option<QueryScope>,
    pub since: Option<i64>,
    pub until: Option<i64>,
    pub as_of: Option<i64>,
    pub pinned: Option<bool>,
    pub min_priority: Option<u8>,
    pub statuses: Vec<Status>,
}

/// Whether one of the tags is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagMatch {
    Any,
    #[default]
    All,
}

/// How far a query looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryScope {
    Project,
    User,
}

/// What may be listed besides active memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Include {
    Archived,
    Superseded,
    Deleted,
}

/// A filter made ready for one walk over a catalog.
#[derive(Debug)]
pub(super) struct Matcher {
    tags: Vec<Option<Word>>,
    tag_match: TagMatch,
    kinds: Vec<Option<Word>>,
    category: Option<Option<Word>>,
    project: Option<Option<Word>>,
    since: Timestamp,
    until: Timestamp,
    pinned: Option<bool>,
    min_priority: u8,
    statuses: Vec<Status>,
    now: Timestamp,
}

impl Filter {
    /// Takes the filter's fields out of a call's arguments.
    pub(super) fn take(arguments: &mut Arguments) -> Self {
        let tags: Tags = arguments.take("tags").unwrap_or_default();
        let kinds: Vec<Kind> = take_one_or_many(arguments, "kind");
        let filter = Self {
            tags: tags.as_slice().iter().map(|tag| tag.as_str().to_owned()).collect(),
            tag_match: arguments.take("tag_match").unwrap_or_default(),
            kinds: kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
            category: arguments.take("category").map(|c: Category| c.as_str().to_owned()),
            project: arguments.take("project").map(|p: Project| p.as_str().to_owned()),
            scope: arguments.take("scope"),
            since: arguments.take("since").map(|since: Timestamp| since.0),
            until: arguments.take("until").map(|until: Timestamp| until.0),
            as_of: arguments.take("as_of").map(|as_of: Timestamp| as_of.0),
            pinned: arguments.take("pinned"),
            min_priority: arguments.take("priority").map(Priority::get),
            statuses: take_statuses(arguments),
        };
        if filter.since.zip(filter.until).is_some_and(|(since, until)| since > until) {
            arguments.refuse("until", "lies before since");
        }
        if filter.scope == Some(QueryScope::User) && filter.project.is_some() {
            arguments.refuse("scope", "user looks at all projects; leave out project or scope");
        }
        filter
    }

    /// Whether nobody asked for anything in particular.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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
            category: self.category.as_ref().map(word),
            project: self.project.as_ref().map(word),
            since: Timestamp(self.since.unwrap_or(i64::MIN)),
            until: Timestamp(self.until.unwrap_or(i64::MAX)),
            pinned: self.pinned,
            min_priority: self.min_priority.unwrap_or(0),
            statuses,
            now: self.past().unwrap_or(now),
        }
    }
}

impl Matcher {
    pub(super) fn accepts(&self, entry: &Entry) -> bool {
        let moment = entry.moment();
        self.statuses.contains(&entry.status)
            && !entry.is_expired(self.now)
            && self.project.is_none_or(|project| project.is_some() && project == entry.project)
            && self.category.is_none_or(|category| category.is_some() && category == entry.category)
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

fn take_statuses(arguments: &mut Arguments) -> Vec<Status> {
    let mut statuses: Vec<Status> = take_one_or_many(arguments, "status");
    let include: Vec<Include> = take_one_or_many(arguments, "include");
    if !include.is_empty() && statuses.is_empty() {
        statuses.push(Status::Active);
    }
    statuses.extend(include.iter().map(|include| match include {
        Include::Archived => Status::Archived,
        Include::Superseded => Status::Superseded,
        Include::Deleted => Status::Deleted,
    }));
    statuses
}

/// A list, a single value, or one string with commas.
fn take_one_or_many<T: serde::de::DeserializeOwned>(
    arguments: &mut Arguments,
    name: &str,
) -> Vec<T> {
    let Some(value) = arguments.take::<serde_json::Value>(name) else { return Vec::new() };
    let items = match value {
        serde_json::Value::Array(items) => items,
        serde_json::Value::String(line) => line
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(serde_json::Value::from)
            .collect(),
        other => vec![other],
    };
    let parsed: Result<Vec<T>, _> = items.into_iter().map(serde_json::from_value).collect();
    parsed.unwrap_or_else(|error| {
        arguments.refuse(name, &error.to_string());
        Vec::new()
    })
}
