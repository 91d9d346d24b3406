use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::files::{read, read_if_there, unfit};
use crate::embedding::EmbedderError;
use crate::embedding::started::Prefixes;

/// What the small files of a folder say about its model.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) shape: Shape,
    pub(super) pooling: Pooling,
    pub(super) prefixes: Prefixes,
    /// Of a text with its two marks; what comes after is not read.
    pub(super) tokens_limit: usize,
}

/// `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shape {
    model_type: String,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) max_position_embeddings: usize,
    pub(super) type_vocab_size: usize,
    pub(super) vocab_size: usize,
    pub(super) layer_norm_eps: f32,
    pub(super) hidden_act: Activation,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Activation {
    Gelu,
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluNew,
    Relu,
}

/// How the vectors of the tokens become the vector of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pooling {
    Mean,
    /// That of the mark before the text.
    First,
}

#[derive(Debug, Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
struct PromptConfig {
    #[serde(default)]
    prompts: HashMap<String, String>,
}

impl Recipe {
    pub(super) fn read(folder: &Path) -> Result<Self, EmbedderError> {
        let path = folder.join("config.json");
        let shape: Shape = parse(&path, &read(&path)?)?;
        shape.check().map_err(|problem| unfit(&path, problem))?;
        let sentence: SentenceConfig = parse_if_there(&folder.join("sentence_bert_config.json"))?;
        let longest = shape.max_position_embeddings;
        let tokens_limit = sentence.max_seq_length.unwrap_or(longest).min(longest);
        if tokens_limit < 3 {
            return Err(unfit(folder, format!("it reads only {tokens_limit} tokens of a text")));
        }
        let prompts: PromptConfig =
            parse_if_there(&folder.join("config_sentence_transformers.json"))?;
        let pooling = Pooling::read(folder)?;
        Ok(Self { shape, pooling, prefixes: prompts.into_prefixes(), tokens_limit })
    }
}

impl Shape {
    /// Refuses what would compute nonsense or ask for absurd amounts of memory.
    fn check(&self) -> Result<(), String> {
        if self.model_type != "bert" {
            return Err(format!("its model_type is {:?}; only \"bert\" is run", self.model_type));
        }
        if self.position_embedding_type != absolute() {
            let kind = &self.position_embedding_type;
            return Err(format!("its position_embedding_type is {kind:?}; expected \"absolute\""));
        }
        let limits = [
            ("hidden_size", self.hidden_size, 4_096),
            ("intermediate_size", self.intermediate_size, 16_384),
            ("num_attention_heads", self.num_attention_heads, 256),
            ("num_hidden_layers", self.num_hidden_layers, 64),
            ("max_position_embeddings", self.max_position_embeddings, 8_192),
            ("type_vocab_size", self.type_vocab_size, 16),
            ("vocab_size", self.vocab_size, 1 << 20),
        ];
        for (name, value, limit) in limits {
            if !(1..=limit).contains(&value) {
                return Err(format!("its {name} is {value}; expected 1 to {limit}"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err("its hidden_size is not a multiple of num_attention_heads".to_owned());
        }
        if !(self.layer_norm_eps.is_finite() && self.layer_norm_eps >= 0.0) {
            return Err("its layer_norm_eps is not a small number".to_owned());
        }
        Ok(())
    }
}

impl Pooling {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::First => "first",
        }
    }

    /// The mean where a folder says nothing, as Sentence Transformers does.
    fn read(folder: &Path) -> Result<Self, EmbedderError> {
        let path = folder.join("modules.json");
        let modules: Vec<Module> = parse_if_there(&path)?;
        let mut place = "1_Pooling".to_owned();
        for Module { kind, path: of_module } in modules {
            match kind.rsplit('.').next() {
                Some("Transformer" | "Normalize") => {}
                // A folder beside it, not one that a made-up path leads to.
                Some("Pooling") if !of_module.contains(['/', '\\', '.']) => place = of_module,
                _ => return Err(unfit(&path, format!("it has a module {kind:?}, unknown here"))),
            }
        }
        let path = folder.join(place).join("config.json");
        let Some(text) = read_if_there(&path)? else { return Ok(Self::Mean) };
        let config: HashMap<String, serde_json::Value> = parse(&path, &text)?;
        let is_on = |(key, value): (&String, &serde_json::Value)| {
            let mode = key.strip_prefix("pooling_mode_").filter(|_| *value == true)?;
            Some(mode.to_owned())
        };
        let mut modes: Vec<_> = config.iter().filter_map(is_on).collect();
        // The newer way to say it.
        modes.extend(config.get("pooling_mode").and_then(|mode| Some(mode.as_str()?.to_owned())));
        match modes.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            // The second differs by a factor, which goes when the vector gets the length 1.
            [] | ["mean_tokens" | "mean_sqrt_len_tokens" | "mean"] => Ok(Self::Mean),
            ["cls_token" | "cls"] => Ok(Self::First),
            _ => Err(unfit(&path, format!("it pools by {modes:?}; expected mean or cls"))),
        }
    }
}

impl PromptConfig {
    fn into_prefixes(mut self) -> Prefixes {
        let mut first = |names: &[&str]| {
            names.iter().find_map(|name| self.prompts.remove(*name)).unwrap_or_default()
        };
        Prefixes { query: first(&["query"]), passage: first(&["passage", "document"]) }
    }
}

fn absolute() -> String {
    "absolute".to_owned()
}

fn parse_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T, EmbedderError> {
    match read_if_there(path)? {
        Some(text) => parse(path, &text),
        None => Ok(T::default()),
    }
}

pub(super) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, EmbedderError> {
    serde_json::from_str(text).map_err(|error| unfit(path, error.to_string()))
}
