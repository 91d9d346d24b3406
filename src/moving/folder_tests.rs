//! Folders of notes and of rules, as people keep them and as somebody makes them who means harm.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::tests::{Moved, sample, try_moved, usual};
use super::{Bundle, Wanted};
use crate::model::Project;

const INDEX: &str =
    "# Memory\n\n- [Roses](roses.md) - what they need\n- [Gone](gone.md) - no more\n";
const ROSES: &str = "---\nname: roses\ndescription: >-\n  what roses\n  need\nmetadata:\n  \
                     type: project\n---\n\nRoses need sun.\n";
const SHORT: &str = "---\nname: short answers\ndescription: how to answer\ntype: feedback\n---\n\
                     Ada wants short answers.\n";
const RULE: &str = "---\ndescription: How we write TypeScript\nglobs: **/*.ts, *.js\n\
                    alwaysApply: \"false\"\n---\n\nNo any.\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn moved(folder: &Path, wanted: &Wanted) -> Moved {
    try_moved(Bundle::open(&[folder.to_owned()]).unwrap(), wanted).unwrap()
}

fn vault() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/vault")
}

fn links_of(line: &Value) -> Vec<(String, String)> {
    let links = line["metadata"]["links"].as_array().cloned().unwrap_or_default();
    let text = |link: &Value, name: &str| link[name].as_str().unwrap().to_owned();
    links.iter().map(|link| (text(link, "relation"), text(link, "to"))).collect()
}

#[test]
fn a_folder_of_notes_comes_with_names_times_and_links() {
    let file = moved(&vault(), &usual());

    let titles = ["Home", "Green Tea", "Pot", "Colon", "Rule", "Tabs", "About"];
    assert_eq!(file.all("title"), titles);
    let titled = |title: &str| file.lines.iter().find(|line| line["title"] == title).unwrap();
    let tea = titled("Green Tea");
    assert!(tea["content"].as_str().unwrap().starts_with("# Green Tea\n\n- [taste]"));
    assert_eq!(tea["category"], "drink");
    assert_eq!(tea["tags"], json!(["plants/leaves", "hot"]));
    assert_eq!(tea["created_at"], "2026-01-02T00:00:00.000Z");
    assert_eq!(tea["updated_at"], "2026-01-05T10:00:00.000Z");
    assert_eq!(tea["metadata"]["import"]["native_id"], "drinks/green-tea");
    assert_eq!(tea["metadata"]["markdown"], json!({ "source": "shop: corner" }));
    let pot = titled("Pot");
    assert_eq!((&pot["content"], &pot["tags"]), (&json!("A pot."), &json!(["clay", "round"])));
    assert_eq!(pot["metadata"]["import"]["native_id"], "drinks/Pot.md");
    let id = |line: &Value| line["id"].as_str().unwrap().to_owned();
    let (home, tea_id, pot_id) = (id(titled("Home")), id(tea), id(pot));
    let link = |relation: &str, to: &String| (relation.to_owned(), to.clone());
    assert_eq!(links_of(titled("Home")), [link("links_to", &tea_id), link("links_to", &pot_id)]);
    assert_eq!(links_of(tea), [link("served in", &pot_id), link("goes very well with", &home)]);
}

#[test]
fn heads_that_are_no_yaml_stay_in_the_text_and_are_told() {
    let file = moved(&vault(), &usual());

    file.line("---\ntitle: a: b\n---\nStill a text.");
    file.line("---\ntags:\n\t- x\n---\nWith tabs.");
    file.line("---\n\nA rule, and no head.\n\n---\nMore.");
    let skipped = &file.report.skipped;
    assert_eq!(skipped["heads that are no YAML, which stay in the text"], 3);
    assert_eq!((skipped["templates of notes"], skipped["empty"]), (1, 1));
    assert_eq!(file.report.failed, 0);
}

#[test]
fn rules_of_two_projects_are_two_memories() {
    let folder = folder(&[("CLAUDE.md", "# Rules\n\nNever paint it blue.\n")]);
    let of = |project: Option<&str>| {
        let project = project.map(|name| Project::parse(name).unwrap());
        let file = moved(folder.path(), &Wanted { project, ..usual() });
        file.lines[0]["id"].as_str().unwrap().to_owned()
    };

    assert_eq!(of(Some("boat")), of(Some("boat")));
    assert_ne!(of(Some("boat")), of(Some("house")));
    assert_ne!(of(Some("boat")), of(None));
}

#[test]
fn notes_at_the_same_place_of_two_vaults_are_two_where_the_vaults_are_named() {
    let folder = folder(&[("Home.md", "# Home\n\n[[Tea]]\n"), ("Tea.md", "# Tea\n")]);
    let of = |vault: Option<&str>| {
        let vault = vault.map(str::to_owned);
        moved(folder.path(), &Wanted { vault, ..usual() })
    };

    let (work, home, none) = (of(Some("work")), of(Some("home")), of(None));

    assert_eq!(work.all("id"), of(Some(" work ")).all("id"));
    let (one, other) = (of(Some("caf\u{e9}")), of(Some("cafe\u{301}")));
    assert_eq!(one.all("id"), other.all("id"), "the same name");
    assert_eq!(none.all("id"), moved(folder.path(), &usual()).all("id"));
    for (one, other) in [(&work, &home), (&work, &none), (&home, &none)] {
        assert!(one.all("id").iter().all(|id| !other.all("id").contains(id)));
    }
    // Links lead within the vault.
    assert_eq!(links_of(&work.lines[0])[0].1, work.all("id")[1]);
}

#[test]
fn observations_become_facts_and_folders_projects_where_that_is_wanted() {
    let wanted = Wanted { splits: true, folders_are_projects: true, ..usual() };

    let file = moved(&vault(), &wanted);

    let taste = file.line("Green Tea: bitter if too hot");
    assert_eq!((&taste["kind"], &taste["category"]), (&json!("fact"), &json!("taste")));
    assert_eq!(taste["tags"], json!(["heat", "plants/leaves", "hot"]));
    assert_eq!(taste["metadata"]["markdown"], json!({ "context": "tried twice" }));
    assert_eq!(taste["project"], "drinks");
    assert_eq!(file.line("Green Tea: Assam")["kind"], "fact");
    let rest =
        file.lines.iter().find(|line| line["title"] == "Green Tea" && line["kind"] == "note");
    assert!(rest.unwrap()["content"].as_str().unwrap().contains("- [ ] buy more"));
}

#[test]
fn a_note_has_one_id_wherever_it_lies_and_however_its_name_is_spelled() {
    let ids = |name: &str, text: &str| {
        let folder = folder(&[(name, text)]);
        moved(folder.path(), &usual()).all("id").join(" ")
    };

    assert_eq!(ids("d/Cafe\u{301}.md", "tea"), ids("d/Caf\u{e9}.md", "tea and more"));
    let named = "---\npermalink: a/b\n---\nx";
    assert_eq!(ids("old.md", named), ids("new/place.md", named));
    assert_ne!(ids("a.md", "x"), ids("b.md", "x"));
    // What is pasted has no name of its own.
    let pasted = |text: &str| {
        let bundle = Bundle::of_bytes("upload", text.as_bytes().to_vec()).unwrap();
        try_moved(bundle, &usual()).unwrap().all("id").join(" ")
    };
    assert_ne!(pasted("# One\n"), pasted("# Two\n"));
    assert_eq!(moved(&vault(), &usual()).all("id"), moved(&vault(), &usual()).all("id"));
}

#[test]
fn a_pipe_is_read_once_from_its_beginning() {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(b"id,text\n1,tea\n").unwrap();
    drop(writer);
    let path = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));

    assert_eq!(moved(&path, &usual()).all("content"), ["tea"]);
}

#[test]
fn links_of_a_disk_and_files_of_any_size_do_no_harm() {
    let long = format!("# Long\n{}", "word ".repeat(1 << 20));
    let folder = folder(&[
        ("notes/Long.md", &long),
        ("notes/Open.md", &"[[".repeat(1 << 20)),
        ("notes/Deep.md", &format!("---\na: {}\n---\nx", "[".repeat(60_000))),
        ("outside/secret.md", "not to be read"),
    ]);
    let notes = folder.path().join("notes");
    symlink(&notes, notes.join("loop")).unwrap();
    symlink(folder.path().join("outside/secret.md"), notes.join("link.md")).unwrap();

    let file = moved(&notes, &usual());

    assert_eq!(file.report.skipped["files that hold no text, links, and folders of programs"], 2);
    assert!(file.all("content").iter().all(|content| content.len() <= 64 << 10));
    let parts = file.lines.iter().filter(|line| line["title"].as_str().unwrap().contains('/'));
    assert!(parts.count() > 80);
    assert!(!file.all("content").contains(&"not to be read"));
}

#[test]
fn what_is_damaged_is_told_by_name_and_the_others_are_taken() {
    let folder = folder(&[
        ("a.md", "# One\n"),
        ("b.zip", "PK\u{3}\u{4} and no more"),
        ("deep/d.json", "SQLite format 3\0 and more"),
        ("e.md", "# Two\n"),
    ]);
    fs::write(folder.path().join("c.jsonl.gz"), [0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();

    let file = moved(folder.path(), &usual());

    assert_eq!(file.all("title"), ["One", "Two"]);
    let places: Vec<&str> = file.report.failures.iter().map(|one| one.place.as_str()).collect();
    assert_eq!(places, ["b.zip", "c.jsonl.gz", "deep/d.json"]);
    let problems = file.report.failures.iter().map(|one| one.problem.as_str());
    let problems: Vec<&str> = problems.collect();
    assert!(problems[0].starts_with("it is no whole archive"), "{problems:?}");
    assert!(problems[2].starts_with("is a database"), "{problems:?}");
    assert_eq!(file.report.failed, 3);
}

#[test]
fn where_nothing_is_left_what_is_damaged_is_the_error() {
    let folder = folder(&[("b.zip", "PK\u{3}\u{4} and no more")]);
    for source in [folder.path().to_owned(), folder.path().join("b.zip")] {
        let error = try_moved(Bundle::open(&[source]).unwrap(), &usual()).err().unwrap();

        assert!(error.to_string().starts_with("cannot read b.zip: it is no whole"), "{error}");
    }
}

#[test]
fn what_tells_claude_code_what_to_do_is_no_instruction_and_what_it_learned_is_kept() {
    let folder = folder(&[
        ("CLAUDE.md", "# Rules\n\nAlways run the tests. See @docs/style.md and `@not/this.md`.\n"),
        (".claude/rules/tests.md", "---\npaths: src/**\n---\nNo sleeps in tests.\n"),
        ("projects/-home-ada-garden/memory/MEMORY.md", INDEX),
        ("projects/-home-ada-garden/memory/roses.md", ROSES),
        ("projects/-home-ada-garden/memory/short.md", SHORT),
        ("README.md", "# Not of it\n"),
    ]);

    let file = moved(folder.path(), &usual());

    assert_eq!((file.report.formats["claude-code"], file.report.formats["markdown"]), (5, 1));
    let rules = file.lines.iter().find(|line| line["title"] == "CLAUDE.md").unwrap();
    assert_eq!(
        (&rules["kind"], &rules["tags"]),
        (&json!("note"), &json!(["instruction-candidate"]))
    );
    assert_eq!(rules["metadata"]["claude-code"]["imports"], json!(["docs/style.md"]));
    let rule = file.line("No sleeps in tests.");
    assert_eq!(rule["tags"], json!(["instruction-candidate"]));
    assert_eq!(rule["metadata"]["claude-code"]["paths"], "src/**");
    let roses = file.line("Roses need sun.");
    assert_eq!((&roses["title"], &roses["project"]), (&json!("roses"), &json!("home-ada-garden")));
    assert_eq!(roses["metadata"]["claude-code"]["description"], "what roses need");
    let short = file.line("Ada wants short answers.");
    assert_eq!((&short["kind"], &short["project"]), (&json!("preference"), &Value::Null));
    let index = file.line("# Memory\n\n- [Gone](gone.md) - no more");
    assert_eq!(index["title"], "MEMORY");
    let deeper = moved(&folder.path().join("projects"), &usual());
    assert_eq!(deeper.line("Roses need sun.")["id"], roses["id"]);
    let obeyed = Wanted { instructions: true, ..usual() };
    assert_eq!(moved(folder.path(), &obeyed).line("No sleeps in tests.")["kind"], "instruction");
}

#[test]
fn rules_of_cursor_are_candidates_with_what_they_are_for() {
    let folder = folder(&[
        (".cursor/rules/ts.mdc", RULE),
        (".cursorrules", "Be brief.\n"),
        ("AGENTS.md", "# Agents\n\nRun make check.\n"),
    ]);

    let file = moved(folder.path(), &usual());

    let titles = ["How we write TypeScript", ".cursorrules", "AGENTS.md"];
    assert_eq!(file.all("title"), titles);
    assert!(file.lines.iter().all(|line| line["tags"] == json!(["instruction-candidate"])));
    let rule = &file.line("No any.")["metadata"]["cursor"];
    assert_eq!((&rule["globs"], &rule["alwaysApply"]), (&json!("**/*.ts, *.js"), &json!(false)));
}

#[test]
fn what_bears_the_marks_of_several_is_of_one_and_stops_no_folder() {
    let all = "name: x\ndescription: y\ntype: user\nglobs: \"*.rs\"\n";
    let id = "01JC3V5Y9ZK7Q2M8N4T6W0X1ER";
    let times = "created_at: 2026-01-01\nupdated_at: 2026-01-01\n";
    let folder = folder(&[
        (".claude/rules/a.md", &format!("---\n{all}---\nOne\n")),
        ("b.md", &format!("---\n{all}---\nTwo\n")),
        ("c.md", &format!("---\nmemoryd: {id}\n{times}{all}---\n\nThree\n")),
        ("d.md", "[2026-01-02] - Four\n"),
        ("e.md", "{\"content\": \"Five\"}\n"),
    ]);

    let file = moved(folder.path(), &usual());

    let formats = ["claude-code", "chatgpt", "cursor", "markdown", "memoryd-notes"];
    assert!(formats.iter().all(|name| file.report.formats[name] == 1), "{:?}", file.report.formats);
    assert_eq!((file.lines.len(), file.line("Three")["id"].as_str()), (5, Some(id)));
}

#[test]
fn a_table_is_read_by_its_row_of_names() {
    let read = |bytes: Vec<u8>, wanted: &Wanted| {
        try_moved(Bundle::of_bytes("some.csv", bytes).unwrap(), wanted).unwrap()
    };

    let file = read(sample("table.csv"), &usual());

    assert_eq!(file.all("content"), ["Likes \"green\" tea;\nand honey", "=cmd|calc", "short"]);
    let tea = &file.lines[0];
    assert_eq!(
        (&tea["tags"], &tea["created_at"]),
        (&json!(["drinks", "home"]), &json!("2026-01-02T00:00:00.000Z"))
    );
    assert_eq!(tea["metadata"]["csv"], json!({ "Who": "ada" }));
    assert_eq!(tea["metadata"]["import"]["native_id"], "7");
    let text = String::from_utf8(sample("table.csv")).unwrap();
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(wide, &usual()).all("id"), file.all("id"));
    let said = format!("\u{feff}sep=;\r\n{text}");
    assert_eq!(read(said.into_bytes(), &usual()).all("id"), file.all("id"));

    let odd = b"What\tWhere\nTea\tRome\n".to_vec();
    let none = read(odd.clone(), &usual());
    assert!(none.report.failures[0].problem.contains("--map content=NAME"));
    let columns = vec![("content".to_owned(), "what".to_owned())];
    let mapped = read(odd, &Wanted { columns, ..usual() });
    assert_eq!((mapped.all("content"), mapped.report.failed), (vec!["Tea"], 0));
    assert_eq!(mapped.lines[0]["metadata"]["csv"], json!({ "Where": "Rome" }));
}
