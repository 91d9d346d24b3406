//! The routes of older memory servers, one file for each. They only translate shapes.

pub(super) mod ai_memory;
