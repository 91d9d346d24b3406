//! What `fuzz/` throws bytes at: the readers of everything that comes from a disk, a network or a file
//! of somebody else's. Only in builds with the feature `fuzzing`, and no part of the program.

use crate::engine::{FileLine, ImportLines, LineCutter, read_import_line};
use crate::{http, journal, mcp, moving, store};

/// A record of any kind: the first byte chooses the kind, the next one the length of the key. What comes behind
/// the key is read as it is, and as a version and a body whose checksum is right.
pub fn record(data: &[u8]) {
    let Some((&[kind, key_len], rest)) = data.split_first_chunk::<2>() else { return };
    let (key, value) = rest.split_at(usize::from(key_len).min(rest.len()));
    let kinds = store::RECORDS;
    if let Some(kind) = kinds.get(usize::from(kind) % kinds.len()) {
        // A refusal is as good as a record; only a panic is not.
        let _ = (kind.check)(key, value);
        if let Some((version, body)) = value.split_first() {
            let _ = (kind.check)(key, &store::envelope(*version, body));
        }
    }
}

/// A file of the journal, with its header, its frames and their operations.
pub fn journal(data: &[u8]) {
    journal::read_anything(data);
}

/// A body of JSON-RPC, under revisions with batches and without.
pub fn rpc(data: &[u8]) {
    for has_batches in [true, false] {
        let _ = mcp::Incoming::parse(data, has_batches);
    }
}

/// Lines of an import, in pieces of a length that the first byte chooses.
pub fn import(data: &[u8]) {
    let Some((size, data)) = data.split_first() else { return };
    let (mut cutter, mut lines) = (LineCutter::default(), ImportLines::default());
    let mut cut: Vec<FileLine> =
        data.chunks(usize::from(*size).max(1)).flat_map(|piece| cutter.cut(piece)).collect();
    cut.extend(cutter.end());
    for line in cut {
        if let FileLine::Whole(text) = &line {
            read_import_line(text);
        }
        lines.take(line);
    }
    let _ = (lines.rest(), lines.told());
}

/// Headers in which proxies tell whom they speak for, one a line.
pub fn forwarding(data: &[u8]) {
    http::read_forwarding(data);
}

/// A file of another product's, whatever it is.
pub fn moving(data: &[u8]) {
    moving::read_anything(data);
}
