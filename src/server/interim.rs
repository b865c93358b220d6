//! Interim responses (1xx) on their way to a client, by whichever protocol: `h1/hints.rs` and `streams/hints.rs` say how.

use http::{HeaderMap, StatusCode};

use super::h1::hints::{Turn, Turns};
use super::streams::hints::{Desk, StreamHints};
use crate::http::hop_by_hop;

/// The most that one request's interim responses may have in all: an origin can send any number of them.
const MOST: usize = 16 * 1024;

/// A connection's place for interim responses. By default there is nobody to take them.
#[derive(Debug, Clone, Default)]
pub struct Interim(Place);

#[derive(Debug, Clone, Default)]
enum Place {
    #[default]
    Nowhere,
    /// HTTP/1: one request at a time is answered.
    OneByOne(Turns),
    PerStream(Desk),
}

/// Leave to send interim responses to one request.
#[derive(Debug, Clone)]
pub struct Hints(Leave);

#[derive(Debug, Clone)]
enum Leave {
    Turn(Turn),
    Stream(StreamHints),
}

impl From<Turns> for Interim {
    fn from(turns: Turns) -> Self {
        Self(Place::OneByOne(turns))
    }
}

impl From<Desk> for Interim {
    fn from(desk: Desk) -> Self {
        Self(Place::PerStream(desk))
    }
}

impl Interim {
    /// For the request that is worked on now; none if it takes no interim responses. To be asked while the handler's
    /// future is polled.
    pub fn hints(&self) -> Option<Hints> {
        match &self.0 {
            Place::Nowhere => None,
            Place::OneByOne(turns) => turns.current().map(|turn| Hints(Leave::Turn(turn))),
            Place::PerStream(desk) => desk.hints().map(|hints| Hints(Leave::Stream(hints))),
        }
    }
}

impl Hints {
    /// Sends an interim response, unless it comes too late, or there were too many. Fields of the hop stay behind.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        // 101 ends HTTP, and 100 answers an Expect that was not ours.
        if !status.is_informational() || status.as_u16() <= 101 {
            return;
        }
        let mut headers = headers.clone();
        hop_by_hop::strip_response(&mut headers);
        // There is no body that it could tell the length of (RFC 9110 §8.6).
        headers.remove(http::header::CONTENT_LENGTH);
        match &self.0 {
            Leave::Turn(turn) => turn.send(status, &headers, MOST),
            Leave::Stream(hints) => hints.send(status, headers, MOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::task::Waker;

    fn link() -> HeaderMap {
        let fields = [("link", "</a.css>"), ("connection", "x-hop"), ("x-hop", "1"), ("content-length", "5")];
        fields.into_iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_between_messages_and_only_for_its_own_request() {
        let turns = Turns::default();
        let interim = Interim::from(turns.clone());
        assert!(interim.hints().is_none(), "nobody asks");
        turns.begin();
        let hints = interim.hints().unwrap();
        hints.send(StatusCode::EARLY_HINTS, &link());
        assert_eq!(turns.take(), None, "the response before it may not be written yet");
        turns.flushed(Waker::noop());
        for status in [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
            hints.send(status, &link());
        }
        assert_eq!(turns.take(), None);
        hints.send(StatusCode::EARLY_HINTS, &link());
        let written = turns.take().unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
        turns.end();
        hints.send(StatusCode::EARLY_HINTS, &link());
        assert_eq!(turns.take(), None, "its response has begun");
        turns.begin();
        turns.flushed(Waker::noop());
        hints.send(StatusCode::EARLY_HINTS, &link());
        assert_eq!(turns.take(), None, "another request's turn");
    }

    #[test]
    fn an_origin_can_not_send_them_without_end() {
        let turns = Turns::default();
        let interim = Interim::from(turns.clone());
        turns.begin();
        turns.flushed(Waker::noop());
        let hints = interim.hints().unwrap();
        let mut written = 0;
        for _ in 0..10_000 {
            hints.send(StatusCode::PROCESSING, &HeaderMap::new());
            written += turns.take().map_or(0, |bytes| bytes.len());
        }
        assert!((MOST - 100..=MOST).contains(&written), "{written}");
    }
}
