//! HTTP/2 to the origin.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

#[tokio::test]
async fn many_requests_share_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(request.uri().to_string()))))
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(socket), service));
        }
    });
    let mut pool = pool(&[address]);
    pool.protocol = config::OriginProtocol::H2;
    let world = World::new(pool);
    assert_eq!(world.get("/a?b=c").await.unwrap(), (200, "http://photos.example/a?b=c".into()));
    let first = world.fetch(get("/1")).await.unwrap();
    let second = world.fetch(get("/2")).await.unwrap();
    assert_eq!(first.version, http::Version::HTTP_2);
    assert_eq!(text(second).await.unwrap(), "http://photos.example/2");
    assert_eq!(text(first).await.unwrap(), "http://photos.example/1");
    assert_eq!(world.metric("seawall_origin_connects_total"), 1.0);
}
