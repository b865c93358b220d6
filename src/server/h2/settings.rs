//! What a client may do on a connection, from the limits.

use h2::server::Builder;

use crate::config::Limits;

/// Bytes of a request body that a client may send before anybody reads it.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Of all request bodies of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of a response that wait inside h2, per stream.
const SEND_BUFFER: usize = 128 * 1024;

/// h2's settings.
pub fn settings(limits: &Limits) -> Builder {
    let list = u32::try_from(limits.header_bytes.saturating_add(limits.headers.saturating_mul(32)));
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(200)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(16 * 1024)
        .max_send_buffer_size(SEND_BUFFER)
        // Twice, so that the service sees what is too large and can say so.
        .max_header_list_size(list.unwrap_or(u32::MAX).saturating_mul(2))
        // Rapid reset (CVE-2023-44487) and its mirror image (CVE-2025-8671).
        .max_pending_accept_reset_streams(32)
        .max_local_error_reset_streams(Some(256))
        // WebSocket (RFC 8441 §3).
        .enable_connect_protocol();
    builder
}
