//! What is made of the files of each product.

use std::io::Cursor;

use serde_json::{Value, json};

use super::tests::{everything, is_the_same_again, moved, sample, try_moved, usual};
use super::{Bundle, LinePart, Wanted};

/// The same JSON with the elements of its lists at the top the other way round.
pub(super) fn reversed(bytes: &[u8]) -> Vec<u8> {
    let turn = |value: &mut Value| {
        if let Value::Array(items) = value {
            items.reverse();
        }
    };
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    turn(&mut value);
    if let Value::Object(fields) = &mut value {
        fields.values_mut().for_each(turn);
    }
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn the_same_file_gives_the_same_ids_in_any_order() {
    for name in [
        "mem0.json",
        "openmemory.json",
        "doobidoo.json",
        "chatgpt.json",
        "chatgpt-memories.json",
        "claude-memories.json",
        "claude-projects.json",
        "claude-conversations.json",
    ] {
        let bytes = sample(name);
        is_the_same_again(&bytes, &reversed(&bytes));
    }
}

#[test]
fn a_file_that_was_cut_or_damaged_panics_nowhere_and_costs_no_more_than_its_end() {
    for name in ["mem0.json", "chatgpt.json", "claude-conversations.json", "server-memory.jsonl"] {
        let bytes = sample(name);
        let whole = moved(&bytes, &everything()).lines.len();
        for end in (0..bytes.len()).step_by(7) {
            let bundle = Bundle::of_bytes("cut", bytes[..end].to_vec()).unwrap();
            let cut = try_moved(bundle, &everything());
            assert!(cut.is_err() || cut.unwrap().lines.len() <= whole);
        }
    }
}

#[test]
fn mem0_comes_with_its_names_and_without_the_memories_of_others() {
    let file = moved(&sample("mem0.json"), &usual());

    assert_eq!(file.all("content"), ["Likes green tea", "Drives a red bicycle"]);
    let tea = file.line("Likes green tea");
    assert_eq!(tea["tags"], json!(["drinks", "habits"]));
    assert_eq!(tea["project"], "house");
    assert_eq!(tea["created_at"], "2024-07-01T17:00:00.000Z");
    assert_eq!(tea["expires_at"], "2031-01-01T23:59:59.999Z");
    assert_eq!(tea["metadata"]["mem0"]["run_id"], "r1");
    assert_eq!(tea["metadata"]["import"]["native_id"], "m1");
    assert_eq!(file.report.skipped["of other users (--all-users takes them)"], 1);
    assert_eq!(file.report.skipped["empty"], 1);
    let all = Wanted { all_users: true, ..usual() };
    assert_eq!(moved(&sample("mem0.json"), &all).lines.len(), 3);
    let page = |id: &str| {
        let results = json!([{ "id": id, "memory": id }, "odd"]);
        json!({ "count": 1, "results": results, "relations": [{ "source": "a" }] }).to_string()
    };
    let pages = moved([page("a"), page("b")].concat().as_bytes(), &usual());
    assert_eq!(pages.all("content"), ["a", "b"], "pages may stand one behind another");
    assert_eq!(pages.report.skipped["elements that are no memories, such as relations"], 4);
    for name in ["memory", "data", "text", "content"] {
        let time = "2024-07-01T17:00:00Z";
        let list = json!([{ "id": "m1", name: "Likes tea", "user_id": "ada", "created_at": time }]);
        let file = moved(list.to_string().as_bytes(), &usual());
        assert_eq!((&file.lines[0]["id"], file.report.formats["mem0"]), (&tea["id"], 1), "{name}");
    }
}

#[test]
fn notes_of_mem0_may_hold_a_line_like_a_fence() {
    let name = "mem0-export-garden-2026-01-02.md";
    let bundle = Bundle::of_bytes(name, sample(name)).unwrap();

    let file = try_moved(bundle, &usual()).unwrap();

    let roses = "Water the roses in the evening.\n---\nA line like a fence is no end.";
    assert_eq!(file.all("content"), [roses, "Never water at noon."]);
    let first = file.line(roses);
    assert_eq!((&first["kind"], &first["project"]), (&json!("decision"), &json!("garden")));
    assert_eq!(first["tags"], json!(["plants", "water"]));
    assert_eq!(first["metadata"]["mem0-notes"]["branch"], "main");
    assert_eq!(file.line("Never water at noon.")["category"], "anti_pattern");
}

#[test]
fn openmemory_says_the_same_in_lines_and_in_tables() {
    let (tables, lines) =
        (moved(&sample("openmemory.json"), &usual()), moved(&sample("openmemory.jsonl"), &usual()));

    assert_eq!(tables.all("id"), lines.all("id"));
    assert_eq!(lines.all("status"), ["active", "active", "archived", "deleted"]);
    for file in [&tables, &lines] {
        assert_eq!(file.line("Prefers the window seat")["tags"], json!(["travel"]));
        assert_eq!(file.line("Plans a trip to Oslo")["tags"], json!(["paused"]));
    }
    let seat = lines.line("Prefers the window seat");
    assert_eq!(seat["metadata"]["openmemory"]["app"], "cursor");
    assert_eq!(seat["created_at"], "2025-01-01T00:00:00.000Z");
}

#[test]
fn tables_of_openmemory_are_read_row_by_row_in_whatever_order() {
    let memory = r#""memories": [{"id": "m1", "content": "tea", "category_ids": ["c1"]}]"#;
    let names = r#""categories": [{"id": "c1", "name": "drinks"}, {"id": "c2", "name": "hot"}]"#;
    let pairs = r#""memory_categories": [{"memory_id": "m1", "category_id": "c2"}]"#;
    let file = |tables: [&str; 3]| format!("{{\"export_meta\": {{}}, {}}}", tables.join(", "));

    for order in [[memory, names, pairs], [pairs, names, memory]] {
        let tables = moved(file(order).as_bytes(), &usual());
        assert_eq!(tables.lines[0]["tags"], json!(["drinks", "hot"]), "{order:?}");
    }
    let stream = Cursor::new(file([names, pairs, memory]).into_bytes());
    let stream = Bundle::of_stream("-", Box::new(stream)).unwrap();
    assert_eq!(try_moved(stream, &usual()).unwrap().lines[0]["tags"], json!(["drinks", "hot"]));
}

#[test]
fn doobidoos_tags_and_times_are_read_in_every_spelling() {
    let file = moved(&sample("doobidoo.json"), &usual());

    let vim = file.line("Uses vim");
    assert_eq!((&vim["kind"], &vim["project"]), (&json!("decision"), &json!("tools")));
    assert_eq!(vim["tags"], json!(["editor"]));
    assert_eq!(vim["metadata"]["doobidoo"], json!({ "quality_score": 0.7 }));
    let latin = file.line("Speaks Latin");
    assert_eq!(latin["created_at"], "2024-05-01T10:00:00.000Z");
    assert_eq!(latin["metadata"]["doobidoo"], json!({ "source": "cli" }));
    let text = file.line("Tags as JSON in a text");
    assert_eq!((&text["kind"], &text["tags"]), (&json!("note"), &json!(["a", "b"])));
    assert_eq!(file.line("Gone")["status"], "deleted");
}

#[test]
fn chatgpt_brings_what_it_remembered_and_no_conversation_unless_wanted() {
    let file = moved(&sample("chatgpt.json"), &usual());

    let mut told = file.all("content");
    told.sort_unstable();
    assert_eq!(
        told,
        ["A gardener", "Answer in rhymes", "User likes green tea.", "User lives in Rome."]
    );
    let tea = file.line("User likes green tea.");
    assert_eq!(tea["created_at"], "2025-01-02T00:00:00.000Z", "the earliest date wins");
    assert_eq!(file.report.kinds["fact"].duplicate, 1);
    let rhymes = file.line("Answer in rhymes");
    assert_eq!(
        (&rhymes["kind"], &rhymes["tags"][0]),
        (&json!("note"), &json!("instruction-candidate"))
    );
    assert_eq!(file.report.skipped["not to be remembered"], 1);
    assert_eq!(file.report.skipped["not asked for: conversations"], 3);
}

#[test]
fn a_conversation_of_chatgpt_is_the_branch_that_was_seen_last() {
    let wanted = Wanted { only: vec![LinePart::Conversations], ..usual() };

    let file = moved(&sample("chatgpt.json"), &wanted);

    let said = [
        "Remember that I like green tea",
        "Noted.",
        "Round and round",
        "Indeed",
        "User likes green tea.",
    ];
    let mut told = file.all("content");
    told.sort_unstable();
    let mut expected = said.to_vec();
    expected.sort_unstable();
    assert_eq!(told, expected, "nothing thrown away, hidden, thought or said by tools");
    let noted = file.line("Noted.");
    assert_eq!(noted["kind"], "conversation");
    assert_eq!(noted["metadata"]["conversation_id"], "c1");
    assert_eq!(
        (&noted["metadata"]["role"], &noted["metadata"]["model"]),
        (&json!("assistant"), &json!("m-1"))
    );
    assert_eq!(noted["project"], "g-p-kitchen");
    assert_eq!((&noted["has_twin"], &noted["title"]), (&json!(true), &json!("Tea")));
}

#[test]
fn lists_of_memories_that_were_saved_or_copied_are_known() {
    let saved = moved(&sample("chatgpt-memories.json"), &usual());
    let copied = moved(&sample("chatgpt-copied.txt"), &usual());

    assert_eq!(saved.all("content"), ["Keeps bees"]);
    assert_eq!(saved.report.skipped["switched off"], 1);
    let at = |day: &str| {
        let list = json!([{ "id": "s", "content": "x", "enabled": true, "updated_at": day }]);
        moved(list.to_string().as_bytes(), &usual()).lines
    };
    assert_eq!(at("2025-05-05")[0]["id"], at("2025-06-06")[0]["id"], "it may change there");
    assert_eq!(copied.all("content"), ["likes tea", "lives in Rome", "without a date"]);
    assert_eq!(copied.line("likes tea")["created_at"], "2026-01-02T00:00:00.000Z");
    let marked = [&b"\xef\xbb\xbf"[..], &sample("chatgpt-copied.txt")[..]].concat();
    assert_eq!(moved(&marked, &usual()).all("id"), copied.all("id"), "as some editors save it");
}

#[test]
fn claudes_memories_come_one_by_one_and_those_of_projects_with_their_names() {
    let files = ["claude-memories.json", "claude-projects.json"];
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        std::fs::write(folder.path().join(name), sample(name)).unwrap();
    }
    let bundle = || Bundle::open(&[folder.path().to_owned()]).unwrap();

    let file = try_moved(bundle(), &usual()).unwrap();

    assert_eq!(
        file.all("content"),
        [
            "Writes Rust at Acme.",
            "Drinks tea in the evening",
            "Walks to work",
            "Bees swarm in May",
            "The garden needs water.",
        ]
    );
    assert_eq!(file.line("Walks to work")["title"], "Habits");
    assert_eq!(file.line("The garden needs water.")["project"], "Garden");
    assert_eq!(file.line("Bees swarm in May")["title"], "/notes/bees.md");
    let projects = Wanted { only: vec![LinePart::Projects], ..usual() };
    let file = try_moved(bundle(), &projects).unwrap();
    assert_eq!(file.all("kind"), ["note", "file"]);
    assert_eq!(file.line("Speak of plants")["tags"], json!(["instruction-candidate"]));
    assert_eq!(file.line("# Plan\nRoses")["title"], "plan.md");
}

#[test]
fn what_claude_calls_by_the_same_name_is_kept_apart() {
    let memory = json!([{ "conversations_memory": "# Tea\nGreen.\n# Work\nRust.\n# Tea\nHot.\n" }]);
    let pasted = |text: &str| json!({ "file_name": "paste.txt", "extracted_content": text });
    let talk = json!([{ "uuid": "c", "created_at": "2025-04-01T10:00:00Z", "chat_messages": [
        { "sender": "human", "text": "Look", "attachments": [pasted("one"), pasted("two")] },
        { "sender": "assistant", "text": "I did" },
    ] }]);

    let [memory, talk] =
        [memory, talk].map(|file| moved(file.to_string().as_bytes(), &everything()));

    assert_eq!(memory.all("content"), ["Green.", "Rust.", "Hot."]);
    assert_eq!(talk.all("content"), ["Look", "one", "two", "I did"]);
}

#[test]
fn other_texts_under_one_id_are_told_of() {
    let file = moved(b"id,text\n1,tea\n1,coffee\n1,tea\n2,milk\n", &usual());

    assert_eq!(file.all("content"), ["tea", "milk"]);
    assert_eq!(file.report.skipped["other texts under the id of one that came before"], 1);
    assert_eq!(file.report.kinds["note"].duplicate, 1);
}

#[test]
fn claudes_conversations_are_what_was_said_and_attached() {
    let file = moved(&sample("claude-conversations.json"), &everything());

    assert_eq!(file.all("content"), ["Look at this", "milk, tea", "I looked"]);
    let first = file.line("Look at this");
    assert_eq!(first["metadata"]["role"], "user");
    assert_eq!(first["event_at"], "2025-04-01T10:00:01.000Z");
    assert_eq!(first["title"], Value::Null);
    assert_eq!(file.line("milk, tea")["kind"], "file");
    assert_eq!(file.report.skipped["empty"], 1);
}
