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

/// An origin that takes two streams at a time, and answers those of `/hold` only once it is told to.
async fn two_at_a_time(go: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let go = go.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let mut go = go.clone();
                async move {
                    if request.uri().path() == "/hold" {
                        go.wait_for(|go| *go).await.unwrap();
                    }
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok"))))
                }
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(2);
            tokio::spawn(server.serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

#[tokio::test]
async fn streams_beyond_the_origins_limit_get_a_connection_of_their_own() {
    let (open, go) = watch::channel(false);
    let mut pool = pool(&[two_at_a_time(go).await]);
    pool.protocol = config::OriginProtocol::H2;
    let world = World::new(pool);
    assert_eq!(world.get("/").await.unwrap().0, 200, "its limit is known");
    let held: Vec<_> = (0..4)
        .map(|_| {
            let (client, pool) = (world.client.clone(), world.pool.clone());
            tokio::spawn(async move { client.fetch(&pool, get("/hold")).await.unwrap().status })
        })
        .collect();
    world.until(|world| world.metric("seawall_origin_connects_total") >= 2.0).await;
    assert_eq!(world.get("/").await.unwrap().0, 200, "while four streams do not end");
    open.send_replace(true);
    for one in held {
        assert_eq!(one.await.unwrap(), 200);
    }
    let made = world.metric("seawall_origin_connects_total");
    assert!((2.0..=4.0).contains(&made), "{made}");
    for _ in 0..5 {
        assert_eq!(world.get("/").await.unwrap().0, 200);
    }
    assert_eq!(world.metric("seawall_origin_connects_total"), made, "there is room again");
}
