//! HTTP/1 by hyper, with a layer of our own below it that sees the bytes first.
//!
//! In the order a request meets them: [`settings`] is what hyper is told, [`connection`] drives it to its end, [`io`]
//! guards its bytes by the [`scan`], [`reply`] calls the service and has the last word on responses. [`state`] says what
//! the connection is doing, [`hints`] is the way of interim responses, [`refusal`] answers what never became a request.

pub mod connection;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod hints;
pub mod io;
pub mod refusal;
pub mod reply;
pub mod scan;
pub mod settings;
pub mod state;
