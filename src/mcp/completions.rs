use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference};

use super::context::McpContext;
use super::resources::project_names;
use crate::engine::ListTags;
use crate::model::Caller;

/// Completes the names of projects and tags. Whatever else is asked for has no completions.
pub(super) async fn complete(
    mcp: &McpContext,
    caller: &Caller,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let known = match wanted(&request.r#ref, &request.argument.name) {
        Some(CompletedNames::Projects) => project_names(mcp, caller).await?,
        Some(CompletedNames::Tags) => tag_names(mcp, caller).await?,
        None => Vec::new(),
    };
    let begun = request.argument.value.to_lowercase();
    let matching = known.into_iter().filter(|name| name.to_lowercase().starts_with(&begun));
    let mut values: Vec<String> = matching.collect();
    let total = u32::try_from(values.len()).ok();
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let completion = CompletionInfo::with_pagination(values, total, has_more);
    Ok(CompleteResult::new(completion.unwrap_or_default()))
}

#[derive(Debug, PartialEq, Eq)]
enum CompletedNames {
    Projects,
    Tags,
}

fn wanted(reference: &Reference, argument: &str) -> Option<CompletedNames> {
    let whose = match reference {
        Reference::Prompt(prompt) => prompt.name.as_str(),
        Reference::Resource(template) => template.uri.as_str(),
        _ => return None,
    };
    match (whose, argument) {
        ("context" | "review", "project") | ("memory://project/{name}", "name") => {
            Some(CompletedNames::Projects)
        }
        ("review", "tag") | ("memory://tag/{name}", "name") => Some(CompletedNames::Tags),
        _ => None,
    }
}

async fn tag_names(mcp: &McpContext, caller: &Caller) -> Result<Vec<String>, ErrorData> {
    let found = mcp.ask(caller, ListTags).await?;
    Ok(found.tags.into_iter().map(|tag| tag.name).collect())
}
