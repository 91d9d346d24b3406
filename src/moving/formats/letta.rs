//! A file of an agent of Letta (`.af`): `{"agents": [...], "blocks": [...]}`, or an older one that is a
//! single agent with `core_memory`. What an agent looks up later (its archive) is not in such a file.
//!
//! Variables of the environment, which may be secrets, stand in it as well, and are not looked at.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{first_moment, first_text, id_text, text};
use super::turns::turn;
use crate::model::Metadata;
use crate::moving::line::bytes_of_all;
use crate::moving::out::Out;
use crate::moving::sniff::{Fit, Look, Sniff};
use crate::moving::walk::pieces;
use crate::moving::{Files, Line, MovingError};

/// What is known of one file.
#[derive(Default)]
struct Agents {
    /// The first by name of the agents that have a block, by the id of the block.
    owners: BTreeMap<String, String>,
    /// The blocks, which may stand before the agents or behind them.
    blocks: Vec<Map<String, Value>>,
    /// The name of the one agent of an older file, and what it is told, in whatever order they stand.
    name: String,
    system: String,
}

/// Blocks that tell the agent who it is and what to do.
const CANDIDATES: [&str; 3] = ["persona", "system", "instructions"];
const OF_USER: &str = "human";
const ROLES: [&str; 2] = ["user", "assistant"];

pub(super) fn fit(sniff: &Sniff) -> Fit {
    let has = |name: &str| sniff.names.contains(name);
    let is_file = has("agents") && (has("blocks") || sniff.lists_any(&["block_ids"]));
    let is_old = has("core_memory") && sniff.has_any(&["agent_type", "system", "llm_config"]);
    Fit::sure_if(sniff.look == Look::Object && (is_file || is_old))
}

pub(super) fn read(files: &mut Files<'_>, out: &mut Out<'_>) -> Result<(), MovingError> {
    files.each(out, &mut |_, reader, out| {
        let mut agents = Agents::default();
        pieces(reader, out, &mut |out, piece| match (piece.name.as_str(), piece.value) {
            ("agents", Value::Object(agent)) => agents.read(&agent, out),
            ("blocks" | "core_memory", Value::Object(block)) => {
                if out.keeps(bytes_of_all(&block)) {
                    agents.blocks.push(block);
                }
                Ok(())
            }
            ("name", Value::String(name)) => {
                agents.name = name;
                Ok(())
            }
            ("system", Value::String(told)) => {
                agents.system = told;
                Ok(())
            }
            ("messages", Value::Object(message)) => say("", &message, out),
            ("", _) | (_, Value::Object(_)) => {
                out.skip("tools, files and settings of agents");
                Ok(())
            }
            // What an older file says of its one agent.
            _ => Ok(()),
        })?;
        agents.send(out)
    })
}

impl Agents {
    fn read(&mut self, agent: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
        let name = first_text(agent, &["name", "id"]).unwrap_or_default().to_owned();
        let ids = agent.get("block_ids").and_then(Value::as_array);
        for id in ids.into_iter().flatten().filter_map(id_text) {
            let owner = self.owners.entry(id).or_insert_with(|| name.clone());
            if name < *owner {
                owner.clone_from(&name);
            }
        }
        if let Some(told) = text(agent, "system") {
            out.line(system(&name, told))?;
        }
        let messages = agent.get("messages").and_then(Value::as_array);
        for message in messages.into_iter().flatten().filter_map(Value::as_object) {
            say(&name, message, out)?;
        }
        Ok(())
    }

    /// Now it is known whose they are.
    fn send(self, out: &mut Out<'_>) -> Result<(), MovingError> {
        if !self.system.is_empty() {
            out.line(system(&self.name, &self.system))?;
        }
        for (n, block) in self.blocks.into_iter().enumerate() {
            out.at(n + 1);
            let id = block.get("id").and_then(id_text).unwrap_or_default();
            let agent = self.owners.get(&id).unwrap_or(&self.name);
            let label = first_text(&block, &["label", "name"]).unwrap_or_default();
            let mut extras = Metadata::new();
            extras.insert("agent".to_owned(), agent.as_str().into());
            for name in ["description", "limit"] {
                extras.insert(name.to_owned(), block.get(name).cloned().unwrap_or_default());
            }
            // Where nobody has it, its label says too little.
            let native = match agent.is_empty() {
                true => format!("{agent}\0{label}\0{id}"),
                false => format!("{agent}\0{label}"),
            };
            out.line(Line {
                title: Some(label.to_owned()),
                kind: (label == OF_USER).then_some("preference"),
                is_candidate: CANDIDATES.contains(&label),
                extras,
                ..Line::new(native, text(&block, "value").unwrap_or_default())
            })?;
        }
        Ok(())
    }
}

/// What an agent is told before all else.
fn system(agent: &str, told: &str) -> Line {
    let title = Some(format!("{agent}: system"));
    Line { title, is_candidate: true, ..Line::new(format!("{agent}\0system"), told) }
}

fn say(agent: &str, message: &Map<String, Value>, out: &mut Out<'_>) -> Result<(), MovingError> {
    let role = text(message, "role").unwrap_or_default();
    if !ROLES.contains(&role) {
        out.skip("said by tools, hidden, or thought");
        return Ok(());
    }
    let said = said(message);
    let at = first_moment(message, &["created_at", "date"]);
    // The ids in such a file are made anew by each export.
    let when = at.map_or(0, |at| at.at.0);
    let native = format!("{agent}\0{when}\0{role}\0{said}");
    out.line(turn(native, role, said, at).of_talk(agent))
}

/// The text of a message: one text, or blocks of which some are texts.
fn said(message: &Map<String, Value>) -> String {
    let blocks = message.get("content").and_then(Value::as_array);
    let blocks = blocks.into_iter().flatten().filter_map(Value::as_object);
    let told: Vec<&str> = blocks.filter_map(|block| text(block, "text")).collect();
    match told.is_empty() {
        true => first_text(message, &["content", "text"]).unwrap_or_default().to_owned(),
        false => told.join("\n"),
    }
}
