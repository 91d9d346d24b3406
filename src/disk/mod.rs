//! The operations on files and folders that durability and privacy rest on.
//!
//! Every room that writes a file of its own writes it through here, so that there is one idea of
//! what is private and one of what is durable:
//!
//! - What is made here is closed to others from its first instant: files 0600, folders 0700, unless
//!   the caller names another mode. What was there before keeps its mode: it may be somebody else's.
//! - What root makes belongs to the owner of the folder around it, so that a service goes on reading its
//!   own data. A folder that somebody named is root's: the one around it says nothing about it.
//! - A file that is replaced is the old one or the new one after a crash, never half of either. It is
//!   written beside its place, synced, renamed, and then the folder is synced.
//! - A link at the place of a file that is made or replaced is replaced itself, never followed.
//!
//! It refuses nothing by itself and knows no formats, no settings and no retries. It returns the
//! system's errors, and `is_out_of_files` and `is_passing` tell those after which the same call
//! may well succeed a moment later.
//!
//! Begin reading at `Draft`, which is how everything is replaced.

mod files;
mod folders;
mod limits;
mod owner;
mod sockets;
mod space;

pub(crate) use files::{
    Draft, FileId, close_to_others, copy_file, create_file, make_with_mode, open_for_appending,
    open_for_output, put_in_place, quoted, remove_file, replace_file, replace_with_mode,
};
pub(crate) use folders::{
    create_folder, create_folder_with_mode, create_folder_within, remove_any, remove_folder,
    sync_folder,
};
pub(crate) use limits::{is_out_of_files, is_passing, raise_open_files};
pub(crate) use owner::{is_of_another, leave_path_to_owner, own_ids};
pub(crate) use sockets::SocketPath;
pub(crate) use space::{free_bytes, is_read_only, require_free, size_and_free};

/// Readable by the owner alone.
pub(crate) const PRIVATE_FILE: u32 = 0o600;

/// Open to the owner alone.
pub(crate) const PRIVATE_FOLDER: u32 = 0o700;
