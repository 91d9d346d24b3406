//! The arguments of the verbs about tokens, the audit and what was changed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::arguments::ServerArguments;
use crate::model::{Clock, SystemClock, Timestamp, UserId};

#[derive(Debug, Clone, Args)]
pub(super) struct TokenArguments {
    #[command(subcommand)]
    pub(super) verb: TokenVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum TokenVerb {
    /// Make a token; it is printed this once
    Create(CreateToken),

    /// List the tokens, each by what it begins with
    List(ListTokens),

    /// Take a token back: the next request with it is refused
    Revoke(WhichToken),

    /// Make a revoked token good again
    Enable(WhichToken),

    /// Delete a token for good
    Delete(DeleteToken),

    /// Make a token that takes the place of another, which ends after a while
    Rotate(RotateToken),
}

#[derive(Debug, Clone, Args)]
pub(super) struct CreateToken {
    /// Whose memories it opens [default: the default user's]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    /// What it is called in lists and logs
    #[arg(long)]
    pub(super) name: Option<String>,

    /// Whom to write to
    #[arg(long)]
    pub(super) email: Option<String>,

    /// What it may do: read, write, instructions, admin [default: read,write]
    #[arg(long, alias = "scope", value_delimiter = ',', value_name = "SCOPE")]
    pub(super) scopes: Vec<String>,

    /// The project in which all that it does has to stay
    #[arg(long)]
    pub(super) project: Option<String>,

    /// What it stores is provisional: found when asked for, given to nobody unasked
    #[arg(long)]
    pub(super) guest: bool,

    /// For how many days it is good; 0 for ever [default: 365]
    #[arg(long, value_name = "DAYS")]
    pub(super) expires_days: Option<u32>,

    /// The tool sets that it is shown [default: those of the server]
    #[arg(long, value_delimiter = ',', value_name = "SET")]
    pub(super) tools: Vec<String>,

    /// The tool set of an older server whose tools are always meant, such as mem0
    #[arg(long, value_name = "SET")]
    pub(super) compat: Option<String>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct ListTokens {
    /// Only those of this user
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct WhichToken {
    /// The token, what it begins with, or its name
    pub(super) token: String,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct DeleteToken {
    #[command(flatten)]
    pub(super) which: WhichToken,

    /// Taken for scripts; nothing is asked either way
    #[arg(long, hide = true)]
    yes: bool,
}

#[derive(Debug, Clone, Args)]
pub(super) struct RotateToken {
    #[command(flatten)]
    pub(super) which: WhichToken,

    /// For how many hours the old one stays good [default: 24]
    #[arg(long, value_name = "HOURS")]
    pub(super) grace_hours: Option<u32>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct UserArguments {
    #[command(subcommand)]
    pub(super) verb: UserVerb,
}

#[derive(Debug, Clone, Subcommand)]
pub(super) enum UserVerb {
    /// List who has stored something or has a token
    List {
        #[command(flatten)]
        server: ServerArguments,
    },

    /// Write all memories of a user as JSON Lines, which `import` takes back whole
    Export {
        /// Whose
        #[arg(value_parser = UserId::parse)]
        user: UserId,

        /// Write to this file instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,

        #[command(flatten)]
        server: ServerArguments,
    },

    /// Erase all that is kept of a user: memories, history, tokens. The audit keeps a pseudonym
    Delete {
        /// Whose
        #[arg(value_parser = UserId::parse)]
        user: UserId,

        /// Do it; without this nothing is erased
        #[arg(long)]
        yes: bool,

        #[command(flatten)]
        server: ServerArguments,
    },
}

impl UserVerb {
    /// Which server it is asked of.
    pub(super) fn server(&self) -> &ServerArguments {
        match self {
            Self::List { server } | Self::Export { server, .. } | Self::Delete { server, .. } => {
                server
            }
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct AuditArguments {
    /// Of so many days up to now
    #[arg(long)]
    pub(super) days: Option<u32>,

    /// From a moment on: a date, a time, or how long ago, such as 90s, 30m, 1h, 7d
    #[arg(long, value_parser = since)]
    pub(super) since: Option<Timestamp>,

    /// Only what is about this user
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    /// Only events of this kind, such as auth_failed
    #[arg(long)]
    pub(super) event: Option<String>,

    /// Only where somebody was turned away
    #[arg(long)]
    pub(super) failed: bool,

    /// Count by user, credential, address, event or reason
    #[arg(long, value_name = "WHAT")]
    pub(super) group_by: Option<String>,

    /// Only groups of at least so many; fails if there is one, for timers
    #[arg(long, requires = "group_by", value_name = "COUNT")]
    pub(super) min: Option<u32>,

    /// At most so many, the newest
    #[arg(long)]
    pub(super) limit: Option<u32>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct UndoArguments {
    /// One change, by its id
    #[arg(long, value_name = "ID")]
    pub(super) step: Option<String>,

    /// The last change of this memory
    #[arg(long, value_name = "ID")]
    pub(super) memory: Option<String>,

    /// The last change of this credential
    #[arg(long)]
    pub(super) last: bool,

    /// All changes of a session
    #[arg(long)]
    pub(super) session: Option<String>,

    /// All changes by a credential, such as that of an assistant that went wrong
    #[arg(long, value_name = "NAME")]
    pub(super) credential: Option<String>,

    /// Only from a moment on: a date, a time, or how long ago, such as 90s, 30m, 1h, 7d
    #[arg(long, value_parser = since)]
    pub(super) since: Option<Timestamp>,

    /// Erase what they stored for good, from the history too
    #[arg(long)]
    pub(super) purge: bool,

    /// With --purge: end only when what is erased has left every file
    #[arg(long, requires = "purge")]
    pub(super) wait: bool,

    /// Do it; without this it is only told
    #[arg(long, short)]
    pub(super) yes: bool,

    /// Whose memories [default: those of the key's user]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct WhyArguments {
    /// Only to clients that call themselves so, or in part, such as cursor
    #[arg(long, value_name = "NAME")]
    pub(super) client: Option<String>,

    /// Only to this credential
    #[arg(long, value_name = "NAME")]
    pub(super) credential: Option<String>,

    /// Only in this session
    #[arg(long)]
    pub(super) session: Option<String>,

    /// Only where this memory was given
    #[arg(long, value_name = "ID")]
    pub(super) memory: Option<String>,

    /// From a moment on: a date, a time, or how long ago, such as 90s, 30m, 1h, 7d
    #[arg(long, value_parser = since)]
    pub(super) since: Option<Timestamp>,

    /// At most so many, the newest [default: 20]
    #[arg(long)]
    pub(super) limit: Option<u32>,

    /// Ask each question again: of the state of that time (then), or of now
    #[arg(long, value_name = "WHEN")]
    pub(super) replay: Option<String>,

    /// Whose memories [default: those of the key's user]
    #[arg(long, value_name = "USER", value_parser = UserId::parse)]
    pub(super) user_id: Option<UserId>,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

#[derive(Debug, Clone, Args)]
pub(super) struct StatsArguments {
    /// Whose
    #[arg(value_parser = UserId::parse)]
    pub(super) user: UserId,

    #[command(flatten)]
    pub(super) server: ServerArguments,
}

/// Reads a moment, or how long ago it was.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    let expected =
        || "expected a date, a time, or how long ago, such as 90s, 30m, 1h, 7d".to_owned();
    let text = text.trim();
    let units = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    let ago = units.iter().find_map(|(unit, ms)| {
        let count: i64 = text.strip_suffix(*unit)?.trim().parse().ok()?;
        (count >= 0).then(|| count.saturating_mul(*ms))
    });
    match ago {
        Some(ago) => Ok(Timestamp(SystemClock.now().0.saturating_sub(ago))),
        None => Timestamp::parse(text).map_err(|_| expected()),
    }
}

impl TokenVerb {
    /// Which server it is asked of.
    pub(super) fn server(&self) -> &ServerArguments {
        match self {
            Self::Create(CreateToken { server, .. })
            | Self::List(ListTokens { server, .. })
            | Self::Revoke(WhichToken { server, .. })
            | Self::Enable(WhichToken { server, .. })
            | Self::Delete(DeleteToken { which: WhichToken { server, .. }, .. })
            | Self::Rotate(RotateToken { which: WhichToken { server, .. }, .. }) => server,
        }
    }
}
