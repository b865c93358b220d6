//! What a handler does with a connection after a response of status 101: the bytes on it are no HTTP any more.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type Run = Box<dyn FnOnce(Box<dyn Duplex>) -> Running + Send>;

/// An extension of a response of status 101, on HTTP/1.1: called with the client's bytes once the response is
/// written, those that had come ahead included. The connection is closed when its future ends; no timeout of the
/// server's applies meanwhile.
#[derive(Clone)]
pub struct Takeover(Arc<Mutex<Option<Run>>>);

impl Takeover {
    /// From what is to be done.
    pub fn new(run: impl FnOnce(Box<dyn Duplex>) -> Running + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(run)))))
    }

    /// Does it, once.
    pub async fn run(self, client: Box<dyn Duplex>) {
        let run = self.0.lock().take();
        if let Some(run) = run {
            run(client).await;
        }
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Takeover").finish_non_exhaustive()
    }
}
