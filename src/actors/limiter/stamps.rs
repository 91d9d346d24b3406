use std::collections::VecDeque;

/// Moments that need no memory of their own: as many as fit beside the table's entry. Most clients
/// of a flood bring no more.
const FEW: usize = 5;

/// Moments as 32 bits, oldest first.
#[derive(Debug)]
pub(super) enum Stamps {
    Few { len: u8, at: [u32; FEW] },
    Many(VecDeque<u32>),
}

impl Stamps {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few { len, .. } => usize::from(*len),
            Self::Many(many) => many.len(),
        }
    }

    /// The one that is so many behind the oldest.
    pub(super) fn get(&self, nth: usize) -> Option<u32> {
        match self {
            Self::Few { len, at } => at.iter().take(usize::from(*len)).nth(nth).copied(),
            Self::Many(many) => many.get(nth).copied(),
        }
    }

    pub(super) fn push(&mut self, stamp: u32) {
        match self {
            Self::Many(many) => many.push_back(stamp),
            Self::Few { len, at } => match at.get_mut(usize::from(*len)) {
                Some(place) => {
                    *place = stamp;
                    *len += 1;
                }
                None => *self = Self::Many(at.iter().copied().chain([stamp]).collect()),
            },
        }
    }

    /// Drops the oldest.
    pub(super) fn pop_first(&mut self) {
        match self {
            Self::Few { len, at } => {
                at.rotate_left(1);
                *len = len.saturating_sub(1);
            }
            Self::Many(many) => drop(many.pop_front()),
        }
    }

    /// Gives memory back that is not needed any more.
    pub(super) fn settle(&mut self) {
        let Self::Many(many) = self else { return };
        if many.len() <= FEW / 2 {
            let mut few = Self::default();
            many.iter().for_each(|stamp| few.push(*stamp));
            *self = few;
        } else if many.capacity() / 4 > many.len() {
            many.shrink_to(many.len().saturating_mul(2));
        }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Self::Few { len: 0, at: [0; FEW] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_out_in_the_order_of_their_coming_however_many_there_are() {
        let (mut stamps, mut model) = (Stamps::default(), VecDeque::new());
        for step in 0..2_000_u32 {
            // Swells and shrinks, over the border between few and many.
            if step % 97 < 60 {
                stamps.push(step);
                model.push_back(step);
            } else {
                for _ in 0..2 {
                    stamps.pop_first();
                    model.pop_front();
                }
                stamps.settle();
            }
            assert_eq!(stamps.len(), model.len());
            assert!((0..=model.len()).all(|nth| stamps.get(nth) == model.get(nth).copied()));
        }
    }

    #[test]
    fn what_is_not_needed_is_given_back() {
        let mut stamps = Stamps::default();
        (0..1_000).for_each(|stamp| stamps.push(stamp));

        (0..998).for_each(|_| stamps.pop_first());
        stamps.settle();

        assert!(matches!(stamps, Stamps::Few { len: 2, .. }));
        assert!(size_of::<Stamps>() <= 40);
    }
}
