//! What is told of grants: the same for `/admin/oauth` and for the command line.

use serde::Serialize;

use super::Administration;
use crate::model::{
    CredentialName, Grant, Project, Scopes, Timestamp, TokenPrefix, TokenState, UserId,
};

/// What is told of a grant. Never a token, or anything of one.
#[derive(Debug, Serialize)]
pub(super) struct GrantView<'a> {
    id: &'a TokenPrefix,
    name: &'a CredentialName,
    user_id: &'a UserId,
    /// What the client calls itself.
    client_name: &'a str,
    client_id: &'a str,
    redirect_uris: &'a [String],
    scopes: &'a Scopes,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Project>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
    state: TokenState,
    created_at: Timestamp,
    /// If nobody uses it until then, and at last whatever happens.
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

impl Administration<'_> {
    pub(super) fn shown_grants<'g>(&self, grants: &'g [Grant]) -> Vec<GrantView<'g>> {
        let idle = self.accounts.book.grants().policy().idle;
        let now = self.accounts.now();
        let shown = |grant: &'g Grant| GrantView {
            id: &grant.id,
            name: &grant.name,
            user_id: &grant.user,
            client_name: &grant.client.name,
            client_id: &grant.client.id,
            redirect_uris: &grant.client.redirect_uris,
            scopes: &grant.scopes,
            project: grant.project.as_ref(),
            guest: grant.is_guest,
            state: grant.state(now, idle),
            created_at: grant.created_at,
            expires_at: grant.ends_at(idle),
            revoked_at: grant.revoked_at,
            last_used_at: grant.last_used_at,
        };
        grants.iter().map(shown).collect()
    }
}
