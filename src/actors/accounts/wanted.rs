use std::time::Duration;

use crate::engine::{Arguments, Field, InvalidArguments, Said, Shape};
use crate::model::foreign::shortened;
use crate::model::{Project, Scope, Scopes, ToolSet, UserId};

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The default user if nobody is named.
    pub user: Option<UserId>,
    pub label: Option<String>,
    pub email: Option<String>,
    pub scopes: Scopes,
    pub project: Option<Project>,
    /// What it stores is provisional.
    pub is_guest: bool,
    pub tools: Vec<ToolSet>,
    /// For ever if there is nothing.
    pub life: Option<Duration>,
}

/// How a token gives its place to another.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// For how long the old one stays good.
    pub grace: Duration,
}

const USER: Field = Field::new("user_id", Shape::Name, "Whose memories; the default user's");
const NAME: Field = Field::new("name", Shape::Name, "What it is called, such as laptop");
const EMAIL: Field = Field::new("email", Shape::Name, "Whom to write to");
const SCOPES: Field = Field::new(
    "scopes",
    Shape::Words(&["read", "write", "instructions", "admin"]),
    "What it may do; read and write",
);
const PROJECT: Field =
    Field::new("project", Shape::Name, "Where all that it does has to stay; everywhere");
const GUEST: Field = Field::new(
    "guest",
    Shape::Flag,
    "What it stores is provisional, and what is confirmed it cannot change",
);
const DAYS: Field = Field::new(
    "expires_days",
    Shape::Whole { least: 0, most: MAX_DAYS },
    "How long it is good; 365, and 0 for ever",
);
const TOOLS: Field = Field::new("tools", Shape::Names, "The tool sets that it is shown");
const COMPAT: Field = Field::new(
    "compat",
    Shape::Name,
    "The tool set whose tools are always meant, where others have the same names; shown first",
);
const GRACE: Field = Field::new(
    "grace_hours",
    Shape::Whole { least: 0, most: MAX_GRACE_HOURS },
    "How long the old one stays good; 24",
);

const DEFAULT_DAYS: u32 = 365;
/// About a hundred years.
const MAX_DAYS: u32 = 36_500;
const DEFAULT_GRACE_HOURS: u32 = 24;
/// A month: who has not changed to the new one by then has forgotten it.
const MAX_GRACE_HOURS: u32 = 31 * 24;
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Longer names are a text.
const MAX_LABEL_CHARS: usize = 128;

impl NewToken {
    /// Everything that it takes, in the order in which it is shown.
    #[must_use]
    pub fn fields() -> Vec<&'static Field> {
        vec![&USER, &NAME, &EMAIL, &SCOPES, &PROJECT, &GUEST, &DAYS, &TOOLS, &COMPAT]
    }

    /// Reads the arguments; every problem is told at once. A right that was not understood is none.
    pub fn parse(mut arguments: Arguments) -> Result<Said<Self>, InvalidArguments> {
        let user = arguments.take(&USER);
        let [label, email] = [&NAME, &EMAIL].map(|field| {
            let text: Option<String> = arguments.take(field);
            if text.as_ref().is_some_and(|text| text.chars().count() > MAX_LABEL_CHARS) {
                arguments
                    .refuse(field.name, &format!("has more than {MAX_LABEL_CHARS} characters"));
            }
            text
        });
        let scopes: Option<Vec<Scope>> = arguments.take(&SCOPES);
        let scopes = scopes.map_or_else(Scopes::read_write, Scopes::from_iter);
        if scopes.is_empty() {
            arguments.refuse(SCOPES.name, "a token without a scope could do nothing");
        }
        let days = arguments.take(&DAYS).unwrap_or(DEFAULT_DAYS);
        let tools = take_sets(&mut arguments);
        let project = arguments.take(&PROJECT);
        if project.is_some() && scopes.has(Scope::Admin) {
            let problem = "admin reaches everything, and a project binds; choose one of them";
            arguments.refuse(SCOPES.name, problem);
        }
        let is_guest = arguments.take(&GUEST).unwrap_or(false);
        if is_guest && (scopes.has(Scope::Instructions) || scopes.has(Scope::Admin)) {
            let problem = "a guest neither instructs nor administers";
            arguments.refuse(SCOPES.name, problem);
        }
        let life = (days > 0).then(|| DAY * days);
        let wanted = Self { user, label, email, scopes, project, is_guest, tools, life };
        arguments.finish(wanted, true)
    }
}

/// The sets that a token is shown: the one that is always meant first.
fn take_sets(arguments: &mut Arguments) -> Vec<ToolSet> {
    let compat: Option<String> = arguments.take(&COMPAT);
    let names: Vec<String> = arguments.take(&TOOLS).unwrap_or_default();
    let compat = compat.iter().map(|name| (COMPAT.name, name));
    let mut sets = Vec::new();
    for (field, name) in compat.chain(names.iter().map(|name| (TOOLS.name, name))) {
        match ToolSet::parse(name) {
            Some(set) if sets.contains(&set) => {}
            Some(set) => sets.push(set),
            None => {
                let known: Vec<_> = ToolSet::ALL.iter().map(|set| set.name()).collect();
                let (name, known) = (shortened(name), known.join(", "));
                let problem = format!("there is no set {name:?}; there is {known}");
                arguments.refuse(field, &problem);
            }
        }
    }
    sets
}

impl Rotation {
    /// Everything that it takes.
    #[must_use]
    pub fn fields() -> Vec<&'static Field> {
        vec![&GRACE]
    }

    pub fn parse(mut arguments: Arguments) -> Result<Said<Self>, InvalidArguments> {
        let hours = arguments.take(&GRACE).unwrap_or(DEFAULT_GRACE_HOURS);
        arguments.finish(Self { grace: HOUR * hours }, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(arguments: serde_json::Value) -> Result<NewToken, InvalidArguments> {
        NewToken::parse(Arguments::parse(arguments)?).map(|said| said.verb)
    }

    #[test]
    fn a_token_is_good_for_a_year_and_reads_and_writes_unless_told() {
        let plain = parsed(json!({})).unwrap();
        assert_eq!((plain.scopes, plain.life), (Scopes::read_write(), Some(DAY * 365)));

        let told = json!({ "scopes": "admin,read", "expires_days": 0, "tools": ["Core", "core"] });
        let told = parsed(told).unwrap();
        assert_eq!(told.scopes.as_slice(), [Scope::Read, Scope::Admin]);
        assert_eq!((told.life, told.tools), (None, vec![ToolSet::Core]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (odd, field) in [
            (json!({ "scopes": ["read", "own"] }), "scopes"),
            (json!({ "scope": "read" }), "scope"),
            (json!({ "scopes": "admin", "project": "garage" }), "scopes"),
            (json!({ "expires_days": -1 }), "expires_days"),
            (json!({ "tools": "no-such" }), "tools"),
            (json!({ "name": "x".repeat(129) }), "name"),
        ] {
            let problems = parsed(odd).unwrap_err().fields;
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].field, field);
        }
    }
}
