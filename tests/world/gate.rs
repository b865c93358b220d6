//! Waiting for events by name, so that a test that hangs says what it was waiting for.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long anything in a test may take. Only a failing test ever waits this long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What `future` gives.
///
/// # Panics
/// After [`PATIENCE`], with `what` in the message.
pub async fn within<F: Future>(what: impl Display, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {}s for {what}", PATIENCE.as_secs()),
    }
}

/// An event that happens once: whoever waits goes on when it is opened, and at once after that.
#[derive(Clone)]
pub struct Gate {
    name: Arc<str>,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// A closed gate; the name is what a test that hangs on it reports.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), open: Arc::new(watch::Sender::new(false)) }
    }

    /// Lets all who wait pass, now and later.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Until opened, however long: for the origin's side, which the test controls.
    pub async fn passed(&self) {
        let mut open = self.open.subscribe();
        // The sender lives in `self`, so the channel cannot close.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Until opened, or the test fails: for the test's own side.
    pub async fn wait(&self) {
        within(format!("the event \"{}\"", self.name), self.passed()).await;
    }
}
