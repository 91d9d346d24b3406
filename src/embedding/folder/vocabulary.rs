//! Where a folder keeps its word pieces: `tokenizer.json`, or `vocab.txt` in older ones.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::files::{read, read_if_there, unfit};
use super::pieces::{Cleaning, Pieces};
use super::recipe::parse;
use crate::embedding::EmbedderError;
use crate::embedding::id::Fingerprint;

/// `tokenizer.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Tokenizer {
    model: TokenizerModel,
    normalizer: Option<Normalizer>,
    pre_tokenizer: Option<Named>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum TokenizerModel {
    WordPiece {
        vocab: HashMap<String, u32>,
        unk_token: String,
        continuing_subword_prefix: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Normalizer {
    BertNormalizer {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
}

/// `tokenizer_config.json`; it stands beside `vocab.txt`.
#[derive(Debug, Default, Deserialize)]
struct TokenizerConfig {
    do_lower_case: Option<bool>,
    strip_accents: Option<bool>,
    tokenize_chinese_chars: Option<bool>,
}

/// Reads the pieces and takes what was read into the model's name.
pub(super) fn read_pieces(
    folder: &Path,
    fingerprint: &mut Fingerprint,
) -> Result<Pieces, EmbedderError> {
    let path = folder.join("tokenizer.json");
    let (path, vocabulary, cleaning, unknown) = match read_if_there(&path)? {
        Some(text) => {
            fingerprint.add(text.as_bytes());
            let tokenizer = parse(&path, &text)?;
            let (vocabulary, cleaning, unknown) =
                of_tokenizer(tokenizer).map_err(|problem| unfit(&path, problem))?;
            (path, vocabulary, cleaning, unknown)
        }
        None => {
            let path = folder.join("vocab.txt");
            let text = read(&path)?;
            fingerprint.add(text.as_bytes());
            let cleaning = cleaning_beside(folder)?;
            fingerprint.add(format!("{cleaning:?}").as_bytes());
            let lines = text.lines().map(|line| line.trim_end().to_owned());
            (path, lines.zip(0..).collect(), cleaning, "[UNK]".to_owned())
        }
    };
    Pieces::new(vocabulary, cleaning, &unknown).map_err(|problem| unfit(&path, problem))
}

type Parts = (HashMap<String, u32>, Cleaning, String);

fn of_tokenizer(tokenizer: Tokenizer) -> Result<Parts, String> {
    let TokenizerModel::WordPiece { vocab, unk_token, continuing_subword_prefix } = tokenizer.model
    else {
        return Err("its pieces are not of the kind WordPiece, and no other is read".to_owned());
    };
    if continuing_subword_prefix != "##" {
        return Err(format!("its pieces go on with {continuing_subword_prefix:?}, not \"##\""));
    }
    if tokenizer.pre_tokenizer.is_none_or(|splitter| splitter.kind != "BertPreTokenizer") {
        return Err("it splits words in a way of its own, not as BERT does".to_owned());
    }
    let Some(Normalizer::BertNormalizer {
        clean_text: true,
        handle_chinese_chars,
        strip_accents,
        lowercase,
    }) = tokenizer.normalizer
    else {
        return Err("it cleans texts in a way of its own, not as BERT does".to_owned());
    };
    let cleaning = Cleaning {
        lowers: lowercase,
        strips_accents: strip_accents.unwrap_or(lowercase),
        parts_han: handle_chinese_chars,
    };
    Ok((vocab, cleaning, unk_token))
}

fn cleaning_beside(folder: &Path) -> Result<Cleaning, EmbedderError> {
    let path = folder.join("tokenizer_config.json");
    let config = match read_if_there(&path)? {
        Some(text) => parse(&path, &text)?,
        None => TokenizerConfig::default(),
    };
    let lowers = config.do_lower_case.unwrap_or(true);
    Ok(Cleaning {
        lowers,
        strips_accents: config.strip_accents.unwrap_or(lowers),
        parts_han: config.tokenize_chinese_chars.unwrap_or(true),
    })
}
