//! Making a purge: from what an operator names, and from the PURGE method.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

pub use crate::cache::invalidation::Selector;
use crate::cache::invalidation::{Appended, MAX_TAG, Mode, NotDurable, separates_tags};
use crate::config::OriginKind;
use crate::edge::request::resource_url::{ResourceUrl, UrlError};
use crate::edge::request::route::Sites;
use crate::edge::request::sanitize::Incoming;
use crate::edge::respond::body::Source;
use crate::edge::respond::refusal::Refused;
use crate::edge::respond::response::Answer;
use crate::edge::settings::Settings;
use crate::edge::worker::Edge;
use crate::http::cache_status::{CACHE_STATUS, CacheStatus};
use crate::http::refusal::Refusal;
use crate::policy::outcome::Outcome;
use crate::telemetry::Pending;

mod asterisk; // what a `*` means in a URL

use asterisk::Asked;

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
        each("urls", &self.urls, &mut selectors, |url| match asterisk::read(url)? {
            Asked::Prefix(url) => prefix(url, sites),
            Asked::Url(url) => {
                let resource = ResourceUrl::parse(url, sites).map_err(|error| error.to_string())?;
                Ok(vec![Selector::url(&resource.line())])
            }
        })?;
        each("prefixes", &self.prefixes, &mut selectors, |url| prefix(url, sites))?;
        each("tags", &self.tags, &mut selectors, |text| {
            asterisk::none_after_tag(text).and_then(|()| tag(text))
        })?;
        each("sites", &self.sites, &mut selectors, |host| {
            let site = sites.site_id(&host.to_ascii_lowercase());
            site.map(|site| vec![Selector::Site(site)])
                .ok_or_else(|| "must be a host that a site lists".to_owned())
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
    let (Asked::Prefix(url) | Asked::Url(url)) = asterisk::read(url)?;
    if let Some((path, _)) = url.split_once('?') {
        return Err(format!("must have no query: {path} takes every query"));
    }
    let (host, target) = ResourceUrl::read(url).map_err(|error| error.to_string())?;
    if sites.find(host.name()).is_none() {
        return Err(UrlError::Unknown.to_string());
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
        return Err("must not have control characters, nor spaces around it: no tag has them".to_owned());
    }
    if tag.bytes().any(separates_tags) {
        return Err(
            "must have no comma and no space: they stand between tags, so name each on its own".to_owned()
        );
    }
    Ok(vec![Selector::tag(tag.as_bytes())])
}

/// `PURGE /path` purges that URL, `PURGE /path/*` what begins so; with `Purge-Soft: 1` softly.
///
/// # Errors
/// No site has the host, Purge-Soft is neither 0 nor 1, or a `*` stands where it means nothing.
pub async fn by_method(
    edge: &Edge,
    settings: &Settings,
    incoming: &Incoming,
    pending: &mut Pending,
) -> Result<Answer, Refused> {
    let resource = ResourceUrl::of(incoming.host.clone(), incoming.target.clone(), &settings.sites);
    let resource = resource.map_err(|_: UrlError| match incoming.on_tls {
        true => Refusal::Misdirected,
        false => Refusal::UnknownHost,
    })?;
    pending.record.site = Some(resource.route.site);
    let mode = match incoming.headers.get("purge-soft").map(HeaderValue::as_bytes) {
        None | Some(b"0") => Mode::Hard,
        Some(b"1") => Mode::Soft,
        Some(_) => return Err(Refusal::BadField.into()),
    };
    let query = resource.target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("http://{}{}{query}", resource.host.as_str(), resource.target.path());
    let purge = Purge { urls: vec![url], ..Purge::default() };
    let selectors = purge
        .selectors(&settings.sites)
        .map_err(|_| Refused { detail: Some("asterisk"), ..Refusal::BadPath.into() })?;
    let (status, body) = report(edge.store.purge(selectors, mode, edge.now()).await, 1);
    Ok(answer(&settings.node.name, status, body))
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
