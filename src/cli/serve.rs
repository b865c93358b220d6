//! `seawall serve`: the edge from its parts, until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use prometheus::Registry;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::admin::{self, AdminServer, AdminState, Readiness};
use crate::cache::budget::Budget;
use crate::cache::disk::{self, DiskTier, metrics::DiskMetrics};
use crate::cache::fill::Fills;
use crate::cache::flight::Flights;
use crate::cache::invalidation::{InvalidationLog, InvalidationMetrics};
use crate::cache::memory::MemoryTier;
use crate::cache::metrics::CacheMetrics;
use crate::config::{self, Config};
use crate::edge::changes::Changes;
use crate::edge::clock::Clock;
use crate::edge::prefetch::Prefetcher;
use crate::edge::purging::Purgers;
use crate::edge::route::Sites;
use crate::edge::worker::{Shared, Worker};
use crate::http::forwarded::Via;
use crate::http::time::Time;
use crate::origin::{OriginMetrics, Origins};
use crate::server::{self, ServerMetrics};
use crate::telemetry::{self, AccessLog, HotKeys, Metrics, Recorder};

/// Runs the edge until SIGTERM or SIGINT.
///
/// # Errors
/// A configuration that is wrong, an address that is taken, a file that can't be read: nothing is started then.
pub fn run(path: &Path) -> Result<ExitCode> {
    let config::Loaded { config, remarks, .. } = match config::load_noting(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{errors}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let _tracing = telemetry::tracing_init(&config.log)?;
    for (place, remark) in &remarks {
        tracing::warn!(%place, "{remark}");
    }
    // Before anything listens, so that no signal is missed.
    let control = Control::start()?;
    let signals = control.handle().block_on(async { Signals::new() })?;
    let running = start_on(control, config, Clock::system())?;
    for bound in running.server.addresses() {
        tracing::info!(address = ?bound.to, tls = bound.tls, "listening");
    }
    if let Some(address) = running.admin_address() {
        tracing::info!(%address, "admin listening");
    }
    let finished = running.until(signals);
    Ok(if finished { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A TCP listener.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// Index into `Config::listeners`.
    pub listener: usize,
    /// With the port that port 0 became.
    pub address: SocketAddr,
    /// It terminates TLS.
    pub tls: bool,
}

/// A running edge.
pub struct Running {
    server: server::Running,
    admin: Option<AdminServer>,
    prefetcher: Arc<Prefetcher>,
    readiness: Arc<Readiness>,
    access: AccessLog,
    disk: Option<DiskTier>,
    control: Control,
    shutdown_timeout: Duration,
}

/// Starts the edge; it serves when this returns.
///
/// # Errors
/// As [`run`], once the configuration is read.
pub fn start(config: Config, clock: Clock) -> Result<Running> {
    start_on(Control::start()?, config, clock)
}

fn start_on(control: Control, config: Config, clock: Clock) -> Result<Running> {
    let names: Vec<String> = config.sites.iter().map(|site| site.name.clone()).collect();
    let metrics = Arc::new(Metrics::new(&names)?);
    let registry = metrics.registry();
    let cache_metrics = CacheMetrics::register(registry)?;
    let memory = MemoryTier::new(config.cache.memory.capacity, &cache_metrics);
    let disk = config.cache.disk.as_ref().map(|disk| open_disk(disk, &memory, registry)).transpose()?;
    registry.register(Box::new(crate::cache::metrics::TierUsage::new(memory.clone(), disk.clone())?))?;
    let access = AccessLog::start(&config.log, &metrics)?;
    let hot = Arc::new(HotKeys::new());
    let readiness = Arc::new(Readiness::new());
    let origin_metrics = OriginMetrics::register(registry)?;
    let origins = {
        let _inside = control.handle().enter();
        control.handle().spawn(clock.clone().tick());
        if let Some(disk) = &disk {
            control.handle().spawn(watch_disk(disk.status(), Arc::clone(&readiness)));
        }
        Origins::start(&config, origin_metrics)?
    };
    let purges = Arc::new(open_purges(&config, clock.now(), registry)?);
    if disk.is_some() {
        control.handle().spawn(watch_purges(Arc::clone(&purges), Arc::clone(&readiness)));
    }
    let shared = Arc::new(Shared {
        sites: Sites::new(&config.sites),
        memory,
        disk: disk.clone(),
        purges,
        purgers: Purgers::new(&config.admin),
        fills: Arc::new(Fills::default()),
        filling: Budget::new(fill_memory(&config.cache.memory)),
        flights: Arc::new(Flights::default()),
        changes: Changes::default(),
        clock: clock.clone(),
        cache_metrics,
        server_name: config.server.server_name.clone(),
        trusted_proxies: config.server.trusted_proxies.clone(),
        max_object: config.cache.memory.max_object,
        limits: config.server.limits.clone(),
        via: Via::new(&config.server.server_name)?,
    });
    // Both bind before either serves.
    let bound = server::bind(&config, ServerMetrics::register(registry)?)?;
    let admin = config
        .admin
        .address
        .map(|address| admin::bind(address).with_context(|| format!("admin.address {address}")))
        .transpose()?;
    let prefetcher;
    let server = {
        let (access, hot, metrics, clock) =
            (access.clone(), Arc::clone(&hot), Arc::clone(&metrics), clock.clone());
        let worker = {
            let shared = Arc::clone(&shared);
            move || Worker {
                shared: Arc::clone(&shared),
                client: origins.client(),
                recorder: Recorder::new(metrics.shard(), access.clone()),
                hot: hot.shard(clock.now()),
            }
        };
        prefetcher = Arc::new(Prefetcher::start(worker.clone())?);
        bound.serve(move |_| worker())?
    };
    let state = Arc::new(AdminState {
        metrics,
        hot,
        edge: shared,
        prefetcher: Arc::clone(&prefetcher),
        clock: clock.clone(),
        readiness: Arc::clone(&readiness),
        access: admin::Access::new(&config.admin),
        server_name: config.server.server_name.clone(),
    });
    let admin = admin.map(|listener| AdminServer::start(listener, state)).transpose()?;
    readiness.set(Readiness::STARTING, false);
    Ok(Running {
        server,
        admin,
        prefetcher,
        readiness,
        access,
        disk,
        control,
        shutdown_timeout: config.server.shutdown_timeout,
    })
}

impl Running {
    /// Where its TCP listeners listen.
    pub fn addresses(&self) -> Vec<Listening> {
        let bound = self.server.addresses().iter();
        bound
            .filter_map(|bound| {
                let address = bound.to.tcp()?;
                Some(Listening { listener: bound.listener, address, tls: bound.tls })
            })
            .collect()
    }

    /// Where the admin listener is, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminServer::address)
    }

    /// Stops accepting, finishes what is in flight within `server.shutdown_timeout`, and stops. False: not all
    /// of it finished.
    pub fn stop(self) -> bool {
        self.readiness.set(Readiness::DRAINING, true);
        let finished = self.server.drain(self.shutdown_timeout);
        self.prefetcher.stop();
        if let Some(admin) = self.admin {
            admin.stop();
        }
        self.access.close();
        if let Some(disk) = self.disk {
            disk.close();
        }
        self.control.stop();
        finished
    }

    /// Waits for a signal, then stops; a second one ends the process at once.
    fn until(self, mut signals: Signals) -> bool {
        let handle = self.control.handle().clone();
        let access = self.access.clone();
        handle.block_on(async {
            loop {
                tokio::select! {
                    _ = signals.terminate.recv() => return,
                    _ = signals.interrupt.recv() => return,
                    _ = signals.reopen.recv() => access.reopen(),
                }
            }
        });
        tracing::info!(timeout = ?self.shutdown_timeout, "stopping");
        handle.spawn(async move {
            signals.stop().await;
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(130);
        });
        let finished = self.stop();
        tracing::info!(finished, "stopped");
        finished
    }
}

/// Bytes for bodies on their way into memory: of each there are two copies, and some of the largest must fit.
fn fill_memory(memory: &config::Memory) -> u64 {
    (memory.capacity / 4).max(4 * memory.max_object)
}

/// Opens the disk tier; that it can't be used is no reason not to serve.
fn open_disk(config: &config::Disk, memory: &MemoryTier, registry: &Registry) -> Result<DiskTier> {
    let mut options = disk::Options::new(config);
    let memory = memory.clone();
    options.wanted = Box::new(move |hash| memory.contains(hash));
    let metrics = DiskMetrics::register(registry)?;
    DiskTier::open(options, metrics).context("the disk tier's threads")
}

/// The log of purges, in the disk tier's folder.
const PURGES: &str = "purges.log";

/// The log of purges outlives the process if the cache does.
fn open_purges(config: &Config, now: Time, registry: &Registry) -> Result<InvalidationLog> {
    let metrics = InvalidationMetrics::register(registry)?;
    Ok(match &config.cache.disk {
        Some(disk) => InvalidationLog::open_or_suspect(&disk.path.join(PURGES), now, metrics),
        None => InvalidationLog::in_memory(metrics),
    })
}

/// Says in `/readyz` that the disk tier is down.
async fn watch_disk(mut status: watch::Receiver<disk::Status>, readiness: Arc<Readiness>) {
    loop {
        let is_down = matches!(*status.borrow_and_update(), disk::Status::Down(_));
        readiness.impair(Readiness::DISK_CACHE, is_down);
        if status.changed().await.is_err() {
            return;
        }
    }
}

/// How often it is looked whether purges can be written, and tried again if not.
const PURGES_CHECKED: Duration = Duration::from_secs(2);

/// Says in `/readyz` that purges would not outlive a restart, and tries to change that.
async fn watch_purges(purges: Arc<InvalidationLog>, readiness: Arc<Readiness>) {
    let mut ticks = tokio::time::interval(PURGES_CHECKED);
    loop {
        ticks.tick().await;
        if !purges.is_durable() {
            readiness.impair(Readiness::PURGE_LOG, true);
        }
        let retried = Arc::clone(&purges);
        let mended = tokio::task::spawn_blocking(move || retried.retry()).await;
        if let Ok(Err(error)) = mended {
            tracing::debug!(%error, "the log of purges");
        }
        readiness.impair(Readiness::PURGE_LOG, !purges.is_durable());
    }
}

/// The signals an operator sends.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    reopen: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A thread for what belongs to no request: the clock, name resolution, health checks, signals.
struct Control {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Control {
    fn start() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new().name("seawall-control".into()).spawn(run)?;
        Ok(Self { handle, stop, thread })
    }

    fn handle(&self) -> &Handle {
        &self.handle
    }

    fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}
