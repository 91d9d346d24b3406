use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::Proposal;
use super::block::Pin;
use crate::actors::Sessions;
use crate::cli::Failed;
use crate::cli::accounts::{Question, listed, named, send, text};
use crate::cli::daemon::{ANSWER_LIMIT, Daemon};
use crate::engine::{Arguments, FileLine, ImportLines, Imported, List, Spoken};
use crate::model::{Caller, MemoryId, Project};
use crate::moving::CANDIDATE;

/// The way to the memories.
pub(super) enum Memories<'a> {
    Server(&'a Daemon),
    Store { sessions: &'a Sessions, caller: &'a Caller },
}

/// So many of each sort go into a file. What is behind them is less important or older.
const MOST_PINS: usize = 100;
const INSTRUCTION: &str = "instruction";

impl Memories<'_> {
    /// What is pinned of a project and its instructions, the most important first. What belongs to no
    /// project is the user's own, and no matter of a folder that others may see.
    pub(super) async fn pinned(&self, project: &Project) -> Result<Vec<Pin>, Failed> {
        let of_project = |name: &str, value: Value| {
            named(&[
                ("project", Some(json!(project))),
                ("sort", Some(json!("priority"))),
                ("limit", Some(json!(MOST_PINS))),
                (name, Some(value)),
            ])
        };
        let instructions = self.list(of_project("kind", json!(INSTRUCTION))).await?;
        let pinned = self.list(of_project("pinned", json!(true))).await?;
        let of_list = |told: &Value, is_instruction: bool| -> Vec<Pin> {
            let memories = listed(told, "memories").iter();
            let confirmed = memories.filter(|memory| memory.get("provisional").is_none());
            let wanted =
                confirmed.filter(|memory| (text(memory, "kind") == INSTRUCTION) == is_instruction);
            wanted.filter_map(|memory| pin(memory, is_instruction)).collect()
        };
        let mut pins = of_list(&instructions, true);
        pins.extend(of_list(&pinned, false));
        Ok(pins)
    }

    /// Stores what somebody wrote into a file, as what nobody has confirmed.
    pub(super) async fn propose(
        &self,
        project: &Project,
        proposals: &[Proposal],
    ) -> Result<(), Failed> {
        if proposals.is_empty() {
            return Ok(());
        }
        let lines = proposals.iter().map(|proposal| line(project, proposal).to_string());
        let told = match self {
            Self::Server(daemon) => {
                let body: String = lines.map(|line| line + "\n").collect();
                import_to(daemon, body).await?
            }
            Self::Store { sessions, caller } => {
                let lines = lines.map(|line| FileLine::Whole(line.into_bytes()));
                let told = sessions.import(caller, ImportLines::default(), lines).await;
                told.map_err(Failed::because)?
            }
        };
        match told.errors.first() {
            None => Ok(()),
            Some(first) => Err(Failed::new(format!(
                "{} changes between the markers cannot become proposals, so nothing was written: {}",
                told.failed, first.problem
            ))),
        }
    }

    async fn list(&self, named: Map<String, Value>) -> Result<Value, Failed> {
        match self {
            Self::Server(daemon) => {
                let path = "/api/v1/memories".to_owned();
                send(daemon, &Question { method: Method::GET, path, named }).await
            }
            Self::Store { sessions, caller } => {
                let list = List::parse(Arguments::new(named)).map_err(Failed::because)?.verb;
                let listed = sessions.ask(caller, list).await.map_err(Failed::because)?;
                Ok(json!(listed))
            }
        }
    }
}

fn pin(memory: &Value, is_instruction: bool) -> Option<Pin> {
    let id = MemoryId::parse(text(memory, "id")).ok()?;
    let content = memory.get("content")?.as_str()?.to_owned();
    (!content.trim().is_empty()).then_some(Pin { id, is_instruction, content })
}

/// A proposal as a line of an import, which nobody has confirmed. An instruction is made of one by its
/// owner alone.
fn line(project: &Project, (file, edit): &Proposal) -> Value {
    let tags = if edit.is_instruction { vec![CANDIDATE] } else { Vec::new() };
    let metadata = named(&[
        ("proposed_in", Some(json!(file))),
        ("replaces", edit.replaces.map(|id| json!(id))),
    ]);
    json!({
        "content": edit.text,
        "kind": "note",
        "tags": tags,
        "project": project,
        "pinned": true,
        "metadata": metadata,
    })
}

async fn import_to(daemon: &Daemon, body: String) -> Result<Imported, Failed> {
    let request = daemon.channel()?.request(Method::POST, "/api/v1/import");
    let request = request.insert_header(("Content-Type", "application/x-ndjson"));
    let mut response = request.send_body(body).await.map_err(Failed::because)?;
    let status = response.status();
    let body = response.body().limit(ANSWER_LIMIT).await.map_err(Failed::because)?;
    if !status.is_success() {
        return Err(Failed::new(format!("the server refused the proposals: {status}")));
    }
    serde_json::from_slice(&body).map_err(Failed::because)
}
