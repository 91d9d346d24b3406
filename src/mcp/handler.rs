use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    DiscoverResult, ErrorData, GetPromptRequestParams, GetPromptResponse, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerConfig, SubscriptionFilter,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::protocol::Asker;
use super::seal::Seal;
use super::tools::{self, ToolSets};
use super::version::Version;
use super::{about, completions, prompts, resources, subscriptions};
use crate::actors::Sessions;
use crate::engine::Verb;
use crate::error::Error;
use crate::model::{Caller, Secret};

/// How long clients may keep what changes only with the program.
const STABLE_MS: u64 = 300_000;

/// memoryd as rmcp sees it: each method takes its parameters apart and asks the room's other files.
#[derive(Debug)]
pub(super) struct Memory {
    sessions: Sessions,
    listed: ToolSets,
    seal: Seal,
}

impl Memory {
    pub(super) fn new(sessions: Sessions, listed: ToolSets, secret: &Secret) -> Self {
        Self { sessions, listed, seal: Seal::new(secret) }
    }

    /// This face of the memories, as what stands around it would say.
    #[cfg(not(feature = "conformance"))]
    pub(super) fn memory(&self) -> &Self {
        self
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Whether a tool sends messages before its answer though nobody asked for them.
    #[allow(dead_code, reason = "a build with fixtures asks those first")]
    pub(super) fn speaks_unasked(_tool: &str) -> bool {
        false
    }

    /// Asks a session something whose failure is a failure of the whole request.
    pub(super) async fn ask<V: Verb>(
        &self,
        caller: &Caller,
        verb: V,
    ) -> Result<V::Answer, ErrorData> {
        let answer = self.sessions.ask(caller, verb).await;
        answer.map_err(|error| refused(&Error::from(error)))
    }
}

impl ServerHandler for Memory {
    fn get_info(&self) -> ServerConfig {
        about::modern()
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let version = Version::settle(Some(request.protocol_version.as_str()));
        Ok(about::legacy().with_protocol_version(version.to_rmcp()))
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let versions = Version::ALL.map(Version::to_rmcp).to_vec();
        let result = DiscoverResult::from_server_info(versions, self.get_info());
        Ok(result.with_ttl_ms(STABLE_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        only_page(page.as_ref())?;
        let result = ListToolsResult::with_all_items(tools::list(&self.listed));
        Ok(result.with_ttl_ms(STABLE_MS).with_cache_scope(CacheScope::Public))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, call, context).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = page.and_then(|page| page.cursor);
        resources::list(self, &caller_of(&context)?, cursor).await
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        only_page(page.as_ref())?;
        let result = ListResourceTemplatesResult::with_all_items(resources::templates());
        Ok(result.with_ttl_ms(STABLE_MS).with_cache_scope(CacheScope::Public))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(self, &caller_of(&context)?, &request.uri).await?;
        Ok(read.into())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(subscriptions::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = caller_of(context.request_context())?;
        subscriptions::listen(self, &caller, context).await;
        Ok(())
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        only_page(page.as_ref())?;
        let result = ListPromptsResult::with_all_items(prompts::list());
        Ok(result.with_ttl_ms(STABLE_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let prompt = prompts::get(self, &caller_of(&context)?, request).await?;
        Ok(prompt.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completions::complete(self, &caller_of(&context)?, &request).await
    }
}

/// Who asks. Every way into the protocol says so.
pub(super) fn caller_of(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    let asker = context.extensions.get::<Asker>();
    let caller = asker.map(|asker| asker.caller.clone());
    caller.ok_or_else(|| ErrorData::internal_error("the caller is not known", None))
}

/// What the caller is told of a failure, as an error of the protocol.
pub(super) fn refused(error: &Error) -> ErrorData {
    error.log();
    let data = serde_json::json!({ "code": error.code() });
    ErrorData::new(rmcp::model::ErrorCode(error.code().rpc()), error.told(), Some(data))
}

/// Refuses a cursor to a list that has one page: nobody got it from here.
fn only_page(page: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match page.and_then(|page| page.cursor.as_ref()) {
        Some(_) => Err(bad_cursor()),
        None => Ok(()),
    }
}

pub(super) fn bad_cursor() -> ErrorData {
    ErrorData::invalid_params("the cursor does not belong to this list; start without one", None)
}
