use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::{
    CacheScope, ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::{Value, json};

use super::handler::{Memory, bad_cursor};
use crate::engine::{Filter, Get, History, List, Projects, QueryScope, Sort, Stats};
use crate::model::{Caller, MemoryId, Project, Tag};

/// What a uri of ours names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shelf {
    Profile,
    Recent,
    Pinned,
    Instructions,
    Stats,
    Memory(MemoryId),
    Project(Project),
    Tag(Tag),
}

const JSON: &str = "application/json";
/// Resources on one page of the list.
const PAGE: usize = 100;
/// Memories in one resource; more is what `list_memories` is for.
const SHELF_LIMIT: usize = 100;
const RECENT_LIMIT: usize = 20;

const FIXED: [(&str, &str, &str); 5] = [
    ("profile", "Profile", "Facts and preferences of the user"),
    ("recent", "Recent memories", "What was written last"),
    ("pinned", "Pinned memories", "What is always part of the context"),
    ("instructions", "Instructions", "The only memories that are meant to be followed"),
    ("stats", "Figures", "How many memories there are, by status"),
];

const TEMPLATES: [(&str, &str, &str, &str); 3] = [
    ("memory://memory/{id}", "memory", "Memory", "One memory by its id"),
    ("memory://project/{name}", "project", "Project", "The newest memories of a project"),
    ("memory://tag/{name}", "tag", "Tag", "The newest memories with a tag"),
];

impl Shelf {
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("memory://")?;
        match path.split_once('/') {
            None => Self::fixed(path),
            Some(("memory", id)) => MemoryId::parse(id).ok().map(Self::Memory),
            Some(("project", name)) => Project::parse(&decoded(name)?).ok().map(Self::Project),
            Some(("tag", name)) => Tag::parse(&decoded(name)?).ok().map(Self::Tag),
            Some(_) => None,
        }
    }

    fn fixed(name: &str) -> Option<Self> {
        Some(match name {
            "profile" => Self::Profile,
            "recent" => Self::Recent,
            "pinned" => Self::Pinned,
            "instructions" => Self::Instructions,
            "stats" => Self::Stats,
            _ => return None,
        })
    }

    /// What stands on the shelf, as a list; nothing for what is no list.
    fn list(&self) -> Option<List> {
        let of = |filter: Filter| List { filter, limit: SHELF_LIMIT, ..List::default() };
        let everywhere = || Filter { scope: Some(QueryScope::User), ..Filter::default() };
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Some(match self {
            Self::Profile => {
                let kinds = named(&["fact", "preference"]);
                List { sort: Sort::UpdatedAt, ..of(Filter { kinds, ..everywhere() }) }
            }
            Self::Recent => List { sort: Sort::UpdatedAt, limit: RECENT_LIMIT, ..List::default() },
            Self::Pinned => of(Filter { pinned: Some(true), ..Filter::default() }),
            Self::Instructions => of(Filter { kinds: named(&["instruction"]), ..everywhere() }),
            Self::Project(name) => {
                of(Filter { project: Some(name.as_str().to_owned()), ..Filter::default() })
            }
            Self::Tag(name) => of(Filter { tags: named(&[name.as_str()]), ..everywhere() }),
            Self::Stats | Self::Memory(_) => return None,
        })
    }

    /// What stands on the shelf, as JSON.
    pub(super) async fn contents(
        &self,
        memory: &Memory,
        caller: &Caller,
    ) -> Result<Value, ErrorData> {
        if let Self::Memory(id) = self {
            let got = memory.ask(caller, Get { id: *id, history: false }).await?;
            return Ok(json!(got.memory));
        }
        match self.list() {
            Some(list) => Ok(json!(memory.ask(caller, list).await?)),
            None => Ok(json!(memory.ask(caller, Stats).await?)),
        }
    }

    /// The same, without counting as a use of the memory, and with deleted ones.
    pub(super) async fn glance(
        &self,
        memory: &Memory,
        caller: &Caller,
    ) -> Result<Value, ErrorData> {
        match self {
            Self::Memory(id) => Ok(json!(memory.ask(caller, History { id: *id }).await?.memory)),
            _ => self.contents(memory, caller).await,
        }
    }
}

/// The fixed resources, then one for each project, a page at a time.
pub(super) async fn list(
    memory: &Memory,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let after = cursor.map(|cursor| opened(&cursor).ok_or_else(bad_cursor)).transpose()?;
    let mut projects = project_names(memory, caller).await?;
    projects.sort_unstable();
    let mut resources = match &after {
        None => FIXED.map(fixed_resource).to_vec(),
        Some(after) => {
            projects.retain(|name| name > after);
            Vec::new()
        }
    };
    let room = PAGE.saturating_sub(resources.len());
    let more = projects.len() > room;
    projects.truncate(room);
    resources.extend(projects.iter().map(|name| project_resource(name)));
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = projects.last().filter(|_| more).map(|name| closed(name));
    Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let of = |(uri, name, title, about): (&str, &str, &str, &str)| {
        ResourceTemplate::new(uri, name)
            .with_title(title)
            .with_description(about)
            .with_mime_type(JSON)
    };
    TEMPLATES.map(of).to_vec()
}

pub(super) async fn read(
    memory: &Memory,
    caller: &Caller,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let shelf = Shelf::parse(uri).ok_or_else(|| not_found(uri))?;
    let contents = shelf.contents(memory, caller).await.map_err(|error| match &shelf {
        Shelf::Memory(_) if is_missing(&error) => not_found(uri),
        _ => error,
    })?;
    let contents = ResourceContents::text(contents.to_string(), uri).with_mime_type(JSON);
    let result = ReadResourceResult::new(vec![contents]);
    Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

/// The projects that a user has memories in.
pub(super) async fn project_names(
    memory: &Memory,
    caller: &Caller,
) -> Result<Vec<String>, ErrorData> {
    let named = memory.ask(caller, Projects).await?;
    Ok(named.projects.into_iter().map(|project| project.name).collect())
}

fn fixed_resource((name, title, about): (&str, &str, &str)) -> Resource {
    Resource::new(format!("memory://{name}"), name)
        .with_title(title)
        .with_description(about)
        .with_mime_type(JSON)
}

fn project_resource(name: &str) -> Resource {
    Resource::new(format!("memory://project/{}", encoded(name)), name)
        .with_title(format!("Project {name}"))
        .with_description("The newest memories of the project")
        .with_mime_type(JSON)
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("there is no such resource", Some(json!({ "uri": uri })))
}

fn is_missing(error: &ErrorData) -> bool {
    error.data.as_ref().and_then(|data| data.get("code")).is_some_and(|code| code == "not_found")
}

fn closed(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("after:{name}"))
}

fn opened(cursor: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("after:").map(str::to_owned)
}

/// Writes a name as one segment of a uri.
fn encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let parts = name.bytes().map(|byte| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    parts.collect()
}

/// Reads a segment of a uri back; nothing if its escapes are broken.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_uri() {
        for name in ["garage", "a/b c", "caf\u{e9} 100%", "memory://x"] {
            let uri = format!("memory://project/{}", encoded(name));
            assert_eq!(Shelf::parse(&uri), Some(Shelf::Project(Project::parse(name).unwrap())));
        }
    }

    #[test]
    fn what_names_nothing_is_no_shelf() {
        for uri in [
            "",
            "memory://",
            "memory://x",
            "memory://project/",
            "memory://memory/x",
            "memory://tag/%zz",
            "memory://tag/%",
            "memory://tag/%00",
            "file:///etc/passwd",
        ] {
            assert_eq!(Shelf::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_cursor_of_somebody_else_is_refused() {
        assert_eq!(opened(&closed("garage")).as_deref(), Some("garage"));
        assert_eq!(opened("garage"), None);
    }
}
