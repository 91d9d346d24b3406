//! The canonical REST API: `/api/v1` and what belongs to the server itself.

mod admin;
mod events;
mod memories;
mod public;
mod search;
mod transfer;

pub(super) use admin::{metrics, sessions, stats};
pub(super) use events::events;
pub(super) use memories::{add, delete, get, history, list, related, restore, update};
pub(super) use public::{health, no_oauth, ready, root};
pub(super) use search::{context, projects, search, search_by_query, tags, tools, totals};
pub(super) use transfer::{export, import};

/// For [`crate::http::openapi`], which collects what each handler says of itself.
pub(super) mod described {
    pub(in crate::http) use super::admin::{__path_metrics, __path_sessions, __path_stats};
    pub(in crate::http) use super::events::__path_events;
    pub(in crate::http) use super::memories::{
        __path_add, __path_delete, __path_get, __path_history, __path_list, __path_related,
        __path_restore, __path_update,
    };
    pub(in crate::http) use super::public::{__path_health, __path_ready, __path_root};
    pub(in crate::http) use super::search::{
        __path_context, __path_projects, __path_search, __path_search_by_query, __path_tags,
        __path_tools, __path_totals,
    };
    pub(in crate::http) use super::transfer::{__path_export, __path_import};
}
