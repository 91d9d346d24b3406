use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::{
    CacheScope, ErrorData, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
    ResourceTemplate,
};
use serde_json::{Value, json};

use super::context::{McpContext, bad_cursor, refused, to_json};
use crate::actors::CallError;
use crate::engine::{
    EngineError, Filter, Get, Got, List, ListProjects, Look, MODEL_TOKENS, QueryScope, Sort, Stats,
};
use crate::error::Error;
use crate::model::foreign::{self, inline, shortened};
use crate::model::percent::{decoded, encoded};
use crate::model::{Caller, MemoryId, Project, Tag};

/// What a uri of ours names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResourceUri {
    Stats,
    Memory(MemoryId),
    List(ListUri),
}

/// What a uri of ours names that holds several memories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListUri {
    Profile,
    Recent,
    Pinned,
    Instructions,
    Project(Project),
    Tag(Tag),
}

const JSON: &str = "application/json";
/// Bytes of what names a resource: more than any name of a project has, with every byte escaped.
const MOST_BYTES: usize = 2_048;
/// Resources on one page of the list.
const PAGE: usize = 100;
/// Memories in one resource; more is what `list_memories` is for.
const LIST_LIMIT: usize = 100;
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

impl ResourceUri {
    /// Reads a uri such as `memory://recent` or `memory://project/a%20b`; nothing if none of ours.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let path = uri.strip_prefix("memory://").filter(|path| path.len() <= MOST_BYTES)?;
        match path.split_once('/') {
            None => Self::fixed(path),
            Some(("memory", id)) => MemoryId::parse(id).ok().map(Self::Memory),
            Some(("project", name)) => {
                Project::parse(&decoded(name)?).ok().map(|name| Self::List(ListUri::Project(name)))
            }
            Some(("tag", name)) => {
                Tag::parse(&decoded(name)?).ok().map(|name| Self::List(ListUri::Tag(name)))
            }
            Some(_) => None,
        }
    }

    fn fixed(name: &str) -> Option<Self> {
        Some(Self::List(match name {
            "profile" => ListUri::Profile,
            "recent" => ListUri::Recent,
            "pinned" => ListUri::Pinned,
            "instructions" => ListUri::Instructions,
            "stats" => return Some(Self::Stats),
            _ => return None,
        }))
    }

    /// What the uri names, as JSON; nothing if the memory is not there.
    async fn contents(
        &self,
        mcp: &McpContext,
        caller: &Caller,
    ) -> Result<Option<Value>, ErrorData> {
        match self {
            Self::Stats => to_json(&mcp.ask(caller, Stats).await?).map(Some),
            Self::List(list) => to_json(&mcp.ask(caller, list.verb()).await?).map(Some),
            Self::Memory(id) => memory_of(
                mcp.sessions().ask(caller, Get { id: *id, history: false, max_tokens: None }).await,
            ),
        }
    }

    /// The same, without counting as a use of the memory, and with deleted ones.
    pub(super) async fn peek(
        &self,
        mcp: &McpContext,
        caller: &Caller,
    ) -> Result<Option<Value>, ErrorData> {
        match self {
            Self::Memory(id) => memory_of(mcp.sessions().ask(caller, Look { id: *id }).await),
            Self::Stats | Self::List(_) => self.contents(mcp, caller).await,
        }
    }
}

impl ListUri {
    /// The verb that lists what the uri names.
    fn verb(&self) -> List {
        let user = Some(QueryScope::User);
        let everything = Filter::default();
        // What clients attach unasked holds nothing that nobody has confirmed.
        let confirmed = Filter { only_confirmed: true, ..Filter::default() };
        let max_tokens = Some(MODEL_TOKENS);
        let newest = List { limit: LIST_LIMIT, max_tokens, ..List::default() };
        match self {
            Self::Profile => {
                let kinds = vec!["fact".to_owned(), "preference".to_owned()];
                let filter = Filter { kinds, scope: user, ..confirmed };
                List { filter, sort: Sort::UpdatedAt, ..newest }
            }
            Self::Recent => {
                List { filter: confirmed, sort: Sort::UpdatedAt, limit: RECENT_LIMIT, ..newest }
            }
            Self::Pinned => List { filter: Filter { pinned: Some(true), ..confirmed }, ..newest },
            Self::Instructions => {
                let kinds = vec!["instruction".to_owned()];
                List { filter: Filter { kinds, scope: user, ..confirmed }, ..newest }
            }
            Self::Project(name) => {
                let project = Some(name.as_str().to_owned());
                List { filter: Filter { project, ..everything }, ..newest }
            }
            Self::Tag(name) => {
                let tags = vec![name.as_str().to_owned()];
                List { filter: Filter { tags, scope: user, ..everything }, ..newest }
            }
        }
    }
}

/// The memory of an answer, as JSON; nothing if it is not there.
fn memory_of(answer: Result<Got, CallError>) -> Result<Option<Value>, ErrorData> {
    match answer {
        Ok(got) => to_json(&got.memory).map(Some),
        Err(CallError::Refused(EngineError::NotFound { .. })) => Ok(None),
        Err(error) => Err(refused(&Error::from(error))),
    }
}

/// The fixed resources, then one for each project, a page at a time.
pub(super) async fn list(
    mcp: &McpContext,
    caller: &Caller,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let after = cursor.map(|cursor| opened(&cursor).ok_or_else(bad_cursor)).transpose()?;
    let mut projects = project_names(mcp, caller).await?;
    projects.sort_unstable();
    let mut resources = match &after {
        None => FIXED.map(|(name, title, about)| fixed_resource(name, title, about)).to_vec(),
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
    mcp: &McpContext,
    caller: &Caller,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let resource = ResourceUri::parse(uri).ok_or_else(|| not_found(uri))?;
    let held = resource.contents(mcp, caller).await?.ok_or_else(|| not_found(uri))?;
    let text = foreign::json(&held.to_string()).into_owned();
    let contents = ResourceContents::text(text, uri).with_mime_type(JSON);
    let result = ReadResourceResult::new(vec![contents]);
    Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private))
}

/// The projects that a user has memories in.
pub(super) async fn project_names(
    mcp: &McpContext,
    caller: &Caller,
) -> Result<Vec<String>, ErrorData> {
    let found = mcp.ask(caller, ListProjects).await?;
    Ok(found.projects.into_iter().map(|project| project.name).collect())
}

fn fixed_resource(name: &str, title: &str, about: &str) -> Resource {
    Resource::new(format!("memory://{name}"), name)
        .with_title(title)
        .with_description(about)
        .with_mime_type(JSON)
}

fn project_resource(name: &str) -> Resource {
    Resource::new(format!("memory://project/{}", encoded(name)), inline(name))
        .with_title(format!("Project {}", inline(name)))
        .with_description("The newest memories of the project")
        .with_mime_type(JSON)
}

fn not_found(uri: &str) -> ErrorData {
    let data = json!({ "uri": shortened(uri) });
    ErrorData::resource_not_found("there is no such resource", Some(data))
}

fn closed(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("after:{name}"))
}

fn opened(cursor: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix("after:").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_uri() {
        for name in ["garage", "a/b c", "caf\u{e9} 100%", "memory://x"] {
            let uri = format!("memory://project/{}", encoded(name));
            let project = ListUri::Project(Project::parse(name).unwrap());
            assert_eq!(ResourceUri::parse(&uri), Some(ResourceUri::List(project)));
        }
    }

    #[test]
    fn what_names_nothing_is_no_uri_of_ours() {
        for uri in [
            "",
            "memory://",
            "memory://x",
            "memory://project/",
            "memory://memory/x",
            "memory://tag/%zz",
            "memory://tag/%",
            "memory://tag/%00",
            format!("memory://tag/{}x", "%20".repeat(MOST_BYTES)).as_str(),
            "file:///etc/passwd",
        ] {
            assert_eq!(ResourceUri::parse(uri), None, "{uri}");
        }
    }

    #[test]
    fn every_fixed_uri_names_something() {
        for (name, ..) in FIXED {
            assert!(ResourceUri::parse(&format!("memory://{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn a_project_of_a_uri_is_looked_at_alone_and_a_tag_everywhere() {
        let project = ListUri::Project(Project::parse("garage").unwrap()).verb().filter;
        let tag = ListUri::Tag(Tag::parse("car").unwrap()).verb().filter;

        assert_eq!((project.project.as_deref(), project.scope), (Some("garage"), None));
        assert_eq!((tag.tags, tag.scope), (vec!["car".to_owned()], Some(QueryScope::User)));
    }

    #[test]
    fn a_cursor_of_somebody_else_is_refused() {
        assert_eq!(opened(&closed("garage")).as_deref(), Some("garage"));
        assert_eq!(opened("garage"), None);
    }
}
