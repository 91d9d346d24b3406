use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::ClientCapabilities;
use serde::Deserialize;
use serde_json::{Value, json};

use super::message::{
    HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, NO_BATCHES, Params, Refusal, RpcRequest,
    UNSUPPORTED_VERSION,
};
use super::meta::{META_CAPABILITIES, META_CLIENT, META_VERSION};
use super::version::Version;
use crate::model::foreign::shortened;

/// What a transport says of a message beside its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Label<'a> {
    /// `MCP-Protocol-Version`.
    pub version: SingleHeader<'a>,
    /// `Mcp-Method`.
    pub method: SingleHeader<'a>,
    /// `Mcp-Name`.
    pub name: SingleHeader<'a>,
}

/// One header, which must not stand twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SingleHeader<'a> {
    #[default]
    Absent,
    One(&'a str),
    /// Several lines, or bytes that are no text.
    Unclear,
}

impl<'a> SingleHeader<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Self::One(text) => Some(text.trim_matches([' ', '\t'])),
            Self::Absent | Self::Unclear => None,
        }
    }
}

impl Label<'_> {
    /// Whether the body beside this label may be a batch.
    #[must_use]
    pub fn has_batches(&self) -> bool {
        match self.version {
            SingleHeader::Absent => Version::UNSAID.has_batches(),
            _ => self.named().is_some_and(Version::has_batches),
        }
    }

    /// The revision that the transport names, if it is served.
    fn named(&self) -> Option<Version> {
        self.version.text().and_then(Version::parse)
    }

    /// Checks the label of a message that asks for nothing.
    pub fn check_unasked(&self) -> Result<(), Refusal> {
        self.check_version()?;
        match self.version.text() {
            Some(asked) if Version::parse(asked).is_none() => Err(unsupported(Value::Null, asked)),
            _ => Ok(()),
        }
    }

    fn check_version(&self) -> Result<(), Refusal> {
        if self.version == SingleHeader::Unclear {
            return Err(Refusal::nobody(HEADER_MISMATCH, "MCP-Protocol-Version must stand once"));
        }
        Ok(())
    }
}

/// Finds out which revision a request speaks, and checks what that revision demands of every
/// request, in the order it lays down. `label` is nothing where the transport has no headers;
/// `settled` is what a handshake on the same connection agreed on.
///
/// A request of a handshake revision says nothing of it, or says it in a header:
/// ```text
/// MCP-Protocol-Version: 2025-06-18
///
/// {"jsonrpc":"2.0","id":1,"method":"tools/list"}
/// ```
/// One of the newest says everything in the body, and headers repeat it:
/// ```text
/// MCP-Protocol-Version: 2026-07-28
/// Mcp-Method: tools/call
/// Mcp-Name: get_context
///
/// {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_context","_meta":{
///   "io.modelcontextprotocol/protocolVersion":"2026-07-28",
///   "io.modelcontextprotocol/clientCapabilities":{}}}}
/// ```
pub fn judge(
    request: &RpcRequest,
    label: Option<&Label<'_>>,
    settled: Version,
) -> Result<Version, Refusal> {
    if let Some(label) = label {
        label.check_version()?;
    }
    let declared = meta(&request.params).and_then(|meta| meta.get(META_VERSION));
    if request.method == "initialize" && declared.is_none() {
        return Ok(Version::settle_handshake(&request.params));
    }
    let named = label.and_then(|label| label.version.text());
    let legacy = label.and_then(Label::named).filter(|version| !version.is_modern());
    let is_modern = declared.is_some()
        || (named.is_some() && legacy.is_none())
        || request.method == "server/discover";
    if is_modern {
        return check_modern(request, label);
    }
    Ok(legacy.unwrap_or(settled))
}

/// The same for one message of a batch, which can speak only the revision that has batches.
pub fn judge_in_batch(
    request: &RpcRequest,
    label: Option<&Label<'_>>,
    settled: Version,
) -> Result<Version, Refusal> {
    let version = judge(request, label, settled)?;
    if version.has_batches() {
        return Ok(version);
    }
    Err(Refusal::new(request.id.clone(), INVALID_REQUEST, NO_BATCHES))
}

/// How the client calls itself in this request.
#[must_use]
pub fn client_of(request: &RpcRequest) -> Option<String> {
    let told = meta(&request.params).and_then(|meta| meta.get(META_CLIENT));
    let told = told.or_else(|| request.params.get("clientInfo"))?;
    let name = plain(told.get("name")?.as_str()?);
    let version = told.get("version").and_then(Value::as_str).map(plain).unwrap_or_default();
    match (name.is_empty(), version.is_empty()) {
        (true, _) => None,
        (false, true) => Some(name),
        (false, false) => Some(format!("{name}/{version}")),
    }
}

/// A name that can stand in a log line.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect::<String>().trim().to_owned()
}

fn meta(params: &Params) -> Option<&Params> {
    params.get("_meta").and_then(Value::as_object)
}

fn check_modern(request: &RpcRequest, label: Option<&Label<'_>>) -> Result<Version, Refusal> {
    let meta = meta(&request.params);
    let declared = meta.and_then(|meta| meta.get(META_VERSION)).and_then(Value::as_str);
    let capabilities = meta.and_then(|meta| meta.get(META_CAPABILITIES));
    let capabilities = capabilities.and_then(|value| ClientCapabilities::deserialize(value).ok());
    let (Some(declared), Some(_)) = (declared, capabilities) else {
        let told = format!("params._meta must hold {META_VERSION} and {META_CAPABILITIES}");
        return Err(Refusal::new(request.id.clone(), INVALID_PARAMS, told));
    };
    if let Some(label) = label {
        check_label(request, label, declared)?;
    }
    Version::parse(declared).ok_or_else(|| unsupported(request.id.clone(), declared))
}

fn check_label(request: &RpcRequest, label: &Label<'_>, declared: &str) -> Result<(), Refusal> {
    let refuse = |header: &str, wanted: &str| {
        let told = format!("the header {header} must stand once and equal {wanted}");
        Err(Refusal::new(request.id.clone(), HEADER_MISMATCH, told))
    };
    if label.version.text() != Some(declared) {
        return refuse("MCP-Protocol-Version", META_VERSION);
    }
    if label.method.text() != Some(&request.method) {
        return refuse("Mcp-Method", "the method");
    }
    let field = match request.method.as_str() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let wanted = request.params.get(field).and_then(Value::as_str);
    if label.name == SingleHeader::Unclear || label.name.text().map(decode) != wanted.map(known) {
        return refuse("Mcp-Name", &format!("params.{field}"));
    }
    Ok(())
}

fn known(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Reads `=?base64?...?=`, which carries what a header cannot; nothing if it is broken.
fn decode(text: &str) -> Option<String> {
    let inner = text.strip_prefix("=?base64?").and_then(|text| text.strip_suffix("?="));
    let Some(inner) = inner else { return Some(text.to_owned()) };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

fn unsupported(id: Value, requested: &str) -> Refusal {
    let supported = Version::ALL.map(Version::as_str);
    Refusal::new(id, UNSUPPORTED_VERSION, "this protocol version is not served")
        .with_data(json!({ "supported": supported, "requested": shortened(requested) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, version: Option<&str>) -> RpcRequest {
        let mut params = json!({ "name": "caf\u{e9}" });
        if let Some(version) = version {
            params["_meta"] = json!({ META_VERSION: version, META_CAPABILITIES: {} });
        }
        let params = params.as_object().unwrap().clone();
        RpcRequest { id: json!(1), method: method.to_owned(), params }
    }

    fn label<'a>(version: &'a str, method: &'a str, name: &'a str) -> Label<'a> {
        let header =
            |text| if str::is_empty(text) { SingleHeader::Absent } else { SingleHeader::One(text) };
        Label { version: header(version), method: header(method), name: header(name) }
    }

    fn judged(request: &RpcRequest, label: &Label<'_>) -> Result<Version, i32> {
        judge(request, Some(label), Version::UNSAID).map_err(|refusal| refusal.code())
    }

    #[test]
    fn the_era_follows_from_body_and_header() {
        let old = label("", "", "");
        assert_eq!(judged(&request("initialize", None), &old), Ok(Version::V2025_11_25));
        assert_eq!(judged(&request("ping", None), &old), Ok(Version::V2025_03_26));
        let named = label("2025-06-18", "", "");
        assert_eq!(judged(&request("ping", None), &named), Ok(Version::V2025_06_18));
        for unserved in ["2026-07-28", "1999-01-01"] {
            assert_eq!(judged(&request("ping", None), &label(unserved, "", "")), Err(-32602));
        }
        assert_eq!(judged(&request("server/discover", None), &old), Err(-32602));
    }

    #[test]
    fn a_batch_stands_only_beside_the_revision_that_has_batches() {
        for (version, has_batches) in [
            ("", true),
            ("2025-03-26", true),
            ("2024-11-05", false),
            ("2025-06-18", false),
            ("2026-07-28", false),
            ("1999-01-01", false),
        ] {
            assert_eq!(label(version, "", "").has_batches(), has_batches, "{version}");
        }
        let unclear = Label { version: SingleHeader::Unclear, ..Label::default() };
        assert!(!unclear.has_batches());
    }

    #[test]
    fn a_message_of_a_batch_cannot_speak_another_revision() {
        let in_batch = |request: &RpcRequest| {
            judge_in_batch(request, None, Version::V2025_03_26).map_err(|refusal| refusal.code())
        };

        assert_eq!(in_batch(&request("ping", None)), Ok(Version::V2025_03_26));
        assert_eq!(in_batch(&request("tools/list", Some("2026-07-28"))), Err(-32600));
    }

    #[test]
    fn modern_headers_must_agree_with_the_body() {
        let call = request("tools/call", Some("2026-07-28"));
        let name = "=?base64?Y2Fmw6k=?=";
        let good = label("2026-07-28", "tools/call", name);

        assert_eq!(judged(&call, &good), Ok(Version::V2026_07_28));
        for bad in [
            label("2025-11-25", "tools/call", name),
            label("", "tools/call", name),
            label("2026-07-28", "TOOLS/CALL", name),
            label("2026-07-28", "tools/call", "cafe"),
            label("2026-07-28", "tools/call", "=?base64?Y2Fmw6k?="),
            label("2026-07-28", "tools/call", ""),
            Label { version: SingleHeader::Unclear, ..good },
        ] {
            assert_eq!(judged(&call, &bad), Err(-32020), "{bad:?}");
        }
        let future = request("tools/list", Some("2099-01-01"));
        assert_eq!(judged(&future, &label("2099-01-01", "tools/list", "")), Err(-32022));
    }

    #[test]
    fn a_client_is_known_by_what_it_says_of_itself() {
        let mut asked = request("initialize", None);
        asked.params.insert("clientInfo".to_owned(), json!({ "name": "a\nb", "version": "2" }));

        assert_eq!(client_of(&asked).as_deref(), Some("ab/2"));
        assert_eq!(client_of(&request("ping", None)), None);
    }
}
