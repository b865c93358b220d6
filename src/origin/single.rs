//! One request over a connection of its own.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::BoxError;

/// Sends a request over HTTP/1.1 and has `read` read its response; the connection ends with that. How long it may take and
/// how much may come is the caller's to bound.
///
/// # Errors
/// The exchange broke off, or what `read` says.
pub async fn exchange<S, T>(
    stream: S,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, BoxError>,
) -> Result<T, BoxError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let talk = async {
        let response = sender.send_request(request).await?;
        read(response).await
    };
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        said = &mut talk => said,
        // The connection may end with the response's last byte, before that is read.
        _ = connection => talk.await,
    }
}
