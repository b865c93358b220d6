//! The life of an HTTP/1 connection: hyper serves it, over bytes that are guarded.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;

use super::super::drive::{Driven, End, drive};
use super::super::glimpse::Glimpse;
use super::super::handler::{BoxError, Handler};
use super::super::opened::Opened;
use super::super::response::Tracked;
use super::hints::Turns;
use super::io::GuardedIo;
use super::reply::Serving;
use super::scan::{HeadLimits, Scan};
use super::state::{LateHead, State};

/// Serves a connection to its end.
pub async fn serve<H: Handler>(opened: Opened<H>) {
    let worker = Arc::clone(&opened.worker);
    let limits = &worker.limits;
    let scan =
        Scan::new(HeadLimits { head: limits.header_bytes, fields: limits.headers, target: limits.uri_bytes });
    let turns = Turns::default();
    let (link, service) = opened.begin(State::new, turns.clone());
    let serving = Arc::new(Serving::new(service, turns.clone()));
    let io = GuardedIo::new(link, scan, turns, worker.server_name.clone());
    let mut connection = worker.protocols.h1.serve_connection(TokioIo::new(io), calls(serving.clone()));
    let service = &serving.service;
    let end = drive(Pin::new(&mut connection), &service.state, &worker.drain).await;
    let parts = connection.into_parts();
    let io = parts.io.into_inner();
    let takeover = serving.take_over();
    if let (End::Done(Ok(())), Some(takeover)) = (&end, takeover) {
        if let Some(raw) = io.into_raw(&parts.read_buf) {
            takeover.run(Box::new(raw)).await;
        }
        return;
    }
    if let Some(refusal) = io.refused() {
        // What the scan let pass and hyper did not take is in hyper's buffer.
        let seen = io.seen().unwrap_or_else(|| Glimpse::of_head(&parts.read_buf));
        service.handler.refuse(refusal, &seen, &service.peer);
    } else if io.in_head() {
        service.handler.cut_off(&Glimpse::of_head(&parts.read_buf), &service.peer);
    }
    match end {
        // To HTTP/1.0 the end of the connection may be the end of a body: one that broke off must not look whole.
        End::Done(Err(error)) if error.is_user() && serving.is_old() => io.reset(),
        End::Done(result) => {
            if let Err(error) = result {
                tracing::debug!(peer = %service.peer.addr, %error, "HTTP/1 connection");
            }
            io.close(worker.drain.is_draining()).await;
        }
        // The drop resets it.
        End::Stalled => {}
    }
}

type Answer<H> = Response<Tracked<<H as Handler>::Body, State>>;

/// The service in hyper's terms.
fn calls<H: Handler>(
    serving: Arc<Serving<H>>,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Answer<H>,
    Error = Infallible,
    Future: Future<Output = Result<Answer<H>, Infallible>> + Send + 'static,
> {
    hyper::service::service_fn(move |request| serving.call(request))
}

impl<S, B> Driven for http1::Connection<TokioIo<GuardedIo>, S>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<BoxError>>,
    B: http_body::Body<Error: Into<BoxError>> + 'static,
{
    type State = State;

    fn drain(state: &State) -> bool {
        state.drain();
        false
    }

    fn go(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }

    fn due(self: Pin<&mut Self>, LateHead: LateHead, state: &State) {
        state.set_overdue();
    }
}
