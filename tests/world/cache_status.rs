//! The edge's member of a Cache-Status field (RFC 9211), read for assertions.

/// `seawall; hit; ttl=30` taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheStatus {
    /// The cache that speaks.
    pub node: String,
    parameters: Vec<(String, Option<String>)>,
}

impl CacheStatus {
    /// The last member of the field: the cache nearest to the client.
    pub fn last_of(field: &str) -> Self {
        let member = field.rsplit(',').next().unwrap_or_default();
        let mut parts = member.split(';').map(str::trim);
        let node = parts.next().unwrap_or_default().to_owned();
        let parameters = parts.map(|part| match part.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (part.to_owned(), None),
        });
        Self { node, parameters: parameters.collect() }
    }

    /// Whether a parameter stands there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(n, _)| n == name)
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.as_deref())
    }

    /// Why it went forward: `uri-miss`, `stale`, …
    pub fn fwd(&self) -> Option<&str> {
        self.get("fwd")
    }
}
