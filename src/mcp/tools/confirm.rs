use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ElicitRequest, ElicitRequestParams, ErrorData,
    InputRequest, InputRequiredResult, InputResponses, JsonObject,
};
use rmcp::service::RequestContext;
use serde_json::json;

use crate::mcp::seal::{Binding, Seal};
use crate::model::Caller;

/// The way to the user within one call. A tool that acts only with the user's word asks for it with
/// a first answer, and the client calls again with what the user said. Nothing is kept in between:
/// what was asked travels with the client, under a seal that holds for this call alone.
pub(super) struct Confirming {
    binding: Binding,
    state: Option<String>,
    responses: Option<InputResponses>,
}

/// What the user is asked.
pub(super) struct ConfirmQuestion {
    /// The key under which the answer comes back.
    pub(super) key: &'static str,
    pub(super) message: String,
    /// What stands beside the box to tick.
    pub(super) consent: &'static str,
    /// What consent is given to. If that has changed meanwhile, the user is asked anew.
    pub(super) subject: String,
}

/// What the user has said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    Given,
    Withheld,
    /// Nothing was asked yet, or something else was.
    Open,
}

impl Confirming {
    /// The way to the user, for a call with these arguments; nothing if the client cannot ask.
    pub(super) fn of(
        caller: &Caller,
        call: &CallToolRequestParams,
        arguments: &JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Option<Self> {
        if !can_ask(context) {
            return None;
        }
        let binding = Binding::new(caller, &call.name, arguments);
        let (state, responses) = (call.request_state.clone(), call.input_responses.clone());
        Some(Self { binding, state, responses })
    }

    /// Finds out what the user has said to this question. A forged state is the client's fault.
    pub(super) fn consent(
        &self,
        seal: &Seal,
        question: &ConfirmQuestion,
    ) -> Result<Consent, ErrorData> {
        let state = self.state.as_ref();
        let asked = state.map(|state| seal.open(state, &self.binding)).transpose()?;
        let said = self.responses.as_ref().and_then(|all| said(all, question.key));
        Ok(match (asked, said) {
            (Some(asked), Some(true)) if asked == question.subject => Consent::Given,
            (Some(_), Some(false)) => Consent::Withheld,
            _ => Consent::Open,
        })
    }

    /// Has the client ask the user.
    pub(super) fn ask(
        &self,
        seal: &Seal,
        question: &ConfirmQuestion,
    ) -> Result<CallToolResponse, ErrorData> {
        let params = json!({
            "mode": "form",
            "message": question.message,
            "requestedSchema": {
                "type": "object",
                "properties": { "confirm": { "type": "boolean", "title": question.consent } },
                "required": ["confirm"],
            },
        });
        let params: ElicitRequestParams = serde_json::from_value(params)
            .map_err(|_| ErrorData::internal_error("the question is malformed", None))?;
        let request = InputRequest::Elicitation(ElicitRequest::new(params));
        let requests = [(question.key.to_owned(), request)].into();
        let state = seal.close(&question.subject, &self.binding);
        Ok(InputRequiredResult::new(Some(requests), Some(state)).into())
    }
}

/// An empty capability means forms, as the first revision with elicitation knew nothing else.
fn can_ask(context: &RequestContext<RoleServer>) -> bool {
    let capabilities = context.meta.client_capabilities();
    let elicitation = capabilities.and_then(|capabilities| capabilities.elicitation);
    elicitation.is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
}

/// What the user said; nothing if there is no answer to this question.
fn said(responses: &InputResponses, key: &str) -> Option<bool> {
    let response = responses.get(key)?;
    let is_accepted = response.get("action")? == "accept";
    let is_confirmed = response.get("content").and_then(|content| content.get("confirm"));
    Some(is_accepted && is_confirmed == Some(&json!(true)))
}
