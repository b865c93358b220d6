//! Warming the cache: lists of URLs, asked for as clients would, on a thread of their own.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use http::header::{HOST, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::http::protocol::Protocol;
use crate::origin::single;
use crate::server::body::ClientBody;
use crate::server::{Handled, Handler, Interim, Peer, PeerAddr, TlsInfo};

use crate::edge::request::resource_url::{ResourceUrl, UrlError};
use crate::edge::request::route::Sites;
use crate::edge::worker::Worker;

/// Requests at once.
const LANES: usize = 8;
/// Jobs that wait or run.
const UNFINISHED: usize = 16;
/// Jobs that are remembered.
const REMEMBERED: usize = 64;
/// Failures of a job that are kept with their URL.
const FAILURES: usize = 20;
/// URLs of a job.
pub const MAX_URLS: usize = 10_000;
/// Bytes between the request and the edge, both in this process.
const PIPE: usize = 256 * 1024;

/// A URL that will be asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    url: String,
    target: String,
    host: String,
    https: bool,
}

impl Wanted {
    /// Reads a URL.
    ///
    /// # Errors
    /// It is none, or no site has its host.
    pub fn parse(url: &str, sites: &Sites) -> Result<Self, UrlError> {
        let resource = ResourceUrl::parse(url, sites)?;
        let uri: Uri = url.parse().map_err(|_| UrlError::NotAUrl)?;
        Ok(Self {
            url: url.to_owned(),
            target: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            host: resource.host.to_string(),
            https: uri.scheme_str() == Some("https"),
        })
    }
}

/// How far a job is.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// The job's number.
    pub id: u64,
    /// `waiting`, `running` or `finished`.
    pub state: &'static str,
    /// URLs in all.
    pub total: usize,
    /// URLs answered, well or not.
    pub done: usize,
    /// Of those, answered with a status below 400.
    pub ok: usize,
    /// Of those, in the cache now.
    pub cached: usize,
    /// Of those done, not ok.
    pub failed: usize,
    /// Bytes of bodies.
    pub bytes: u64,
    /// The first of the failures.
    pub failures: Vec<Failure>,
}

/// A URL that failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// As it was given.
    pub url: String,
    /// A status, or what broke.
    pub reason: String,
}

/// There are too many jobs that have not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{UNFINISHED} jobs have not finished yet")]
pub struct Busy;

#[derive(Default)]
struct Jobs {
    last: u64,
    waiting: VecDeque<(u64, Vec<Wanted>)>,
    progress: BTreeMap<u64, Progress>,
}

#[derive(Default)]
struct Board {
    jobs: Mutex<Jobs>,
    posted: Notify,
}

/// Takes lists and works them off.
pub struct Prefetcher {
    board: Arc<Board>,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Prefetcher {
    /// Starts its thread; requests are answered by what `worker` makes there.
    ///
    /// # Errors
    /// If the runtime or the thread cannot be made.
    pub fn start(worker: impl FnOnce() -> Worker + Send + 'static) -> io::Result<Self> {
        let board = Arc::new(Board::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let working = Arc::clone(&board);
        let thread = std::thread::Builder::new().name("prefetch".into()).spawn(move || {
            runtime.block_on(async {
                let worker = worker();
                tokio::select! {
                    _ = stopped => {}
                    () = work(working, worker) => {}
                }
            });
        })?;
        Ok(Self { board, stop: Mutex::new(Some((stop, thread))) })
    }

    /// Breaks off what is under way and ends the thread.
    pub fn stop(&self) {
        if let Some((stop, thread)) = self.stop.lock().take() {
            let _ = stop.send(());
            if thread.join().is_err() {
                tracing::error!("the prefetch thread panicked");
            }
        }
    }

    /// Takes a list.
    ///
    /// # Errors
    /// [`Busy`]: try again when a job has finished.
    pub fn post(&self, urls: Vec<Wanted>) -> Result<Progress, Busy> {
        let mut jobs = self.board.jobs.lock();
        if jobs.progress.values().filter(|job| job.state != "finished").count() >= UNFINISHED {
            return Err(Busy);
        }
        jobs.last += 1;
        let id = jobs.last;
        let progress = Progress {
            id,
            state: "waiting",
            total: urls.len(),
            done: 0,
            ok: 0,
            cached: 0,
            failed: 0,
            bytes: 0,
            failures: Vec::new(),
        };
        jobs.progress.insert(id, progress.clone());
        if jobs.progress.len() > REMEMBERED {
            let finished = jobs.progress.values().find(|job| job.state == "finished").map(|job| job.id);
            finished.and_then(|id| jobs.progress.remove(&id));
        }
        jobs.waiting.push_back((id, urls));
        drop(jobs);
        self.board.posted.notify_one();
        Ok(progress)
    }

    /// How far a job is; none of that number is remembered.
    pub fn progress(&self, id: u64) -> Option<Progress> {
        self.board.jobs.lock().progress.get(&id).cloned()
    }
}

async fn work(board: Arc<Board>, worker: Worker) {
    loop {
        let next = board.jobs.lock().waiting.pop_front();
        let Some((id, urls)) = next else {
            board.posted.notified().await;
            continue;
        };
        board.update(id, |job| job.state = "running");
        let urls = Arc::new(Mutex::new(VecDeque::from(urls)));
        let mut lanes = JoinSet::new();
        for _ in 0..LANES {
            lanes.spawn(lane(Arc::clone(&board), id, Arc::clone(&urls), worker.clone()));
        }
        while lanes.join_next().await.is_some() {}
        board.update(id, |job| job.state = "finished");
    }
}

async fn lane(board: Arc<Board>, id: u64, urls: Arc<Mutex<VecDeque<Wanted>>>, worker: Worker) {
    loop {
        let Some(wanted) = urls.lock().pop_front() else { return };
        let answered = ask(&worker, &wanted).await;
        board.update(id, |job| job.note(wanted.url, answered));
    }
}

impl Board {
    fn update(&self, id: u64, change: impl FnOnce(&mut Progress)) {
        if let Some(job) = self.jobs.lock().progress.get_mut(&id) {
            change(job);
        }
    }
}

impl Progress {
    fn note(&mut self, url: String, answered: Result<Answered, BoxError>) {
        self.done += 1;
        let reason = match answered {
            Ok(Answered { status, cached, bytes }) if status < 400 => {
                self.ok += 1;
                self.cached += usize::from(cached);
                self.bytes += bytes;
                return;
            }
            Ok(Answered { status, .. }) => format!("status {status}"),
            Err(error) => error.to_string(),
        };
        self.failed += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(Failure { url, reason });
        }
    }
}

struct Answered {
    status: u16,
    cached: bool,
    bytes: u64,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One request by a connection inside the process: all stages see it as they see a client's.
async fn ask(worker: &Worker, wanted: &Wanted) -> Result<Answered, BoxError> {
    let tls = wanted.https.then(|| TlsInfo {
        sni: Some(wanted.host.clone()),
        version: "TLSv1.3",
        client_certificate: false,
    });
    let peer = Arc::new(Peer {
        addr: PeerAddr::Prefetch,
        local: None,
        listener: 0,
        tls,
        protocol: Protocol::Http1,
        interim: Interim::default(),
    });
    let (here, there) = tokio::io::duplex(PIPE);
    let worker = worker.clone();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (worker, peer) = (worker.clone(), Arc::clone(&peer));
        async move {
            Ok::<_, Infallible>(match worker.handle(request.map(ClientBody::Http1), &peer) {
                Handled::Now(response) => response,
                Handled::Later(promise) => promise.await,
            })
        }
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(there), service);
    let serving = tokio::spawn(serving);
    let request = Request::get(&wanted.target)
        .header(HOST, &wanted.host)
        .header(USER_AGENT, "seawall-prefetch")
        .body(Full::default())?;
    let read = async |response: Response<hyper::body::Incoming>| {
        let status = response.status().as_u16();
        let said = response.headers().get_all("cache-status").iter().next_back();
        let cached = said.and_then(|said| said.to_str().ok()).is_some_and(|said| {
            let member = said.rsplit(',').next().unwrap_or_default();
            member.split(';').any(|parameter| matches!(parameter.trim(), "hit" | "stored"))
        });
        let (mut body, mut bytes) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(Answered { status, cached, bytes })
    };
    let answered = single::exchange(here, request, read).await;
    serving.abort();
    answered
}
