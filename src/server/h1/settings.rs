//! hyper's settings, from the limits.

use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioTimer;

use crate::config::Limits;

/// hyper's settings.
pub fn settings(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .half_close(false)
        .keep_alive(true)
        // Heads have their own deadline, with an answer; hyper's would close without one.
        .header_read_timeout(None)
        // The scan measures heads; hyper's buffer must only never be the smaller one.
        .max_buf_size(limits.header_bytes.saturating_add(16 * 1024).max(64 * 1024));
    if limits.headers > 100 {
        // Beyond its default hyper allocates room for them on each request, so only if it must.
        builder.max_headers(limits.headers);
    }
    builder
}
