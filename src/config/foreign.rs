//! Words of other servers' configurations, and ours for them.

use super::schema::Table;

/// Another's word, and ours; of several, the first that the table has.
const WORDS: &[(&str, &[&str])] = &[
    ("listen", &["address", "listener"]),
    ("listeners", &["listener"]),
    ("bind", &["address", "listener"]),
    ("port", &["address"]),
    ("frontend", &["listener"]),
    ("upstream", &["pool"]),
    ("upstreams", &["pool"]),
    ("backend", &["pool"]),
    ("backends", &["pool"]),
    ("origin", &["pool"]),
    ("origins", &["pool"]),
    ("proxy_pass", &["pool", "url"]),
    ("servers", &["members"]),
    ("server", &["members", "site"]),
    ("endpoint", &["url", "members"]),
    ("targets", &["members"]),
    ("server_name", &["hosts"]),
    ("server_names", &["hosts"]),
    ("domain", &["hosts"]),
    ("domains", &["hosts"]),
    ("vhost", &["site"]),
    ("virtual_host", &["site"]),
    ("location", &["rule", "path"]),
    ("locations", &["rule"]),
    ("route", &["rule"]),
    ("routes", &["rule"]),
    ("match", &["path"]),
    ("ttl", &["default_ttl"]),
    ("proxy_cache_valid", &["status_ttl"]),
    ("grace", &["stale_while_revalidate"]),
    ("max_size", &["capacity"]),
    ("size", &["capacity"]),
    ("max_object_size", &["max_object"]),
    ("ram", &["memory"]),
    ("ssd", &["disk"]),
    ("certificate", &["certificates", "cert"]),
    ("certs", &["certificates"]),
    ("ssl", &["tls"]),
    ("ssl_certificate", &["cert", "certificates"]),
    ("ssl_certificate_key", &["key"]),
    ("private_key", &["key"]),
    ("access_key", &["access_key_id"]),
    ("secret_key", &["secret_access_key"]),
    ("access_log", &["access"]),
    ("healthcheck", &["health"]),
    ("health_check", &["health"]),
    ("worker_processes", &["threads"]),
    ("workers", &["threads"]),
    ("client_max_body_size", &["request_body"]),
];

/// Our word for another's, if the table has it.
pub(super) fn our_word(name: &str, table: &Table) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let (_, ours) = WORDS.iter().find(|(theirs, _)| *theirs == lower)?;
    ours.iter().find(|word| table.key(word).is_some()).map(|word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::ROOT;

    #[test]
    fn the_first_word_that_the_table_has() {
        let listener = ROOT.keys.iter().find(|key| key.name == "listener").unwrap();
        let crate::config::schema::Kind::Tables(listener) = &listener.kind else { unreachable!() };
        assert_eq!(our_word("listen", listener).as_deref(), Some("address"));
        assert_eq!(our_word("Listen", ROOT).as_deref(), Some("listener"));
        assert_eq!(our_word("upstream", ROOT).as_deref(), Some("pool"));
        assert_eq!(our_word("upstream", listener), None);
        assert_eq!(our_word("banana", ROOT), None);
    }
}
