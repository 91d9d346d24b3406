//! Keeps the annotated `config.toml` at the top of the repository in step with the table.

use super::declare::{Fallback, Row};
use super::settings::table;
use super::{Config, Flags, Reader, Surroundings};

const FILE: &str = include_str!("../../config.toml");

/// A key that is commented out (`#name = value`), with the prose above it (`# text`) on one line.
struct Block {
    key: String,
    value: String,
    prose: String,
}

#[test]
fn the_annotated_file_lists_every_setting_and_no_other() {
    let listed: Vec<String> = blocks().into_iter().map(|block| block.key).collect();
    let known: Vec<&str> = table().iter().map(|setting| setting.key).collect();

    assert_eq!(listed, known);
}

#[test]
fn every_setting_is_told_with_reason_default_unit_and_variables() {
    for (block, setting) in blocks().iter().zip(table()) {
        assert_eq!(block.prose, prose_of(setting), "{}", setting.key);
        assert_eq!(block.value, value_of(setting), "{}", setting.key);
    }
}

#[test]
fn the_file_with_every_line_uncommented_says_the_defaults() {
    let without_file = tempfile::tempdir().unwrap();
    let defaults = load(without_file.path());

    for text in [FILE.to_owned(), uncommented(FILE)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        assert_eq!(load(folder.path()), defaults);
    }
}

#[test]
fn a_name_belongs_to_one_setting_the_names_of_secret_files_included() {
    let mut names: Vec<String> = Vec::new();
    for setting in table() {
        for name in setting.variables.iter().chain([&setting.key]) {
            names.push((*name).to_owned());
            names.extend(setting.is_secret.then(|| format!("{name}_FILE")));
        }
    }
    names.iter_mut().for_each(|name| name.make_ascii_lowercase());
    let count = names.len();

    names.sort_unstable();
    names.dedup();

    assert_eq!(names.len(), count);
}

#[test]
fn the_example_of_an_environment_names_only_variables_that_are_read() {
    let text = include_str!("../../env.example");
    let named: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
        .filter_map(|line| line.split_once('='))
        .collect();

    assert!(!named.is_empty());
    for (name, _) in &named {
        let is_known = table().iter().any(|setting| setting.variables.contains(name));
        assert!(is_known, "{name} is no variable");
    }
}

#[test]
fn the_example_of_an_environment_says_the_defaults() {
    let without_file = tempfile::tempdir().unwrap();
    let defaults = load(without_file.path());
    let text = include_str!("../../env.example");

    for text in [text.to_owned(), uncommented(text)] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), text).unwrap();
        assert_eq!(load(folder.path()), defaults);
    }
}

/// Everything that was loaded, as text, since keys cannot be compared.
fn load(cwd: &std::path::Path) -> String {
    let around = Surroundings::only(cwd.to_owned(), &[]);
    let loaded = Config::load(&Flags::default(), &around, Reader::Serve);
    format!("{:?}", loaded.unwrap_or_else(|error| panic!("{error}")))
}

fn blocks() -> Vec<Block> {
    let (mut section, mut prose) = ("", Vec::new());
    let mut blocks = Vec::new();
    for line in FILE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some(text) = line.strip_prefix("# ") {
            prose.push(text);
            continue;
        } else if let Some((name, value)) = line.strip_prefix('#').and_then(|l| l.split_once(" = "))
        {
            let key = format!("{section}.{name}");
            blocks.push(Block { key, value: value.to_owned(), prose: prose.join(" ") });
        } else {
            assert!(line.is_empty(), "neither prose nor a setting: {line}");
        }
        prose.clear();
    }
    blocks
}

fn uncommented(text: &str) -> String {
    let live = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(live).collect::<Vec<_>>().join("\n")
}

fn prose_of(setting: &Row) -> String {
    let (Fallback::Value(default) | Fallback::Unset(default)) = setting.default;
    let unit = match setting.unit {
        "" => String::new(),
        unit => format!(" Unit: {unit}."),
    };
    let variables = setting.variables.join(", ");
    let file = match setting.is_secret {
        true => format!(" In a file: {}_file, or a variable with _FILE.", setting.split().1),
        false => String::new(),
    };
    format!("{} Default: {default}.{unit} Environment: {variables}.{file}", setting.reason)
}

fn value_of(setting: &Row) -> String {
    match setting.default {
        Fallback::Unset(_) => "\"\"".to_owned(),
        Fallback::Value(bare) if bare.parse::<u64>().is_ok() => bare.to_owned(),
        Fallback::Value(bare @ ("true" | "false")) => bare.to_owned(),
        Fallback::Value(text) => format!("\"{text}\""),
    }
}
