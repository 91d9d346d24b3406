//! Secrets that lie in files of their own.

use super::settings::table;
use super::tests::{Start, keys_of};

const KEY: &str = "a-key-0123456789-abcdef";
const OTHER_KEY: &str = "b-key-0123456789-abcdef";

#[test]
fn every_variable_of_a_secret_may_name_a_file_instead() {
    for name in table().iter().filter(|setting| setting.is_secret).flat_map(|one| one.variables) {
        let variable: &'static str = Box::leak(format!("{name}_FILE").into_boxed_str());
        let line = Start::new(&[(variable, "nowhere")]).refusal();
        let begins = format!("{variable} (environment): nowhere cannot be used (No such file");
        assert!(line.starts_with(&begins), "{line}");
    }
    let named = [("MCP_API_KEYS_FILE", "keys"), ("EMBEDDING_KEY_FILE", "embedding")];
    let start = Start::new(&named)
        .with_file("keys", format!("\u{feff} {KEY},{OTHER_KEY}\r\n"))
        .with_file("embedding", "of the service\n");
    let keys = [format!("key1 default {KEY} all"), format!("key2 default {OTHER_KEY} all")];
    assert_eq!(keys_of(&start), keys);
    assert_eq!(start.config().embedding.key.unwrap().reveal(), "of the service");
}

#[test]
fn a_key_of_the_file_may_name_a_file_which_counts_from_there() {
    let start = Start::of_verb(&[("DATA_DIR", "named")])
        .with_file("named/config.toml", "auth.api_keys_file = 'keys'\n[embedding]\nkey_file = 'e'")
        .with_file("named/keys", "claude:k1,mobile:k2")
        .with_file("named/e", KEY)
        .with_file("keys", "stranger:k3");

    assert_eq!(keys_of(&start), ["claude claude k1 rw", "mobile mobile k2 rw"]);
    assert_eq!(start.config().embedding.key.unwrap().reveal(), KEY);
    let unset =
        Start::new(&[("API_KEY_FILE", " ")]).with_file("config.toml", "auth.api_key_file=''");
    assert!(unset.config().keys().is_empty());
}

#[test]
fn a_file_counts_in_the_layer_that_names_it() {
    let start = Start::new(&[("MCP_API_KEY", KEY)])
        .with_file(".env", "API_KEY_FILE=other")
        .with_file("other", OTHER_KEY);
    assert_eq!(keys_of(&start), [format!("default default {KEY} all")]);

    let start = Start::new(&[("API_KEY_FILE", "secret")])
        .with_file(".env", format!("MCP_API_KEY={OTHER_KEY}"))
        .with_file("secret", KEY);
    assert_eq!(keys_of(&start), [format!("default default {KEY} all")]);

    let alias = Start::new(&[("API_KEY", OTHER_KEY), ("MCP_API_KEY_FILE", "secret")])
        .with_file("secret", KEY);
    assert_eq!(keys_of(&alias), [format!("default default {KEY} all")]);
    assert_eq!(alias.warnings().len(), 1);
}

#[test]
fn a_secret_given_both_ways_at_once_is_refused_unless_both_agree() {
    let both = [("MCP_API_KEY", KEY), ("MCP_API_KEY_FILE", "secret")];
    let line = "MCP_API_KEY (environment) and MCP_API_KEY_FILE (environment) give different \
                values; expected only one of them";
    assert_eq!(Start::new(&both).with_file("secret", OTHER_KEY).refusal(), line);
    let agreeing = Start::new(&both).with_file("secret", KEY);
    assert!(agreeing.warnings().is_empty() && keys_of(&agreeing).len() == 1);

    let text = format!("[auth]\napi_key = '{KEY}'\napi_key_file = 'secret'");
    let file = Start::new(&[]).with_file("config.toml", text).with_file("secret", OTHER_KEY);
    let line = "auth.api_key (config.toml) and auth.api_key_file (config.toml) give different";
    assert!(file.refusal().starts_with(line), "{}", file.refusal());
}

#[test]
fn a_file_without_a_usable_secret_stops_the_start_and_is_not_quoted() {
    let of = |bytes: &[u8]| Start::new(&[("API_KEY_FILE", "f")]).with_file("f", bytes).refusal();

    let missing = Start::new(&[("API_KEY_FILE", "nowhere")]).refusal();
    assert!(missing.starts_with("API_KEY_FILE (environment): nowhere cannot be used (No such"));
    assert!(of(b" \n").starts_with("API_KEY_FILE (environment): f cannot be used (empty); "));
    assert!(of(b"of-mine\xff").contains("f cannot be used (not UTF-8)"));
    assert!(of(&[b'x'; 65_537]).contains("f cannot be used (longer than 65536 bytes)"));
    for odd in [&b"two words-of-mine"[..], b"two\nlines-of-mine", b"of-mine\xff", &[b'x'; 65_537]] {
        assert!(!of(odd).contains("of-mine") && !of(odd).contains("xx"), "{}", of(odd));
    }
    let folder = Start::new(&[("API_KEY_FILE", "d")]).with_file("d/x", "").refusal();
    assert!(folder.starts_with("API_KEY_FILE (environment): d cannot be used ("), "{folder}");
    let home = Start::new(&[("API_KEY_FILE", "~/key")]).refusal();
    assert!(home.starts_with("API_KEY_FILE (environment): expected a path"), "{home}");
}

#[test]
fn only_a_secret_may_lie_in_a_file() {
    let variable = Start::new(&[("SESSION_TTL_FILE", "/nowhere")]);
    assert_eq!(variable.config().session.idle.as_secs(), 900);

    let file = Start::new(&[]).with_file("config.toml", "session.idle_file = 'x'");
    assert!(file.refusal().starts_with("session.idle_file (config.toml): unknown key"));
}
