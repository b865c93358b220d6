//! A request's record from its first byte to its last: begun once, filled on the way, and written exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use quanta::Instant;

use super::access_log::AccessLog;
use super::record::Record;
use super::shard::RequestShard;
use crate::http::time::Time;

/// One worker thread's way to write records: its shard and the access log. Clones share both.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    shard: Arc<RequestShard>,
    log: AccessLog,
    /// Requests begun here: the sequence that sampling is drawn from.
    begun: AtomicU64,
}

impl Recorder {
    /// For one worker thread.
    pub fn new(shard: Arc<RequestShard>, log: AccessLog) -> Self {
        Self { inner: Arc::new(Inner { shard, log, begun: AtomicU64::new(0) }) }
    }

    /// The counters alone, for refusals that never become a request.
    pub fn shard(&self) -> &RequestShard {
        &self.inner.shard
    }

    /// A request's head has arrived at `at` by the wall clock and at `started` by the monotonic one.
    pub fn begin(&self, at: Time, started: Instant) -> Pending {
        self.inner.shard.begin();
        let mut record = Record::new(at, started);
        if !self.inner.log.is_off() {
            record.sampled = self.inner.log.samples(self.inner.begun.fetch_add(1, Relaxed));
        }
        Pending { record, recorder: self.clone() }
    }

    /// Whether [`Details`](super::Details) are worth building, as far as it is known when the head is answered.
    ///
    /// A request that later breaks off is logged with whatever details it has; an edge that wants them for long
    /// transfers whatever the sampling may attach them to those too.
    pub fn wants_details(&self, record: &Record) -> bool {
        !self.inner.log.is_off() && (record.sampled || record.status >= 500)
    }
}

/// A request under way. Dropping it without [`finish`](Pending::finish) writes it as incomplete, so a client that
/// goes away, a panic and a cancelled future are all counted.
pub struct Pending {
    /// To be filled as the request goes its way.
    pub record: Record,
    recorder: Recorder,
}

impl Pending {
    /// Whether to fill `record.details`; see [`Recorder::wants_details`].
    pub fn wants_details(&self) -> bool {
        self.recorder.wants_details(&self.record)
    }

    /// The response's head is handed to the client's connection.
    pub fn first_byte(&mut self, now: Instant) {
        self.record.first_byte = Some(now.saturating_duration_since(self.record.started));
    }

    /// The last body byte is gone and the response was what it should be.
    pub fn finish(mut self) {
        self.record.complete = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.record.took = self.record.started.elapsed();
        let inner = &self.recorder.inner;
        inner.shard.record(&self.record);
        inner.shard.end();
        if !inner.log.is_off() && (self.record.sampled || self.record.failed()) {
            let next = Record::new(self.record.at, self.record.started);
            inner.log.write(std::mem::replace(&mut self.record, next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn dropped_is_incomplete_and_finished_is_not() {
        let metrics = Metrics::new(&["a".into()]).unwrap();
        let site = metrics.site("a");
        let recorder = Recorder::new(metrics.shard(), AccessLog::off());
        let mut one = recorder.begin(Time(0), Instant::now());
        one.record.status = 200;
        one.record.site = Some(site);
        assert!(!one.wants_details());
        let mut two = recorder.begin(Time(0), Instant::now());
        two.record.site = Some(site);
        two.record.status = 200;
        two.first_byte(Instant::now());
        assert_eq!(recorder.shard().in_flight(), 2);
        drop(two);
        assert_eq!((recorder.shard().in_flight(), recorder.shard().incomplete(Some(site))), (1, 1));
        one.finish();
        assert_eq!((recorder.shard().in_flight(), recorder.shard().incomplete(Some(site))), (0, 1));
    }
}
