//! What the edge says about itself: metrics, access log, hot keys, diagnostics.

mod access_log; // lines off the request's path: channel, thread, sampling
mod collector; // shards summed into Prometheus families at scrape
mod diagnostics; // `tracing` to stderr
#[cfg(test)]
pub(crate) mod exposition; // a strict reader of what /metrics says
mod hot_keys; // the busiest keys now
mod line; // one access log line: JSON or text
mod metrics; // the registry, build info, the shards
mod process; // this process as /proc shows it
mod record; // what one request became
mod recorder; // a request's record from its first byte to its last
mod repeats; // a fault that repeats is one line in ten seconds, with a count
mod shard; // one thread's counters
mod sites; // what metrics and logs call a site
mod sink; // where access log lines go: a file or standard output
mod top_k; // a Space-Saving sketch that forgets

pub use access_log::{AccessLog, AccessLogError};
pub use diagnostics::{DiagnosticsError, Guard, tracing_init};
pub use hot_keys::{HotKey, HotKeys, HotShard};
pub use metrics::{CONTENT_TYPE, Metrics};
pub use record::{Details, MethodClass, OriginTrip, Record, Tier};
pub use recorder::{Pending, Recorder};
pub use shard::RequestShard;
pub use sites::SiteHandle;
