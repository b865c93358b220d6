//! HTTP/2 over the `h2` crate, which knows frames, windows and header compression: streams in, responses out.
//!
//! hyper's server would do, if it could send interim responses and open tunnels (RFC 8441) without a task for each.
//! [`settings`] is what the client may do, [`connection`] takes streams in and drives them, [`io`] gathers what is
//! written, [`state`] says what the connection is doing, [`halves`] are a stream's. What becomes of a stream is in
//! `streams`.

pub mod connection;
pub mod halves;
pub mod io;
pub mod settings;
pub mod state;
