//! A private S3 bucket on loopback: s3s checks SigV4 and speaks the API, s3s-fs keeps objects as files.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::dto::{CreateBucketInput, ETag, PutObjectInput, StreamingBlob};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Request};
use s3s_fs::FileSystem;
use tokio::sync::oneshot;

use super::objects::Object;

/// What a client must sign with.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret_key: String,
}

/// A running origin, with a thread and a temporary folder of its own; both go when it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    etags: Vec<(String, String)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Origin {
    /// Serves `bucket`, filled with `objects`, to who signs with `keys`.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn start(
        listener: TcpListener,
        bucket: &str,
        keys: &Keys,
        objects: impl IntoIterator<Item = Object>,
    ) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("seawall-s3-").tempdir().context("a temporary folder")?;
        let files = FileSystem::new(folder.path()).map_err(|why| anyhow::anyhow!("{why:?}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let etags = runtime.block_on(fill(&files, bucket, objects))?;
        let service = {
            let mut builder = S3ServiceBuilder::new(files);
            builder.set_auth(SimpleAuth::from_single(keys.access_key.clone(), keys.secret_key.clone()));
            builder.build()
        };
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let requests = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let counter = requests.clone();
        let thread = std::thread::Builder::new().name("s3-origin".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    _ = accept(listener, service, counter) => {}
                }
            });
        })?;
        Ok(Self { address, requests, etags, stop: Some(stop), thread: Some(thread), _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests it has had.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The entity tag of an object, as it stands in the field: `"…"`.
    pub fn etag(&self, key: &str) -> Option<&str> {
        self.etags.iter().find(|(known, _)| known == key).map(|(_, etag)| etag.as_str())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // Before the folder goes, which Drop of the fields does afterwards.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Puts the objects through the S3 API, so that s3s-fs keeps their types and tags beside them.
async fn fill(
    files: &FileSystem,
    bucket: &str,
    objects: impl IntoIterator<Item = Object>,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut input = CreateBucketInput::builder();
    input.set_bucket(bucket.to_owned());
    files.create_bucket(request(http::Method::PUT, input.build()?)).await?;
    let mut etags = Vec::new();
    for object in objects {
        let length = i64::try_from(object.body.len())?;
        let mut input = PutObjectInput::builder();
        input.set_bucket(bucket.to_owned());
        input.set_key(object.key.clone());
        input.set_content_type(Some(object.content_type.to_owned()));
        input.set_cache_control(Some(object.cache_control.to_owned()));
        input.set_content_length(Some(length));
        input.set_body(Some(StreamingBlob::from(Body::from(object.body))));
        let stored = files.put_object(request(http::Method::PUT, input.build()?)).await?;
        if let Some(ETag::Strong(tag)) = stored.output.e_tag {
            etags.push((object.key, format!("\"{tag}\"")));
        }
    }
    Ok(etags)
}

fn request<T>(method: http::Method, input: T) -> S3Request<T> {
    S3Request {
        input,
        method,
        uri: http::Uri::default(),
        headers: HeaderMap::new(),
        extensions: http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

async fn accept(
    listener: TcpListener,
    service: S3Service,
    requests: Arc<AtomicU64>,
) -> std::io::Result<Infallible> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (socket, _) = listener.accept().await?;
        let (service, requests) = (service.clone(), requests.clone());
        let answer = service_fn(move |request| {
            requests.fetch_add(1, Ordering::Relaxed);
            answer(service.clone(), request)
        });
        // Small answers must not wait for the acknowledgement of the head.
        socket.set_nodelay(true)?;
        let connection =
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), answer);
        // A client that hangs up is its own affair.
        tokio::spawn(async move { drop(connection.await) });
    }
}

/// S3 answers preconditions (GetObject, `If-Match` and `If-None-Match`), s3s-fs does not.
async fn answer(service: S3Service, request: Request<Incoming>) -> Result<Response<Body>, s3s::HttpError> {
    let if_match = request.headers().get(IF_MATCH).cloned();
    let if_none_match = request.headers().get(IF_NONE_MATCH).cloned();
    let mut response = Service::call(&service, request).await?;
    let Some(etag) = response.headers().get(ETAG).filter(|_| response.status().is_success()).cloned() else {
        return Ok(response);
    };
    if if_match.is_some_and(|wanted| !lists(&wanted, &etag)) {
        replace(&mut response, StatusCode::PRECONDITION_FAILED);
        response.headers_mut().remove(ETAG);
    } else if if_none_match.is_some_and(|known| lists(&known, &etag)) {
        replace(&mut response, StatusCode::NOT_MODIFIED);
    }
    Ok(response)
}

fn lists(field: &HeaderValue, etag: &HeaderValue) -> bool {
    let tags = field.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
    tags.into_iter().any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

fn replace(response: &mut Response<Body>, status: StatusCode) {
    *response.status_mut() = status;
    *response.body_mut() = Body::from(Bytes::new());
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().remove(CONTENT_TYPE);
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
