//! The signals an operator sends, and what each asks for. docs/signals.md has the table.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::telemetry::{AccessLog, Guard};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Finish what is in flight, then end; asked again, end at once.
    Stop(Stop),
    /// Read the configuration again.
    Reload,
    /// Open the access log again.
    Reopen,
    /// Hand over to a new binary.
    Upgrade,
}

/// By which signal it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Terminate,
    Interrupt,
    Quit,
}

impl Stop {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Stop::Terminate => "SIGTERM",
            Stop::Interrupt => "SIGINT",
            Stop::Quit => "SIGQUIT",
        }
    }

    /// As a shell says it of a process that the signal has ended: 128 and the signal's number.
    const fn exit_code(self) -> i32 {
        match self {
            Stop::Terminate => 143,
            Stop::Interrupt => 130,
            Stop::Quit => 131,
        }
    }
}

/// The handlers. From [`Signals::new`] on none of these signals ends the process by itself.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    /// Installs them, on the current runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop(Stop::Terminate),
            _ = self.interrupt.recv() => Asked::Stop(Stop::Interrupt),
            _ = self.quit.recv() => Asked::Stop(Stop::Quit),
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.reopen.recv() => Asked::Reopen,
            _ = self.upgrade.recv() => Asked::Upgrade,
        }
    }

    /// Obeys until one says to stop. `look` has certificates looked at.
    pub(super) async fn until_stop(&mut self, access: &AccessLog, look: impl Fn()) -> Stop {
        loop {
            match self.next().await {
                Asked::Stop(stop) => return stop,
                Asked::Reopen => access.reopen(),
                Asked::Reload => {
                    tracing::warn!(
                        signal = "SIGHUP",
                        "reload does not exist yet: the configuration stays as it was read at start; certificates are looked at now"
                    );
                    look();
                }
                Asked::Upgrade => {
                    tracing::warn!(
                        signal = "SIGUSR2",
                        "reserved for a later upgrade without a restart: nothing is done"
                    );
                }
            }
        }
    }

    /// While the process stops: a second signal to stop ends it at once. The other signals still do what they do.
    pub(super) async fn end_at_once(mut self, access: AccessLog, log: Arc<Mutex<Option<Guard>>>) {
        let stop = self.until_stop(&access, || {}).await;
        tracing::warn!(signal = stop.as_str(), "stopped at once by a second signal");
        // The exit runs no destructor, and this one writes what is queued.
        drop(log.lock().take());
        std::process::exit(stop.exit_code());
    }
}
