//! Who answered, and at what cost.

use std::sync::Arc;
use std::time::Duration;

/// Who answered, and at what cost.
#[derive(Debug, Clone)]
pub struct Trip {
    /// The pool's name.
    pub pool: Arc<str>,
    /// `host:port`, and the address behind a name: `origin.internal:80/10.0.0.7`. `none` if nobody was asked.
    pub member: Arc<str>,
    /// Attempts made, this one included; 0 if answered without asking.
    pub attempts: u32,
    /// From the last attempt's start to its response head, if one came.
    pub first_byte: Option<Duration>,
    /// How the last attempt failed, as [`FetchError::as_str`](super::FetchError::as_str) says it.
    pub error: Option<&'static str>,
    /// The `x-amz-request-id` of S3's answer, which its operator asks for; cut at 128 bytes.
    pub request_id: Option<Box<str>>,
}
