//! Failures and delays that tests ask for. The program itself has none of them.

use std::io;

use super::JournalOptions;

#[cfg(test)]
pub(crate) use in_tests::{Faults, SyncHook};

/// What is asked before the writer touches the disk.
#[derive(Debug, Clone)]
pub(super) struct Hooks {
    #[cfg(test)]
    faults: std::sync::Arc<Faults>,
    #[cfg(test)]
    before_sync: Option<SyncHook>,
}

#[cfg(not(test))]
impl Hooks {
    pub(super) fn of(_options: &JournalOptions) -> Self {
        Self {}
    }

    pub(super) fn create(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn write(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
impl Hooks {
    pub(super) fn of(options: &JournalOptions) -> Self {
        let faults = std::sync::Arc::clone(&options.faults);
        Self { faults, before_sync: options.sync_hook.clone() }
    }

    pub(super) fn create(&self) -> io::Result<()> {
        self.faults.create()
    }

    pub(super) fn write(&self) -> io::Result<()> {
        self.faults.write()
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.before_sync.as_ref().map_or(Ok(()), SyncHook::call)?;
        self.faults.sync()
    }
}

#[cfg(test)]
mod in_tests {
    use std::fmt;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::SeqCst;

    use rustix::io::Errno;

    /// How many of the next operations fail.
    #[derive(Debug, Default)]
    pub(crate) struct Faults {
        pub(crate) writes: AtomicU32,
        pub(crate) syncs: AtomicU32,
        pub(crate) creations: AtomicU32,
        /// Creations of a segment that find no file descriptor free.
        pub(crate) descriptors: AtomicU32,
    }

    /// Called by the commit thread before each `fdatasync` of a group, whose frames are written by
    /// then. It may block, and an error is taken for that of the `fdatasync`, which is left out.
    #[derive(Clone)]
    pub(crate) struct SyncHook(Arc<dyn Fn() -> io::Result<()> + Send + Sync>);

    impl SyncHook {
        pub(crate) fn new(hook: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
            Self(Arc::new(hook))
        }

        pub(super) fn call(&self) -> io::Result<()> {
            (self.0)()
        }
    }

    impl fmt::Debug for SyncHook {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("SyncHook")
        }
    }

    impl Faults {
        pub(super) fn create(&self) -> io::Result<()> {
            fail(&self.descriptors, Errno::MFILE)?;
            fail(&self.creations, Errno::NOSPC)
        }

        pub(super) fn write(&self) -> io::Result<()> {
            fail(&self.writes, Errno::NOSPC)
        }

        pub(super) fn sync(&self) -> io::Result<()> {
            fail(&self.syncs, Errno::NOSPC)
        }
    }

    fn fail(left: &AtomicU32, error: Errno) -> io::Result<()> {
        match left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(error.into()),
            Err(_) => Ok(()),
        }
    }
}
