//! Where tests make IO fail.

pub(super) use switch::Faults;

#[cfg(not(test))]
mod switch {
    /// Nothing fails but what the system fails.
    #[derive(Debug, Clone, Default)]
    pub(in super::super) struct Faults(());

    impl Faults {
        #[inline]
        #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // the same calls as in tests, where they fail
        pub fn on_read(&self) -> std::io::Result<()> {
            Ok(())
        }

        #[inline]
        #[allow(clippy::unused_self, clippy::unnecessary_wraps)] // the same calls as in tests, where they fail
        pub fn on_write(&self) -> std::io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(test)]
mod switch {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
    use std::time::Duration;

    /// Switches that make IO fail or take its time.
    #[derive(Debug, Clone, Default)]
    pub(in super::super) struct Faults(Arc<Switches>);

    #[derive(Debug, Default)]
    struct Switches {
        full: AtomicBool,
        /// Writes until it is full; 0 for never.
        full_after: AtomicU64,
        unreadable: AtomicBool,
        slow: AtomicU64,
    }

    impl Faults {
        pub fn full(&self, on: bool) {
            self.0.full.store(on, SeqCst);
        }

        /// Full after so many more writes.
        pub fn full_after(&self, writes: u64) {
            self.0.full_after.store(writes + 1, SeqCst);
        }

        pub fn unreadable(&self, on: bool) {
            self.0.unreadable.store(on, SeqCst);
        }

        /// Every read and write takes this long.
        pub fn slow(&self, by: Duration) {
            self.0.slow.store(by.as_millis() as u64, SeqCst);
        }

        pub fn on_read(&self) -> io::Result<()> {
            self.wait();
            if self.0.unreadable.load(SeqCst) { Err(io::Error::other("unreadable")) } else { Ok(()) }
        }

        pub fn on_write(&self) -> io::Result<()> {
            self.wait();
            let left = self.0.full_after.load(SeqCst);
            if left > 0 {
                self.0.full_after.store(left - 1, SeqCst);
                self.0.full.fetch_or(left == 1, SeqCst);
            }
            if self.0.full.load(SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn wait(&self) {
            let by = self.0.slow.load(SeqCst);
            if by > 0 {
                std::thread::sleep(Duration::from_millis(by));
            }
        }
    }
}
