//! What a worker thread has: its own connections and counters, and the parts that all threads share.

use std::sync::Arc;

use ipnet::IpNet;

use crate::cache::budget::Budget;
use crate::cache::disk::DiskTier;
use crate::cache::fill::Fills;
use crate::cache::flight::Flights;
use crate::cache::invalidation::InvalidationLog;
use crate::cache::memory::MemoryTier;
use crate::cache::metrics::CacheMetrics;
use crate::config::Limits;
use crate::http::forwarded::Via;
use crate::origin::Client;
use crate::telemetry::{HotShard, Recorder};

use super::changes::Changes;
use super::clock::Clock;
use super::purging::Purgers;
use super::route::Sites;

/// What all worker threads share.
pub struct Shared {
    /// What is served under which hosts.
    pub sites: Sites,
    /// Objects in RAM.
    pub memory: MemoryTier,
    /// Objects on disk, behind those.
    pub disk: Option<DiskTier>,
    /// The log of purges.
    pub purges: Arc<InvalidationLog>,
    /// Who may send PURGE to the listeners.
    pub purgers: Purgers,
    /// Origin fetches that requests wait for.
    pub fills: Arc<Fills>,
    /// Memory for those that are kept whole.
    pub filling: Arc<Budget>,
    /// Slices that are being fetched.
    pub flights: Arc<Flights>,
    /// What unsafe requests have changed.
    pub changes: Changes,
    /// What time it is.
    pub clock: Clock,
    /// What the cache counts.
    pub cache_metrics: CacheMetrics,
    /// This node's name in Via and Cache-Status.
    pub server_name: String,
    /// Whose forwarding fields are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Bytes of a body that is kept whole.
    pub max_object: u64,
    /// What is bounded of a request.
    pub limits: Limits,
    /// This node's member of Via, made once.
    pub via: Via,
}

/// One worker thread's part. Cloned for each connection and each fill.
#[derive(Clone)]
pub struct Worker {
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// This thread's connections to origins.
    pub client: Client,
    /// This thread's counters.
    pub recorder: Recorder,
    /// This thread's busiest keys.
    pub hot: Arc<HotShard>,
}

#[cfg(test)]
pub(crate) mod testing {
    //! A worker without listeners, for tests of what surrounds it.
    use super::*;
    use crate::cache::invalidation::InvalidationMetrics;
    use crate::config;
    use crate::http::time::Time;
    use crate::origin::{OriginMetrics, Origins};
    use crate::telemetry::{AccessLog, HotKeys, Metrics};

    /// One whose site is `a.example` and whose origin refuses connections. Its runtime lives as long as the process.
    pub(crate) fn worker(capacity: u64) -> (Arc<Shared>, impl FnOnce() -> Worker + Send + 'static) {
        let text = "[[listener]]\naddress = \"127.0.0.1:0\"\n[[pool]]\nname = \"p\"\nmembers = [{ url = \"http://127.0.0.1:1\" }]\n\
                    retry = { attempts = 1 }\n[[site]]\nhosts = [\"a.example\"]\npool = \"p\"\n";
        let config = config::load_from(text, "e.toml", std::iter::empty::<(String, String)>());
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let metrics = Metrics::new(&["a.example".into()]).unwrap();
        let registry = metrics.registry();
        let cache_metrics = CacheMetrics::register(registry).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let origins = {
            let _inside = runtime.enter();
            Origins::start(&config, OriginMetrics::register(registry).unwrap()).unwrap()
        };
        std::mem::forget(runtime);
        let log = AccessLog::start(&config.log, &metrics).unwrap();
        let shared = Shared {
            flights: Arc::default(),
            sites: Sites::new(&config.sites),
            memory: MemoryTier::new(capacity, &cache_metrics),
            disk: None,
            purges: Arc::new(InvalidationLog::in_memory(InvalidationMetrics::register(registry).unwrap())),
            purgers: Purgers::new(&config.admin),
            fills: Arc::default(),
            changes: Changes::default(),
            filling: Budget::new(64 << 20),
            clock: Clock::system(),
            cache_metrics,
            server_name: "edge-1".into(),
            trusted_proxies: Vec::new(),
            max_object: 1 << 20,
            limits: config.server.limits.clone(),
            via: Via::new("edge-1").unwrap(),
        };
        let shared = Arc::new(shared);
        let recorder = Recorder::new(metrics.shard(), log);
        let worker = {
            let shared = Arc::clone(&shared);
            move || Worker {
                shared,
                client: origins.client(),
                recorder,
                hot: HotKeys::new().shard(Time::system()),
            }
        };
        (shared, worker)
    }
}
