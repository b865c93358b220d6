//! `seawall serve`: the edge from its parts, until it is told to stop.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};

use super::descriptors;
use super::signals::Signals;
use crate::admin::{self, AdminServer, AdminState, Readiness};
use crate::cache::disk;
use crate::cache::invalidation::InvalidationLog;
use crate::config::{self, Config};
use crate::edge::build::Built;
use crate::edge::clock::Clock;
use crate::edge::operate::prefetch::Prefetcher;
use crate::edge::worker::Edge;
use crate::origin::Origins;
use crate::server::{self, ServerMetrics};
use crate::telemetry;

/// Runs the edge until a signal says to stop.
///
/// # Errors
/// A configuration that is wrong, an address that is taken, a file that can't be read: nothing is started then.
pub fn run(path: &Path) -> Result<ExitCode> {
    // First of all, so that no signal is missed, and none ends the process by itself.
    let control = Control::start()?;
    let signals = control.handle().block_on(async { Signals::new() })?;
    let config::Loaded { config, remarks, .. } = match config::load_noting(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{errors}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let log = Arc::new(Mutex::new(Some(telemetry::tracing_init(&config.log)?)));
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, config = %path.display(), threads = config.server.threads, "starting");
    descriptors::raise(config.server.limits.connections);
    for (place, remark) in &remarks {
        tracing::warn!(%place, "{remark}");
    }
    let running = start_on(control, config, Clock::system())?;
    for bound in running.server.addresses() {
        tracing::info!(address = %bound.to, tls = bound.tls, "listening");
    }
    if let Some(address) = running.admin_address() {
        tracing::info!(%address, "admin listening");
    }
    let finished = running.until(signals, Arc::clone(&log));
    drop(log.lock().take());
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
    built: Built,
    control: Control,
    drain_delay: Duration,
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
    let readiness = Arc::new(Readiness::new());
    let built = {
        let _inside = control.handle().enter();
        control.handle().spawn(clock.clone().tick());
        Edge::build(&config, clock.clone())?
    };
    if let Some(disk) = &built.disk {
        control.handle().spawn(watch_disk(disk.status(), Arc::clone(&readiness)));
        control.handle().spawn(watch_purges(Arc::clone(&built.purges), Arc::clone(&readiness)));
    }
    // Both bind before either serves.
    let bound = server::bind(&config, ServerMetrics::register(built.metrics.registry())?)?;
    let admin = config
        .admin
        .address
        .map(|address| {
            admin::bind(address).map_err(|error| {
                let hint = server::hint(&error);
                anyhow::anyhow!("cannot listen on admin.address {address}: {error}{hint}")
            })
        })
        .transpose()?;
    control.handle().spawn(watch_pools(Arc::clone(&built.origins), Arc::clone(&readiness)));
    let worker = {
        let built = built.clone();
        move || built.worker()
    };
    let prefetcher = Arc::new(Prefetcher::start(worker.clone())?);
    let server = bound.serve(move |_| worker())?;
    let state = Arc::new(AdminState {
        metrics: Arc::clone(&built.metrics),
        hot: Arc::clone(&built.hot),
        edge: Arc::clone(&built.edge),
        prefetcher: Arc::clone(&prefetcher),
        clock,
        readiness: Arc::clone(&readiness),
        access: admin::Access::new(&config.admin),
        server_name: config.server.server_name.clone(),
    });
    let certificates = server.certificates_impaired();
    readiness.impair(Readiness::CERTIFICATES, *certificates.borrow());
    control.handle().spawn(watch_certificates(certificates, Arc::clone(&readiness)));
    let admin = admin.map(|listener| AdminServer::start(listener, state)).transpose()?;
    readiness.set(Readiness::STARTING, false);
    Ok(Running {
        server,
        admin,
        prefetcher,
        readiness,
        built,
        control,
        drain_delay: config.server.drain_delay,
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

    /// What answers requests, and what it is made of.
    pub fn built(&self) -> &Built {
        &self.built
    }

    /// Where the admin listener is, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminServer::address)
    }

    /// Is not ready for `server.drain_delay`, then stops accepting, finishes what is in flight within `server.shutdown_timeout`, and stops. False: not all
    /// of it finished.
    pub fn stop(self) -> bool {
        self.readiness.set(Readiness::DRAINING, true);
        // It serves as before, while whoever asks /readyz finds another edge.
        std::thread::sleep(self.drain_delay);
        let finished = self.server.drain(self.shutdown_timeout);
        self.prefetcher.stop();
        if let Some(admin) = self.admin {
            admin.stop();
        }
        self.built.access.close();
        if let Some(disk) = self.built.disk {
            disk.close();
        }
        self.control.stop();
        finished
    }

    /// Waits for a signal to stop, then stops; a second one ends the process at once.
    fn until(self, mut signals: Signals, log: Arc<Mutex<Option<telemetry::Guard>>>) -> bool {
        let handle = self.control.handle().clone();
        let access = self.built.access.clone();
        let look = || self.server.look_at_certificates();
        let stop = handle.block_on(signals.until_stop(&access, look));
        let (delay, timeout) = (self.drain_delay.as_secs_f64(), self.shutdown_timeout.as_secs_f64());
        tracing::info!(
            signal = stop.as_str(),
            drain_delay_s = delay,
            shutdown_timeout_s = timeout,
            "stopping"
        );
        handle.spawn(signals.end_at_once(access, log));
        let finished = self.stop();
        match finished {
            true => tracing::info!("stopped: all requests were finished"),
            false => {
                tracing::warn!("stopped: server.shutdown_timeout was over, and requests were broken off")
            }
        }
        finished
    }
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

/// Says in `/readyz` that a certificate has expired, or that a renewed one could not be taken.
async fn watch_certificates(mut impaired: watch::Receiver<bool>, readiness: Arc<Readiness>) {
    while impaired.changed().await.is_ok() {
        let holds = *impaired.borrow_and_update();
        readiness.impair(Readiness::CERTIFICATES, holds);
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

/// How often it is looked whether pools have somebody to ask.
const POOLS_CHECKED: Duration = Duration::from_millis(500);

/// Says in `/readyz`, and in the log when it begins and ends, which pools have no member that can be asked.
async fn watch_pools(origins: Arc<Origins>, readiness: Arc<Readiness>) {
    let mut ticks = tokio::time::interval(POOLS_CHECKED);
    let mut known = BTreeSet::new();
    loop {
        ticks.tick().await;
        let down: BTreeSet<Arc<str>> = origins.down().collect();
        for pool in down.difference(&known) {
            readiness.impair(Readiness::pool(pool), true);
            tracing::error!(%pool, "no member of the pool can be reached: hits and what may be stale are served, nothing else");
        }
        for pool in known.difference(&down) {
            readiness.impair(Readiness::pool(pool), false);
            tracing::info!(%pool, "the pool has a member that can be reached again");
        }
        known = down;
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
