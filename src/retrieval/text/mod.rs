//! From text to terms: the same way for what is stored and for what is asked.

mod compound;
mod fold;
mod function;
mod irregular;
mod script;
mod stop;
mod symbol;
mod terms;

pub(crate) use stop::is_stop;
pub(crate) use terms::{Analyzer, Spelling, Term};
