//! Every answer the edge gives on its own behalf because it will not, or can not, do what was asked.
//!
//! The words of [`Refusal::as_str`] are the reason codes of bodies, metrics and logs: stable, one meaning each.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::cache_status::CacheStatus;

macro_rules! refusals {
    ($( $(#[$doc:meta])* $name:ident = $status:ident, $code:literal; )*) => {
        /// Why a request is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal { $( $(#[$doc])* $name, )* }

        impl Refusal {
            /// All of them, for tables in metrics and docs.
            pub const ALL: &[Refusal] = &[ $( Refusal::$name, )* ];

            /// The stable reason code.
            pub const fn as_str(self) -> &'static str {
                match self { $( Refusal::$name => $code, )* }
            }

            /// The status it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $( Refusal::$name => StatusCode::$status, )* }
            }
        }
    };
}

refusals! {
    // 400: what was sent is malformed or can be read in two ways
    /// The head is not HTTP.
    MalformedHead = BAD_REQUEST, "malformed_head";
    /// Transfer-Encoding beside Content-Length, repeated lengths, a coding other than chunked (RFC 9112 §6.1, §6.3).
    AmbiguousFraming = BAD_REQUEST, "ambiguous_framing";
    /// No Host, several, one that is no host, or one that differs from the target's (RFC 9112 §3.2).
    BadHost = BAD_REQUEST, "bad_host";
    /// The path has broken percent-encoding, control bytes, a backslash, or climbs above the root.
    BadPath = BAD_REQUEST, "bad_path";
    /// The query has control bytes or broken percent-encoding.
    BadQuery = BAD_REQUEST, "bad_query";
    /// A field that may stand once stands more often.
    DuplicateField = BAD_REQUEST, "duplicate_field";
    /// A field's value breaks its grammar in a way that changes what the request means.
    BadField = BAD_REQUEST, "bad_field";
    /// The request body broke off or was not framed as announced.
    BadBody = BAD_REQUEST, "bad_body";
    /// CONNECT, or a target in asterisk form with a method other than OPTIONS.
    BadTarget = BAD_REQUEST, "bad_target";
    /// Plain HTTP on a port of TLS.
    PlainHttpOnTls = BAD_REQUEST, "plain_http_on_tls";
    // 403, 404, 405
    /// No signed table was satisfied; the detail is in `DenyReason`.
    Denied = FORBIDDEN, "denied";
    /// No site has this host (plain HTTP).
    UnknownHost = NOT_FOUND, "unknown_host";
    /// No such path on the admin listener.
    NoSuchPath = NOT_FOUND, "no_such_path";
    /// The site does not allow this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed";
    // time and size
    /// The head or the body did not arrive in time.
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout";
    /// The body is larger than `request_body`.
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large";
    /// The target is longer than `uri_bytes`.
    UriTooLong = URI_TOO_LONG, "uri_too_long";
    /// The head is larger than `header_bytes` or has more than `headers` fields.
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large";
    /// The TLS connection is for another site than the Host names (RFC 9110 §15.5.20), or for none.
    Misdirected = MISDIRECTED_REQUEST, "misdirected";
    /// An Expect other than 100-continue (RFC 9110 §10.1.1).
    ExpectationFailed = EXPECTATION_FAILED, "expectation_failed";
    // ours
    /// The request has been through this node before (Via): origins and edges point at each other.
    Loop = LOOP_DETECTED, "loop";
    /// A panic or a broken invariant in the edge.
    Internal = INTERNAL_SERVER_ERROR, "internal";
    /// The method is unknown to the edge.
    NotImplemented = NOT_IMPLEMENTED, "not_implemented";
    // the origin's
    /// No member took a connection.
    OriginUnreachable = BAD_GATEWAY, "origin_unreachable";
    /// A member broke off before the head, or sent something that is not HTTP.
    OriginBroken = BAD_GATEWAY, "origin_broken";
    /// The TLS handshake with the member failed.
    OriginTls = BAD_GATEWAY, "origin_tls";
    /// The name of every member failed to resolve.
    OriginUnresolved = BAD_GATEWAY, "origin_unresolved";
    /// No credentials to sign with.
    OriginCredentials = BAD_GATEWAY, "origin_credentials";
    /// S3 refused the edge itself (signature, clock, policy).
    OriginRefused = BAD_GATEWAY, "origin_refused";
    /// A member answered with an error, and part of what was asked for is cached: the client gets that status.
    OriginFailed = BAD_GATEWAY, "origin_failed";
    /// A response head whose meaning is doubtful: framing, status, repeated lengths.
    OriginAmbiguous = BAD_GATEWAY, "origin_ambiguous";
    /// All members are out and the breaker is open.
    OriginUnavailable = SERVICE_UNAVAILABLE, "origin_unavailable";
    /// The edge is at a limit of its own.
    Overloaded = SERVICE_UNAVAILABLE, "overloaded";
    /// No head within `first_byte`, or no connection within `connect`.
    OriginTimeout = GATEWAY_TIMEOUT, "origin_timeout";
    /// `only-if-cached`, and nothing cached would do (RFC 9111 §5.2.1.7).
    OnlyIfCached = GATEWAY_TIMEOUT, "only_if_cached";
    /// The origin gave no answer, and what is stored must not be served stale (RFC 9111 §5.2.2.2).
    MustRevalidate = GATEWAY_TIMEOUT, "must_revalidate";
}

impl Refusal {
    /// What a client is told, with this status and, where a word helps an operator, that detail. No cache may keep it.
    pub fn response(self, status: StatusCode, detail: Option<&str>) -> Response<String> {
        let line = self.body_with(status);
        let mut response = Response::new(match detail {
            Some(detail) => format!("{} ({detail})\n", line.trim_end()),
            None => line,
        });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Cache-Status of that response, from the node of this name.
    pub fn cache_status(self, node: &str) -> HeaderValue {
        CacheStatus::own(node).detail(self.as_str()).to_value()
    }

    /// The body: one line that names the status and the reason code and nothing else.
    pub fn body(self) -> String {
        self.body_with(self.status())
    }

    /// As [`Refusal::body`], where another status is answered than the refusal's own.
    fn body_with(self, status: StatusCode) -> String {
        format!("{} {}: {}\n", status.as_u16(), status.canonical_reason().unwrap_or("Error"), self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own_and_an_error_status() {
        let words: std::collections::HashSet<_> =
            Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            let status = refusal.status();
            assert!(status.is_client_error() || status.is_server_error(), "{refusal:?}");
        }
    }

    #[test]
    fn a_body_says_status_and_word_and_nothing_else() {
        assert_eq!(Refusal::BadPath.body(), "400 Bad Request: bad_path\n");
        assert_eq!(Refusal::MustRevalidate.body(), "504 Gateway Timeout: must_revalidate\n");
    }
}
