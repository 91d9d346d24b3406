//! When somebody else says the same, what is provisional counts as confirmed.

use super::verbs::Similar;
use super::write::Write;
use super::{Asked, Engine, EngineError};
use crate::model::{Caller, Memory, MemoryId};
use crate::retrieval::Index;

impl Engine {
    /// Confirms what is provisional and says the same as a newcomer that is not, by the model's
    /// judgement, if another voice says it now.
    pub(super) fn confirm_same(
        &self,
        newcomer: &Memory,
        similar: &[Similar],
        write: &mut Write,
        asked: Asked<'_>,
    ) -> Result<Vec<MemoryId>, EngineError> {
        let mut confirmed = Vec::new();
        let is_same =
            |near: &&Similar| near.score >= Index::SAYS_THE_SAME && near.memory.provisional;
        for near in similar.iter().filter(|_| !newcomer.provisional).filter(is_same) {
            let there = self.read(near.memory.id)?;
            if is_another_voice(&there, asked.caller)
                && !there.kind.is_instruction()
                && there.project == newcomer.project
                && told_alike(&there.content, &newcomer.content)
            {
                let after = Memory { provisional: false, ..there.clone() };
                write.replace(&there, after, asked.now)?;
                confirmed.push(there.id);
            }
        }
        Ok(confirmed)
    }
}

/// Whether a caller who says the same adds to what it is worth: with another credential, in another
/// session, and with a word that counts. What a hook took down was said to an assistant, which may say it
/// again: only who looks at it confirms that.
pub(super) fn is_another_voice(there: &Memory, caller: &Caller) -> bool {
    let Caller { credential, session, .. } = caller;
    there.source.credential.as_deref() != Some(credential.as_str())
        && (session.is_none() || there.source.session != *session)
        && !caller.is_guest
        && !there.source.is_hook()
}

/// Whether two texts have the same numbers and deny as often: what a model of meaning overlooks.
fn told_alike(one: &str, other: &str) -> bool {
    let told = |text: &str| {
        let text = text.to_lowercase();
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '\u{2019}');
        let tells = |word: &&str| {
            word.contains(|c: char| c.is_numeric())
                || DENIALS.contains(word)
                || word.ends_with("n't")
                || word.ends_with("n\u{2019}t")
        };
        let mut told: Vec<String> = words.filter(tells).map(str::to_owned).collect();
        told.sort_unstable();
        told
    };
    told(one) == told(other)
}

/// Words that turn a statement round, in the languages of the encoder's readers.
const DENIALS: [&str; 26] = [
    "not", "no", "never", "none", "without", "nobody", "nothing", "neither", "nor", "cannot",
    "stopped", "former", "formerly", "longer", "instead", "except", "nicht", "kein", "keine",
    "nie", "ohne", "pas", "jamais", "sans", "nunca", "sin",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_denial_makes_another_statement() {
        let bread = "Mia can eat bread.";

        assert!(told_alike(bread, "Bread is fine for Mia."));
        assert!(!told_alike(bread, "Mia can't eat bread."));
        assert!(!told_alike(bread, "Mia can\u{2019}t eat bread."));
        assert!(!told_alike("The gate code is 4411.", "The code of the gate is 4412."));
        assert!(!told_alike("Omar eats meat.", "Omar no longer eats meat."));
    }
}
