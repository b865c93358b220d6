//! Diagnostics: `tracing` events to standard error, by a thread of their own.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::repeats::Repeats;
use crate::config;

/// Why there are no diagnostics.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosticsError {
    /// `log.level` is neither a level nor a filter.
    #[error("log.level {level:?}: {source}")]
    Level {
        /// As written.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Keeps the writing thread alive; dropping it writes what is queued.
#[must_use = "dropping the guard ends the log"]
pub struct Guard {
    /// Dropped, it ends the thread that counts what repeats.
    _repeats: Option<Sender<()>>,
    /// None if somebody had installed a subscriber before.
    worker: Option<WorkerGuard>,
}

/// How often it is looked whether a count of what repeats is due.
const REPEATS_CHECKED: Duration = Duration::from_secs(1);

/// Starts the thread that tells how often faults have repeated. Without it they are counted and not told.
fn tell_repeats(repeats: Repeats) -> Option<Sender<()>> {
    let (running, ended) = channel::<()>();
    let tell = move || {
        while ended.recv_timeout(REPEATS_CHECKED) == Err(RecvTimeoutError::Timeout) {
            repeats.tell();
        }
    };
    std::thread::Builder::new().name("log-repeats".into()).spawn(tell).is_ok().then_some(running)
}

impl Guard {
    /// Whether this call installed the subscriber; false when there was one already.
    pub fn installed(&self) -> bool {
        self.worker.is_some()
    }
}

/// Installs the process's subscriber as `[log]` says. Does nothing if there is one already.
///
/// Events that find the queue full are dropped: a log must not stop the edge.
///
/// # Errors
/// If `log.level` cannot be read.
pub fn tracing_init(config: &config::Log) -> Result<Guard, DiagnosticsError> {
    let filter = EnvFilter::builder()
        .parse(&config.level)
        .map_err(|source| DiagnosticsError::Level { level: config.level.clone(), source })?;
    let terminal = io::stderr().is_terminal();
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).thread_name("log").finish(io::stderr());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_span_events(FmtSpan::NONE);
    let json = match config.format {
        config::LogFormat::Json => true,
        config::LogFormat::Text => false,
        config::LogFormat::Auto => !terminal,
    };
    let repeats = Repeats::default();
    let installed = if json {
        builder.json().flatten_event(true).finish().with(repeats.clone()).try_init()
    } else {
        builder.with_ansi(terminal).finish().with(repeats.clone()).try_init()
    };
    let installed = installed.is_ok();
    let telling = if installed { tell_repeats(repeats) } else { None };
    Ok(Guard { _repeats: telling, worker: installed.then_some(worker) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(level: &str, format: config::LogFormat) -> config::Log {
        config::Log { level: level.into(), format, access: config::AccessLog::Off, sample: 1.0 }
    }

    #[test]
    fn a_second_start_is_harmless() {
        let _first = tracing_init(&config("warn", config::LogFormat::Auto)).unwrap();
        let second = tracing_init(&config("seawall::origin=debug,info", config::LogFormat::Json)).unwrap();
        assert!(!second.installed());
    }

    #[test]
    fn a_level_that_cannot_be_read_is_named() {
        let error = tracing_init(&config("seawall=loud", config::LogFormat::Text)).err().unwrap().to_string();
        assert!(error.contains("seawall=loud"), "{error}");
    }
}
