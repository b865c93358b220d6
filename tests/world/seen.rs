//! A response as a client saw it.

use bytes::Bytes;

use super::cache_status::CacheStatus;

/// Status, fields and the whole body.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `200`
    pub status: u16,
    /// In order, names as sent.
    pub fields: Vec<(String, String)>,
    /// Decoded from its framing.
    pub body: Bytes,
}

impl Seen {
    /// The field's values, joined with `, `; none if it is not there.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The Age in seconds.
    #[track_caller]
    pub fn age(&self) -> u64 {
        let age = self.header("age");
        age.as_deref().and_then(|a| a.parse().ok()).unwrap_or_else(|| panic!("Age is {age:?} in {self:?}"))
    }

    /// What the edge says of itself.
    #[track_caller]
    pub fn cache_status(&self) -> CacheStatus {
        let field = self.header("cache-status").unwrap_or_else(|| panic!("no Cache-Status in {self:?}"));
        CacheStatus::last_of(&field)
    }

    /// Whether the cache answered, fresh or stale.
    pub fn is_hit(&self) -> bool {
        self.header("cache-status").is_some_and(|field| CacheStatus::last_of(&field).has("hit"))
    }

    /// Is a hit with this status and body.
    #[track_caller]
    pub fn assert_hit(&self, status: u16, body: &str) -> &Self {
        assert!(self.is_hit(), "should be a hit: {self:?}");
        self.assert(status, body)
    }

    /// Came from the origin and went into the cache.
    #[track_caller]
    pub fn assert_stored(&self, status: u16, body: &str) -> &Self {
        let said = self.cache_status();
        assert!(!said.has("hit") && said.has("stored"), "should be fetched and stored: {self:?}");
        self.assert(status, body)
    }

    /// Came from the origin and did not go into the cache.
    #[track_caller]
    pub fn assert_not_stored(&self, status: u16, body: &str) -> &Self {
        let said = self.cache_status();
        assert!(!said.has("hit") && !said.has("stored"), "should be neither a hit nor stored: {self:?}");
        assert!(said.has("fwd"), "should say why it went forward: {self:?}");
        self.assert(status, body)
    }

    /// Has this status and body, whoever answered.
    #[track_caller]
    pub fn assert(&self, status: u16, body: &str) -> &Self {
        assert_eq!((self.status, self.text().as_str()), (status, body), "in {self:?}");
        self
    }

    /// Has this field with this value.
    #[track_caller]
    pub fn assert_header(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.header(name).as_deref(), Some(value), "{name} in {self:?}");
        self
    }

    /// Does not have this field.
    #[track_caller]
    pub fn assert_lacks(&self, name: &str) -> &Self {
        assert_eq!(self.header(name), None, "{name} in {self:?}");
        self
    }

    /// Is a refusal of the edge with this reason code in its body.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, reason: &str) -> &Self {
        assert_eq!(self.status, status, "in {self:?}");
        let text = self.text();
        let says = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == reason);
        assert!(says, "the body should name {reason}: {self:?}");
        self
    }
}
