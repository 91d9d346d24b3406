//! The tools of the official knowledge-graph server, with its schemas, results and error texts.

use std::sync::LazyLock;

use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations,
};
use serde_json::{Map, Value, json};

use super::entry::{ToolCall, ToolEntry, ToolFailure, never};
use super::schema::output;
use crate::engine::{AskGraph, Entity, GraphAnswer, QueryText, Relation};
use crate::model::foreign::{self, said_back};

/// What an argument looks like there, said once: schemas and refusals follow from it.
#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    /// A text that is looked for.
    Query,
    List(&'static Form),
    Object(&'static [Member]),
}

/// A member of an object: its name, its form, and what is said of it.
type Member = (&'static str, Form, &'static str);

/// What a list may be of in all: each item is looked for among all that there is.
const MOST_ITEMS: usize = 10_000;
/// More problems than these are not told one by one.
const MOST_PROBLEMS: usize = 20;

/// How a tool is called, what it takes, and what it is to do with that.
struct GraphTool {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    takes: &'static [Member],
    answers: fn() -> Value,
    effect: fn() -> ToolAnnotations,
    ask: fn(&Map<String, Value>) -> AskGraph,
}

const TEXT: Form = Form::Text;
const TEXTS: Form = Form::List(&TEXT);
const ENTITY: Form = Form::Object(&[
    ("name", TEXT, "The name of the entity"),
    ("entityType", TEXT, "The type of the entity"),
    ("observations", TEXTS, "An array of observation contents associated with the entity"),
]);
const RELATION: Form = Form::Object(&[
    ("from", TEXT, "The name of the entity where the relation starts"),
    ("to", TEXT, "The name of the entity where the relation ends"),
    ("relationType", TEXT, "The type of the relation"),
]);
const ADDITION: Form = Form::Object(&[
    ("entityName", TEXT, "The name of the entity to add the observations to"),
    ("contents", TEXTS, "An array of observation contents to add"),
]);
const DELETION: Form = Form::Object(&[
    ("entityName", TEXT, "The name of the entity containing the observations"),
    ("observations", TEXTS, "An array of observations to delete"),
]);

const TOOLS: [GraphTool; 9] = [
    GraphTool {
        name: "create_entities",
        title: "Create Entities",
        about: "Create multiple new entities in the knowledge graph",
        takes: &[("entities", Form::List(&ENTITY), "")],
        answers: || json!({ "entities": list(ENTITY.answer()) }),
        effect: making,
        ask: |said| AskGraph::CreateEntities(each(said, "entities", entity)),
    },
    GraphTool {
        name: "create_relations",
        title: "Create Relations",
        about: "Create multiple new relations between entities in the knowledge graph. Relations should be in active voice",
        takes: &[("relations", Form::List(&RELATION), "")],
        answers: || json!({ "relations": list(RELATION.answer()) }),
        effect: making,
        ask: |said| AskGraph::CreateRelations(each(said, "relations", relation)),
    },
    GraphTool {
        name: "add_observations",
        title: "Add Observations",
        about: "Add new observations to existing entities in the knowledge graph",
        takes: &[("observations", Form::List(&ADDITION), "")],
        answers: || {
            let row = json!({
                "entityName": { "type": "string" },
                "addedObservations": list(json!({ "type": "string" })),
            });
            json!({ "results": list(closed(row, &["entityName", "addedObservations"])) })
        },
        effect: making,
        ask: |said| {
            AskGraph::AddObservations(each(said, "observations", |one| {
                (text(one, "entityName"), texts(one, "contents"))
            }))
        },
    },
    GraphTool {
        name: "delete_entities",
        title: "Delete Entities",
        about: "Delete multiple entities and their associated relations from the knowledge graph",
        takes: &[("entityNames", TEXTS, "An array of entity names to delete")],
        answers: done,
        effect: taking,
        ask: |said| AskGraph::DeleteEntities(texts(said, "entityNames")),
    },
    GraphTool {
        name: "delete_observations",
        title: "Delete Observations",
        about: "Delete specific observations from entities in the knowledge graph",
        takes: &[("deletions", Form::List(&DELETION), "")],
        answers: done,
        effect: taking,
        ask: |said| {
            AskGraph::DeleteObservations(each(said, "deletions", |one| {
                (text(one, "entityName"), texts(one, "observations"))
            }))
        },
    },
    GraphTool {
        name: "delete_relations",
        title: "Delete Relations",
        about: "Delete multiple relations from the knowledge graph",
        takes: &[("relations", Form::List(&RELATION), "An array of relations to delete")],
        answers: done,
        effect: taking,
        ask: |said| AskGraph::DeleteRelations(each(said, "relations", relation)),
    },
    GraphTool {
        name: "read_graph",
        title: "Read Graph",
        about: "Read the entire knowledge graph",
        takes: &[],
        answers: found,
        effect: reading,
        ask: |_| AskGraph::Read,
    },
    GraphTool {
        name: "search_nodes",
        title: "Search Nodes",
        about: "Search for nodes in the knowledge graph based on a query",
        takes: &[(
            "query",
            Form::Query,
            "The search query to match against entity names, types, and observation content",
        )],
        answers: found,
        effect: reading,
        ask: |said| AskGraph::Search(QueryText::beginning_of(&text(said, "query"))),
    },
    GraphTool {
        name: "open_nodes",
        title: "Open Nodes",
        about: "Open specific nodes in the knowledge graph by their names",
        takes: &[("names", TEXTS, "An array of entity names to retrieve")],
        answers: found,
        effect: reading,
        ask: |said| AskGraph::Open(texts(said, "names")),
    },
];

/// The nine tools of the set `graph`.
pub(super) fn entries() -> &'static [ToolEntry] {
    static ENTRIES: LazyLock<Vec<ToolEntry>> =
        LazyLock::new(|| TOOLS.iter().map(GraphTool::entry).collect());
    &ENTRIES
}

impl GraphTool {
    fn entry(&'static self) -> ToolEntry {
        let mut answers = (*output((self.answers)())).clone();
        let names = answers.get("properties").and_then(Value::as_object);
        let names: Vec<Value> =
            names.into_iter().flat_map(Map::keys).cloned().map(Value::from).collect();
        answers.insert("required".to_owned(), names.into());
        answers.insert("additionalProperties".to_owned(), false.into());
        let tool = Tool::new(self.name, self.about, Form::Object(self.takes).schema())
            .with_title(self.title)
            .with_annotations((self.effect)())
            .with_raw_output_schema(answers.into());
        ToolEntry {
            tool,
            run: Box::new(move |call, arguments| {
                let said = arguments.into_values();
                Box::pin(self.run(call, said))
            }),
            confirms: false,
            claims: never,
            takes_place: false,
        }
    }

    async fn run(
        &self,
        call: &ToolCall<'_>,
        said: Map<String, Value>,
    ) -> Result<CallToolResponse, ToolFailure> {
        let mut check = Check::default();
        for (name, form, _) in self.takes {
            form.check(said.get(*name), name, &mut check);
        }
        let Check { problems, .. } = check;
        if !problems.is_empty() {
            let told = format!(
                "MCP error -32602: Input validation error: Invalid arguments for tool {}: {}",
                self.name,
                problems.join("\n")
            );
            return Ok(failed(told));
        }
        Ok(match call.ask((self.ask)(&said)).await? {
            GraphAnswer::Created(made) => listed("entities", json!(made)),
            GraphAnswer::Related(made) => listed("relations", json!(made)),
            GraphAnswer::Observed(rows) => {
                let row = |(name, added): &(String, Vec<String>)| json!({ "entityName": name, "addedObservations": added });
                listed("results", rows.iter().map(row).collect())
            }
            GraphAnswer::Unknown(name) => {
                failed(format!("Entity with name {} not found", said_back(&name)))
            }
            GraphAnswer::Deleted => {
                let what = match self.name {
                    "delete_entities" => "Entities",
                    "delete_relations" => "Relations",
                    _ => "Observations",
                };
                let message = format!("{what} deleted successfully");
                answered(message.clone(), json!({ "success": true, "message": message }))
            }
            GraphAnswer::Found { entities, relations, .. } => {
                let graph = json!({ "entities": entities, "relations": relations });
                answered(pretty(&graph), graph)
            }
        })
    }
}

impl Form {
    fn schema(&self) -> JsonObject {
        let schema = match self {
            Self::Text | Self::Query => json!({ "type": "string" }),
            Self::List(items) => json!({ "type": "array", "items": items.schema() }),
            Self::Object(members) => {
                let properties = members.iter().map(|(name, form, about)| {
                    let mut schema = form.schema();
                    if !about.is_empty() {
                        schema.insert("description".to_owned(), json!(about));
                    }
                    ((*name).to_owned(), Value::Object(schema))
                });
                let properties: JsonObject = properties.collect();
                let names: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
                let mut schema = json!({ "type": "object", "properties": properties });
                if let Some(schema) = schema.as_object_mut().filter(|_| !names.is_empty()) {
                    schema.insert("required".to_owned(), json!(names));
                }
                schema
            }
        };
        match schema {
            Value::Object(schema) => schema,
            _ => JsonObject::new(),
        }
    }

    /// The same for what is answered, which has nothing else.
    fn answer(&self) -> Value {
        let mut schema = self.schema();
        schema.insert("additionalProperties".to_owned(), false.into());
        Value::Object(schema)
    }

    /// Tells everything that is wrong with a value, in the words of that server.
    fn check(&self, value: Option<&Value>, path: &str, check: &mut Check) {
        let wrong = |expected: &str| {
            let received = received(value);
            format!("Invalid input: expected {expected}, received {received} at {path}")
        };
        match (self, value) {
            (Self::Query, Some(Value::String(text))) if text.len() > QueryText::LIMIT => {
                let limit = QueryText::LIMIT;
                check.refuse(format!("Too big: expected string to have <={limit} bytes at {path}"));
            }
            (Self::Text | Self::Query, Some(Value::String(_))) => {}
            (Self::Text | Self::Query, _) => check.refuse(wrong("string")),
            (Self::List(form), Some(Value::Array(items))) => {
                if !check.has_room_for(items.len()) {
                    let told = format!("expected the call to have <={MOST_ITEMS} items at {path}");
                    check.refuse(format!("Too big: {told}"));
                    return;
                }
                for (at, item) in items.iter().enumerate() {
                    form.check(Some(item), &format!("{path}[{at}]"), check);
                }
            }
            (Self::List(_), _) => check.refuse(wrong("array")),
            (Self::Object(members), Some(Value::Object(object))) => {
                for (name, form, _) in *members {
                    form.check(object.get(*name), &format!("{path}.{name}"), check);
                }
            }
            (Self::Object(_), _) => check.refuse(wrong("object")),
        }
    }
}

/// What was found wrong with a call so far, and how many items it had.
#[derive(Debug, Default)]
struct Check {
    problems: Vec<String>,
    items: usize,
}

impl Check {
    fn refuse(&mut self, problem: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn has_room_for(&mut self, items: usize) -> bool {
        self.items = self.items.saturating_add(items);
        self.items <= MOST_ITEMS
    }
}

fn received(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}

fn making() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false)
}

fn taking() -> ToolAnnotations {
    ToolAnnotations::new().read_only(false).destructive(true).idempotent(true).open_world(false)
}

fn reading() -> ToolAnnotations {
    ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false)
}

fn done() -> Value {
    json!({ "success": { "type": "boolean" }, "message": { "type": "string" } })
}

fn found() -> Value {
    json!({ "entities": list(ENTITY.answer()), "relations": list(RELATION.answer()) })
}

fn list(items: Value) -> Value {
    Value::Object(Map::from_iter([
        ("type".to_owned(), "array".into()),
        ("items".to_owned(), items),
    ]))
}

fn closed(properties: Value, required: &[&str]) -> Value {
    Value::Object(Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties),
        ("required".to_owned(), json!(required)),
        ("additionalProperties".to_owned(), false.into()),
    ]))
}

fn listed(name: &str, made: Value) -> CallToolResponse {
    let text = pretty(&made);
    let mut body = Map::new();
    body.insert(name.to_owned(), made);
    answered(text, Value::Object(body))
}

fn answered(text: String, structured: Value) -> CallToolResponse {
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(structured);
    result.is_error = None;
    result.into()
}

fn failed(text: String) -> CallToolResponse {
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

/// As `JSON.stringify(value, null, 2)` writes it, with what a reader could not see as escapes.
fn pretty(value: &Value) -> String {
    foreign::json(&serde_json::to_string_pretty(value).unwrap_or_default()).into_owned()
}

fn each<T>(
    said: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Map<String, Value>) -> T,
) -> Vec<T> {
    let items = said.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_object).map(read).collect()
}

fn entity(said: &Map<String, Value>) -> Entity {
    Entity {
        name: text(said, "name"),
        kind: text(said, "entityType"),
        observations: texts(said, "observations"),
    }
}

fn relation(said: &Map<String, Value>) -> Relation {
    Relation { from: text(said, "from"), to: text(said, "to"), kind: text(said, "relationType") }
}

fn text(said: &Map<String, Value>, name: &str) -> String {
    said.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(said: &Map<String, Value>, name: &str) -> Vec<String> {
    let items = said.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
