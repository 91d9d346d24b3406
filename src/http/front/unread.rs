use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// How many bytes of answers wait for their readers, on all connections. One for all workers.
#[derive(Debug)]
pub(super) struct Unread {
    limit: usize,
    held: AtomicUsize,
    /// Streams whose next piece is not asked for before there is room.
    waiting: Mutex<Vec<Waker>>,
}

impl Unread {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), waiting: Mutex::default() }
    }

    /// What one connection may hold of it with several answers.
    pub(super) fn share(&self) -> usize {
        self.limit / 4
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.load(Ordering::SeqCst) >= self.limit
    }

    /// Whether those who do not read should be waited for less long than usual.
    pub(super) fn is_tight(&self) -> bool {
        self.held.load(Ordering::SeqCst) > self.limit / 2
    }

    /// Takes room for an answer, if there is so much. One that is alone always fits: it is there, and
    /// would never fit better.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let with_it = |held: usize| {
            let sum = held.saturating_add(bytes);
            (held == 0 || sum <= self.limit).then_some(sum)
        };
        self.held.fetch_update(Ordering::SeqCst, Ordering::SeqCst, with_it).is_ok()
    }

    /// Takes room for what is there already.
    pub(super) fn take(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::SeqCst);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        let held = self.held.fetch_sub(bytes, Ordering::SeqCst);
        if held >= self.limit && held.saturating_sub(bytes) < self.limit {
            let waiting =
                mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Comes back when there is room.
    pub(super) fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        if !self.is_full() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever gives back takes the lock afterwards, and finds this one.
        if !self.is_full() {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|known| known.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_unless_it_is_alone() {
        let unread = Unread::new(100);

        assert!(unread.try_take(150) && unread.is_full() && !unread.try_take(1));
        unread.give_back(150);
        assert!(unread.try_take(60) && unread.is_tight() && !unread.try_take(41));
        assert!(unread.try_take(40) && unread.is_full());
    }

    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_waits_for_room_is_told_when_there_is_some() {
        let (unread, bell) = (Unread::new(100), Arc::new(Bell(AtomicBool::new(false))));
        let waker = Waker::from(Arc::clone(&bell));
        let context = Context::from_waker(&waker);

        assert!(unread.poll_room(&context).is_ready());
        unread.take(170);
        assert!(unread.poll_room(&context).is_pending() && unread.poll_room(&context).is_pending());
        assert_eq!(unread.waiting.lock().unwrap().len(), 1);
        unread.give_back(70);
        assert!(!bell.0.load(Ordering::SeqCst), "it is as full as before");
        unread.give_back(1);

        assert!(bell.0.load(Ordering::SeqCst) && unread.poll_room(&context).is_ready());
    }
}
