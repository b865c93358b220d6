//! Header fields and methods as `edge.toml` writes them.

use http::{HeaderName, HeaderValue, Method};

use crate::config::HeaderRules;
use crate::config::key::{Entries, Key};
use crate::config::keys::{self, HEADERS, SITE};
use crate::config::node::{Node, quoted};
use crate::config::section::Section;

/// Fields that frame a message or belong to one connection (RFC 9110 §7.6.1, RFC 9112 §6): setting one by hand breaks
/// or smuggles messages. Host is `pool.host`.
const FRAMING: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-range",
];

/// RFC 9110 §5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

type Fields = Vec<(HeaderName, Option<HeaderValue>)>;

/// `[site.headers]`, or a rule's on top of its site's: fields merge by name.
pub(super) fn headers(section: Section<'_, keys::Headers>, under: Option<&HeaderRules>) -> HeaderRules {
    let none = HeaderRules::default();
    let site = under.unwrap_or(&none);
    HeaderRules {
        request: merged(&site.request, fields(section, &HEADERS.request)),
        response: merged(&site.response, fields(section, &HEADERS.response)),
        debug: section.get(&HEADERS.debug),
    }
}

fn merged(under: &Fields, top: Fields) -> Fields {
    let kept = under.iter().filter(|(name, _)| top.iter().all(|(other, _)| other != name));
    kept.cloned().collect::<Fields>().into_iter().chain(top).collect()
}

fn fields(section: Section<'_, keys::Headers>, key: &Key<keys::Headers, Entries>) -> Fields {
    let mut fields: Fields = Vec::new();
    for (name, node) in section.own(key) {
        match field(&name, &node) {
            Ok((name, _)) if fields.iter().any(|(other, _)| *other == name) => {
                let message = format!("header {} is set twice", quoted(name.as_str()));
                section.cx.error(&node.place, &node.path, message);
            }
            Ok(field) => fields.push(field),
            Err(message) => section.cx.error(&node.place, &node.path, message),
        }
    }
    fields
}

fn field(name: &str, node: &Node) -> Result<(HeaderName, Option<HeaderValue>), String> {
    let parsed = header_name(name)?;
    if FRAMING.contains(&parsed.as_str()) {
        return Err(format!("header {} frames the message and cannot be set here", quoted(name)));
    }
    match node.text().unwrap_or_default() {
        "" => Ok((parsed, None)),
        value => match HeaderValue::from_str(value) {
            Ok(value) => Ok((parsed, Some(value))),
            Err(_) => Err(format!("header {} cannot have the value {}", quoted(name), node.shown())),
        },
    }
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{} is not a header name", quoted(name)))
}

/// `site.methods`
pub(super) fn methods(site: Section<'_, keys::Site>) -> Vec<Method> {
    let mut methods = Vec::new();
    let texts = site.get(&SITE.methods);
    if texts.is_empty() && site.is_sound(&SITE.methods) {
        site.error(&SITE.methods, format!("{} has no methods", site.name()));
    }
    for node in texts {
        match method(&node) {
            Ok(method) if methods.contains(&method) => {}
            Ok(method) => methods.push(method),
            Err(message) => site.cx.error(&node.place, &node.path, message),
        }
    }
    methods
}

fn method(node: &Node) -> Result<Method, String> {
    let text = node.text().unwrap_or_default();
    let upper = text.to_ascii_uppercase();
    match Method::from_bytes(text.as_bytes()) {
        Err(_) => Err(format!("{} is not a method", node.shown())),
        Ok(Method::CONNECT | Method::TRACE) => Err(format!("method {text} is never served")),
        // Methods are case-sensitive (RFC 9110 §9.1): "get" would be another method than GET.
        Ok(_) if upper != text => {
            Err(format!("{} is not a method; methods are in upper case: \"{upper}\"", node.shown()))
        }
        Ok(method) => Ok(method),
    }
}
