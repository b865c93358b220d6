//! What is cached for a URL, for operators.

use serde::Serialize;

use crate::cache::object::Object;
use crate::cache::store::Inspected;
use crate::http::time::Time;

use crate::edge::request::resource_url::{ResourceUrl, UrlError};
use crate::edge::worker::Edge;

/// What is cached for one URL.
#[derive(Debug, Serialize)]
pub struct Cached {
    /// Its key, for a request with none of the headers and cookies that the site counts in.
    pub key: String,
    /// Its hash, as the access log's `cache_key` has it.
    pub cache_key: String,
    /// Requests don't queue for a response: lately it could not be stored.
    pub uncacheable: bool,
    /// Stored responses; several where they vary.
    pub objects: Vec<Stored>,
}

/// One stored response.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// Where it is found: `memory`, or `disk` if only that has it.
    pub tier: &'static str,
    /// The names in Vary.
    pub vary: Vec<String>,
    /// The request's values of those that select it, normalised, one a line.
    pub selected_by: String,
    /// As the origin said.
    pub status: u16,
    /// `fresh` or `stale`, or `unconfirmed`: the origin is asked before every use.
    pub state: &'static str,
    /// Seconds.
    pub age: u64,
    /// Seconds until it is stale; negative since it is.
    pub ttl: i64,
    /// Seconds that it may be served for when stale, while it is refreshed.
    pub stale_while_revalidate: u64,
    /// Seconds that it may be served for when stale and the origin fails.
    pub stale_if_error: u64,
    /// Bytes of the body.
    pub size: u64,
    /// Bytes it takes in memory.
    pub weight: u64,
    /// Times it was served from memory since it came there: disk keeps no count.
    pub hits: u64,
    /// The entity tag.
    pub etag: Option<String>,
    /// For purges.
    pub tags: Vec<String>,
    /// The last purge that has been applied to it.
    pub purges_seen: u64,
}

/// Looks at what is cached, and changes nothing but to drop what a purge means.
///
/// # Errors
/// The URL is none, or no site has its host.
pub async fn cached(url: &str, edge: &Edge) -> Result<Cached, UrlError> {
    let resource = ResourceUrl::parse(url, &edge.settings().sites)?;
    let (key, now) = (resource.key(), edge.now());
    let Inspected { uncacheable, objects } = edge.store.inspect(&key, resource.route.site_id, now).await;
    let objects = objects.iter().map(|(tier, object)| stored(tier, object, now)).collect();
    let cache_key = format!("{:016x}", key.ring());
    Ok(Cached { key: lossy(key.text()), cache_key, uncacheable, objects })
}

fn stored(tier: &'static str, object: &Object, now: Time) -> Stored {
    let meta = &object.meta;
    let freshness = &meta.freshness;
    let variant = meta.variant.as_ref();
    Stored {
        tier,
        vary: variant.map_or_else(Vec::new, |v| v.names.iter().map(ToString::to_string).collect()),
        selected_by: variant.map_or_else(String::new, |v| lossy(&v.selecting)),
        status: meta.status.as_u16(),
        state: match freshness {
            _ if freshness.always_validate => "unconfirmed",
            _ if freshness.is_fresh(now) => "fresh",
            _ => "stale",
        },
        age: freshness.age(now).as_secs(),
        ttl: freshness.ttl(now),
        stale_while_revalidate: freshness.stale_while_revalidate.as_secs(),
        stale_if_error: freshness.stale_if_error.as_secs(),
        size: object.body.len(),
        weight: object.weight() as u64,
        hits: meta.touched.hits(),
        etag: meta.etag().map(|etag| lossy(etag.as_bytes())),
        tags: meta.tags.iter().map(lossy).collect(),
        purges_seen: meta.seen.get(),
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
