//! Settings that are one word of a few.

use super::parse::{self, Parsed};
use super::source::Raw;
use crate::model::SecretScreen;

/// What vectors are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltIn {
    /// The sentence encoder, and the table until it has read a memory.
    Model,
    /// The table alone.
    Table,
}

impl BuiltIn {
    pub(super) fn parse(raw: &Raw) -> Parsed<Self> {
        match parse::text(raw).unwrap_or_default().to_ascii_lowercase().as_str() {
            "model" => Ok(Self::Model),
            "table" => Ok(Self::Table),
            _ => Err("model or table".to_owned()),
        }
    }
}

/// What is done about secrets in what is to be stored.
pub(super) fn secret_screen(raw: &Raw) -> Parsed<SecretScreen> {
    match parse::text(raw).unwrap_or_default().to_ascii_lowercase().as_str() {
        "off" => Ok(SecretScreen::Off),
        "warn" => Ok(SecretScreen::Warn),
        "mask" => Ok(SecretScreen::Mask),
        "refuse" => Ok(SecretScreen::Refuse),
        _ => Err("off, warn, mask or refuse".to_owned()),
    }
}

/// Where a call's project comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectMode {
    /// From the directory that the client says it stands in.
    Auto,
    /// From what the client names.
    Manual,
    /// One pool for all users.
    Global,
}

impl ProjectMode {
    pub(super) fn parse(raw: &Raw) -> Parsed<Self> {
        match parse::text(raw).unwrap_or_default().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "manual" => Ok(Self::Manual),
            "global" => Ok(Self::Global),
            _ => Err("auto, manual or global".to_owned()),
        }
    }
}
