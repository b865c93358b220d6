//! What protocols have in common whose connections carry many streams: HTTP/2, and HTTP/3 when it comes.
//!
//! Such a protocol brings the halves of a stream ([`halves`]) and has the rest from here. In the order a stream meets
//! it: [`serving`] answers hits on the spot, [`waiting`] waits for the other answers, [`reply`] writes heads and [`pump`]
//! bodies. [`upload`] is the request's body, [`hints`] the way of interim responses, [`websocket`] and [`tunnel`] are
//! extended CONNECT.

pub mod halves;
pub mod hints;
pub mod pump;
pub mod reply;
pub mod serving;
pub mod tunnel;
pub mod upload;
pub mod waiting;
pub mod websocket;
