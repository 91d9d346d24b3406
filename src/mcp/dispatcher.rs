use std::borrow::Cow;
use std::sync::Arc;

use rmcp::model::{
    ClientNotification, ClientRequest, ErrorData, ProtocolVersion, ServerConfig, ServerResult,
};
use rmcp::service::{DynService, NotificationContext, RequestContext, Service};
use rmcp::{RoleServer, ServerHandler};

/// rmcp's dispatcher over whichever handler there is, so that nobody above has to know its type.
/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Dispatcher {
    service: Arc<dyn DynService<RoleServer>>,
    speaks_unasked: fn(&str) -> bool,
}

impl Dispatcher {
    /// `speaks_unasked` says of a tool whether it sends messages before its answer though nobody
    /// asked for them.
    pub(super) fn new(handler: impl ServerHandler, speaks_unasked: fn(&str) -> bool) -> Self {
        Self { service: Arc::new(handler), speaks_unasked }
    }

    pub(super) fn speaks_unasked(&self, tool: &str) -> bool {
        (self.speaks_unasked)(tool)
    }
}

// rmcp has this for a boxed service only, which cannot be shared between requests.
impl Service<RoleServer> for Dispatcher {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        DynService::<RoleServer>::handle_request(&*self.service, request, context).await
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        DynService::<RoleServer>::handle_notification(&*self.service, notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        DynService::<RoleServer>::get_info(&*self.service)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        DynService::<RoleServer>::supported_protocol_versions(&*self.service)
    }
}
