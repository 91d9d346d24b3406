use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rmcp::model::{ErrorData, JsonObject, RequestStateCodec, SealOptions};

use crate::model::{Caller, Secret};

/// How long a user may think about a question.
const THINKING: Duration = Duration::from_secs(15 * 60);

/// Seals what a client carries between two rounds of one call, so that it holds only for that
/// caller, that call, and a while.
pub(super) struct Seal(RequestStateCodec);

/// What a sealed state belongs to.
#[derive(Debug)]
pub(super) struct Binding(String);

impl Seal {
    pub(super) fn new(secret: &Secret) -> Self {
        // A short secret is a mistake of ours, not of a client: the caller makes it from 32 bytes.
        assert!(secret.reveal().len() >= RequestStateCodec::MIN_KEY_LENGTH, "secret too short");
        Self(RequestStateCodec::new_unchecked(secret.reveal().as_bytes().to_vec()))
    }

    pub(super) fn close(&self, state: &str, binding: &Binding) -> String {
        let options = SealOptions::new().associated_data(binding.0.as_bytes()).ttl(THINKING);
        self.0.seal_with(state.as_bytes(), &options)
    }

    /// Opens a state that came back; an altered, foreign or old one is the client's fault.
    pub(super) fn open(&self, sealed: &str, binding: &Binding) -> Result<String, ErrorData> {
        let opened = self.0.open_with(sealed, binding.0.as_bytes()).ok();
        opened.and_then(|state| String::from_utf8(state).ok()).ok_or_else(|| {
            let told = "requestState does not belong to this call, or is too old; start again";
            ErrorData::invalid_params(told, None)
        })
    }
}

impl Binding {
    /// The same for the same call by the same caller, in whatever order its arguments stand.
    pub(super) fn new(caller: &Caller, name: &str, arguments: &JsonObject) -> Self {
        let sorted: BTreeMap<_, _> = arguments.iter().collect();
        let parts = (&caller.user, &caller.credential, name, sorted);
        Self(serde_json::to_string(&parts).unwrap_or_default())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scopes;
    use serde_json::json;

    fn caller(user: &str) -> Caller {
        Caller::of_test(user, "key", Scopes::all())
    }

    #[test]
    fn a_seal_holds_for_one_caller_and_one_call() {
        let seal = Seal::new(&Secret::new("s".repeat(32)));
        let arguments = json!({ "kind": "note" }).as_object().unwrap().clone();
        let bound = |user: &str, name: &str| Binding::new(&caller(user), name, &arguments);
        let sealed = seal.close("3", &bound("ada", "delete_memory"));

        assert_eq!(seal.open(&sealed, &bound("ada", "delete_memory")).unwrap(), "3");
        assert!(seal.open(&sealed, &bound("eve", "delete_memory")).is_err());
        assert!(seal.open(&sealed, &bound("ada", "add_memory")).is_err());
        assert!(seal.open(&format!("{sealed}x"), &bound("ada", "delete_memory")).is_err());
    }
}
