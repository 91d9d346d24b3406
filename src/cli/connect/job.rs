use std::io::BufRead;
use std::path::{Path, PathBuf};

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::diff::diff;
use super::edit::{Damage, Slot};
use super::file::ClientFile;
use super::target::Target;
use super::{found, probe};
use crate::actors::{AdminRequest, TokenChange};
use crate::auth::ServerFile;
use crate::cli::accounts::{Question, ask_within, listed, meant, named, text};
use crate::cli::arguments::ServerArguments;
use crate::cli::daemon::Daemon;
use crate::cli::{Failed, Outcome, say_inline, tell};
use crate::clients::{KEY_VARIABLE, KnownClient, ProjectFile};
use crate::config::Config;
use crate::engine::without_secrets;
use crate::model::TokenPrefix;

/// What is to be done for one client.
pub(super) struct Job<'a> {
    pub(super) config: &'a Config,
    pub(super) client: &'static KnownClient,
    pub(super) name: &'a str,
    pub(super) project: Option<ProjectFile>,
    pub(super) server: &'a ServerArguments,
    pub(super) target: Target,
    /// Nothing where it is entered by hand.
    pub(super) place: Option<PathBuf>,
    /// What stands in the variable that the file of a project names.
    pub(super) variable: Option<String>,
    pub(super) is_agreed: bool,
    pub(super) wants_json: bool,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) is_changed: bool,
    pub(super) backup: Option<PathBuf>,
    /// What the token begins with.
    pub(super) token: Option<String>,
    /// How many tools the client gets; nothing if it could not be tried.
    pub(super) tools: Option<String>,
    /// A line with a key in it, shown this once.
    pub(super) by_hand: Option<String>,
    /// For the person.
    pub(super) notes: Vec<String>,
}

/// A token that was just made.
struct MadeToken {
    secret: String,
    name: String,
    prefix: String,
}

/// What stands for a token that is not made yet.
const SHOWN_KEY: &str = "mcp_...";
/// What stands for a key that is none of our tokens.
const OTHER_KEY: &str = "[key]";

impl Job<'_> {
    /// Writes the entry, unless it is there and works.
    pub(super) async fn connect(&self) -> Result<Done, Failed> {
        let Some(path) = &self.place else { return self.connect_by_hand().await };
        let slot = self.slot();
        let file = ClientFile::read(path)?;
        file.refuse_if_read_only()?;
        let old = slot.entry(&file.text).map_err(|damage| damaged(path, &damage))?;
        if let Some(old) = &old {
            self.refuse_foreign(old)?;
            if self.is_current(old).await {
                return Ok(self.unchanged());
            }
        }
        let shown = slot.with(&file.text, &self.entry(SHOWN_KEY));
        let shown = shown.map_err(|damage| damaged(path, &damage))?;
        let old_key = old.as_ref().and_then(found::token_in);
        self.show_change(&masked(&file.text, old.as_ref()), &shown)?;
        self.agree(&format!("Write this to {}?", path.display()))?;
        let token = self.make_token().await?;
        match self.write(&slot, &file, old.as_ref(), &token).await {
            Ok(mut done) => {
                if let Some(key) = old_key {
                    let told = self.end_token(&key).await;
                    done.notes.push(told.unwrap_or_else(|failed| self.still_good(&key, &failed)));
                }
                Ok(done)
            }
            Err(failed) => Err(self.without_token(&token, failed).await),
        }
    }

    /// A client that keeps its settings elsewhere gets a token, and its owner the lines.
    async fn connect_by_hand(&self) -> Result<Done, Failed> {
        let title = self.client.title;
        if !self.own_tokens().await?.is_empty() {
            let note = format!(
                "{title} has a token already, and nothing was changed; --undo revokes it, and then another can be made"
            );
            return Ok(Done { notes: vec![note], ..Done::default() });
        }
        self.agree(&format!("Make a token for {title}?"))?;
        let token = self.make_token().await?;
        let tools = match self.try_out(&token.secret).await {
            Ok(tools) => tools,
            Err(failed) => return Err(self.without_token(&token, failed).await),
        };
        let line = self.client.file_with(self.name, &self.entry(&token.secret));
        let by_hand = Some(line.trim_end().to_owned());
        let notes = self.notes(&token, tools.as_deref());
        let token = Some(token.prefix);
        Ok(Done { is_changed: true, token, tools, by_hand, notes, ..Done::default() })
    }

    async fn write(
        &self,
        slot: &Slot<'_>,
        file: &ClientFile,
        old: Option<&Value>,
        token: &MadeToken,
    ) -> Result<Done, Failed> {
        let tools = self.try_out(&token.secret).await?;
        let text = slot.with(&file.text, &self.entry(&token.secret));
        let text = text.map_err(|damage| damaged(file.path(), &damage))?;
        // The copy is of the file before memoryd was in it; one that holds nothing else was not there before.
        let has_no_before = old.is_some_and(|old| {
            file.backup().is_some() || file.text == self.client.file_with(self.name, old)
        });
        let backup = if has_no_before { None } else { file.back_up()? };
        file.replace(&text)?;
        let mut notes = self.notes(token, tools.as_deref());
        let path = file.path().display();
        if file.is_open_to_others() && self.project.is_none() {
            notes.push(format!(
                "others on this machine can read {path}, and the token in it: chmod 600 {path}"
            ));
        }
        notes.extend(backup.as_ref().map(|path| format!("it was before as in {}", path.display())));
        let by_hand = self.project.map(|_| format!("export {KEY_VARIABLE}={}", token.secret));
        Ok(Done {
            is_changed: true,
            backup,
            token: Some(token.prefix.clone()),
            tools,
            by_hand,
            notes,
        })
    }

    /// What a person should know and do now.
    fn notes(&self, token: &MadeToken, tools: Option<&str>) -> Vec<String> {
        let (title, url) = (self.client.title, self.target.reach("").url());
        let MadeToken { name, prefix, .. } = token;
        let mut notes = vec![match tools {
            Some(count) => format!(
                "{title} is connected with the token {name} ({prefix}...), and gets {count} tools"
            ),
            None => format!(
                "{title} is told of {url} with the token {name} ({prefix}...); no server runs, so it was not \
                 tried: memoryd serve starts one"
            ),
        }];
        if self.project.is_some() {
            notes.push(format!(
                "the file names {KEY_VARIABLE} and holds no key: put that line where {title} is started from"
            ));
        }
        let authority = self.target.authority();
        notes.extend(authority.and_then(|authority| self.client.how_to_trust(&authority)));
        notes.push(self.client.then.to_owned());
        notes
    }

    fn unchanged(&self) -> Done {
        let title = self.client.title;
        let mut notes = vec![format!("{title} is connected already; nothing was changed")];
        if self.project.is_some() && self.variable.is_none() {
            notes.push(format!(
                "{KEY_VARIABLE} is not set here; memoryd token create --name {} prints a token for it",
                self.client.id
            ));
        }
        Done { notes, ..Done::default() }
    }

    pub(super) fn slot(&self) -> Slot<'_> {
        Slot { client: self.client, name: self.name }
    }

    fn entry(&self, key: &str) -> Value {
        let reach = self.target.reach(key);
        match &self.project {
            Some(file) => self.client.project_entry(file, &reach),
            None => self.client.entry(&reach),
        }
    }

    /// Whether what stands there is what would be written, and works as far as that can be tried.
    async fn is_current(&self, old: &Value) -> bool {
        if self.project.is_some() {
            return *old == self.entry("");
        }
        let Some(key) = found::token_in(old) else { return false };
        *old == self.entry(&key) && self.try_out(&key).await.is_ok()
    }

    /// Another server of the same name is its owner's.
    pub(super) fn refuse_foreign(&self, entry: &Value) -> Result<(), Failed> {
        let is_of_project = self.project.is_some() && entry.to_string().contains(KEY_VARIABLE);
        if is_of_project || found::is_of_memoryd(entry, &self.target.base) {
            return Ok(());
        }
        Err(Failed::new(format!(
            "{} has another server called {}; nothing was written. --name gives this one another name",
            self.client.title, self.name
        )))
    }

    /// Goes the way of the client. Nothing where there is no server yet that could answer.
    async fn try_out(&self, key: &str) -> Result<Option<String>, Failed> {
        let tried = if self.client.starts_a_program() {
            probe::over_stdio(self.target.program(), key).await
        } else if self.is_server_there().await? {
            let authorities = self.target.authorities.clone();
            probe::over_http(&self.target.base, authorities, key).await
        } else {
            return Ok(None);
        };
        let way = if self.client.starts_a_program() {
            self.target.program().join(" ")
        } else {
            self.target.reach("").url()
        };
        tried.map(Some).map_err(|problem| {
            Failed::new(format!(
                "{} would not get through by {way}: {problem}; nothing was written",
                self.client.title
            ))
        })
    }

    async fn is_server_there(&self) -> Result<bool, Failed> {
        if self.server.url.is_some() {
            return Ok(true);
        }
        // Somebody else may have the store open, and listen at no port.
        let is_told = ServerFile::read(&self.config.server.run_dir).is_some();
        Ok(is_told && Daemon::of(self.server, self.config).await?.is_some())
    }

    async fn make_token(&self) -> Result<MadeToken, Failed> {
        let wanted = named(&[
            ("name", Some(json!(self.client.id))),
            ("scopes", Some(json!(["read", "write"]))),
            // A client that has worked for a year is not to stop one morning.
            ("expires_days", Some(json!(0))),
        ]);
        let path = "/admin/tokens".to_owned();
        let question = Question { method: Method::POST, path, named: wanted };
        let made =
            ask_within(self.config, self.server, &question, AdminRequest::CreateToken).await?;
        let [secret, name, prefix] =
            ["token", "name", "prefix"].map(|field| text(&made, field).to_owned());
        Ok(MadeToken { secret, name, prefix })
    }

    /// Revokes a token by itself or by its name.
    pub(super) async fn take_back(&self, token: &str) -> Result<(), Failed> {
        let which = meant(token)?;
        let path = format!("/admin/tokens/{which}/revoke");
        let question = Question { method: Method::POST, path, named: Map::new() };
        let change = TokenChange::Revoke;
        let local = |_| AdminRequest::ChangeToken { which, change };
        ask_within(self.config, self.server, &question, local).await.map(drop)
    }

    /// The failure, and that of revoking the token, if that fails as well.
    async fn without_token(&self, token: &MadeToken, failed: Failed) -> Failed {
        match self.take_back(&token.secret).await {
            Ok(()) => failed,
            Err(other) => {
                Failed::new(format!("{failed}; {}", self.still_good(&token.secret, &other)))
            }
        }
    }

    /// What is said of a token that could not be revoked. It may stand nowhere else any more.
    pub(super) fn still_good(&self, key: &str, failed: &Failed) -> String {
        let id = || self.client.id.to_owned();
        let which = TokenPrefix::of(key).map_or_else(id, |prefix| prefix.to_string());
        let url = self.server.url.as_ref().map(|url| format!(" --url {}", url.base()));
        let url = url.unwrap_or_default();
        format!(
            "the token {which} is not revoked and still good ({failed}); \
             memoryd token revoke {which}{url} ends it"
        )
    }

    /// Revokes the token that an entry shows, if it was made for this client. Tells what became of it.
    pub(super) async fn end_token(&self, key: &str) -> Result<String, Failed> {
        let prefix = TokenPrefix::of(key).map(|prefix| prefix.as_str().to_owned());
        let tokens = self.tokens().await?;
        let found = tokens.iter().find(|token| Some(text(token, "prefix")) == prefix.as_deref());
        let Some(token) = found else {
            return Ok("the token that stood there is not known any more".to_owned());
        };
        let name = text(token, "name");
        if !self.is_own_name(name) {
            return Ok(format!(
                "the token {name} was not made for this client alone, and stays good"
            ));
        }
        if text(token, "state") == "active" {
            self.take_back(key).await?;
        }
        Ok(format!("the token {name} is revoked"))
    }

    /// What the good tokens begin with that were made for this client.
    pub(super) async fn own_tokens(&self) -> Result<Vec<String>, Failed> {
        let is_own = |token: &&Value| {
            text(token, "state") == "active" && self.is_own_name(text(token, "name"))
        };
        let tokens = self.tokens().await?;
        Ok(tokens.iter().filter(is_own).map(|token| text(token, "prefix").to_owned()).collect())
    }

    async fn tokens(&self) -> Result<Vec<Value>, Failed> {
        let path = "/admin/tokens".to_owned();
        let question = Question { method: Method::GET, path, named: Map::new() };
        let told =
            ask_within(self.config, self.server, &question, AdminRequest::ListTokens).await?;
        Ok(listed(&told, "tokens").to_vec())
    }

    /// A second token of a client has a number behind its name.
    fn is_own_name(&self, name: &str) -> bool {
        let number = name.strip_prefix(self.client.id);
        number.is_some_and(|rest| {
            rest.is_empty()
                || rest
                    .strip_prefix('-')
                    .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        })
    }

    /// Shows a change; beside the output where that is JSON.
    pub(super) fn show_change(&self, before: &str, after: &str) -> Outcome {
        let path = self.place.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        // What stands around it may hold the secrets of others.
        let [before, after] = [before, after].map(|text| without_secrets(text.to_owned()));
        for line in diff(&path, &before, &after) {
            if self.wants_json {
                tell(&line);
            } else {
                say_inline(&line)?;
            }
        }
        Ok(())
    }

    /// Asks the person, unless they have answered already.
    pub(super) fn agree(&self, question: &str) -> Outcome {
        if self.is_agreed {
            return Ok(());
        }
        tell(&format!("{question} [y/N]"));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer).map_err(Failed::because)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failed::new("nothing was changed; --yes answers for you".to_owned())),
        }
    }
}

/// A file that cannot be edited is left alone.
pub(super) fn damaged(path: &Path, damage: &Damage) -> Failed {
    Failed::new(format!("{} {damage}; nothing was written", path.display()))
}

/// A text without the keys of an entry, for people who look on. Of a token it is shown which.
pub(super) fn masked(text: &str, entry: Option<&Value>) -> String {
    let keys = entry.map(found::keys_in).unwrap_or_default();
    keys.iter().fold(text.to_owned(), |text, key| {
        let prefix = TokenPrefix::of(key);
        let shown =
            prefix.map_or_else(|| OTHER_KEY.to_owned(), |prefix| format!("{}...", prefix.as_str()));
        text.replace(key, &shown)
    })
}
