//! What one request became: the one value that metrics and the access log are written from.

use std::net::IpAddr;
use std::time::Duration;

use http::{Method, Version};
use quanta::Instant;

use super::sites::SiteHandle;
use crate::http::refusal::Refusal;
use crate::http::time::Time;
use crate::policy::outcome::Outcome;

/// A request's method as metrics tell methods apart: a client cannot invent label values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MethodClass {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// Anything else.
    Other,
}

impl MethodClass {
    /// All of them, in the order of their discriminants.
    pub const ALL: &[MethodClass] = &[
        MethodClass::Get,
        MethodClass::Head,
        MethodClass::Post,
        MethodClass::Put,
        MethodClass::Delete,
        MethodClass::Options,
        MethodClass::Other,
    ];

    /// The value of the `method` label and of the log's field.
    pub const fn as_str(self) -> &'static str {
        match self {
            MethodClass::Get => "GET",
            MethodClass::Head => "HEAD",
            MethodClass::Post => "POST",
            MethodClass::Put => "PUT",
            MethodClass::Delete => "DELETE",
            MethodClass::Options => "OPTIONS",
            MethodClass::Other => "other",
        }
    }
}

impl From<&Method> for MethodClass {
    fn from(method: &Method) -> Self {
        match *method {
            Method::GET => MethodClass::Get,
            Method::HEAD => MethodClass::Head,
            Method::POST => MethodClass::Post,
            Method::PUT => MethodClass::Put,
            Method::DELETE => MethodClass::Delete,
            Method::OPTIONS => MethodClass::Options,
            _ => MethodClass::Other,
        }
    }
}

/// One request. Cheap to make and to fill: no allocation unless `details` are given.
#[derive(Debug, Clone)]
pub struct Record {
    /// Wall clock when the head had arrived.
    pub at: Time,
    /// Monotonic clock at the same moment; `took` and `first_byte` count from it.
    pub started: Instant,
    /// None before routing or when no site matched.
    pub site: Option<SiteHandle>,
    /// The request's method.
    pub method: MethodClass,
    /// Status of the final response; 0 when none was sent.
    pub status: u16,
    /// What became of the request.
    pub outcome: Outcome,
    /// The edge's own refusal, if that is what the client got.
    pub refusal: Option<Refusal>,
    /// Why a signed URL was denied: the scheme's stable reason code.
    pub deny: Option<&'static str>,
    /// Bytes of response body handed to the client's connection.
    pub bytes_sent: u64,
    /// Bytes of request body read.
    pub bytes_received: u64,
    /// From `started` until the response head was handed to the client's connection.
    pub first_byte: Option<Duration>,
    /// From `started` until the last body byte was gone, or the transfer broke.
    pub took: Duration,
    /// False: the client went away or the body broke off.
    pub complete: bool,
    /// Chosen by the access log's sampling when the request began: a line is written even if all goes well.
    pub sampled: bool,
    /// What only the access log shows; see [`Recorder::wants_details`](super::Recorder::wants_details).
    pub details: Option<Box<Details>>,
}

impl Record {
    /// A request that has just begun; everything unknown, and incomplete until it is finished.
    pub fn new(at: Time, started: Instant) -> Self {
        Self {
            at,
            started,
            site: None,
            method: MethodClass::Other,
            status: 0,
            outcome: Outcome::Edge,
            refusal: None,
            deny: None,
            bytes_sent: 0,
            bytes_received: 0,
            first_byte: None,
            took: Duration::ZERO,
            complete: false,
            sampled: false,
            details: None,
        }
    }

    /// Notes that the edge answers by itself, with a refusal: its reason, its status, its outcome.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Outcome::Edge;
        self.refusal = Some(refusal);
        self.status = refusal.status().as_u16();
    }

    /// Whether an operator must see this one whatever the sampling: a server error or a broken transfer.
    pub fn failed(&self) -> bool {
        self.status >= 500 || !self.complete
    }
}

/// What the access log shows beyond a [`Record`]'s numbers.
///
/// Strings are the client's words: the log escapes them and cuts them to a length, nobody has to before.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// The client's address, after trusted proxies were believed.
    pub client: Option<IpAddr>,
    /// Of the request, as it came in.
    pub version: Option<Version>,
    /// `TLSv1.2`, `TLSv1.3`; none on a plain connection.
    pub tls: Option<&'static str>,
    /// The method as sent, where [`MethodClass`] says `other`.
    pub method: Option<String>,
    /// Host, without the port.
    pub host: String,
    /// Normalised path.
    pub path: String,
    /// Query without a leading `?` and WITHOUT any signature's parameters: a log must not open doors.
    pub query: String,
    /// Range as sent.
    pub range: String,
    /// Referer as sent.
    pub referer: String,
    /// User-Agent as sent.
    pub user_agent: String,
    /// Id of the key that the request's signature was made with.
    pub key_id: Option<String>,
    /// What the origin was asked, if it was.
    pub origin: Option<OriginTrip>,
    /// First 64 bits of the cache key's hash.
    pub cache_key: Option<u64>,
    /// `x-amz-request-id` of the origin's answer.
    pub origin_request_id: Option<String>,
    /// The client's X-Request-Id, or one that the edge has made up.
    pub request_id: Option<String>,
    /// The trace that the client's `traceparent` names (W3C Trace Context), 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// `prefetch`: the edge asked itself, there is no client.
    pub source: Option<&'static str>,
    /// Where the stored response was found.
    pub tier: Option<Tier>,
    /// How old the stored response was, in seconds.
    pub age: Option<u64>,
    /// Seconds until it is stale, negative since it is; as in Cache-Status.
    pub ttl: Option<i64>,
    /// Why the request went to the origin; as in Cache-Status.
    pub fwd: Option<String>,
    /// The word that says more about it; as in Cache-Status.
    pub detail: Option<String>,
}

/// Where a stored response was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// In memory.
    Memory,
    /// On disk, and not in memory.
    Disk,
}

impl Tier {
    /// The word used in metrics and by `/objects` too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Disk => "disk",
        }
    }
}

/// A request's way to the origin.
#[derive(Debug, Clone, Default)]
pub struct OriginTrip {
    /// The pool's name.
    pub pool: String,
    /// The member that answered, or was tried last.
    pub member: String,
    /// How many members were asked.
    pub attempts: u32,
    /// From the last attempt's start until the origin's head, if one came.
    pub first_byte: Option<Duration>,
    /// How the last attempt failed, as `seawall_origin_errors_total` says it.
    pub error: Option<&'static str>,
}

impl Details {
    /// Cuts what a client chose the length of, so that a full queue has a bounded size.
    pub(super) fn bound(&mut self) {
        for (text, most) in [
            (&mut self.host, 256),
            (&mut self.path, 4096),
            (&mut self.query, 4096),
            (&mut self.range, 256),
            (&mut self.referer, 1024),
            (&mut self.user_agent, 512),
        ] {
            cut(text, most);
        }
        for (text, most) in [
            (&mut self.method, 32),
            (&mut self.key_id, 128),
            (&mut self.origin_request_id, 128),
            (&mut self.request_id, 128),
            (&mut self.trace_id, 32),
            (&mut self.detail, 128),
        ] {
            if let Some(text) = text {
                cut(text, most);
            }
        }
    }
}

/// Shortens `text` to `most` bytes and a mark; gives the memory back too.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = text.floor_char_boundary(most);
        *text = format!("{}...", &text[..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discriminants_are_table_indices() {
        for (i, method) in MethodClass::ALL.iter().enumerate() {
            assert_eq!(*method as usize, i);
        }
        for (i, outcome) in Outcome::ALL.iter().enumerate() {
            assert_eq!(*outcome as usize, i);
        }
        for (i, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, i);
        }
    }

    #[test]
    fn methods_are_classed() {
        for (method, class) in [
            (Method::GET, "GET"),
            (Method::HEAD, "HEAD"),
            (Method::POST, "POST"),
            (Method::PUT, "PUT"),
            (Method::DELETE, "DELETE"),
            (Method::OPTIONS, "OPTIONS"),
            (Method::PATCH, "other"),
            (Method::from_bytes(b"BREW").unwrap(), "other"),
        ] {
            assert_eq!(MethodClass::from(&method).as_str(), class);
        }
    }

    #[test]
    fn a_refusal_is_the_edges_own_answer() {
        let mut record =
            Record { outcome: Outcome::Miss, status: 200, ..Record::new(Time(0), Instant::now()) };
        record.refuse(Refusal::OriginTimeout);
        assert_eq!(
            (record.outcome, record.status, record.refusal),
            (Outcome::Edge, 504, Some(Refusal::OriginTimeout))
        );
    }

    #[test]
    fn failure_is_a_server_error_or_a_broken_transfer() {
        for (status, complete, failed) in
            [(200, true, false), (404, true, false), (500, true, true), (200, false, true), (0, false, true)]
        {
            let record = Record { status, complete, ..Record::new(Time(0), Instant::now()) };
            assert_eq!(record.failed(), failed, "{status} {complete}");
        }
    }

    #[test]
    fn details_are_bounded_at_a_character() {
        let mut details =
            Details { user_agent: "ü".repeat(1000), method: Some("M".repeat(99)), ..Details::default() };
        details.bound();
        assert_eq!(details.user_agent, format!("{}...", "ü".repeat(256)));
        assert_eq!(details.method.unwrap().len(), 35);
        let mut short = "short".to_owned();
        cut(&mut short, 5);
        assert_eq!(short, "short");
    }
}
