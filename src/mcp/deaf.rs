//! A workaround for rmcp: peers that can be told nothing.
//!
//! Every request that rmcp dispatches carries a `Peer`, the way to the client. rmcp hands one out
//! only with a running service, which is a task and two channels. Most requests send nothing before
//! their answer, and a service for each of them would cost more than the request itself. So one
//! service is started for each revision, on a transport that has ended before it began; it stops at
//! once and leaves behind a peer that knows its revision and is deaf: whatever is sent to it fails.
//! Every request without a stream gets a clone of that peer.
//!
//! The peer must know the revision because rmcp reads it from there when a request of a handshake
//! revision does not say it itself. Once rmcp can make a peer without a service, this file goes.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::OnceLock;

use rmcp::RoleServer;
use rmcp::model::{
    ClientCapabilities, ClientNotification, ClientRequest, ErrorData, Implementation,
    InitializeRequestParams, ServerConfig, ServerResult,
};
use rmcp::service::{
    NotificationContext, Peer, RequestContext, RxJsonRpcMessage, Service, TxJsonRpcMessage,
    serve_directly,
};
use rmcp::transport::Transport;

use super::version::Version;

/// One deaf peer for each revision, made at the first request because that needs a runtime.
#[derive(Default)]
pub(super) struct DeafPeers(OnceLock<[Peer<RoleServer>; Version::ALL.len()]>);

impl DeafPeers {
    pub(super) fn of(&self, version: Version) -> Peer<RoleServer> {
        let peers = self.0.get_or_init(|| Version::ALL.map(deaf_peer));
        let [oldest, ..] = peers;
        let place = Version::ALL.iter().position(|served| *served == version);
        place.and_then(|place| peers.get(place)).unwrap_or(oldest).clone()
    }
}

/// What a handshake would have left behind; without one, requests speak for themselves.
pub(super) fn peer_info(version: Version) -> Option<InitializeRequestParams> {
    if version.is_modern() {
        return None;
    }
    let client = Implementation::new("unknown", "unknown");
    let info = InitializeRequestParams::new(ClientCapabilities::default(), client);
    Some(info.with_protocol_version(version.to_rmcp()))
}

fn deaf_peer(version: Version) -> Peer<RoleServer> {
    serve_directly(Nobody, Ended, peer_info(version)).peer().clone()
}

/// Stands in where nothing but the answer is sent. It is no `ServerHandler`, for which rmcp would compile its
/// whole dispatcher a second time.
struct Nobody;

impl Service<RoleServer> for Nobody {
    async fn handle_request(
        &self,
        _: ClientRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        ready(Err(ErrorData::internal_error("nobody is asked here", None))).await
    }

    async fn handle_notification(
        &self,
        _: ClientNotification,
        _: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        ready(Ok(())).await
    }

    fn get_info(&self) -> ServerConfig {
        ServerConfig::default()
    }
}

/// A transport that has ended before it began.
struct Ended;

impl Transport<RoleServer> for Ended {
    type Error = Infallible;

    fn send(
        &mut self,
        _: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        ready(Ok(()))
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleServer>>> + Send {
        ready(None)
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Infallible>> + Send {
        ready(Ok(()))
    }
}
