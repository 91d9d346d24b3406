//! What was given to whom, and what the same question would bring.

use super::{CallError, Sessions};
use crate::engine::{Again, Against, ListRecalls, RecallView, Recalled};
use crate::model::{Caller, MemoryId, UserId};

impl Sessions {
    /// Tells what was given to whom, and asks each question again if that is wanted.
    pub async fn why(
        &self,
        caller: &Caller,
        user: Option<UserId>,
        why: ListRecalls,
    ) -> Result<Recalled, CallError> {
        let caller = match user {
            None => caller.clone(),
            Some(user) => self.acting_for(caller, Some(user))?,
        };
        let replay = why.replay;
        let mut told = self.ask(&caller, why).await?;
        if let Some(against) = replay {
            for recall in &mut told.recalls {
                let given = self.replay(&caller, recall, against).await?;
                recall.compare(against, given);
            }
        }
        Ok(told)
    }

    /// Nothing where it cannot be asked again.
    async fn replay(
        &self,
        caller: &Caller,
        recall: &RecallView,
        against: Against,
    ) -> Result<Option<Vec<MemoryId>>, CallError> {
        Ok(match recall.again(against) {
            None => None,
            Some(Again::Search(search)) => {
                let found = self.ask(caller, *search).await?;
                Some(found.results.iter().map(|hit| hit.memory.id()).collect())
            }
            Some(Again::Context(context)) => {
                let block = self.ask(caller, context).await?;
                Some(block.ids())
            }
        })
    }
}
