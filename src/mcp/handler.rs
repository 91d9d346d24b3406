use std::sync::Arc;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
    DiscoverResult, ErrorData, GetPromptRequestParams, GetPromptResponse, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerConfig, SubscriptionFilter,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::context::{McpContext, caller_of, only_page};
use super::version::Version;
use super::{about, completions, prompts, resources, subscriptions, tools};

/// How long clients may keep what changes only with the program.
const STABLE_MS: u64 = 300_000;

/// memoryd as rmcp sees it: each method takes its parameters apart and asks the room's other files.
#[derive(Debug)]
pub(super) struct Handler {
    mcp: Arc<McpContext>,
}

impl Handler {
    pub(super) fn new(mcp: Arc<McpContext>) -> Self {
        Self { mcp }
    }

    /// Whoever says hello is listed as here, though nothing was asked for yet.
    async fn greet(&self, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let caller = caller_of(context)?;
        if let Err(error) = self.mcp.sessions().greet(&caller).await {
            log::debug!("who came is not noted: {error}");
        }
        Ok(())
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        about::modern()
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.greet(&context).await?;
        let version = Version::settle(Some(request.protocol_version.as_str()));
        Ok(about::legacy().with_protocol_version(version.to_rmcp()))
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        self.greet(&context).await?;
        let versions = Version::ALL.map(Version::to_rmcp).to_vec();
        let result = DiscoverResult::from_server_info(versions, self.get_info());
        Ok(result.with_ttl_ms(STABLE_MS).with_cache_scope(CacheScope::Public))
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        only_page(page.as_ref())?;
        let caller = caller_of(&context)?;
        let is_same_for_all = caller.tools.is_empty();
        let scope = if is_same_for_all { CacheScope::Public } else { CacheScope::Private };
        let result = ListToolsResult::with_all_items(tools::shown_to(&caller, self.mcp.listed()));
        Ok(result.with_ttl_ms(STABLE_MS).with_cache_scope(scope))
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tools::call(&self.mcp, call, context).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = page.and_then(|page| page.cursor);
        resources::list(&self.mcp, &caller_of(&context)?, cursor).await
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
        let read = resources::read(&self.mcp, &caller_of(&context)?, &request.uri).await?;
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
        subscriptions::listen(&self.mcp, &caller, context).await;
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
        let prompt = prompts::get(&self.mcp, &caller_of(&context)?, request).await?;
        Ok(prompt.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completions::complete(&self.mcp, &caller_of(&context)?, &request).await
    }
}
