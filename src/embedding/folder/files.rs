use std::fs;
use std::path::Path;

use crate::embedding::EmbedderError;

/// More than any configuration or vocabulary has; `tokenizer.json` of 500,000 pieces has 20 MB.
const TEXT_FILE_LIMIT: u64 = 64 << 20;

/// The text of a file that must be there.
pub(super) fn read(path: &Path) -> Result<String, EmbedderError> {
    let unreadable = |cause| EmbedderError::Unreadable { path: path.to_owned(), cause };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > TEXT_FILE_LIMIT {
        return Err(unfit(path, format!("it has {bytes} bytes; the limit is {TEXT_FILE_LIMIT}")));
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// The text of a file that not every folder has.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, EmbedderError> {
    if path.is_file() { read(path).map(Some) } else { Ok(None) }
}

pub(super) fn unfit(path: &Path, problem: impl Into<String>) -> EmbedderError {
    EmbedderError::Unfit { path: path.to_owned(), problem: problem.into() }
}
