//! The settings of what vectors are made with.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::Secret;

use super::ConfigError;
use super::choices::BuiltIn;
use super::declare::{Row, optional, section, setting};
use super::layers::Layers;
use super::parse::{self, Parsed};
use super::source::Raw;

/// An hour, beyond which nobody waits for a search.
const LONGEST_TIMEOUT_S: u32 = 3_600;

section! {
    /// A better embedder than the built-in one. Off unless a URL or a folder is named.
    #[derive(Debug, Clone)]
    pub struct EmbeddingSection {
        /// A service. A path that ends in `/api/embed` is Ollama's; everything else is OpenAI's, to
        /// whose path `/embeddings` is added where it is missing, and `/v1` where there is no path.
        pub url: Option<String> = optional(
            "embedding.url", &["EMBEDDING_URL"], "none: nobody is called", owned_text,
        )
        .because("A better embedder as a service, OpenAI's or Ollama's way; it sees every text."),

        /// The model that the service is to use. Only with `url`.
        pub model: Option<String> = optional(
            "embedding.model", &["EMBEDDING_MODEL"], "none", owned_text,
        )
        .because("The model to ask the service for."),

        /// Sent as `Authorization: Bearer`. Only with `url`.
        pub key: Option<Secret> = optional(
            "embedding.key", &["EMBEDDING_KEY"], "none", |raw| owned_text(raw).map(Secret::new),
        )
        .secret()
        .because("Sent to the service as a bearer token."),

        /// A PEM file with an authority to trust for `url`, beside those of the system.
        pub authority: Option<PathBuf> = optional(
            "embedding.authority", &["EMBEDDING_AUTHORITY"], "those of the system", parse::path,
        )
        .because(
            "PEM file with one more authority to trust, for a service with its own certificate.",
        ),

        /// A file that `tools/multilingual` made, or a folder as Hugging Face lays it out:
        /// `config.json`, `model.safetensors`, and `tokenizer.json` or `vocab.txt`. Instead of `url`.
        pub model_path: Option<PathBuf> = optional(
            "embedding.model_path", &["EMBEDDING_MODEL_PATH"], "none", parse::path,
        )
        .because(
            "A model to run here: the file of make model-multilingual, or a folder with one of the BERT \
             family, which needs a build with local-model.",
        ),

        /// Stands before each question. Nothing here: what the folder says, if it does.
        pub query_prefix: Option<String> = optional(
            "embedding.query_prefix", &["EMBEDDING_QUERY_PREFIX"], "what the folder says", prefix,
        )
        .because(
            "Some models want questions marked, such as by query: and a space, which is added.",
        ),

        /// Stands before each memory. Nothing here: what the folder says, if it does.
        pub passage_prefix: Option<String> = optional(
            "embedding.passage_prefix", &["EMBEDDING_PASSAGE_PREFIX"], "what the folder says",
            prefix,
        )
        .because("And memories, such as by passage: and a space. A change embeds everything anew."),

        /// What the program itself makes vectors with, unless `url` or `model_path` say otherwise.
        pub builtin: BuiltIn = setting("embedding.builtin", &["EMBEDDING_BUILTIN"], "model", BuiltIn::parse)
        .unit("model or table")
        .because(
            "model finds what is asked in other words, for a few milliseconds a question; table is \
             for machines that have no time for it.",
        ),

        /// How long a search waits for the vector of its question, its turn in the queue included.
        pub timeout: Duration = setting(
            "embedding.timeout", &["EMBEDDING_TIMEOUT"], "5",
            |raw| parse::seconds(raw, 1..=LONGEST_TIMEOUT_S),
        )
        .unit("seconds")
        .because("A search waits so long for its vector, then goes on with what it has."),
    }
}

fn owned_text(raw: &Raw) -> Parsed<String> {
    parse::text(raw).map(str::to_owned)
}

/// White space at the end of a value is cut, and every model wants some there.
fn prefix(raw: &Raw) -> Parsed<String> {
    parse::text(raw).map(|text| format!("{text} "))
}
