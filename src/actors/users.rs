//! The users as an administrator sees them: who there is, and the erasure of one.

use actix::{Context, Handler, Message};
use serde::Serialize;

use super::registry::Registry;
use super::session::SessionHandle;
use super::{CallError, Sessions};
use crate::auth;
use crate::engine::EngineError;
use crate::model::{Caller, MemoryId, Scope, UserId};

/// One who has stored something, or has a token.
#[derive(Debug, Serialize)]
pub struct UserLine {
    pub user_id: UserId,
    pub tokens: usize,
    pub has_memories: bool,
}

/// What became of an erasure.
#[derive(Debug, Serialize)]
pub struct Erased {
    /// What the audit calls the user from now on.
    pub pseudonym: String,
    pub tokens: usize,
}

/// Starts or ends a time in which a user has no session. Returns the one that there was.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<SessionHandle>, CallError>")]
pub(super) struct Bar {
    pub(super) user: UserId,
    pub(super) is_barred: bool,
}

impl Handler<Bar> for Registry {
    type Result = Result<Option<SessionHandle>, CallError>;

    fn handle(&mut self, Bar { user, is_barred }: Bar, _: &mut Context<Self>) -> Self::Result {
        self.bar(user, is_barred)
    }
}

impl Sessions {
    /// Who there is, in order.
    pub fn users(&self, caller: &Caller) -> Result<Vec<UserLine>, CallError> {
        let administration = self.accounts().administration(caller)?;
        let with_memories = self.store.users();
        let tokens = administration.tokens(None);
        let mut users: Vec<UserId> = tokens.iter().map(|token| token.user.clone()).collect();
        users.extend(with_memories.iter().cloned());
        users.sort_unstable();
        users.dedup();
        let line = |user_id: UserId| UserLine {
            tokens: tokens.iter().filter(|token| token.user == user_id).count(),
            has_memories: with_memories.contains(&user_id),
            user_id,
        };
        Ok(users.into_iter().map(line).collect())
    }

    /// The caller as whom a memory can be reached that is named by its id alone: an administrator may
    /// act for whoever has it.
    pub async fn acting_for_owner(
        &self,
        caller: &Caller,
        id: MemoryId,
    ) -> Result<Caller, CallError> {
        if !caller.may(Scope::Admin) {
            return Ok(caller.clone());
        }
        let store = self.store.clone();
        let owner = tokio::task::spawn_blocking(move || store.owner_of(id)).await;
        let owner = owner.map_err(|_| CallError::Panicked)?.map_err(EngineError::from)?;
        match owner {
            Some(owner) => Ok(self.acting_for(caller, Some(owner))?),
            None => Ok(caller.clone()),
        }
    }

    /// Erases all that is kept of a user: memories with their histories, what was counted and
    /// changed, tokens. The audit keeps a pseudonym. When this returns, no byte of the texts is in
    /// the data directory.
    pub async fn erase_user(&self, caller: &Caller, user: &UserId) -> Result<Erased, CallError> {
        auth::require(caller, Scope::Admin)?;
        let (sessions, caller, user) = (self.clone(), caller.clone(), user.clone());
        // On its own, so that it comes to its end whether or not somebody still waits for it.
        let erasing = actix::spawn(async move {
            let barred = |is_barred| Bar { user: user.clone(), is_barred };
            let session = sessions.registry.send(barred(true)).await??;
            let erased = sessions.erase_barred(&caller, &user, session).await;
            // Whatever has failed, the user may go on with what is left.
            sessions.registry.send(barred(false)).await??;
            erased
        });
        erasing.await.map_err(|_| CallError::Panicked)?
    }

    async fn erase_barred(
        &self,
        caller: &Caller,
        user: &UserId,
        session: Option<SessionHandle>,
    ) -> Result<Erased, CallError> {
        if let Some(session) = session {
            session.end_of_erased().await?;
        }
        let told = self.accounts().administration(caller)?.forget_user(user).await?;
        let (store, user) = (self.store.clone(), user.clone());
        let erased = tokio::task::spawn_blocking(move || store.erase_user(&user)).await;
        erased.map_err(|_| CallError::Panicked)?.map_err(EngineError::from)?;
        self.scrub().await?;
        Ok(told)
    }

    /// Returns when no file of the data directory has a byte of what was erased before.
    pub(super) async fn scrub(&self) -> Result<(), CallError> {
        let store = self.store.clone();
        let scrubbed = tokio::task::spawn_blocking(move || store.scrub()).await;
        Ok(scrubbed.map_err(|_| CallError::Panicked)?.map_err(EngineError::from)?)
    }
}
