use crate::store::Receipt;

/// What a session waits for last, and which of its engines submitted it. Batches that share an outcome
/// are waited for once.
#[derive(Debug, Default)]
pub(super) struct Followed(Option<(Receipt, u64)>);

impl Followed {
    /// Notes the newest receipt. Returns one to wait for, unless its outcome is waited for already.
    pub(super) fn note(&mut self, newest: &Receipt, engine: u64) -> Option<Receipt> {
        let is_waited_for =
            |(last, of): &(Receipt, u64)| *of == engine && last.shares_outcome(newest);
        if self.0.as_ref().is_some_and(is_waited_for) {
            return None;
        }
        self.0 = Some((newest.again(), engine));
        Some(newest.again())
    }

    /// Whether anything that an engine submitted is lost: then what it submitted last is, too.
    pub(super) fn is_lost(&self, engine: u64) -> bool {
        let last = self.0.as_ref().filter(|(_, of)| *of == engine);
        last.is_some_and(|(receipt, _)| matches!(receipt.outcome(), Some(Err(_))))
    }
}
