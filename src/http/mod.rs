//! The wire. Turns HTTP into a call on `mcp` or `actors`, and the answer back into HTTP.

mod ask;
pub mod body;
mod compat;
pub mod front;
mod lines;
mod mcp;
pub mod metrics;
mod openapi;
mod rest;

use std::fmt;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig, delete, get, patch, post};

use crate::model::Clock;
use compat::ai_memory;
use front::{no_route, place};

/// What the public routes tell of the server.
pub struct Face {
    /// Whether callers need a credential.
    pub is_guarded: bool,
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("is_guarded", &self.is_guarded).finish_non_exhaustive()
    }
}

/// Every route of the server. All but those named in `front` stand behind the guard.
pub fn routes(app: &mut ServiceConfig) {
    app.service(place("/", [(Method::GET, get().to(rest::root))]))
        .service(place("/health", [(Method::GET, get().to(rest::health))]))
        .service(place("/ready", [(Method::GET, get().to(rest::ready))]))
        .service(place("/metrics", [(Method::GET, get().to(rest::metrics))]))
        .service(place("/openapi.json", [(Method::GET, get().to(openapi::openapi))]))
        .service(place("/.well-known/{any:.*}", [(Method::GET, get().to(rest::no_oauth))]))
        .configure(protocol)
        .configure(api)
        .configure(older_servers)
        .service(place("/admin/sessions", [(Method::GET, get().to(rest::sessions))]))
        .service(place("/admin/stats", [(Method::GET, get().to(rest::stats))]))
        .default_service(web::to(no_route));
}

/// `/mcp` and `/mcp/` are the same place.
fn protocol(app: &mut ServiceConfig) {
    for path in ["/mcp", "/mcp/"] {
        app.service(
            web::resource(path)
                .route(post().to(mcp::post))
                .route(delete().to(mcp::delete))
                .default_service(web::to(async || mcp::get())),
        );
    }
}

fn api(app: &mut ServiceConfig) {
    let memories = [(Method::GET, get().to(rest::list)), (Method::POST, post().to(rest::add))];
    let memory = [
        (Method::GET, get().to(rest::get)),
        (Method::PATCH, patch().to(rest::update)),
        (Method::DELETE, delete().to(rest::delete)),
    ];
    let search =
        [(Method::GET, get().to(rest::search_by_query)), (Method::POST, post().to(rest::search))];
    app.service(place("/api/v1/memories", memories))
        .service(place("/api/v1/memories/{id}", memory))
        .service(place("/api/v1/memories/{id}/history", [(Method::GET, get().to(rest::history))]))
        .service(place("/api/v1/memories/{id}/restore", [(Method::POST, post().to(rest::restore))]))
        .service(place("/api/v1/memories/{id}/related", [(Method::GET, get().to(rest::related))]))
        .service(place("/api/v1/search", search))
        .service(place("/api/v1/context", [(Method::GET, get().to(rest::context))]))
        .service(place("/api/v1/tags", [(Method::GET, get().to(rest::tags))]))
        .service(place("/api/v1/projects", [(Method::GET, get().to(rest::projects))]))
        .service(place("/api/v1/stats", [(Method::GET, get().to(rest::totals))]))
        .service(place("/api/v1/tools", [(Method::GET, get().to(rest::tools))]))
        .service(place("/api/v1/events", [(Method::GET, get().to(rest::events))]))
        .service(place("/api/v1/export", [(Method::GET, get().to(rest::export))]))
        .service(place("/api/v1/import", [(Method::POST, post().to(rest::import))]));
}

fn older_servers(app: &mut ServiceConfig) {
    app.service(place("/api/memory/list", [(Method::GET, get().to(ai_memory::list))]));
}
