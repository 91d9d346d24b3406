//! `memoryd oauth`: what clients were allowed, and its end.

use actix_web::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::accounts::{Question, ask, joined, listed, named, text};
use super::arguments::ServerArguments;
use super::{Failed, Outcome, say_inline, say_json};
use crate::actors::AdminRequest;
use crate::config::Config;
use crate::model::{CredentialName, UserId};

#[derive(Debug, Clone, Args)]
pub(super) struct OauthArguments {
    #[command(subcommand)]
    verb: OauthVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum OauthVerb {
    /// List what clients were allowed over OAuth
    List {
        /// Only by this user
        #[arg(long, value_name = "USER", value_parser = UserId::parse)]
        user_id: Option<UserId>,

        #[command(flatten)]
        server: ServerArguments,
    },

    /// End what a client was allowed: its next request is refused
    Revoke {
        /// The id of a grant, such as mgr_Ab3dEf12, or a name, such as oauth:Claude, for all that bear it
        grant: String,

        #[command(flatten)]
        server: ServerArguments,
    },
}

impl OauthArguments {
    pub(super) fn server(&self) -> &ServerArguments {
        match &self.verb {
            OauthVerb::List { server, .. } | OauthVerb::Revoke { server, .. } => server,
        }
    }
}

/// Carries out a verb of `memoryd oauth`.
pub(super) fn run(config: &Config, arguments: &OauthArguments, wants_json: bool) -> Outcome {
    match &arguments.verb {
        OauthVerb::List { user_id, server } => {
            let named = named(&[("user_id", user_id.as_ref().map(|user| json!(user)))]);
            let question = Question { method: Method::GET, path: "/admin/oauth".to_owned(), named };
            let told = ask(config, server, &question, AdminRequest::ListGrants)?;
            if wants_json {
                return say_json(&told);
            }
            listed(&told, "grants").iter().try_for_each(|grant| say_inline(&line_of(grant)))
        }
        OauthVerb::Revoke { grant, server } => {
            let which = meant(grant)?;
            let path = format!("/admin/oauth/{which}/revoke");
            let question = Question { method: Method::POST, path, named: Map::new() };
            let local = |_| AdminRequest::EndGrants { which };
            let told = ask(config, server, &question, local)?;
            if wants_json {
                return say_json(&told);
            }
            listed(&told, "grants").iter().try_for_each(|grant| {
                say_inline(&format!("revoked {} ({})", text(grant, "id"), text(grant, "name")))
            })
        }
    }
}

/// What stands in the path of a request.
fn meant(grant: &str) -> Result<String, Failed> {
    CredentialName::parse(grant).map(|named| named.to_string()).map_err(|_| {
        Failed::new("name a grant by its id, such as mgr_Ab3dEf12, or by its name".to_owned())
    })
}

fn line_of(grant: &Value) -> String {
    format!(
        "{}  {:<8} {:<24} user={} scopes={} project={} expires={} used={} answers={}",
        text(grant, "id"),
        text(grant, "state"),
        text(grant, "name"),
        text(grant, "user_id"),
        joined(grant, "scopes"),
        text(grant, "project"),
        text(grant, "expires_at"),
        text(grant, "last_used_at"),
        joined(grant, "redirect_uris"),
    )
}
