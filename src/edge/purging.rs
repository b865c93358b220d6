//! Making a purge: from what an operator names, and from the PURGE method.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use ipnet::IpNet;
use serde_json::json;

use crate::cache::invalidation::{Appended, InvalidationLog, MAX_TAG, Mode, NotDurable, Selector};
use crate::config::{Admin, OriginKind, Secret};
use crate::http::bearer;
use crate::http::cache_status::{CACHE_STATUS, CacheStatus};
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::policy::outcome::Outcome;
use crate::telemetry::Pending;

use super::body::Source;
use super::named::{NameError, Named};
use super::refuse::Refused;
use super::respond::Answer;
use super::route::Sites;
use super::sanitize::Incoming;
use super::worker::Shared;

/// What is to be purged, as an operator says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purge {
    /// Resources, with all their variants.
    pub urls: Vec<String>,
    /// URLs without a query; everything that begins like one of them, byte for byte.
    pub prefixes: Vec<String>,
    /// Tags as origins write them.
    pub tags: Vec<String>,
    /// Sites, by one of their hosts as it stands in the configuration.
    pub sites: Vec<String>,
    /// All there is.
    pub everything: bool,
    /// Stale rather than gone.
    pub soft: bool,
}

/// What is wrong with a purge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{field}\" {why}")]
pub struct BadPurge {
    /// `urls[3]`
    pub field: String,
    /// To follow the field in a sentence.
    pub why: String,
}

impl Purge {
    /// Hard or soft.
    pub fn mode(&self) -> Mode {
        if self.soft { Mode::Soft } else { Mode::Hard }
    }

    /// How many things it names.
    pub fn count(&self) -> usize {
        let lists = [&self.urls, &self.prefixes, &self.tags, &self.sites];
        lists.iter().map(|list| list.len()).sum::<usize>() + usize::from(self.everything)
    }

    /// What it selects.
    ///
    /// # Errors
    /// The first of its fields that means nothing here; nothing is purged then.
    pub fn selectors(&self, sites: &Sites) -> Result<Vec<Selector>, BadPurge> {
        let mut selectors = Vec::new();
        each("urls", &self.urls, &mut selectors, |url| {
            Ok(vec![Selector::url(&Named::parse(url, sites).map_err(|error| error.to_string())?.line())])
        })?;
        each("prefixes", &self.prefixes, &mut selectors, |url| prefix(url, sites))?;
        each("tags", &self.tags, &mut selectors, tag)?;
        each("sites", &self.sites, &mut selectors, |host| {
            let site = sites.site_id(&host.to_ascii_lowercase());
            site.map(|site| vec![Selector::Site(site)])
                .ok_or_else(|| "is no host that a site lists".to_owned())
        })?;
        if self.everything {
            selectors.push(Selector::Everything);
        }
        Ok(selectors)
    }
}

fn each(
    field: &str,
    values: &[String],
    selectors: &mut Vec<Selector>,
    select: impl Fn(&str) -> Result<Vec<Selector>, String>,
) -> Result<(), BadPurge> {
    for (index, value) in values.iter().enumerate() {
        let selected = select(value).map_err(|why| BadPurge { field: format!("{field}[{index}]"), why })?;
        selectors.extend(selected);
    }
    Ok(())
}

/// What is below a prefix may be served by other rules than the prefix itself, from a pool of the other kind. It is
/// purged in every spelling that keys of the site may have.
fn prefix(url: &str, sites: &Sites) -> Result<Vec<Selector>, String> {
    if url.contains('?') {
        return Err("must have no query".to_owned());
    }
    if url.ends_with('*') {
        return Err("is a prefix as it is: leave the * away".to_owned());
    }
    let (host, target) = Named::read(url).map_err(|error| error.to_string())?;
    if sites.find(host.name()).is_none() {
        return Err(NameError::Unknown.to_string());
    }
    let mut spellings = Vec::new();
    for origin in [OriginKind::Http, OriginKind::S3] {
        let mut target = target.clone();
        target.identify(origin);
        let spelling = [host.as_str().as_bytes(), target.path().as_bytes()].concat();
        if sites.has_origin(host.name(), origin) && !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
    Ok(spellings.iter().map(|spelling| Selector::prefix(spelling)).collect())
}

fn tag(tag: &str) -> Result<Vec<Selector>, String> {
    if tag.is_empty() || tag.len() > MAX_TAG {
        return Err(format!("must have 1 to {MAX_TAG} bytes"));
    }
    if tag.trim() != tag || tag.chars().any(char::is_control) {
        return Err("must have no space around it and no control characters: no tag has".to_owned());
    }
    Ok(vec![Selector::tag(tag.as_bytes())])
}

/// Purges; in effect for the next request when it returns.
///
/// # Errors
/// It is in effect, but not on disk.
pub async fn run(
    log: &Arc<InvalidationLog>,
    selectors: Vec<Selector>,
    mode: Mode,
    now: Time,
) -> Result<Appended, NotDurable> {
    let waiting = Arc::clone(log);
    // It waits for the disk, and a runtime's thread must not.
    match tokio::task::spawn_blocking(move || waiting.append(&selectors, mode, now)).await {
        Ok(result) => {
            let tidied = Arc::clone(log);
            // Nobody waits for this, nor does the next purge.
            drop(tokio::task::spawn_blocking(move || {
                if let Err(error) = tidied.tidy() {
                    tracing::warn!(%error, "the log of purges is not written anew");
                }
            }));
            result
        }
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going, and who waits here with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Who may send the PURGE method to the listeners.
#[derive(Debug, Default)]
pub struct Purgers {
    networks: Vec<IpNet>,
    token: Option<Secret>,
}

impl Purgers {
    /// Those of `admin.purge_from`, and the bearer of `admin.token`.
    pub fn new(admin: &Admin) -> Self {
        Self { networks: admin.purge_from.clone(), token: admin.token.clone() }
    }

    fn allow(&self, client: IpAddr, headers: &HeaderMap) -> bool {
        self.networks.iter().any(|network| network.contains(&client))
            || self.token.as_ref().is_some_and(|token| bearer::carries(headers, token.expose()))
    }
}

/// Whether a request is a purge by somebody who may. From anybody else PURGE is a method like any other.
pub fn is_purge(incoming: &Incoming, shared: &Shared) -> bool {
    incoming.method.as_str() == "PURGE" && shared.purgers.allow(incoming.client, &incoming.headers)
}

/// `PURGE /path` purges that URL; with `Purge-Soft: 1` softly.
///
/// # Errors
/// No site has the host, or Purge-Soft is neither 0 nor 1.
pub async fn method(shared: &Shared, incoming: &Incoming, pending: &mut Pending) -> Result<Answer, Refused> {
    let named = Named::of(incoming.host.clone(), incoming.target.clone(), &shared.sites);
    let named = named.map_err(|_: NameError| match incoming.on_tls {
        true => Refusal::Misdirected,
        false => Refusal::UnknownHost,
    })?;
    pending.record.site = Some(named.route.site);
    let mode = match incoming.headers.get("purge-soft").map(HeaderValue::as_bytes) {
        None | Some(b"0") => Mode::Hard,
        Some(b"1") => Mode::Soft,
        Some(_) => return Err(Refusal::BadField.into()),
    };
    let selectors = vec![Selector::url(&named.line())];
    let (status, body) = report(run(&shared.purges, selectors, mode, shared.clock.now()).await, 1);
    Ok(answer(&shared.server_name, status, body))
}

/// What is said of a purge, here and by the admin listener.
pub fn report(result: Result<Appended, NotDurable>, purged: usize) -> (StatusCode, serde_json::Value) {
    match result {
        Ok(Appended { sequence }) => (StatusCode::OK, json!({ "sequence": sequence, "purged": purged })),
        Err(error) => {
            tracing::error!(%error, "purge");
            let body = json!({ "error": error.to_string(), "sequence": error.sequence, "purged": purged });
            (StatusCode::INTERNAL_SERVER_ERROR, body)
        }
    }
}

fn answer(cache: &str, status: StatusCode, body: serde_json::Value) -> Answer {
    let body = Bytes::from(format!("{body}\n"));
    let mut response = Response::new(Source::Empty);
    *response.status_mut() = status;
    let head = response.headers_mut();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.insert(CONTENT_LENGTH, body.len().into());
    head.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    head.insert(CACHE_STATUS, CacheStatus::own(cache).detail("purge").to_value());
    *response.body_mut() = Source::Once(body);
    Answer { response, outcome: Outcome::Edge }
}

#[cfg(test)]
mod tests;
