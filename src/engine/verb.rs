use serde::Serialize;

use super::arguments::{Arguments, InvalidArguments};
use super::field::Field;
use super::{Engine, EngineError};
use crate::model::{Caller, Scope, Timestamp};

/// One thing that can be asked of a session, whichever face it was asked through, with the type of
/// its answer.
pub trait Verb: Sized + Send + 'static {
    type Answer: Serialize + Send + 'static;

    /// The scope that a caller must hold. What depends on a stored memory is checked by `apply`.
    fn scope(&self) -> Scope;

    /// The text of a verb whose answer depends on what it means, if that matters this time.
    fn question(&mut self) -> Option<Question<'_>> {
        None
    }

    /// Carries it out, alone with the engine. A refusal changes nothing.
    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Self::Answer, EngineError>;

    /// Whether the answer may say that something is stored. Such an answer is given out only when
    /// everything that was submitted before it is durable.
    fn may_write(&self) -> bool {
        self.scope() != Scope::Read
    }
}

/// A verb that faces can ask for with named arguments.
pub trait Spoken: Verb {
    /// Everything that it takes, in the order in which it is shown.
    fn fields() -> Vec<&'static Field>;

    /// Reads the arguments; every problem is told at once.
    fn parse(arguments: Arguments) -> Result<Self, InvalidArguments>;
}

/// A text to look for, and the place for what a better embedder makes of it.
#[derive(Debug)]
pub struct Question<'a> {
    pub text: &'a str,
    pub vector: &'a mut Option<Vec<f32>>,
}

/// What every verb needs to know besides its own fields.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub caller: &'a Caller,
    pub now: Timestamp,
}
