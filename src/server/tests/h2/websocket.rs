//! Extended CONNECT (RFC 8441).

use ::h2::ext::Protocol;

use super::messages::{client, read, within};
use super::*;

fn connect(path: &str) -> Request<()> {
    let request = Request::connect(format!("http://x{path}")).extension(Protocol::from_static("websocket"));
    request.header("sec-websocket-version", "13").body(()).unwrap()
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_until_both_ends_have_ended() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    within(async {
        while !client.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (response, mut send) = client.send_request(connect("/upgrade"), false).unwrap();
    let mut response = within(response).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for name in ["sec-websocket-accept", "connection", "upgrade", "content-length"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    // More than any window: it comes back only because it is taken.
    let writing = tokio::spawn(async move {
        for at in 0..64u8 {
            let mut left = Bytes::from(vec![at; 32 * 1024]);
            while !left.is_empty() {
                send.reserve_capacity(left.len());
                let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await.unwrap().unwrap();
                send.send_data(left.split_to(room.min(left.len())), false).unwrap();
            }
        }
        send.send_data(Bytes::new(), true).unwrap();
    });
    let (bytes, _) = read(response.body_mut()).await.unwrap();
    writing.await.unwrap();
    let expected: Vec<u8> = (0..64u8).flat_map(|at| vec![at; 32 * 1024]).collect();
    assert!(bytes == expected, "{} of {}", bytes.len(), expected.len());
    // The connection goes on.
    let next = client.send_request(super::messages::ask(http::Method::GET, "/now"), true).unwrap().0;
    assert_eq!(within(next).await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_no_agreement_never_looks_like_one() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    let lie = |mut request: Request<()>| {
        request.headers_mut().insert("x-lie", "1".parse().unwrap());
        request
    };
    for (request, status) in [
        (connect("/upgrade?403"), 403),
        (connect("/upgrade?302"), 302),
        (connect("/upgrade?200"), 502),
        (connect("/upgrade?101"), 502),
        (lie(connect("/upgrade")), 502),
    ] {
        let what = format!("{} {:?}", request.uri(), request.headers());
        let (response, _send) = client.send_request(request, false).unwrap();
        assert_eq!(within(response).await.unwrap().status(), status, "{what}");
    }
    assert_eq!(up.refusals(), [Refusal::OriginAmbiguous; 3]);
    // A protocol nobody speaks stays a CONNECT, which is the handler's to refuse.
    let request =
        Request::connect("http://x/a").extension(Protocol::from_static("connect-udp")).body(()).unwrap();
    let (response, _send) = client.send_request(request, false).unwrap();
    assert_eq!(read(within(response).await.unwrap().body_mut()).await.unwrap().0, b"/a");
}

#[tokio::test]
async fn a_client_that_resets_a_tunnel_ends_it() {
    let up = Up::plain(limits());
    let mut client = client(&up).await;
    let (response, mut send) = client.send_request(connect("/upgrade"), false).unwrap();
    let mut response = within(response).await.unwrap();
    send.send_data("x".into(), false).unwrap();
    within(response.body_mut().data()).await.unwrap().unwrap();
    send.send_reset(::h2::Reason::CANCEL);
    drop((response, send, client));
    // The tunnel was the last thing in flight.
    within(async {
        while up.metric("seawall_connections") > 0.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
