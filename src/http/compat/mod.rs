//! The routes of older memory servers, one file for each. They only translate shapes.

pub(super) mod ai_memory;
pub(super) mod mem0_client;
pub(super) mod memories;
