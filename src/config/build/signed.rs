//! `[[site.signed]]`: who may see what is under a site or a rule.

use super::site::check_path;
use crate::config::untyped::Section;
use crate::config::{PathPattern, Secret, Signed, SignedKey, SignedScheme};

/// Shorter secrets can be guessed from one signed URL.
const SHORTEST_SECRET: usize = 16;

/// The tables of a site or a rule.
pub(super) fn all(section: Section<'_>) -> Vec<Signed> {
    section.sections("signed").into_iter().map(signed).collect()
}

fn signed(section: Section<'_>) -> Signed {
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let param = section.text("param").unwrap_or_default();
    if (param.is_empty() || !plain(&param)) && section.is_sound("param") {
        section
            .error("param", format!("\"signed.param\" is not a parameter name: {}", section.shown("param")));
    }
    // The walk refuses the others; a scheme that were taken for another one would let the wrong people in.
    if section.text("scheme").is_some_and(|scheme| scheme != "token") {
        section.error("scheme", "\"signed.scheme\" is not supported by this build");
    }
    Signed {
        scheme: SignedScheme::Token,
        paths: paths(section),
        keys: keys(section),
        clock_skew: section.duration("clock_skew"),
        max_lifetime: section.maybe_duration("max_lifetime"),
        param,
    }
}

fn paths(section: Section<'_>) -> Vec<PathPattern> {
    let nodes = section.texts("paths");
    // An empty list would guard nothing while looking as if it did.
    if nodes.is_empty() && section.is_sound("paths") {
        section.error("paths", format!("{} has no paths", section.name()));
    }
    let mut paths = Vec::new();
    for node in nodes {
        let text = node.text().unwrap_or_default();
        if let Err(why) = check_path(text) {
            section.cx.error(&node.place, &node.path, format!("{}: {why}", section.name()));
        }
        paths.push(PathPattern::new(text));
    }
    paths
}

fn keys(section: Section<'_>) -> Vec<SignedKey> {
    let mut keys: Vec<SignedKey> = Vec::new();
    for entry in section.sections("keys") {
        let id = entry.text("id").unwrap_or_default();
        let shown = entry.shown("id");
        if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) || id.len() > 64 {
            entry.error("id", format!("key id {shown} may have only letters, digits, \"-\" and \"_\""));
        }
        if !id.is_empty() && keys.iter().any(|other| other.id == id) {
            entry.error("id", format!("key id {shown} is defined twice"));
        }
        let secret = entry.secret("secret").unwrap_or_else(|| Secret::new(""));
        let length = secret.expose().len();
        if length > 0 && length < SHORTEST_SECRET {
            let message = format!(
                "the secret of {} has {length} bytes; it must have at least {SHORTEST_SECRET}",
                entry.name()
            );
            entry.error("secret", message);
        }
        keys.push(SignedKey { id, secret });
    }
    keys
}
