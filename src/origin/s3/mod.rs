//! A pool whose members are S3 endpoints: objects of one bucket, and nothing else that S3 can do.
//!
//! `plan` turns a path into an object, or into a refusal to ask; `sign` writes the request; `answer` takes out of
//! the response what is S3's business, `fields` of either head; `redirect` follows it to another endpoint or region,
//! as far as what `whereabouts` reads is to be believed; `credentials` knows whose key signs, and gets temporary ones from its
//! `providers`, which `refresh` asks ahead of time.

mod answer;
mod credentials;
mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod plan;
mod providers;
mod redirect;
mod refresh;
mod sign;
mod whereabouts;

pub(super) use answer::local_answer;
pub(crate) use fields::{is_kept_back, strip_request};
pub(super) use plan::{Object, Plan};
pub(super) use redirect::{Elsewhere, says_where};
pub(crate) use whereabouts::region;

use credentials::Source;

use super::error::OriginSetupError;
use super::metrics::OriginMetrics;
use crate::config::{self, HostPattern};

/// `[pool.s3]`, ready for use.
pub(super) struct S3 {
    config: config::S3,
    credentials: Source,
    /// `.photos.example.com` of every site's wildcard hosts: where a bucket's name may come from.
    parents: Vec<String>,
    not_found: http::StatusCode,
    redirects: redirect::Redirects,
}

impl S3 {
    /// Must be called within a runtime.
    ///
    /// # Errors
    /// If `not_found` is no status code, or `bucket` has bytes that could change a path or a host.
    pub(super) fn new(
        pool: &config::Pool,
        s3: &config::S3,
        sites: &[config::Site],
        metrics: &OriginMetrics,
    ) -> Result<Self, OriginSetupError> {
        let not_found = http::StatusCode::from_u16(s3.not_found).map_err(|_| OriginSetupError::S3 {
            pool: pool.name.clone(),
            reason: format!("not_found = {} is no status code", s3.not_found),
        })?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if let Some(bucket) = s3.bucket.as_ref().filter(|bucket| !bucket.bytes().all(is_plain)) {
            let reason = format!("bucket {bucket:?} has bytes that no bucket's name has");
            return Err(OriginSetupError::S3 { pool: pool.name.clone(), reason });
        }
        let credentials = Source::new(&s3.credentials, &s3.region, &|name| std::env::var(name).ok());
        credentials.start(&pool.name, metrics);
        tracing::info!(pool = pool.name, source = credentials.whence(&s3.credentials), "S3 credentials");
        let parents = sites.iter().flat_map(|site| &site.hosts).filter_map(|host| match host {
            HostPattern::Suffix(parent) => Some(parent.clone()),
            HostPattern::Exact(_) | HostPattern::Any => None,
        });
        Ok(Self {
            config: s3.clone(),
            credentials,
            parents: parents.collect(),
            not_found,
            redirects: Default::default(),
        })
    }

    /// Waits until requests can be signed, but not for longer than `limit`.
    pub(super) async fn ready(&self, limit: std::time::Duration) {
        self.credentials.ready(limit).await;
    }
}
