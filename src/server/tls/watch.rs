//! Watches certificate files by looking at them every second: works on every file system and for renewals
//! that replace files, links or whole folders alike.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Certificates;
use crate::config::CertificateFiles;
use crate::server::metrics::ServerMetrics;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a look at a file tells: mtime with nanoseconds, size, inode. None if it is not there.
type Look = Option<(i64, i64, u64, u64)>;

fn look(path: &Path) -> Look {
    let meta = fs::metadata(path).ok()?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.size(), meta.ino()))
}

/// One certificate under watch.
struct Watched {
    certificates: Arc<Certificates>,
    index: usize,
    files: CertificateFiles,
    seen: (Look, Look),
}

impl Watched {
    /// Reloads it if its files have changed and both are there. A pair is often renewed one file after the
    /// other; in between it does not match, the old one stays, and the next look finds the second change.
    fn check(&mut self, metrics: &ServerMetrics) {
        let now = (look(&self.files.cert), look(&self.files.key));
        if now == self.seen || now.0.is_none() || now.1.is_none() {
            return;
        }
        self.seen = now;
        let cert = self.files.cert.display().to_string();
        match self.certificates.reload(self.index) {
            Ok(()) => {
                self.publish(metrics);
                tracing::info!(cert, "certificate renewed");
            }
            Err(error) => tracing::error!(cert, %error, "renewed certificate is broken, the old one stays"),
        }
    }

    fn publish(&self, metrics: &ServerMetrics) {
        if let Some(not_after) = self.certificates.not_after(self.index) {
            metrics.expiry(&self.files.cert.display().to_string()).set(not_after as f64);
        }
    }
}

/// The watching thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Has the files looked at now.
    pub fn look(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Watches all files behind `listeners`, and publishes when each certificate ends.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(listeners: &[Arc<Certificates>], metrics: ServerMetrics) -> std::io::Result<Self> {
        let mut watched = Vec::new();
        for certificates in listeners {
            for (index, files) in certificates.files().iter().enumerate() {
                let (certificates, files) = (certificates.clone(), files.clone());
                let seen = (look(&files.cert), look(&files.key));
                watched.push(Watched { certificates, index, files, seen });
            }
        }
        for certificate in &watched {
            certificate.publish(&metrics);
        }
        let stop = Arc::new(AtomicBool::new(false));
        if watched.is_empty() {
            return Ok(Self { stop, thread: None });
        }
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("seawall-certs".into()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                watched.iter_mut().for_each(|certificate| certificate.check(&metrics));
                thread::park_timeout(INTERVAL);
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic in it was reported by the panic hook.
            let _ = thread.join();
        }
    }
}
