//! One request head within its limits.

use crate::http::framing::{Framing, HeadScan};
use crate::http::refusal::Refusal;

/// What a head may measure.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes, request line and final empty line included.
    pub head: usize,
    /// Field lines.
    pub fields: usize,
    /// Bytes of the request target.
    pub target: usize,
}

/// How far a head was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has no end yet.
    Partial,
    /// It ends before this byte, and this follows.
    Complete(usize, Framing),
    /// It must not be answered by a handler.
    Refused(Refusal),
}

impl HeadLimits {
    /// Reads on in `head`, as [`HeadScan::read`] does.
    pub(super) fn read(&self, scan: &mut HeadScan, head: &[u8]) -> Progress {
        let end = scan.read(head);
        if scan.target() > self.target {
            return Progress::Refused(Refusal::UriTooLong);
        }
        if scan.fields() > self.fields || end.unwrap_or(head.len()) > self.head {
            return Progress::Refused(Refusal::HeadTooLarge);
        }
        match (end, scan.verdict()) {
            (None, _) => Progress::Partial,
            (Some(end), Ok(framing)) => Progress::Complete(end, framing),
            (Some(_), Err(defect)) => {
                tracing::debug!(defect = defect.as_str(), "request head");
                Progress::Refused(defect.refusal())
            }
        }
    }
}
