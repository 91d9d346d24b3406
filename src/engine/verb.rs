use serde::Serialize;

use super::arguments::{Arguments, InvalidArguments};
use super::field::Field;
use super::recalls::{AskedFor, GivenOut};
use super::{Engine, EngineError};
use crate::model::{AuditKind, Caller, Scope, Timestamp};

/// One thing that can be asked of a session, whichever face it was asked through, with the type of
/// its answer.
pub trait Verb: Sized + Send + 'static {
    type Answer: Serialize + Send + 'static;

    /// The scope that a caller must hold. What depends on a stored memory is checked by `apply`.
    fn scope(&self) -> Scope;

    /// The text of a verb whose answer depends on what it means, if that matters this time.
    /// Whatever vector it gets, it must do without as well.
    fn question(&mut self) -> Option<Question<'_>> {
        None
    }

    /// Carries it out, alone with the engine. A refusal changes nothing.
    fn apply(self, engine: &mut Engine, asked: Asked<'_>) -> Result<Self::Answer, EngineError>;

    /// What it asks for, if its answer gives out memories: whoever asks later what was given is told.
    fn asking(&self, _: &Caller) -> Option<AskedFor> {
        None
    }

    /// What its answer gives out, where [`Verb::asking`] says that it does.
    fn given(_: &Self::Answer) -> GivenOut {
        GivenOut::default()
    }

    /// What the audit is told of when it is done; nothing of what destroys nothing.
    fn deed(&self) -> Option<(AuditKind, String)> {
        None
    }

    /// Whether the answer is given only when what was erased has left every file of the disk.
    fn awaits_scrub(&self) -> bool {
        false
    }

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

    /// Whether a name that it does not know is refused. Elsewhere it is passed over and told; but
    /// where something is destroyed, what was not understood may have been a limit.
    const REFUSES_UNKNOWN: bool = false;

    /// Takes its fields out of the arguments, which keep every problem.
    fn take(arguments: &mut Arguments) -> Self;

    /// Reads the arguments; every problem is told at once.
    fn parse(mut arguments: Arguments) -> Result<Said<Self>, InvalidArguments> {
        let verb = Self::take(&mut arguments);
        arguments.finish(verb, Self::REFUSES_UNKNOWN)
    }
}

/// A verb as it was understood.
#[derive(Debug)]
pub struct Said<V> {
    pub verb: V,
    /// Names of arguments that it does not know.
    pub ignored: Vec<String>,
}

/// An answer, and what of the question was not understood.
#[derive(Debug, Serialize)]
pub struct Noted<A> {
    #[serde(flatten)]
    pub answer: A,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// A text to look for, and the place for what a better embedder makes of it.
#[derive(Debug)]
pub struct Question<'a> {
    pub text: String,
    pub vector: &'a mut Option<Vec<f32>>,
    pub asker: Asker,
}

/// Who is to get the vector of a text, which decides whether it is worth its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A search, which is what vectors are for.
    Search,
    /// A new memory, for what is like it. While others are written the table tells that too, and
    /// sooner.
    Newcomer,
}

/// What every verb needs to know besides its own fields.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub caller: &'a Caller,
    pub now: Timestamp,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::engine::{
        Add, Context, Delete, Get, History, List, ListProjects, ListTags, Related, Restore, Search,
        Stats, Undo, Update,
    };

    fn takes_what_it_declares<V: Spoken>(name: &str) {
        let mut arguments = Arguments::default();
        V::take(&mut arguments);

        let taken: BTreeSet<&str> = arguments.asked.iter().copied().collect();
        let declared: BTreeSet<&str> = V::fields().iter().map(|field| field.name).collect();
        assert_eq!(taken, declared, "{name}");
        assert_eq!(declared.len(), V::fields().len(), "{name} declares a name twice");
    }

    #[test]
    fn what_a_verb_takes_is_what_it_declares() {
        takes_what_it_declares::<Add>("add");
        takes_what_it_declares::<Context>("context");
        takes_what_it_declares::<Delete>("delete");
        takes_what_it_declares::<Get>("get");
        takes_what_it_declares::<History>("history");
        takes_what_it_declares::<List>("list");
        takes_what_it_declares::<ListProjects>("projects");
        takes_what_it_declares::<ListTags>("tags");
        takes_what_it_declares::<Related>("related");
        takes_what_it_declares::<Restore>("restore");
        takes_what_it_declares::<Search>("search");
        takes_what_it_declares::<Stats>("stats");
        takes_what_it_declares::<Undo>("undo");
        takes_what_it_declares::<Update>("update");
    }
}
