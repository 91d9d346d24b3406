use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ElicitRequest, ElicitRequestParams, ErrorData,
    InputRequest, InputRequiredResult, InputResponses, JsonObject,
};
use rmcp::service::RequestContext;
use serde_json::{Value, json};

use super::Asking;
use crate::mcp::seal::Binding;
use crate::model::Caller;

/// The key under which the user's answer comes back.
const QUESTION: &str = "confirm_deletion";

/// One round of asking the user about a bulk deletion.
pub(super) struct Round {
    binding: Binding,
    state: Option<String>,
    responses: Option<InputResponses>,
}

impl Round {
    /// Begins or goes on with asking, if the call is a bulk deletion that the user should be asked
    /// about: by filter, without a word on `dry_run`, from a client that can ask.
    pub(super) fn of(
        caller: &Caller,
        call: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<Self> {
        if call.name != "delete_memory" || !can_ask(context) {
            return None;
        }
        let arguments = call.arguments.clone().unwrap_or_default();
        let said = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
        if ["id", "ids", "dry_run"].into_iter().any(said) {
            return None;
        }
        let binding = Binding::new(caller, &call.name, &arguments);
        let (state, responses) = (call.request_state.clone(), call.input_responses.clone());
        Some(Self { binding, state, responses })
    }

    /// Deletes what a filter matches once the user has agreed to the number of memories.
    pub(super) async fn delete(
        &self,
        asking: &Asking<'_>,
        arguments: JsonObject,
    ) -> Result<CallToolResponse, ErrorData> {
        let seal = asking.memory.seal();
        let agreed =
            self.state.as_ref().map(|state| seal.open(state, &self.binding)).transpose()?;
        let preview = asking.run(with_dry_run(&arguments, true)).await?;
        let matched = preview.structured_content.as_ref().and_then(|told| told.get("matched"));
        let matched = matched.and_then(Value::as_u64).unwrap_or_default();
        if matched == 0 {
            return Ok(preview.into());
        }
        match (agreed, self.responses.as_ref().and_then(answered)) {
            (Some(agreed), Some(true)) if agreed == matched.to_string() => {
                asking.run(with_dry_run(&arguments, false)).await.map(CallToolResponse::from)
            }
            (Some(_), Some(false)) => Ok(preview.into()),
            // Nothing was asked yet, or it would hit another number than was agreed to.
            _ => {
                let state = seal.close(&matched.to_string(), &self.binding);
                question(matched, state).map(CallToolResponse::from)
            }
        }
    }
}

/// An empty capability means forms, as the first revision with elicitation knew nothing else.
fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let capabilities = context.meta.client_capabilities();
    let elicitation = capabilities.and_then(|capabilities| capabilities.elicitation);
    elicitation.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
}

/// What the user said; nothing if there is no answer to this question.
fn answered(responses: &InputResponses) -> Option<bool> {
    let response = responses.get(QUESTION)?;
    let is_accepted = response.get("action")? == "accept";
    let is_confirmed = response.get("content").and_then(|content| content.get("confirm"));
    Some(is_accepted && is_confirmed == Some(&json!(true)))
}

fn question(matched: u64, state: String) -> Result<InputRequiredResult, ErrorData> {
    let params = json!({
        "mode": "form",
        "message": format!("Delete {matched} memories that match the filter?"),
        "requestedSchema": {
            "type": "object",
            "properties": { "confirm": { "type": "boolean", "title": "Delete them" } },
            "required": ["confirm"],
        },
    });
    let params: ElicitRequestParams = serde_json::from_value(params)
        .map_err(|_| ErrorData::internal_error("the question is malformed", None))?;
    let request = InputRequest::Elicitation(ElicitRequest::new(params));
    let requests = [(QUESTION.to_owned(), request)].into();
    Ok(InputRequiredResult::new(Some(requests), Some(state)))
}

fn with_dry_run(arguments: &JsonObject, dry_run: bool) -> JsonObject {
    let mut arguments = arguments.clone();
    arguments.insert("dry_run".to_owned(), json!(dry_run));
    arguments
}
