//! Interim responses on streams: which stream, in which order, and that a body is waited for only when it is read.

use std::future::poll_fn;

use http::Method;

use super::messages::{ask, client, read, within};
use super::*;

#[tokio::test]
async fn they_come_before_the_final_response_of_their_stream_and_never_after() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    let (mut hinted, _) = client.send_request(ask(Method::GET, "/hints"), true).unwrap();
    let (mut other, _) = client.send_request(ask(Method::GET, "/slow"), true).unwrap();
    within(up.seen.arrived.acquire_many(2)).await.unwrap().forget();
    let first = within(poll_fn(|cx| hinted.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!(
        (first.status(), &first.headers()["link"]),
        (StatusCode::EARLY_HINTS, &"</a>".parse().unwrap())
    );
    up.seen.go.add_permits(2);
    // Hyper-lenient clients hide the order; frame by frame it is in `the_order_on_the_wire`.
    assert!(within(poll_fn(|cx| other.poll_informational(cx))).await.is_none(), "not this stream's");
    let mut response = within(hinted).await.unwrap();
    assert_eq!(
        (response.status(), read(response.body_mut()).await.unwrap().0),
        (StatusCode::OK, b"hinted".to_vec())
    );
    assert_eq!(within(other).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_order_on_the_wire() {
    let up = Up::plain(limits());
    let mut client = up.connect().await;
    client.write_all(&[hello(), request(1, "/hints")].concat()).await.unwrap();
    let first = next_of(HEADERS, &mut client).await;
    assert_eq!(first.flags & END_STREAM, 0);
    up.seen.go.add_permits(1);
    // One more before the final one, which came with it; the third came too late.
    let (second, last, data) = (next(&mut client).await, next(&mut client).await, next(&mut client).await);
    let kinds = [second, last, data].map(|frame| frame.map(|frame| (frame.kind, frame.flags & END_STREAM)));
    assert_eq!(kinds, [Some((HEADERS, 0)), Some((HEADERS, 0)), Some((DATA, END_STREAM))]);
    client.write_all(&frame(PING, 0, 0, &[7; 8])).await.unwrap();
    assert_eq!(next(&mut client).await.unwrap().kind, PING, "and nothing in between");
}

#[tokio::test]
async fn a_100_comes_when_the_body_is_wanted_and_not_before() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    for (path, wanted) in [("/echo", true), ("/a", false)] {
        let mut request = ask(Method::POST, path);
        request.headers_mut().insert("expect", "100-continue".parse().unwrap());
        let (mut response, mut send) = client.send_request(request, false).unwrap();
        let interim = within(poll_fn(|cx| response.poll_informational(cx))).await;
        let status = interim.map(|interim| interim.unwrap().status());
        assert_eq!(status, wanted.then_some(StatusCode::CONTINUE), "{path}");
        if wanted {
            send.send_data("hello".into(), true).unwrap();
        }
        let mut response = within(response).await.unwrap();
        let body = read(response.body_mut()).await.unwrap().0;
        assert_eq!(body, if wanted { &b"hello"[..] } else { b"/a" });
    }
}
