//! Requests and responses on streams, as the h2 crate's client sees them.

use ::h2::client::{SendRequest, handshake};
use ::h2::{Reason, RecvStream};
use http::{HeaderMap, Method};

use super::*;

pub(super) async fn client(up: &Up) -> SendRequest<Bytes> {
    let (client, connection) = handshake(up.connect().await).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

pub(super) fn ask(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://x{path}")).body(()).unwrap()
}

pub(super) async fn get(client: &mut SendRequest<Bytes>, method: Method, path: &str) -> Response<RecvStream> {
    let (response, _) = client.send_request(ask(method, path), true).unwrap();
    within(response).await.unwrap()
}

pub(super) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("soon")
}

/// Everything to the end, and the trailers.
pub(super) async fn read(body: &mut RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), ::h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, within(body.trailers()).await?))
}

#[tokio::test]
async fn heads_and_bodies_keep_the_rules() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    let length = |response: &Response<RecvStream>| {
        response.headers().get("content-length").map(|value| value.to_str().unwrap().to_owned())
    };
    for (method, path, status, expected, body) in [
        (Method::GET, "/now", 200, Some("3"), "now"),
        (Method::GET, "/a", 200, Some("2"), "/a"),
        (Method::HEAD, "/now", 200, Some("3"), ""),
        (Method::HEAD, "/a", 200, Some("2"), ""),
        (Method::GET, "/as/204", 204, None, ""),
        (Method::GET, "/as/304", 304, None, ""),
        (Method::GET, "/as/404", 404, None, ""),
        (Method::GET, "/as/pieces", 200, None, "ab"),
        (Method::GET, "/as/100", 500, Some("36"), "500 Internal Server Error: internal\n"),
        (Method::GET, "/as/101", 500, Some("36"), "500 Internal Server Error: internal\n"),
        (Method::CONNECT, "", 200, Some("0"), ""),
    ] {
        let connect = Request::connect("x:443").body(()).unwrap();
        let request = if method == Method::CONNECT { connect } else { ask(method.clone(), path) };
        let (response, _) = client.send_request(request, true).unwrap();
        let mut response = within(response).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        if method != Method::CONNECT {
            assert_eq!(length(&response).as_deref(), expected, "{method} {path}");
        }
        assert!(response.headers().contains_key("date"));
        let (bytes, _) = read(response.body_mut()).await.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), body, "{method} {path}");
    }
    let response = get(&mut client, Method::GET, "/as/hop-by-hop").await;
    for name in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    let mut response = get(&mut client, Method::GET, "/as/trailers").await;
    let (body, trailers) = read(response.body_mut()).await.unwrap();
    assert_eq!((&body[..], &trailers.unwrap()["x-sum"]), (&b"a"[..], &"1".parse().unwrap()));
    let (response, mut send) = client.send_request(ask(Method::POST, "/echo"), false).unwrap();
    send.send_data("hello".into(), false).unwrap();
    send.send_trailers([("x-sum".parse().unwrap(), "2".parse().unwrap())].into_iter().collect()).unwrap();
    let mut response = within(response).await.unwrap();
    // The echo collects both, and answers with the bytes.
    assert_eq!(read(response.body_mut()).await.unwrap().0, b"hello");
}

#[tokio::test]
async fn a_body_that_breaks_or_panics_resets_its_stream_and_no_other() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    for path in ["/as/broken", "/as/panic"] {
        let (response, _) = client.send_request(ask(Method::GET, path), true).unwrap();
        // h2 sends a reset before anything that waits, the head included.
        let error = match within(response).await {
            Ok(mut response) => read(response.body_mut()).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{path}");
    }
    for path in ["/panic", "/panic-at-once"] {
        assert_eq!(get(&mut client, Method::GET, path).await.status(), 500);
    }
    assert_eq!(get(&mut client, Method::GET, "/now").await.status(), 200);
}

#[tokio::test]
async fn a_client_that_cancels_drops_the_handler_and_the_body() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    let (response, mut stream) = client.send_request(ask(Method::GET, "/slow"), true).unwrap();
    within(up.seen.arrived.acquire()).await.unwrap().forget();
    stream.send_reset(Reason::CANCEL);
    within(up.seen.gone.acquire()).await.unwrap().forget();
    assert!(within(response).await.is_err());
    // A body is dropped as well, one that waits for the window and one that does not.
    let mut response = get(&mut client, Method::GET, "/endless").await;
    within(response.body_mut().data()).await.unwrap().unwrap();
    drop(response);
    within(up.seen.gone.acquire()).await.unwrap().forget();
    assert_eq!(get(&mut client, Method::GET, "/now").await.status(), 200);
}

#[tokio::test]
async fn half_a_request_body_never_looks_whole() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    for reason in [Reason::CANCEL, Reason::NO_ERROR] {
        let (_response, mut send) = client.send_request(ask(Method::POST, "/broken-body"), false).unwrap();
        send.send_data("hel".into(), false).unwrap();
        within(up.seen.arrived.acquire()).await.unwrap().forget();
        send.send_reset(reason);
        within(async {
            while up.seen.answers.lock().pop() != Some(("broken".into(), 0)) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_body_is_taken_no_faster_than_it_is_read() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    // Nobody reads this one's; the window is 256 KiB.
    let (response, mut send) = client.send_request(ask(Method::POST, "/slow"), false).unwrap();
    within(up.seen.arrived.acquire()).await.unwrap().forget();
    send.reserve_capacity(1 << 20);
    let mut sent = 0;
    while let Ok(Some(room)) =
        tokio::time::timeout(Duration::from_millis(200), std::future::poll_fn(|cx| send.poll_capacity(cx)))
            .await
    {
        let room = room.unwrap();
        send.send_data(vec![0; room].into(), false).unwrap();
        sent += room;
        send.reserve_capacity(1 << 20);
    }
    assert_eq!(sent, 256 * 1024);
    // Another stream has room all the same.
    let (echo, mut other) = client.send_request(ask(Method::POST, "/echo"), false).unwrap();
    other.send_data(vec![b'x'; 1000].into(), true).unwrap();
    let mut echo = within(echo).await.unwrap();
    assert_eq!(read(echo.body_mut()).await.unwrap().0.len(), 1000);
    // An answer to a body that nobody reads ends the stream without an error.
    up.seen.go.add_permits(1);
    let mut response = within(response).await.unwrap();
    assert_eq!(read(response.body_mut()).await.unwrap().0, b"slow");
}

#[tokio::test]
async fn a_large_body_to_a_small_window_is_in_flight_until_it_is_taken() {
    // A slow download must not be taken for an idle connection because its last bytes wait inside h2.
    let up = Up::plain(Limits { idle_timeout: Duration::from_millis(100), ..limits() });
    let mut client = client(&up).await;
    let mut response = get(&mut client, Method::GET, "/large").await;
    let mut bytes = 0;
    while let Some(data) = within(response.body_mut().data()).await {
        let length = data.unwrap().len();
        if bytes == 0 {
            // Nothing moves for longer than an idle connection may last, yet the server takes requests all the same.
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(get(&mut client, Method::GET, "/now").await.status(), 200);
        }
        bytes += length;
        response.body_mut().flow_control().release_capacity(length).unwrap();
    }
    assert_eq!(bytes, LARGE);
}

#[tokio::test]
async fn many_hits_at_once_are_all_answered() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    for round in 0..20 {
        let answers: Vec<_> = (0..100)
            .map(|at| {
                let path = if at % 3 == 0 { "/a" } else { "/now" };
                (path, client.send_request(ask(Method::GET, path), true).unwrap().0)
            })
            .collect();
        for (path, answer) in answers {
            let mut answer = within(answer).await.unwrap();
            let body = read(answer.body_mut()).await.unwrap().0;
            assert_eq!(body, path.replace("/now", "now").as_bytes(), "round {round}");
        }
    }
}
