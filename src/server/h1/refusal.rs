//! A refusal as bytes of HTTP/1.1, for what never became a request that hyper could answer.

use tokio::io::AsyncWriteExt;

use super::super::link::{LINGER, goodbye};
use super::super::stream::Stream;
use crate::http::cache_status::CacheStatus;
use crate::http::refusal::Refusal;

/// Answers a connection that HTTP never began on, and ends it.
pub async fn refuse(mut stream: Stream, refusal: Refusal, server_name: &str) {
    let answer = message(refusal, server_name);
    let ending = async {
        if stream.write_all(&answer).await.is_ok() {
            goodbye(&mut stream, true).await;
        }
    };
    // Too late is as good as done: the drop closes it.
    let _ = tokio::time::timeout(LINGER, ending).await;
}

/// The message, with the connection's end announced.
pub fn message(refusal: Refusal, server_name: &str) -> Vec<u8> {
    let status = refusal.status();
    let body = refusal.body();
    let cache_status = CacheStatus::own(server_name).detail(refusal.as_str()).to_value();
    // All of its bytes are ASCII.
    let cache_status = cache_status.to_str().unwrap_or_default();
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\ncache-status: {cache_status}\r\nconnection: close\r\ndate: {date}\r\n\r\n{body}",
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
        body.len(),
    )
    .into_bytes()
}
