//! Watches certificate files by looking at them every second: works on every file system and for renewals
//! that replace files, links or whole folders alike.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::Certificates;
use super::certificates::{Renewal, Validity, now};
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

/// Between two warnings of one certificate that should not be in use any more.
const REMINDED: i64 = 24 * 60 * 60;

/// One certificate under watch.
struct Watched {
    certificates: Arc<Certificates>,
    index: usize,
    files: CertificateFiles,
    seen: (Look, Look),
    /// What the files hold by now is not what is in use: a restart would serve it, or fail.
    refused: Option<Refused>,
    /// When it was last warned of, in seconds since the Unix epoch.
    warned: Option<i64>,
}

/// Why a renewal was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Broken,
    Not(Validity),
}

impl Refused {
    /// The `result` label.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Not(Validity::NotYet) => "not_yet_valid",
            Self::Not(_) => "expired",
        }
    }
}

impl Watched {
    fn new(certificates: Arc<Certificates>, index: usize, files: CertificateFiles) -> Self {
        let seen = (look(&files.cert), look(&files.key));
        Self { certificates, index, files, seen, refused: None, warned: None }
    }

    /// Reloads it if its files have changed and both are there. A pair is often renewed one file after the
    /// other; in between it does not match, the old one stays, and the next look finds the second change.
    fn check(&mut self, metrics: &ServerMetrics, now: i64) {
        let looked = (look(&self.files.cert), look(&self.files.key));
        let is_new = looked != self.seen && looked.0.is_some() && looked.1.is_some();
        // Its time comes without a change of the files, or that of the one in use ends.
        let waits = matches!(self.refused, Some(Refused::Not(_)));
        if is_new || waits {
            self.seen = looked;
            self.reload(metrics, now, is_new);
        }
        self.remind(now);
    }

    fn reload(&mut self, metrics: &ServerMetrics, now: i64, is_new: bool) {
        let cert = self.files.cert.display().to_string();
        let reloaded = self.certificates.reload(self.index, now);
        let before = self.refused;
        self.refused = match &reloaded {
            Ok(Renewal::Taken) => None,
            Ok(Renewal::Refused(validity)) => Some(Refused::Not(*validity)),
            Err(_) => Some(Refused::Broken),
        };
        if !is_new && self.refused == before {
            return;
        }
        metrics.renewed(&cert, self.refused.map_or("taken", Refused::as_str));
        match reloaded {
            Ok(Renewal::Taken) => {
                self.publish(metrics);
                self.warned = None;
                tracing::info!(cert, "certificate renewed");
            }
            Ok(Renewal::Refused(Validity::NotYet)) => {
                tracing::warn!(cert, "renewed certificate is not valid yet, the old one stays until it is");
            }
            Ok(Renewal::Refused(_)) => {
                tracing::warn!(cert, "renewed certificate has expired, the old one stays");
            }
            Err(error) => tracing::error!(cert, %error, "renewed certificate is broken, the old one stays"),
        }
    }

    /// Says of one in use that clients refuse it: at once, and every day.
    fn remind(&mut self, now: i64) {
        let what = match self.certificates.validity(self.index, now) {
            Some(Validity::Expired) => "certificate has expired",
            Some(Validity::NotYet) => "certificate is not valid yet",
            Some(Validity::Valid) | None => return,
        };
        if self.warned.is_none_or(|at| now.saturating_sub(at) >= REMINDED) {
            self.warned = Some(now);
            tracing::warn!(cert = %self.files.cert.display(), "{what}; clients refuse it");
        }
    }

    /// Whether something about it needs an operator.
    fn is_impaired(&self, now: i64) -> bool {
        self.refused.is_some()
            || self.certificates.validity(self.index, now).is_some_and(|found| found != Validity::Valid)
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
    impaired: watch::Receiver<bool>,
}

impl Watch {
    /// Has the files looked at now.
    pub fn look(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Watches all files behind `listeners`, publishes when each certificate ends, and says which have.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(listeners: &[Arc<Certificates>], metrics: ServerMetrics) -> std::io::Result<Self> {
        let mut watched = Vec::new();
        for certificates in listeners {
            for (index, files) in certificates.files().iter().enumerate() {
                watched.push(Watched::new(certificates.clone(), index, files.clone()));
            }
        }
        for certificate in &mut watched {
            certificate.publish(&metrics);
            certificate.remind(now());
        }
        let is_impaired = |watched: &[Watched]| watched.iter().any(|one| one.is_impaired(now()));
        let (tell, impaired) = watch::channel(is_impaired(&watched));
        let stop = Arc::new(AtomicBool::new(false));
        if watched.is_empty() {
            return Ok(Self { stop, thread: None, impaired });
        }
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("seawall-certs".into()).spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                watched.iter_mut().for_each(|certificate| certificate.check(&metrics, now()));
                let found = is_impaired(&watched);
                tell.send_if_modified(|told| std::mem::replace(told, found) != found);
                thread::park_timeout(INTERVAL);
            }
        })?;
        Ok(Self { stop, thread: Some(thread), impaired })
    }

    /// Whether a certificate in use is not valid now, or what its files hold could not take its place.
    pub fn impaired(&self) -> watch::Receiver<bool> {
        self.impaired.clone()
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::server::tls::provider;

    /// 2030-01-01.
    const NOW: i64 = 1_893_456_000;
    const DAY: i64 = 24 * 60 * 60;

    /// Writes a pair that is valid from and until these days.
    fn write(folder: &Path, from: (i32, u8, u8), until: (i32, u8, u8)) -> CertificateFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let files = CertificateFiles { cert: folder.join("a.pem"), key: folder.join("a.key") };
        std::fs::write(&files.cert, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    struct Edge {
        watched: Watched,
        metrics: ServerMetrics,
        registry: prometheus::Registry,
    }

    impl Edge {
        fn with(files: CertificateFiles) -> Self {
            let loaded = Certificates::load(std::slice::from_ref(&files), None, provider()).unwrap();
            let registry = prometheus::Registry::new();
            let metrics = ServerMetrics::register(&registry).unwrap();
            Self { watched: Watched::new(Arc::new(loaded), 0, files), metrics, registry }
        }

        fn check(&mut self, now: i64) -> (Option<i64>, bool) {
            self.watched.check(&self.metrics, now);
            (self.watched.certificates.not_after(0), self.watched.is_impaired(now))
        }

        fn renewals(&self, result: &str) -> f64 {
            let found = self.registry.gather();
            let family =
                found.iter().find(|family| family.name() == "seawall_tls_certificate_renewals_total");
            family.map_or(0.0, |family| {
                let of = |metric: &&prometheus::proto::Metric| {
                    metric.get_label().iter().any(|label| label.value() == result)
                };
                family.get_metric().iter().filter(of).map(|metric| metric.get_counter().get_value()).sum()
            })
        }
    }

    #[test]
    fn an_expired_newcomer_does_not_take_the_place_of_a_valid_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut edge = Edge::with(write(folder.path(), (2020, 1, 1), (2030, 1, 11)));
        let end = NOW + 10 * DAY;
        assert_eq!(edge.check(NOW), (Some(end), false));
        write(folder.path(), (2020, 1, 1), (2029, 12, 31));
        assert_eq!(edge.check(NOW), (Some(end), true), "a restart would serve the expired one");
        assert_eq!(edge.check(NOW + 1), (Some(end), true));
        assert_eq!(edge.renewals("expired"), 1.0, "each change is counted once");
        write(folder.path(), (2020, 1, 1), (2031, 1, 1));
        assert_eq!(edge.check(NOW), (Some(NOW + 365 * DAY), false));
        assert_eq!(edge.renewals("taken"), 1.0);
    }

    #[test]
    fn a_newcomer_that_is_not_valid_yet_is_taken_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut edge = Edge::with(write(folder.path(), (2020, 1, 1), (2030, 1, 11)));
        write(folder.path(), (2030, 1, 3), (2031, 1, 1));
        assert_eq!(edge.check(NOW), (Some(NOW + 10 * DAY), true));
        assert_eq!(edge.check(NOW + DAY), (Some(NOW + 10 * DAY), true));
        assert_eq!(edge.check(NOW + 2 * DAY), (Some(NOW + 365 * DAY), false));
        assert_eq!((edge.renewals("not_yet_valid"), edge.renewals("taken")), (1.0, 1.0));
    }

    #[test]
    fn one_that_has_expired_is_said_every_day_and_replaced_by_any() {
        let folder = tempfile::tempdir().unwrap();
        let mut edge = Edge::with(write(folder.path(), (2020, 1, 1), (2029, 12, 30)));
        for (now, warned) in [(NOW, NOW), (NOW + DAY - 1, NOW), (NOW + DAY, NOW + DAY)] {
            assert_eq!(edge.check(now), (Some(NOW - 2 * DAY), true));
            assert_eq!(edge.watched.warned, Some(warned));
        }
        write(folder.path(), (2020, 1, 1), (2029, 12, 31));
        assert_eq!(edge.check(NOW), (Some(NOW - DAY), true), "no worse than the one before");
    }

    #[test]
    fn a_broken_newcomer_is_counted_and_impairs_until_it_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), (2020, 1, 1), (2031, 1, 1));
        let mut edge = Edge::with(files.clone());
        std::fs::write(&files.cert, "broken").unwrap();
        assert!(edge.check(NOW).1 && edge.check(NOW).1);
        assert_eq!(edge.renewals("broken"), 1.0);
        write(folder.path(), (2020, 1, 1), (2032, 1, 1));
        assert!(!edge.check(NOW).1);
    }
}
