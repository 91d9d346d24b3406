//! Which files are read, by whom.

use std::path::PathBuf;

use log::Level;

use super::tests::Start;
use super::{Flags, Port};
use crate::model::Secret;

/// What lies in folders that an assistant is opened in. None of it was written for memoryd, or by
/// its owner.
const STRANGE_DOTENVS: &[&str] = &[
    "EMBEDDING_URL=http://127.0.0.1:9999/v1\nEMBEDDING_MODEL=x\n",
    "USE_HTTPS=true",
    "PORT=tcp://1",
    "LOG_LEVEL=verbose",
    "KEY=\"unclosed",
    "TEXT='two\nlines'",
    "X Y=1",
    "DATA_DIR=/elsewhere",
];

const STRANGE_FILES: &[&str] = &[
    "[embedding]\nurl = 'http://127.0.0.1:9999/v1'\nmodel = 'x'",
    "baseURL = 'https://example.org/'\n[params]\ndescription = 'a site made by Hugo'",
    "model = 'gpt'\n[mcp_servers.memory]\ncommand = 'memoryd'",
    "neither TOML nor anything else",
];

fn told(start: &Start) -> String {
    format!("{:?}", start.load().unwrap_or_else(|error| panic!("{error}")))
}

fn port(start: &Start) -> Port {
    start.config().server.port
}

#[test]
fn a_verb_obeys_nothing_that_lies_in_the_working_directory() {
    let undisturbed = told(&Start::of_verb(&[]));
    let files = STRANGE_FILES
        .iter()
        .flat_map(|text| ["config.toml", "data/config.toml"].map(|name| (name, *text)));

    for (name, text) in STRANGE_DOTENVS.iter().map(|text| (".env", *text)).chain(files) {
        let start = Start::of_verb(&[]).with_file(name, text);
        assert_eq!(told(&start), undisturbed, "{name}: {text}");
    }
}

#[test]
fn serve_obeys_the_working_directory() {
    let start = Start::new(&[]).with_file("config.toml", "server.port = 1001");
    assert_eq!(port(&start), Port::Number(1001));
    assert_eq!(port(&start.with_file(".env", "PORT=1002")), Port::Number(1002));

    let inside = Start::new(&[]).with_file("data/config.toml", "server.port = 1003");
    assert_eq!(port(&inside), Port::Number(1003));

    for strange in &STRANGE_DOTENVS[1..7] {
        assert!(Start::new(&[]).with_file(".env", strange).load().is_err(), "{strange}");
    }
    for strange in &STRANGE_FILES[1..] {
        assert!(Start::new(&[]).with_file("config.toml", strange).load().is_err(), "{strange}");
    }
}

#[test]
fn the_file_in_the_data_directory_counts_when_somebody_named_the_directory() {
    let named = |start: Start| start.with_file("named/config.toml", "server.port = 1001");
    for variable in ["DATA_DIR", "MEMORYOS_DATA_PATH"] {
        assert_eq!(port(&named(Start::of_verb(&[(variable, "named")]))), Port::Number(1001));
        assert_eq!(port(&named(Start::new(&[(variable, "named")]))), Port::Number(1001));
    }
    let dotenv = named(Start::new(&[])).with_file(".env", "DATA_DIR=named");
    assert_eq!(port(&dotenv), Port::Number(1001));

    let flags = Flags { data_dir: Some(PathBuf::from("named")), ..Flags::default() };
    let flagged = named(Start::of_verb(&[("DATA_DIR", "other")])).with_flags(flags);
    let flagged = flagged.with_file("other/config.toml", "server.port = 1002");
    assert_eq!(port(&flagged), Port::Number(1001), "a flag beats the environment");

    let default = Start::of_verb(&[("DATA_DIR", "data")]).with_file("data/config.toml", "x = 1");
    assert!(default.refusal().starts_with("x (data/config.toml): unknown key"));
}

#[test]
fn one_file_is_read_and_the_nearest_comes_first() {
    let system = |start: Start| start.with_file("etc/memoryd/config.toml", "server.port = 1003");
    let inside = |start: Start| start.with_file("named/config.toml", "server.port = 1002");
    let here = |start: Start| start.with_file("config.toml", "server.port = 1001");
    let env = [("DATA_DIR", "named")];

    assert_eq!(port(&here(inside(system(Start::new(&env))))), Port::Number(1001));
    assert_eq!(port(&inside(system(Start::new(&env)))), Port::Number(1002));
    assert_eq!(port(&system(Start::new(&env))), Port::Number(1003));

    assert_eq!(port(&here(inside(system(Start::of_verb(&env))))), Port::Number(1002));
    assert_eq!(port(&here(system(Start::of_verb(&env)))), Port::Number(1003));
    assert_eq!(port(&here(Start::of_verb(&env))), Port::Number(3000));
}

#[test]
fn a_verb_reads_the_file_that_a_person_typed() {
    let flags = Flags { config: Some(PathBuf::from("mine.toml")), ..Flags::default() };
    let start = Start::of_verb(&[("DATA_DIR", "named")])
        .with_file("named/config.toml", "server.port = 1002")
        .with_file("mine.toml", "server.port = 1001")
        .with_flags(flags);

    assert_eq!(port(&start), Port::Number(1001));
}

#[test]
fn a_data_directory_that_is_a_file_is_left_to_whoever_opens_it() {
    let start = Start::of_verb(&[("DATA_DIR", "plain")]).with_file("plain", "");

    assert_eq!(start.config().server.data_dir, PathBuf::from("plain"));
}

#[test]
fn a_url_that_gets_every_text_is_told_with_its_giver_and_without_itself() {
    let says = |giver: &str| [format!("{giver}: every memory and every question is sent there")];
    let url = "http://localhost:1/v1?key=of-mine";

    let variable = Start::new(&[("EMBEDDING_URL", url)]);
    assert_eq!(variable.notices(Level::Info), says("EMBEDDING_URL (environment)"));

    let dotenv = Start::new(&[]).with_file(".env", format!("A=1\nEMBEDDING_URL={url}"));
    assert_eq!(dotenv.notices(Level::Info), says("EMBEDDING_URL (.env line 2)"));

    let file = Start::new(&[]).with_file("config.toml", format!("embedding.url = '{url}'"));
    let path = file.folder.path().join("config.toml");
    assert_eq!(file.notices(Level::Info), says(&format!("embedding.url ({})", path.display())));
}

#[test]
fn a_verb_shows_the_key_of_a_flag_and_else_that_of_a_variable() {
    let shown = |start: &Start| {
        start.config().presented_key().map(|key| key.reveal().to_owned()).unwrap_or_default()
    };
    let flags = Flags { key: Some(Secret::new("of-a-flag".to_owned())), ..Flags::default() };

    assert_eq!(shown(&Start::of_verb(&[("API_KEY", "of-a-variable")])), "of-a-variable");
    let both = Start::of_verb(&[("MCP_API_KEY", "of-a-variable")]).with_flags(flags);
    assert_eq!(shown(&both), "of-a-flag");
    let file = Start::of_verb(&[("DATA_DIR", "data")])
        .with_file("data/config.toml", "auth.api_key = 'of-a-file'");
    assert_eq!(shown(&file), "", "it opens the server, but was given to nobody");
    assert_eq!(file.config().keys().len(), 1);
}

#[test]
fn a_key_that_a_verb_shows_is_its_owners_as_the_settings_say() {
    let start = Start::of_verb(&[
        ("MCP_API_KEY", "key-of-anna-0123456789"),
        ("MCP_API_KEYS", "anna:key-of-anna-0123456789,ben:key-of-ben-0123456789"),
    ]);

    let config = start.config();
    let users: Vec<String> = config.keys().iter().map(|key| key.user.to_string()).collect();
    assert_eq!(users, ["anna", "ben"]);
    assert_eq!(config.presented_key().unwrap().reveal(), "key-of-anna-0123456789");
}
