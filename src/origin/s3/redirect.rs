//! Buckets that are elsewhere: what S3 said of them is followed, with a signature for that place, and remembered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use parking_lot::Mutex;

use super::S3;
use super::plan::Object;
use super::sign::Endpoint;
use super::whereabouts::Said;
use crate::config::{self, S3Style};
use crate::origin::maker::Maker;
use crate::origin::member::Member;
use crate::origin::request::OriginResponse;
use crate::origin::resolve::pair;

/// How long a redirect is remembered. S3's own are said to be temporary.
const REMEMBER: Duration = Duration::from_secs(300);
/// Buckets that are remembered.
const MAX_BUCKETS: usize = 64;

/// Where a bucket is asked for instead.
pub(in crate::origin) struct Elsewhere {
    /// The endpoint; `None` if only the region is another, and the pool's members stay.
    pub member: Option<Arc<Member>>,
    region: String,
    style: S3Style,
    until: Instant,
}

impl Elsewhere {
    /// What a request to `member` is signed for.
    pub(in crate::origin) fn endpoint<'a>(&'a self, member: &'a Member) -> Endpoint<'a> {
        Endpoint { authority: &member.origin.authority, style: self.style, region: &self.region }
    }
}

/// Whether a status may come with word of where a bucket is.
pub(in crate::origin) fn says_where(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 307 | 308 | 400)
}

/// By bucket.
#[derive(Default)]
pub(super) struct Redirects(Mutex<HashMap<String, Arc<Elsewhere>>>);

impl S3 {
    /// Where the object's bucket was found the last time.
    pub(in crate::origin) fn elsewhere(&self, object: &Object) -> Option<Arc<Elsewhere>> {
        let mut all = self.redirects.0.lock();
        let known = all.get(&object.bucket)?;
        if known.until <= Instant::now() {
            all.remove(&object.bucket);
            return None;
        }
        Some(known.clone())
    }

    /// It is not there, or not any more.
    pub(in crate::origin) fn forget(&self, object: &Object) {
        self.redirects.0.lock().remove(&object.bucket);
    }

    /// Whether `response` names another place or region for the object, and that is there; it is then remembered.
    /// `asked` is where it was asked for already, if not as configured.
    pub(in crate::origin) async fn sent_on(
        &self,
        object: &Object,
        from: &Member,
        asked: Option<&Elsewhere>,
        response: &mut OriginResponse,
        maker: &Maker,
        limit: Duration,
    ) -> bool {
        if !says_where(response.status) {
            return false;
        }
        let (region, style) = match asked {
            Some(asked) => (asked.region.as_str(), asked.style),
            None => (self.config.region.as_str(), self.config.style),
        };
        let said = Said::read(response, object, from).await;
        let Some(target) = said.target(object, from, region, style) else {
            if let Some(location) = said.location {
                tracing::warn!(member = %from.label, location, "S3 redirects to where it is not followed");
            }
            return false;
        };
        let elsewhere = match target.member {
            None => Elsewhere::of(None, target.region, target.style, region),
            Some(member) => {
                let Some(member) = find(&member, maker, limit).await else {
                    tracing::warn!(member = %from.label, endpoint = member.host, "the endpoint that S3 redirects to is not there");
                    return false;
                };
                Elsewhere::of(Some(member), target.region, target.style, &self.config.region)
            }
        };
        let endpoint = elsewhere.member.as_ref().map(|member| member.label.as_ref());
        tracing::info!(
            bucket = object.bucket,
            endpoint,
            region = elsewhere.region,
            "S3 names another endpoint or region"
        );
        let mut all = self.redirects.0.lock();
        if all.len() >= MAX_BUCKETS && !all.contains_key(&object.bucket) {
            let oldest = all.iter().min_by_key(|(_, known)| known.until).map(|(bucket, _)| bucket.clone());
            oldest.map(|bucket| all.remove(&bucket));
        }
        all.insert(object.bucket.clone(), Arc::new(elsewhere));
        true
    }
}

impl Elsewhere {
    fn of(member: Option<Arc<Member>>, region: Option<String>, style: S3Style, default: &str) -> Self {
        let region = region.unwrap_or_else(|| default.to_owned());
        Self { member, region, style, until: Instant::now() + REMEMBER }
    }
}

/// The server at an endpoint.
async fn find(endpoint: &config::Member, maker: &Maker, limit: Duration) -> Option<Arc<Member>> {
    let resolving = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port));
    let addresses = tokio::time::timeout(limit, resolving).await.ok()?.ok()?;
    let addresses: Vec<_> = addresses.map(|address| address.ip()).collect();
    let address = pair(&addresses, endpoint.port).into_iter().next()?;
    let origin = maker.origin(endpoint, false).ok()?;
    Some(Arc::new(Member::new(origin, address)))
}
