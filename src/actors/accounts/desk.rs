//! What is asked of an administration in named arguments, and the answers as JSON: the same for
//! `/admin/` and for the command line, whether a server runs or not.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Administration, AuditFilter, Made, NewToken, Rotation, TokenChange};
use crate::actors::{CallError, Sessions};
use crate::engine::{Arguments, EngineError, Field, InvalidArguments, Shape};
use crate::model::few;
use crate::model::{
    AuditEvent, AuditKind, Caller, CredentialName, Project, Scopes, Secret, Timestamp, Token,
    TokenPrefix, TokenState, UserId,
};

/// One thing that is asked.
#[derive(Debug)]
pub enum AdminRequest {
    CreateToken(Arguments),
    ListTokens(Arguments),
    ChangeToken { which: String, change: TokenChange },
    RotateToken { which: String, arguments: Arguments },
    ListGrants(Arguments),
    EndGrants { which: String },
    Audit(Arguments),
    ListUsers,
    EraseUser(UserId),
    CreateBackup,
    ListBackups,
}

/// What is told of a token.
#[derive(Debug, Serialize)]
struct TokenView<'a> {
    /// The token itself, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    prefix: &'a TokenPrefix,
    name: &'a CredentialName,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    scopes: &'a Scopes,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a Project>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<&'static str>,
    state: TokenState,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

const USER: Field = Field::new("user_id", Shape::Name, "Only what is about this user");
const DAYS: Field =
    Field::new("days", Shape::Whole { least: 1, most: 3_650 }, "Of so many days up to now");
const SINCE: Field = Field::new("since", Shape::Moment, "From this moment on");
const EVENT: Field = Field::new("event", Shape::Name, "Only events of this kind");
const FAILED: Field = Field::new("failed", Shape::Flag, "Only where somebody was turned away");
const GROUP_BY: Field = Field::new(
    "group_by",
    Shape::Word(&["user", "credential", "address", "event", "reason"]),
    "Counts instead of events",
);
const MIN: Field =
    Field::new("min", Shape::Whole { least: 1, most: u32::MAX }, "Only groups of at least so many");
const LIMIT: Field = Field::new(
    "limit",
    Shape::Whole { least: 1, most: 1_000_000 },
    "At most so many, the newest; 10,000",
);

/// Events that are shown if nobody says how many.
const SHOWN: usize = 10_000;

impl AdminRequest {
    /// What a list of tokens or of grants takes.
    #[must_use]
    pub fn fields_of_list() -> Vec<&'static Field> {
        vec![&USER]
    }

    /// What a look into the audit takes.
    #[must_use]
    pub fn fields_of_audit() -> Vec<&'static Field> {
        vec![&DAYS, &SINCE, &USER, &EVENT, &FAILED, &GROUP_BY, &MIN, &LIMIT]
    }
}

impl Sessions {
    /// Does what an administrator asks, and answers with an object. Problems of the arguments are
    /// told all at once.
    pub async fn administer(
        &self,
        caller: &Caller,
        request: AdminRequest,
    ) -> Result<Value, CallError> {
        let administration = self.accounts().administration(caller)?;
        let now = self.accounts().now();
        match request {
            AdminRequest::ListUsers => Ok(json!({ "users": self.users(caller)? })),
            AdminRequest::EraseUser(user) => Ok(json!(self.erase_user(caller, &user).await?)),
            AdminRequest::CreateBackup => Ok(json!(self.back_up().await?)),
            AdminRequest::ListBackups => {
                let backups = self.backups().list().map_err(EngineError::from)?;
                Ok(json!({ "backups": backups }))
            }
            AdminRequest::CreateToken(arguments) => {
                let wanted = NewToken::parse(arguments).map_err(EngineError::from)?.verb;
                Ok(administration.create(wanted).await?.shown(now))
            }
            AdminRequest::RotateToken { which, arguments } => {
                let rotation = Rotation::parse(arguments).map_err(EngineError::from)?.verb;
                Ok(administration.rotate(&which, rotation).await?.shown(now))
            }
            AdminRequest::ChangeToken { which, change } => {
                let changed = administration.change(&which, change).await?;
                Ok(json!({ "tokens": shown(&changed, now) }))
            }
            AdminRequest::ListTokens(mut arguments) => {
                let user: Option<UserId> = arguments.take(&USER);
                arguments.finish((), true).map_err(EngineError::from)?;
                Ok(json!({ "tokens": shown(&administration.tokens(user.as_ref()), now) }))
            }
            AdminRequest::ListGrants(mut arguments) => {
                let user: Option<UserId> = arguments.take(&USER);
                arguments.finish((), true).map_err(EngineError::from)?;
                let grants = administration.grants(user.as_ref());
                Ok(json!({ "grants": administration.shown_grants(&grants) }))
            }
            AdminRequest::EndGrants { which } => {
                let ended = administration.end_grants(&which).await?;
                Ok(json!({ "grants": administration.shown_grants(&ended) }))
            }
            AdminRequest::Audit(arguments) => administration.ask_audit(arguments, now).await,
        }
    }
}

impl Administration<'_> {
    async fn ask_audit(&self, arguments: Arguments, now: Timestamp) -> Result<Value, CallError> {
        let asked = AuditQuestion::parse(arguments, now).map_err(EngineError::from)?;
        let events = self.audit(asked.filter).await?;
        let Some(group) = asked.group_by else { return Ok(json!({ "events": events })) };
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for event in events {
            *counts.entry(group_of(&event, &group)).or_default() += event.count;
        }
        let mut groups: Vec<_> =
            counts.into_iter().filter(|(_, count)| *count >= asked.min).collect();
        few::sort_by_key(&mut groups, |(name, count)| (Reverse(*count), name.clone()));
        let groups: Vec<Value> =
            groups.iter().map(|(name, count)| json!({ "name": name, "count": count })).collect();
        Ok(json!({ "group_by": group, "groups": groups }))
    }
}

struct AuditQuestion {
    filter: AuditFilter,
    group_by: Option<String>,
    min: u64,
}

impl AuditQuestion {
    fn parse(mut arguments: Arguments, now: Timestamp) -> Result<Self, InvalidArguments> {
        let days: Option<u32> = arguments.take(&DAYS);
        let since: Option<Timestamp> = arguments.take(&SINCE);
        let days = days.map(|days| now.minus_days(days));
        let event: Option<String> = arguments.take(&EVENT);
        let kind = event.as_deref().and_then(AuditKind::parse);
        if event.is_some() && kind.is_none() {
            let words: Vec<_> = AuditKind::ALL.iter().map(|kind| kind.word()).collect();
            arguments.refuse(EVENT.name, &format!("expected one of {}", words.join(", ")));
        }
        let group_by: Option<String> = arguments.take(&GROUP_BY);
        let min: Option<u32> = arguments.take(&MIN);
        if min.is_some() && group_by.is_none() {
            arguments.refuse(MIN.name, "goes with group_by");
        }
        let limit: Option<u32> = arguments.take(&LIMIT);
        let filter = AuditFilter {
            since: since.max(days),
            user: arguments.take(&USER),
            event: kind,
            failed: arguments.take(&FAILED).unwrap_or_default(),
            limit: match (limit, &group_by) {
                (Some(limit), _) => usize::try_from(limit).ok(),
                (None, Some(_)) => None,
                (None, None) => Some(SHOWN),
            },
        };
        let min = u64::from(min.unwrap_or(1));
        Ok(arguments.finish(Self { filter, group_by, min }, true)?.verb)
    }
}

/// What an event is counted under. What is not known is `-`.
fn group_of(event: &AuditEvent, group: &str) -> String {
    let name = match group {
        "user" => event.user.as_ref().map(UserId::to_string),
        "credential" => event.credential.as_ref().map(CredentialName::to_string),
        "address" => event.address.map(|address| address.to_string()),
        "reason" => event.reason.clone(),
        _ => Some(event.event.word().to_owned()),
    };
    name.unwrap_or_else(|| "-".to_owned())
}

fn shown(tokens: &[Token], now: Timestamp) -> Vec<TokenView<'_>> {
    tokens.iter().map(|token| TokenView::of(token, None, now)).collect()
}

impl Made {
    fn shown(&self, now: Timestamp) -> Value {
        json!(TokenView::of(&self.token, Some(&self.secret), now))
    }
}

impl<'a> TokenView<'a> {
    fn of(token: &'a Token, secret: Option<&'a Secret>, now: Timestamp) -> Self {
        Self {
            token: secret.map(Secret::reveal),
            prefix: &token.prefix,
            name: &token.name,
            label: token.label.as_deref(),
            user_id: &token.user,
            email: token.email.as_deref(),
            scopes: &token.scopes,
            project: token.project.as_ref(),
            guest: token.is_guest,
            tools: token.tools.iter().map(|set| set.name()).collect(),
            state: token.state(now),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            last_used_at: token.last_used_at,
        }
    }
}
