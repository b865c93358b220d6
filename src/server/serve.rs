//! The worker threads: each has its own runtime, sockets and handler, until they are drained.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::accept::{self, Socket};
use super::bind::{Bound, BoundAddress, BoundTo};
use super::drain::Open;
use super::handler::Handler;
use super::tls::watch::Watch;
use super::worker::{Listener, Protocols, Shared, Worker};

/// What kept the workers from starting.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No runtime.
    #[error("worker {worker}: {source}")]
    Runtime {
        /// Which.
        worker: usize,
        /// Why.
        source: io::Error,
    },
    /// No thread.
    #[error("thread for worker {worker}: {source}")]
    Thread {
        /// Which.
        worker: usize,
        /// Why.
        source: io::Error,
    },
}

/// A server that serves. Dropping it stops it at once, without waiting for the threads.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<BoundAddress>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<bool>>,
    watch: Watch,
}

impl Bound {
    /// Starts the workers. `make_handler` is called in each worker's runtime, with the worker's number.
    ///
    /// # Errors
    /// When the system gives no thread or runtime; workers that were started are stopped again.
    pub fn serve<H: Handler>(
        self,
        make_handler: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> Result<Running, ServeError> {
        let Bound { addresses, sockets, listeners, shared, watch } = self;
        let make_handler = Arc::new(make_handler);
        let mut running = Running { addresses, shared, threads: Vec::new(), watch };
        for (worker, sockets) in sockets.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|source| ServeError::Runtime { worker, source })?;
            let (shared, make_handler) = (running.shared.clone(), make_handler.clone());
            let own: Vec<_> = sockets.into_iter().zip(listeners.iter().cloned()).collect();
            let thread = thread::Builder::new()
                .name(format!("seawall-{worker}"))
                .spawn(move || runtime.block_on(work(own, shared, || make_handler(worker))))
                .map_err(|source| ServeError::Thread { worker, source })?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

/// One worker's life; whether all its connections had ended.
async fn work<H: Handler>(
    sockets: Vec<(Socket, Arc<Listener>)>,
    shared: Arc<Shared>,
    make_handler: impl FnOnce() -> H,
) -> bool {
    let worker = Arc::new(Worker {
        handler: make_handler(),
        protocols: Protocols::new(&shared.limits),
        open: Arc::new(Open::default()),
        shared: shared.clone(),
    });
    let loops: Vec<_> = sockets
        .into_iter()
        .map(|(socket, listener)| tokio::spawn(accept::run(socket, listener, worker.clone())))
        .collect();
    shared.drain.wait().await;
    let finish = async {
        for accepting in loops {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "accept loop");
            }
        }
        worker.open.none().await;
    };
    timeout_at(shared.drain.deadline(), finish).await.is_ok()
}

impl Running {
    /// Whether a certificate needs an operator: see [`Watch::impaired`](super::tls::watch::Watch::impaired).
    pub fn certificates_impaired(&self) -> tokio::sync::watch::Receiver<bool> {
        self.watch.impaired()
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[BoundAddress] {
        &self.addresses
    }

    /// Has certificate files looked at now, rather than within a second.
    pub fn look_at_certificates(&self) {
        self.watch.look();
    }

    /// Stops: no new connections, those that are open end with their next response or as GOAWAY says, and have
    /// `timeout` for it; then what is left is dropped. Blocks until the threads have ended. True if nothing had to be dropped.
    pub fn drain(mut self, timeout: Duration) -> bool {
        self.stop(Instant::now() + timeout);
        let mut finished = true;
        for thread in std::mem::take(&mut self.threads) {
            // A worker that panicked has not finished.
            finished &= thread.join().unwrap_or(false);
        }
        finished
    }

    fn stop(&self, deadline: Instant) {
        for address in &self.addresses {
            if let BoundTo::Unix(path) = &address.to {
                // While somebody still listens on it: from then on the path may be the next server's. Somebody may have
                // removed it; that is as good.
                let _ = std::fs::remove_file(path);
            }
        }
        self.shared.drain.start(deadline);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.shared.drain.is_draining() {
            self.stop(Instant::now());
        }
    }
}
