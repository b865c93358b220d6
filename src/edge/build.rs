//! An edge from its configuration: the one place where its parts are put together.

use std::sync::Arc;

use http::header::InvalidHeaderValue;

use super::node::Node;
use super::request::purgers::Purgers;
use super::request::route::{Handles, Sites};
use super::settings::Settings;
use crate::cache::budget::Budget;
use crate::cache::disk::{self, DiskTier, metrics::DiskMetrics};
use crate::cache::invalidation::{InvalidationLog, InvalidationMetrics};
use crate::cache::memory::MemoryTier;
use crate::cache::metrics::{CacheMetrics, TierUsage};
use crate::cache::store::tier::Tier;
use crate::cache::store::{Parts, Store};
use crate::config::{self, Config, PoolId, Site};
use crate::edge::clock::Clock;
use crate::edge::worker::{Edge, Worker};
use crate::origin::{OriginMetrics, OriginSetupError, Origins, PoolHandle};
use crate::telemetry::{AccessLog, AccessLogError, HotKeys, Metrics, Recorder, SiteHandle};

/// The log of purges, in the disk tier's folder.
const PURGES: &str = "purges.log";

/// An edge and the parts of it that others have to do with: to watch, to scrape, to close.
#[derive(Clone)]
pub struct Built {
    /// What answers requests.
    pub edge: Arc<Edge>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Lines of requests.
    pub access: AccessLog,
    /// What is asked for most.
    pub hot: Arc<HotKeys>,
    /// Where misses go.
    pub origins: Arc<Origins>,
    /// The disk tier, if there is one.
    pub disk: Option<DiskTier>,
    /// The log of purges.
    pub purges: Arc<InvalidationLog>,
}

/// Why an edge can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A metric is registered twice: a mistake in this program.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// The access log's file can't be opened.
    #[error(transparent)]
    AccessLog(#[from] AccessLogError),
    /// Certificates or credentials of a pool can't be used.
    #[error(transparent)]
    Origins(#[from] OriginSetupError),
    /// The disk tier has no threads.
    #[error("the disk tier's threads: {0}")]
    Disk(std::io::Error),
    /// No field value can hold the node's name.
    #[error("server.server_name: {0}")]
    Name(#[from] InvalidHeaderValue),
}

/// The handles of a running edge.
struct Running<'a> {
    config: &'a Config,
    metrics: &'a Metrics,
    origins: &'a Origins,
}

impl Handles for Running<'_> {
    fn site(&self, site: &Site) -> SiteHandle {
        self.metrics.site(&site.name)
    }

    fn pool(&self, id: PoolId) -> PoolHandle {
        self.config.pools.get(id.0).map_or_else(PoolHandle::default, |pool| self.origins.pool(&pool.name))
    }
}

/// Of an edge that is not there: nothing can be asked, and all sites are one.
struct Absent;

impl Handles for Absent {
    fn site(&self, _: &Site) -> SiteHandle {
        SiteHandle::default()
    }

    fn pool(&self, _: PoolId) -> PoolHandle {
        PoolHandle::default()
    }
}

impl Settings {
    fn new(config: &Config, handles: &dyn Handles) -> Result<Self, InvalidHeaderValue> {
        let node = Arc::new(Node::new(config)?);
        let sites = Sites::new(&config.sites, &node, handles);
        Ok(Self { sites, purgers: Purgers::new(&config.admin), node })
    }

    /// Settings to look things up in, without an edge that could answer requests.
    ///
    /// # Errors
    /// No field value can hold the node's name.
    pub fn offline(config: &Config) -> Result<Self, InvalidHeaderValue> {
        Self::new(config, &Absent)
    }
}

impl Edge {
    /// Puts an edge together and starts what it needs on the current runtime: name resolution, health checks. A disk that
    /// can't be used is no error: the edge serves without it, and goes on trying.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(config: &Config, clock: Clock) -> Result<Built, BuildError> {
        let names: Vec<String> = config.sites.iter().map(|site| site.name.clone()).collect();
        let metrics = Arc::new(Metrics::new(&names)?);
        let registry = metrics.registry();
        let cache_metrics = CacheMetrics::register(registry)?;
        let memory = MemoryTier::new(config.cache.memory.capacity, &cache_metrics);
        let disk = match &config.cache.disk {
            Some(disk) => Some(open_disk(disk, &memory, DiskMetrics::register(registry)?)?),
            None => None,
        };
        registry.register(Box::new(TierUsage::new(memory.clone(), disk.clone())?))?;
        let purge_metrics = InvalidationMetrics::register(registry)?;
        // The log outlives the process if the cache does.
        let purges = Arc::new(match &config.cache.disk {
            Some(disk) => {
                InvalidationLog::open_or_suspect(&disk.path.join(PURGES), clock.now(), purge_metrics)
            }
            None => InvalidationLog::in_memory(purge_metrics),
        });
        let store = Store::new(Parts {
            memory,
            behind: disk.clone().map(|disk| -> Arc<dyn Tier> { Arc::new(disk) }),
            purges: Arc::clone(&purges),
            budget: Budget::new(fill_memory(&config.cache.memory)),
            metrics: cache_metrics,
        });
        let access = AccessLog::start(&config.log, &metrics)?;
        let origins = Origins::start(config, OriginMetrics::register(registry)?)?;
        let settings = Settings::new(config, &Running { config, metrics: &metrics, origins: &origins })?;
        Ok(Built {
            access,
            hot: Arc::new(HotKeys::new()),
            origins,
            edge: Arc::new(Self::new(Arc::new(store), settings, clock)),
            metrics,
            disk,
            purges,
        })
    }
}

impl Built {
    /// Puts the settings of another configuration in the place of those that the edge has. Pools are found by name, and
    /// are those that the edge was built with.
    ///
    /// # Errors
    /// No field value can hold the node's name; nothing is replaced then.
    pub fn replace_settings(&self, config: &Config) -> Result<(), InvalidHeaderValue> {
        let handles = Running { config, metrics: &self.metrics, origins: &self.origins };
        self.edge.replace(Settings::new(config, &handles)?);
        Ok(())
    }

    /// A worker for the current thread.
    pub fn worker(&self) -> Worker {
        Worker {
            edge: Arc::clone(&self.edge),
            client: self.origins.client(),
            recorder: Recorder::new(self.metrics.shard(), self.access.clone()),
            hot: self.hot.shard(self.edge.now()),
        }
    }
}

/// Bytes for bodies on their way into memory: of each there are two copies, and some of the largest must fit.
fn fill_memory(memory: &config::Memory) -> u64 {
    (memory.capacity / 4).max(4 * memory.max_object)
}

fn open_disk(
    config: &config::Disk,
    memory: &MemoryTier,
    metrics: DiskMetrics,
) -> Result<DiskTier, BuildError> {
    let admission = match config.admission {
        config::Admission::All => disk::Admission::All,
        config::Admission::SecondHit => disk::Admission::SecondHit,
    };
    let mut options = disk::Options::new(config.path.clone(), config.capacity, admission);
    let memory = memory.clone();
    options.wanted = Box::new(move |hash| memory.contains(hash));
    DiskTier::open(options, metrics).map_err(BuildError::Disk)
}

#[cfg(test)]
pub(crate) mod testing {
    //! An edge without listeners, for tests of what surrounds it.
    use super::*;

    /// One whose site is `a.example` and whose origin refuses connections. Its runtime lives as long as the process.
    pub(crate) fn built() -> Built {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let _inside = runtime.enter();
        let built = Edge::build(&config("a.example"), Clock::system()).unwrap();
        drop(_inside);
        std::mem::forget(runtime);
        built
    }

    /// A configuration with one site.
    pub(crate) fn config(host: &str) -> Config {
        let text = format!(
            "[server]\nserver_name = \"edge-1\"\n[[listener]]\naddress = \"127.0.0.1:0\"\n[[pool]]\nname = \"p\"\n\
             members = [{{ url = \"http://127.0.0.1:1\" }}]\nretry = {{ attempts = 1 }}\n\
             [[site]]\nhosts = [\"{host}\"]\npool = \"p\"\n"
        );
        let config = config::load_from(&text, "e.toml", std::iter::empty::<(String, String)>());
        config.unwrap_or_else(|errors| panic!("{errors}"))
    }
}
