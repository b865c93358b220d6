//! Small writes of HTTP/2 are gathered until a flush is meant: what must never be lost, kept back, or grow.

use std::future::poll_fn;

use tokio::io::AsyncWrite;
use tokio::net::UnixStream;

use super::super::clock::Clock;
use super::super::h2::io::GatheringIo;
use super::super::h2::state::State;
use super::super::link::Link;
use super::super::state::{Core, Deadlines, State as _};
use super::super::stream::Stream;
use super::*;

/// What h2 would write to; its state; the client.
fn fresh() -> (GatheringIo, Arc<State>, UnixStream) {
    let (ours, client) = UnixStream::pair().unwrap();
    let state = Arc::new(State::new(Core::new(Clock::start(), Deadlines::from(&limits()), 1)));
    (GatheringIo::new(Link::new(Stream::Unix(ours), vec![], state.clone())), state, client)
}

/// The same, whose first request has come.
fn io() -> (GatheringIo, Arc<State>, UnixStream) {
    let (io, state, client) = fresh();
    state.begin();
    (io, state, client)
}

/// Writes once, without waiting: how much was taken, if any.
async fn write(io: &mut GatheringIo, bytes: &[u8]) -> Option<usize> {
    poll_fn(|cx| match Pin::new(&mut *io).poll_write(cx, bytes) {
        Poll::Ready(wrote) => Poll::Ready(Some(wrote.unwrap())),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// What the client has got by now.
fn arrived(client: &UnixStream) -> usize {
    let mut bytes = [0; 4096];
    client.try_read(&mut bytes).unwrap_or(0)
}

/// What the client gets, if it gets anything.
async fn comes(client: &UnixStream) -> usize {
    tokio::time::timeout(Duration::from_secs(5), client.readable()).await.expect("something comes").unwrap();
    arrived(client)
}

#[tokio::test]
async fn small_writes_leave_together_when_a_flush_is_meant() {
    let (mut io, state, client) = io();
    for part in [b"head".as_slice(), b"body"] {
        assert_eq!(write(&mut io, part).await, Some(4));
        io.flush().await.unwrap();
        assert_eq!(arrived(&client), 0, "that flush was in passing");
    }
    assert!(state.gathered());
    state.set_flushing(true);
    io.flush().await.unwrap();
    assert!(!state.gathered());
    assert_eq!(comes(&client).await, 8);
}

#[tokio::test]
async fn before_the_first_request_every_flush_is_meant() {
    let (mut io, _state, client) = fresh();
    assert_eq!(write(&mut io, b"SETTINGS").await, Some(8));
    io.flush().await.unwrap();
    assert_eq!(comes(&client).await, 8);
}

#[tokio::test]
async fn a_full_socket_is_pressed_back_on_and_nothing_is_lost_at_the_end() {
    let (mut io, state, mut client) = io();
    // A period that no buffer size is a multiple of, so that a part that was lost or doubled shows.
    let text: Vec<u8> = (0..1_000u32).map(|at| (at % 251) as u8).collect();
    let mut taken = Vec::new();
    while let Some(wrote) = write(&mut io, &text).await {
        taken.extend_from_slice(&text[..wrote]);
        assert!(taken.len() < 8 << 20, "it grows without bound");
    }
    assert!(state.gathered());
    assert!(state.next().0 < u64::MAX, "the client is being waited for");
    let (got, ()) = tokio::join!(
        async {
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            got
        },
        async { io.shutdown().await.unwrap() }
    );
    assert!(got == taken, "{} of {}", got.len(), taken.len());
    assert!(!state.gathered());
}

#[tokio::test]
async fn a_large_write_goes_out_behind_what_is_gathered() {
    let (mut io, _state, mut client) = io();
    assert_eq!(write(&mut io, b"first").await, Some(5));
    let wrote = write(&mut io, &[b'x'; 32 * 1024]).await.unwrap();
    let mut got = vec![0; 5 + wrote];
    client.read_exact(&mut got).await.unwrap();
    assert!(got.starts_with(b"firstx"));
}
