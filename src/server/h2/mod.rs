//! HTTP/2 over the `h2` crate, which knows frames, windows and header compression: streams in, responses out.
//!
//! hyper's server would do, if it could send interim responses and open tunnels (RFC 8441) without a task for each.
//! In the order a stream meets them: [`settings`] is what the client may do, `serving` takes streams in and
//! answers hits on the spot, `stream` waits for the other answers, `reply` writes heads and `pump` bodies. `upload` is
//! the request's body, `hints` the way of interim responses, `websocket` and `tunnel` are extended CONNECT.

mod hints;
mod pump;
mod reply;
mod serving;
mod settings;
mod stream;
mod tunnel;
mod upload;
mod websocket;

pub use hints::{Desk, StreamHints};
pub use serving::Serving;
pub use settings::settings;
pub use upload::Upload;
