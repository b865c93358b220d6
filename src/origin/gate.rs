//! How many requests a pool has under way at once, and the short queue before it.
//!
//! An origin in trouble answers slower, so more requests are under way at once, so it gets slower yet. A limit
//! with a short wait cuts that circle: what can not be served soon is told so at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::FetchError;
use super::metrics::OriginMetrics;
use crate::config;

/// Leave to be under way, for as long as it is held. Nothing where there is no limit.
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

/// A pool's limit; first come, first served.
#[derive(Debug)]
pub(super) struct Gate(Option<Limit>);

#[derive(Debug)]
struct Limit {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    timeout: Duration,
}

impl Gate {
    pub(super) fn new(pool: &config::Pool) -> Self {
        Self(pool.max_requests.map(|most| Limit {
            places: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            queue: pool.queue,
            timeout: pool.queue_timeout,
        }))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `Overloaded` at once if the queue is full, or after `queue_timeout` in it.
    pub(super) async fn enter(&self, pool: &Arc<str>, metrics: &OriginMetrics) -> Result<Place, FetchError> {
        let Some(limit) = &self.0 else { return Ok(Place(None)) };
        if let Ok(permit) = limit.places.clone().try_acquire_owned() {
            return Ok(Place(Some(permit)));
        }
        let refused = |reason| {
            metrics.overloaded.with_label_values(&[pool.as_ref(), reason]).inc();
            FetchError::Overloaded(pool.clone())
        };
        let queued = metrics.queued.with_label_values(&[pool.as_ref()]);
        let _in_queue = InQueue::join(limit, queued).ok_or_else(|| refused("queue_full"))?;
        match tokio::time::timeout(limit.timeout, limit.places.clone().acquire_owned()).await {
            // The semaphore is never closed.
            Ok(permit) => Ok(Place(permit.ok())),
            Err(_) => Err(refused("queue_timeout")),
        }
    }
}

/// Counts one who waits, until dropped: a client that leaves leaves the queue.
struct InQueue<'a> {
    limit: &'a Limit,
    queued: prometheus::IntGauge,
}

impl<'a> InQueue<'a> {
    fn join(limit: &'a Limit, queued: prometheus::IntGauge) -> Option<Self> {
        let before = limit.waiting.fetch_add(1, Ordering::Relaxed);
        if before >= limit.queue {
            limit.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        queued.inc();
        Some(Self { limit, queued })
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.limit.waiting.fetch_sub(1, Ordering::Relaxed);
        self.queued.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::tests;

    fn gate(most: usize, queue: usize, timeout: Duration) -> Gate {
        let mut pool = tests::pool(&[]);
        (pool.max_requests, pool.queue, pool.queue_timeout) = (Some(most), queue, timeout);
        Gate::new(&pool)
    }

    #[tokio::test]
    async fn who_finds_no_place_waits_and_who_finds_no_queue_does_not() {
        let registry = prometheus::Registry::new();
        let metrics = OriginMetrics::register(&registry).unwrap();
        let pool: Arc<str> = "photos".into();
        let gate = Arc::new(gate(1, 1, Duration::from_millis(300)));
        let first = gate.enter(&pool, &metrics).await.unwrap();
        let waiting = tokio::spawn({
            let (gate, pool, metrics) = (gate.clone(), pool.clone(), metrics.clone());
            async move { gate.enter(&pool, &metrics).await }
        });
        let queued = metrics.queued.with_label_values(&["photos"]);
        tests::until(|| queued.get() == 1).await;
        assert!(gate.enter(&pool, &metrics).await.is_err());
        assert_eq!(queued.get(), 1, "a full queue is no reason to wait");
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        assert_eq!(queued.get(), 0);
        assert!(
            matches!(gate.enter(&pool, &metrics).await, Err(FetchError::Overloaded(_))),
            "after its time"
        );
        drop(second);
        assert!(gate.enter(&pool, &metrics).await.is_ok());
        for reason in ["queue_full", "queue_timeout"] {
            assert_eq!(metrics.overloaded.with_label_values(&["photos", reason]).get(), 1, "{reason}");
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_leaves_the_queue() {
        let metrics = OriginMetrics::register(&prometheus::Registry::new()).unwrap();
        let pool: Arc<str> = "photos".into();
        let gate = gate(1, 1, Duration::from_secs(60));
        let _first = gate.enter(&pool, &metrics).await.unwrap();
        for _ in 0..3 {
            let left = tokio::time::timeout(Duration::from_millis(1), gate.enter(&pool, &metrics)).await;
            assert!(left.is_err(), "each finds the queue empty");
        }
    }
}
