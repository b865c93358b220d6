//! One access log line: JSON for machines, text for people. Neither lets a client write a second line.

use std::fmt::Write as _;
use std::time::Duration;

use http::Version;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::record::{Details, Record};
use crate::http::protocol::version_name;

/// How lines look, once `auto` is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFormat {
    Json,
    Text,
}

const RFC3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

const COMBINED: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

impl LineFormat {
    /// Appends a record and a newline.
    pub(super) fn write(self, record: &Record, site: &str, out: &mut Vec<u8>) {
        match self {
            LineFormat::Json => json(record, site, out),
            LineFormat::Text => text(record, site, out),
        }
    }
}

/// The fields in the order they are written; what is unknown is left out.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<std::net::IpAddr>,
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    query: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<&'a str>,
    status: u16,
    outcome: &'a str,
    site: &'a str,
    complete: bool,
    bytes_sent: u64,
    bytes_received: u64,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deny: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    range: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    referer: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginFields<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

#[derive(Serialize)]
struct OriginFields<'a> {
    pool: &'a str,
    member: &'a str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

fn json(record: &Record, site: &str, out: &mut Vec<u8>) {
    let begun = out.len();
    let nothing = Details::default();
    let details = record.details.as_deref().unwrap_or(&nothing);
    let line = Line {
        time: time(record),
        client: details.client,
        method: details.method.as_deref().unwrap_or(record.method.as_str()),
        host: &details.host,
        path: &details.path,
        query: &details.query,
        protocol: details.version.map(version_name),
        tls: details.tls,
        status: record.status,
        outcome: record.outcome.as_str(),
        site,
        complete: record.complete,
        bytes_sent: record.bytes_sent,
        bytes_received: record.bytes_received,
        duration_ms: millis(record.took),
        first_byte_ms: record.first_byte.map(millis),
        refusal: record.refusal.map(|r| r.as_str()),
        deny: record.deny,
        key_id: details.key_id.as_deref(),
        range: &details.range,
        referer: &details.referer,
        user_agent: &details.user_agent,
        source: details.source,
        tier: details.tier.map(|tier| tier.as_str()),
        age: details.age,
        ttl: details.ttl,
        fwd: details.fwd.as_deref(),
        detail: details.detail.as_deref(),
        cache_key: details.cache_key.map(|key| format!("{key:016x}")),
        origin: details.origin.as_ref().map(|trip| OriginFields {
            pool: &trip.pool,
            member: &trip.member,
            attempts: trip.attempts,
            first_byte_ms: trip.first_byte.map(millis),
            error: trip.error,
            request_id: details.origin_request_id.as_deref(),
        }),
        request_id: details.request_id.as_deref(),
        trace_id: details.trace_id.as_deref(),
    };
    match serde_json::to_writer(&mut *out, &line) {
        Ok(()) => out.push(b'\n'),
        // Strings and numbers into memory: there is nothing to fail, and half a line is worse than none.
        Err(_) => out.truncate(begun),
    }
}

/// The combined format of Apache and nginx, which log tools read, and then our own words as `name=value`.
fn text(record: &Record, site: &str, out: &mut Vec<u8>) {
    let nothing = Details::default();
    let details = record.details.as_deref().unwrap_or(&nothing);
    let mut line = String::with_capacity(256);
    match details.client {
        Some(client) => {
            let _ = write!(line, "{client}");
        }
        None => line.push('-'),
    }
    line.push_str(" - ");
    word_or_dash(&mut line, details.key_id.as_deref().unwrap_or(""));
    let _ = write!(line, " [{}] \"", combined_time(record));
    request_line(&mut line, record, details);
    // A status is three digits, also where none was sent.
    let _ = write!(line, "\" {:03} {} \"", record.status, record.bytes_sent);
    or_dash(&mut line, &details.referer);
    line.push_str("\" \"");
    or_dash(&mut line, &details.user_agent);
    let _ = write!(line, "\" outcome={} ms={:.3} host=", record.outcome.as_str(), millis(record.took));
    word_or_dash(&mut line, &details.host);
    line.push_str(" site=");
    word_or_dash(&mut line, site);
    tail(&mut line, record, details);
    line.push('\n');
    out.extend_from_slice(line.as_bytes());
}

/// As it came, but for signatures, and with the path normalised; `-` where no head was read.
fn request_line(line: &mut String, record: &Record, details: &Details) {
    if details.path.is_empty() {
        return line.push('-');
    }
    escape(line, details.method.as_deref().unwrap_or(record.method.as_str()));
    line.push(' ');
    escape_word(line, &details.path);
    if !details.query.is_empty() {
        line.push('?');
        escape_word(line, &details.query);
    }
    line.push(' ');
    line.push_str(match details.version {
        // The format is older than versions without a minor number.
        Some(Version::HTTP_2) => "HTTP/2.0",
        version => version_name(version.unwrap_or(Version::HTTP_11)),
    });
}

fn tail(line: &mut String, record: &Record, details: &Details) {
    if !record.complete {
        line.push_str(" incomplete");
    }
    if let Some(refusal) = record.refusal {
        let _ = write!(line, " refusal={}", refusal.as_str());
    }
    if let Some(deny) = record.deny {
        let _ = write!(line, " deny={deny}");
    }
    if let Some(source) = details.source {
        let _ = write!(line, " source={source}");
    }
    if let Some(tier) = details.tier {
        let _ = write!(line, " tier={}", tier.as_str());
    }
    if let Some(age) = details.age {
        let _ = write!(line, " age={age}");
    }
    if let Some(ttl) = details.ttl {
        let _ = write!(line, " ttl={ttl}");
    }
    for (name, value) in [("fwd", &details.fwd), ("detail", &details.detail)] {
        if let Some(value) = value {
            let _ = write!(line, " {name}=");
            escape_word(line, value);
        }
    }
    if !details.range.is_empty() {
        line.push_str(" range=\"");
        escape(line, &details.range);
        line.push('"');
    }
    if let Some(trip) = &details.origin {
        line.push_str(" origin=");
        escape(line, &trip.pool);
        line.push('/');
        escape(line, &trip.member);
        let _ = write!(line, " attempts={}", trip.attempts);
        if let Some(error) = trip.error {
            let _ = write!(line, " origin_error={error}");
        }
    }
    for (name, value) in [("id", &details.request_id), ("trace", &details.trace_id)] {
        if let Some(value) = value {
            let _ = write!(line, " {name}=");
            escape_word(line, value);
        }
    }
}

fn or_dash(line: &mut String, value: &str) {
    if value.is_empty() {
        line.push('-');
    } else {
        escape(line, value);
    }
}

fn word_or_dash(line: &mut String, value: &str) {
    if value.is_empty() {
        line.push('-');
    } else {
        escape_word(line, value);
    }
}

/// Where a space would end it.
fn escape_word(line: &mut String, value: &str) {
    for (i, part) in value.split(' ').enumerate() {
        if i > 0 {
            line.push_str("\\x20");
        }
        escape(line, part);
    }
}

/// As nginx does it: quotes, backslashes, controls and everything beyond ASCII as `\xHH`, so a line is one line,
/// fields end where they end, and no byte does anything to the terminal of who reads it.
fn escape(line: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                let _ = write!(line, "\\x{byte:02X}");
            }
            _ => line.push(char::from(byte)),
        }
    }
}

fn time(record: &Record) -> String {
    formatted(record, RFC3339)
}

fn combined_time(record: &Record) -> String {
    formatted(record, COMBINED)
}

fn formatted(record: &Record, format: &[BorrowedFormatItem<'_>]) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(record.at.0) * 1_000_000);
    at.ok().and_then(|at| at.format(format).ok()).unwrap_or_default()
}

fn millis(duration: Duration) -> f64 {
    // To the microsecond: more digits than that are noise, and cost space in every line.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::refusal::Refusal;
    use crate::http::time::Time;
    use crate::policy::outcome::Outcome;
    use crate::telemetry::{MethodClass, OriginTrip, Tier};
    use proptest::prelude::*;
    use quanta::Instant;

    fn record(details: Option<Details>) -> Record {
        Record {
            method: MethodClass::Get,
            status: 206,
            outcome: Outcome::Miss,
            bytes_sent: 1024,
            took: Duration::from_micros(1234),
            first_byte: Some(Duration::from_nanos(250_400)),
            complete: true,
            details: details.map(Box::new),
            ..Record::new(Time(1_700_000_000_123), Instant::now())
        }
    }

    fn details() -> Details {
        Details {
            client: Some("2001:db8::1".parse().unwrap()),
            version: Some(Version::HTTP_2),
            tls: Some("TLSv1.3"),
            host: "photos.example".into(),
            path: "/a b".into(),
            query: "w=1".into(),
            range: "bytes=0-1023".into(),
            user_agent: "curl/8".into(),
            key_id: Some("2026-11".into()),
            cache_key: Some(0xabc),
            origin: Some(OriginTrip {
                pool: "p".into(),
                member: "m:80".into(),
                attempts: 2,
                first_byte: None,
                error: Some("connect"),
            }),
            origin_request_id: Some("AMZ1".into()),
            tier: Some(Tier::Disk),
            age: Some(5),
            ttl: Some(-3),
            fwd: Some("stale".into()),
            detail: Some("stale-if-error".into()),
            request_id: Some("r 1".into()),
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            ..Details::default()
        }
    }

    fn line(format: LineFormat, record: &Record) -> String {
        let mut out = Vec::new();
        format.write(record, "site", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_says_it_all() {
        let line = line(LineFormat::Json, &record(Some(details())));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "time": "2023-11-14T22:13:20.123Z", "client": "2001:db8::1", "method": "GET", "host": "photos.example",
                "path": "/a b", "query": "w=1", "protocol": "HTTP/2", "tls": "TLSv1.3", "status": 206,
                "outcome": "miss", "site": "site", "complete": true, "bytes_sent": 1024, "bytes_received": 0,
                "duration_ms": 1.234, "first_byte_ms": 0.25, "key_id": "2026-11", "range": "bytes=0-1023",
                "user_agent": "curl/8", "cache_key": "0000000000000abc",
                "tier": "disk", "age": 5, "ttl": -3, "fwd": "stale", "detail": "stale-if-error",
                "request_id": "r 1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                "origin": {"pool": "p", "member": "m:80", "attempts": 2, "error": "connect", "request_id": "AMZ1"},
            })
        );
    }

    #[test]
    fn text_is_combined_and_then_some() {
        assert_eq!(
            line(LineFormat::Text, &record(Some(details()))),
            "2001:db8::1 - 2026-11 [14/Nov/2023:22:13:20 +0000] \"GET /a\\x20b?w=1 HTTP/2.0\" 206 1024 \"-\" \
             \"curl/8\" outcome=miss ms=1.234 host=photos.example site=site tier=disk age=5 ttl=-3 fwd=stale \
             detail=stale-if-error range=\"bytes=0-1023\" origin=p/m:80 attempts=2 origin_error=connect \
             id=r\\x201 trace=4bf92f3577b34da6a3ce929d0e0e4736\n"
        );
    }

    #[test]
    fn a_record_without_details_still_makes_a_line() {
        let mut bare = record(None);
        bare.refuse(Refusal::Denied);
        bare.deny = Some("expired");
        bare.complete = false;
        assert_eq!(
            line(LineFormat::Text, &bare),
            "- - - [14/Nov/2023:22:13:20 +0000] \"-\" 403 1024 \"-\" \"-\" outcome=edge ms=1.234 host=- site=site \
             incomplete refusal=denied deny=expired\n"
        );
        let value: serde_json::Value = serde_json::from_str(&line(LineFormat::Json, &bare)).unwrap();
        assert_eq!((&value["refusal"], &value["deny"]), (&"denied".into(), &"expired".into()));
        assert_eq!(value.get("client"), None);
    }

    #[test]
    fn the_end_of_time_is_a_line_too() {
        let late = Record { at: Time(u64::MAX), ..record(None) };
        assert!(line(LineFormat::Json, &late).ends_with("}\n"));
    }

    proptest! {
        #[test]
        fn nobody_writes_a_second_line(hostile in "(?s).{0,40}") {
            let details = Details {
                host: hostile.clone(), path: hostile.clone(), query: hostile.clone(), referer: hostile.clone(),
                user_agent: hostile.clone(), range: hostile.clone(), method: Some(hostile.clone()),
                key_id: Some(hostile.clone()), request_id: Some(hostile.clone()), ..details()
            };
            let record = record(Some(details));
            let text = line(LineFormat::Text, &record);
            prop_assert!(text.trim_end_matches('\n').bytes().all(|b| (0x20..0x7f).contains(&b)));
            // Request, referer, agent and, if there is one, range: whatever is inside them.
            let quotes = if hostile.is_empty() { 6 } else { 8 };
            prop_assert_eq!(text.matches('"').count(), quotes);
            let json = line(LineFormat::Json, &record);
            prop_assert!(json.trim_end_matches('\n').bytes().all(|b| b >= 0x20));
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(value.get("user_agent").map_or("", |v| v.as_str().unwrap()), hostile);
        }
    }
}
