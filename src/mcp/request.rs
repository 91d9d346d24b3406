use rmcp::model::{
    CallToolRequest, ClientRequest, CompleteRequest, DiscoverRequest, GetExtensions,
    GetPromptRequest, InitializeRequest, ListPromptsRequest, ListResourceTemplatesRequest,
    ListResourcesRequest, ListToolsRequest, PingRequest, ReadResourceRequest, RequestMetaObject,
    SubscriptionsListenRequest,
};
#[allow(deprecated, reason = "the handshake revisions still have them")]
use rmcp::model::{SetLevelRequest, SubscribeRequest, UnsubscribeRequest};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::message::Params;
use super::methods::is_offered;
use super::version::Version;
use crate::model::foreign::shortened;

/// Why a method cannot be called.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Uncallable {
    /// The revision has no such method, or memoryd does not offer it.
    Unknown,
    /// The parameters are not the method's.
    Malformed(String),
}

/// Makes the request that rmcp dispatches. From the method `tools/call` and the parameters
/// ```json
/// {"name":"get_memory","arguments":{"id":"01K2..."},"_meta":{"progressToken":1}}
/// ```
/// comes a `CallToolRequest`, with `_meta` among its extensions, where rmcp looks for it. Trying
/// every shape in turn, as rmcp's own reader does, costs more than the work itself, and turns wrong
/// parameters into an unknown method.
pub(super) fn build(
    method: &str,
    mut params: Params,
    version: Version,
) -> Result<ClientRequest, Uncallable> {
    if !is_offered(method, version) {
        return Err(Uncallable::Unknown);
    }
    let meta = match params.shift_remove("_meta") {
        None | Some(Value::Null) => RequestMetaObject::default(),
        Some(Value::Object(meta)) => RequestMetaObject::from(meta),
        Some(_) => return Err(Uncallable::Malformed("_meta must be an object".to_owned())),
    };
    let mut request = read(method, params, version)?;
    request.extensions_mut().insert(meta);
    Ok(request)
}

#[allow(deprecated, reason = "the handshake revisions still have them")]
fn read(method: &str, params: Params, version: Version) -> Result<ClientRequest, Uncallable> {
    Ok(match method {
        "initialize" => InitializeRequest::new(parse(completed(params, version))?).into(),
        "ping" => PingRequest::default().into(),
        "logging/setLevel" => SetLevelRequest::new(parse(params)?).into(),
        "resources/subscribe" => SubscribeRequest::new(parse(params)?).into(),
        "resources/unsubscribe" => UnsubscribeRequest::new(parse(params)?).into(),
        "server/discover" => DiscoverRequest::default().into(),
        "subscriptions/listen" => SubscriptionsListenRequest::new(parse(params)?).into(),
        "tools/list" => ListToolsRequest::with_param(parse(params)?).into(),
        "tools/call" => CallToolRequest::new(parse(params)?).into(),
        "resources/list" => ListResourcesRequest::with_param(parse(params)?).into(),
        "resources/templates/list" => {
            ListResourceTemplatesRequest::with_param(parse(params)?).into()
        }
        "resources/read" => ReadResourceRequest::new(parse(params)?).into(),
        "prompts/list" => ListPromptsRequest::with_param(parse(params)?).into(),
        "prompts/get" => GetPromptRequest::new(parse(params)?).into(),
        "completion/complete" => CompleteRequest::new(parse(params)?).into(),
        _ => return Err(Uncallable::Unknown),
    })
}

fn parse<P: DeserializeOwned>(params: Params) -> Result<P, Uncallable> {
    serde_json::from_value(Value::Object(params)).map_err(|error| {
        // serde quotes what it was given, which may be long.
        Uncallable::Malformed(shortened(&error.to_string()).into_owned())
    })
}

/// Old clients leave out most of a handshake. What they say is still checked.
fn completed(mut params: Params, version: Version) -> Params {
    let mut fill = |name: &str, value: Value| {
        if params.get(name).is_none_or(Value::is_null) {
            params.insert(name.to_owned(), value);
        }
    };
    fill("protocolVersion", json!(version.as_str()));
    fill("capabilities", json!({}));
    fill("clientInfo", json!({}));
    if let Some(client) = params.get_mut("clientInfo").and_then(Value::as_object_mut) {
        for name in ["name", "version"] {
            if !client.contains_key(name) {
                client.insert(name.to_owned(), json!("unknown"));
            }
        }
    }
    params
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::methods::LEGACY;

    fn built(method: &str, params: Value, version: Version) -> Result<ClientRequest, Uncallable> {
        let Value::Object(params) = params else { panic!("{params}") };
        build(method, params, version)
    }

    #[test]
    fn an_empty_handshake_is_completed() {
        let request = built("initialize", json!({}), Version::V2025_11_25).unwrap();

        let ClientRequest::InitializeRequest(request) = request else { panic!("{request:?}") };
        assert_eq!(request.params.client_info.name, "unknown");
    }

    #[test]
    fn each_era_has_its_own_methods() {
        for method in LEGACY {
            let modern = built(method, json!({}), Version::V2026_07_28);
            assert!(matches!(modern, Err(Uncallable::Unknown)), "{method}");
        }
        let legacy = built("subscriptions/listen", json!({}), Version::V2025_11_25);
        assert!(matches!(legacy, Err(Uncallable::Unknown)));
        assert!(built("ping", json!({}), Version::V2025_11_25).is_ok());
    }

    #[test]
    fn wrong_parameters_are_not_an_unknown_method() {
        for params in [json!({}), json!({ "name": 5 }), json!({ "name": "x", "arguments": [] })] {
            let call = built("tools/call", params, Version::V2025_11_25);
            assert!(matches!(call, Err(Uncallable::Malformed(_))), "{call:?}");
        }
    }
}
