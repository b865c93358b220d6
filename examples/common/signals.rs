//! When to stop.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The handlers of the signals that stop us.
pub struct Signals {
    runtime: Runtime,
    signals: Vec<Signal>,
}

impl Signals {
    /// Installs them. Before anything is made that has to be removed at the end: a terminal that is closed sends SIGHUP.
    ///
    /// # Errors
    /// When they cannot be installed.
    pub fn install() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let kinds =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
        let signals = runtime.block_on(async { kinds.into_iter().map(signal).collect::<Result<_, _>>() })?;
        Ok(Self { runtime, signals })
    }

    /// Returns at Ctrl-C, SIGTERM, SIGHUP or SIGQUIT, also when that came before.
    pub fn wait(mut self) {
        let signals = &mut self.signals;
        self.runtime.block_on(std::future::poll_fn(|cx| {
            match signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        }));
    }
}
