//! What `edge.toml` may say but this build cannot do: refused, never ignored. Lifting an entry is deleting its line.

use super::node::{Node, Value};

/// Which values of a key are refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused {
    /// The table itself.
    Table,
    /// All but the default.
    AllButDefault,
    /// These words.
    Words(&'static [&'static str]),
}

/// Paths as in docs/configuration.md; an entry for `site.…` holds for `site.rule.…` as well.
pub(super) const NOT_YET: &[(&str, Refused)] = &[
    ("listener.proxy_protocol", Refused::AllButDefault),
    ("listener.http3", Refused::AllButDefault),
    ("listener.tls.acme", Refused::Table),
    ("site.compress", Refused::Table),
    ("site.signed.scheme", Refused::Words(&["aws-sigv4", "cloudfront", "jwt"])),
    ("site.signed.keys.public_key", Refused::AllButDefault),
    ("telemetry.otlp_endpoint", Refused::AllButDefault),
    ("cluster", Refused::Table),
];

/// The entry of `list` for a path.
pub(super) fn refused(list: &[(&'static str, Refused)], path: &str) -> Option<Refused> {
    let of_site = path.strip_prefix("site.rule.").map(|rest| format!("site.{rest}"));
    let path = of_site.as_deref().unwrap_or(path);
    list.iter().find(|(entry, _)| *entry == path).map(|(_, refused)| *refused)
}

impl Refused {
    /// Whether this value is refused; `default` is what would hold without it.
    pub fn refuses(self, node: &Node, default: Option<&Node>) -> bool {
        match self {
            Refused::Table => true,
            Refused::AllButDefault => default.is_none_or(|default| !node.same(default)),
            Refused::Words(words) => node.text().is_some_and(|text| words.contains(&text)),
        }
    }

    /// The message: the value is named where only some are refused.
    pub fn message(self, node: &Node, path: &str) -> String {
        match (self, &node.value) {
            (Refused::Words(_), Value::Text(_)) => {
                format!("\"{path}\" = {} is not supported yet", node.shown())
            }
            _ => format!("\"{path}\" is not supported yet"),
        }
    }
}
