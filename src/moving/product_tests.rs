//! What is made of the files of more products.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::format_tests::reversed;
use super::tests::{everything, is_the_same_again, moved, sample, try_moved, usual};
use super::{Bundle, LinePart, Wanted};

#[test]
fn the_same_file_of_any_product_gives_the_same_ids_in_any_order() {
    for name in [
        "claude-mem.json",
        "gemini.json",
        "letta.af",
        "letta-old.af",
        "memoryos/users/ada/short_term.json",
        "memoryos/users/ada/long_term_user.json",
    ] {
        let bytes = sample(name);
        is_the_same_again(&bytes, &reversed(&bytes));
    }
    let sessions = sample("memoryos/users/ada/mid_term.json");
    is_the_same_again(&sessions, &sessions);
}

#[test]
fn a_file_of_any_product_that_was_cut_or_damaged_panics_nowhere() {
    for name in ["claude-mem.json", "gemini.json", "letta.af", "table.csv"] {
        let bytes = sample(name);
        let whole = moved(&bytes, &everything()).lines.len();
        for end in (0..bytes.len()).step_by(7) {
            let bundle = Bundle::of_bytes("cut", bytes[..end].to_vec()).unwrap();
            let cut = try_moved(bundle, &everything());
            assert!(cut.is_err() || cut.unwrap().lines.len() <= whole + 1);
        }
    }
}

#[test]
fn claude_mem_tells_what_was_seen_and_nothing_that_was_private() {
    let file = moved(&sample("claude-mem.json"), &everything());

    let roses = file.line("They bloom in June.\n- six hours of sun\n- no wet feet");
    assert_eq!(
        (&roses["title"], &roses["category"]),
        (&json!("Roses need sun"), &json!("discovery"))
    );
    assert_eq!(
        (&roses["project"], &roses["tags"]),
        (&json!("garden"), &json!(["plants", "light"]))
    );
    assert_eq!(roses["created_at"], "2026-01-02T10:00:00.000Z");
    assert_eq!(file.line("We take clay.")["title"], "Pots of clay");
    let told = serde_json::to_string(&file.lines).unwrap();
    assert!(!told.contains("code 1234") && !told.contains("door code"), "{told}");
    file.line("Request: Plan the beds\nLearned: Clay drains well\nNext steps: Buy pots");
    let prompt = file.line("How do I plant roses?");
    assert_eq!(prompt["metadata"]["conversation_id"], "s1");
    assert_eq!(file.report.skipped["sessions, of which all else tells"], 1);
    assert_eq!(moved(&sample("claude-mem.json"), &usual()).lines.len(), 4);
}

#[test]
fn nothing_private_of_claude_mem_is_kept_wherever_it_stands_and_however_it_is_marked() {
    let observation = json!({
        "id": 1, "narrative": "We <PRIVATE>a <private>b</private> c</Private>agree.",
        "subtitle": "about <private>d</private>roses", "files_read": ["e.md<private>f"],
    });
    let file = json!({ "exportedAt": "2026-02-01", "observations": [observation] });

    let file = moved(file.to_string().as_bytes(), &usual());

    assert_eq!(file.all("content"), ["We agree."]);
    let kept = json!({ "subtitle": "about roses", "files_read": ["e.md"] });
    assert_eq!(file.lines[0]["metadata"]["claude-mem"], kept);
}

#[test]
fn gemini_tells_questions_and_last_answers_in_conversations_by_time() {
    let wanted = Wanted { only: vec![LinePart::Conversations], ..usual() };

    let file = moved(&sample("gemini.json"), &wanted);

    assert_eq!(
        file.all("content"),
        [
            "Gefragt: nach Regen",
            "Es regnet.",
            "And with honey?",
            "Yes & lemon:\n- one\n- two",
            "How hot is tea?",
            "Eighty degrees.",
            "Tell a joke",
        ]
    );
    let talk = |content: &str| &file.line(content)["metadata"]["conversation_id"];
    assert_eq!(talk("And with honey?"), talk("Eighty degrees."));
    assert_ne!(talk("And with honey?"), talk("Es regnet."));
    assert_eq!(file.report.skipped["activities in other products"], 1);
    assert_eq!(file.report.skipped["activities without a question"], 1);
    assert!(moved(&sample("gemini.json"), &usual()).lines.is_empty());
    for mark in ["", "\u{feff}"] {
        let html = format!("{mark}<html><div class=\"mdl-typography\">Gemini Apps<br>Prompted x");
        let bundle = Bundle::of_bytes("MyActivity.html", html.into_bytes()).unwrap();
        let page = try_moved(bundle, &usual()).unwrap();
        assert!(page.report.failures[0].problem.contains("\"JSON\" as the format"));
    }
}

#[test]
fn blocks_of_letta_are_memories_and_its_variables_are_not_read() {
    let file = moved(&sample("letta.af"), &usual());

    let told = ["You are a gardener.", "I am kind.", "The user is called Ada.", "Nobody has this."];
    assert_eq!(file.all("content"), told);
    let ada = file.line("The user is called Ada.");
    assert_eq!((&ada["kind"], &ada["title"]), (&json!("preference"), &json!("human")));
    assert_eq!(ada["metadata"]["letta"]["agent"], "Fern");
    for told in ["You are a gardener.", "I am kind."] {
        assert_eq!(file.line(told)["tags"], json!(["instruction-candidate"]));
    }
    let all = moved(&sample("letta.af"), &everything());
    assert_eq!(
        (all.line("Hello")["metadata"]["role"].as_str(), all.lines.len()),
        (Some("user"), 6)
    );
    assert_eq!(all.report.skipped["said by tools, hidden, or thought"], 2);
    let old = moved(&sample("letta-old.af"), &everything());
    assert_eq!(old.all("content"), ["Hi", "Be brief.", "Likes tea.", "I am old."]);
    assert_eq!(old.line("Likes tea.")["metadata"]["letta"]["agent"], "Olga");
    for file in [&all, &old] {
        assert!(!serde_json::to_string(&file.lines).unwrap().contains("hunter2"));
    }
}

#[test]
fn memoryos_says_a_page_once_and_leaves_out_what_says_nothing() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/memoryos");
    let open = || Bundle::open(std::slice::from_ref(&folder)).unwrap();

    let file = try_moved(open(), &usual()).unwrap();

    let told = ["Can read maps", "Openness (High)", "Likes maps", "Lives in Rome"];
    assert_eq!(file.all("content"), told);
    assert_eq!(file.line("Lives in Rome")["kind"], "fact");
    assert_eq!(file.line("Lives in Rome")["created_at"], "2026-01-02T10:01:00.000Z");
    assert_eq!(file.line("Likes maps")["kind"], "preference");
    assert_eq!(file.line("Likes maps")["metadata"]["memoryos"], json!({ "user": "ada" }));
    assert_eq!(file.line("Can read maps")["category"], "assistant");
    let all = try_moved(open(), &everything()).unwrap();
    let said: Vec<&Value> =
        all.lines.iter().filter(|line| line["kind"] == "conversation").collect();
    assert_eq!((said.len(), all.report.kinds["conversation"].duplicate), (5, 2));
    assert_eq!(all.line("At the river")["metadata"]["conversation_id"], "session_1");
    assert_eq!(all.line("At the river")["title"], "About moving");
}

#[test]
fn rows_of_databases_are_known_by_their_columns() {
    let read = |rows: Value| moved(rows.to_string().as_bytes(), &everything());

    let summary =
        json!({ "id": 1, "request": "Plan", "learned": "Clay drains", "next_steps": null });
    let prompt = json!({ "id": 5, "prompt_number": 1, "prompt_text": "How?" });
    let memory = json!({
        "id": "m1", "content": "Tabs", "state": "archived", "app": "x", "categories": "a,b",
    });

    let (told, asked, kept) =
        (read(json!([summary])), read(json!([prompt])), read(json!([memory])));

    let exported = json!({ "exportedAt": "", "observations": [], "summaries": [summary] });
    assert_eq!(told.all("id"), read(exported).all("id"), "as in the export");
    assert_eq!(told.all("content"), ["Request: Plan\nLearned: Clay drains"]);
    assert_eq!((asked.all("content"), asked.all("kind")), (vec!["How?"], vec!["conversation"]));
    assert_eq!(
        (&kept.lines[0]["tags"], kept.all("status")),
        (&json!(["a", "b"]), vec!["archived"])
    );
}
