//! Ranking, and the plain data that it knows.
//!
//! It is a crate of its own so that what is shipped can have it compiled to be fast, and the rest to be small. Its files
//! lie with the other rooms of memoryd.

#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/retrieval/mod.rs"]
pub mod retrieval;
