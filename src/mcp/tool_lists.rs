//! Answers to `tools/list` as text. Most of what they cost is their schemas, and there are few
//! different ones.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::ListToolsResult;
use serde_json::Value;

use super::message::{AnswerBody, line};

/// One for each era, and for the tool sets of some credentials. They have some 20 to 60 KB.
const KEPT: usize = 16;

/// Lists that were written, each with its text.
static WRITTEN: Mutex<Vec<(ListToolsResult, Arc<str>)>> = Mutex::new(Vec::new());

/// Writes an answer with the id exactly as it came. A list that equals one that was written before
/// has its text.
pub(super) fn line_of_tools(id: &Value, list: &ListToolsResult) -> String {
    match text_of(list) {
        Some(text) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{text}}}"#),
        None => line(id, AnswerBody::Result(list)),
    }
}

fn text_of(list: &ListToolsResult) -> Option<Arc<str>> {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, text)) = written.iter().find(|(known, _)| known == list) {
        return Some(Arc::clone(text));
    }
    let text: Arc<str> = serde_json::to_string(list).ok()?.into();
    if written.len() < KEPT {
        written.push((list.clone(), Arc::clone(&text)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use rmcp::model::{JsonObject, ServerResult, Tool};
    use serde_json::json;

    use super::*;

    fn list(name: String, ttl_ms: u64) -> ListToolsResult {
        let tool = Tool::new(name, "A tool of this test", Arc::new(JsonObject::new()));
        ListToolsResult::with_all_items(vec![tool]).with_ttl_ms(ttl_ms)
    }

    #[test]
    fn a_list_reads_the_same_however_often_it_is_asked_for() {
        // More than are kept.
        for n in 0..2 * KEPT {
            for ttl_ms in [7, 8] {
                let list = list(format!("tool_{n}"), ttl_ms);
                let result = ServerResult::ListToolsResult(list.clone());
                for id in [json!(null), json!(-7), json!("a \"quoted\" id\n")] {
                    let plain = line(&id, AnswerBody::Result(&result));
                    assert_eq!(line_of_tools(&id, &list), plain);
                    assert_eq!(line_of_tools(&id, &list), plain, "from what was written");
                }
            }
        }
        assert!(WRITTEN.lock().unwrap().len() <= KEPT);
    }
}
