//! Which variants a key has (RFC 9111 §4.1).

use http::HeaderName;
use smallvec::SmallVec;

use super::key::{Key, KeyHash};
use super::object::Variant;
use crate::http::vary::{SelectingKey, VaryNames};

/// A key with more variants than this forgets the oldest: a client that makes up header values can fill its
/// own entry and no more.
pub const MAX_VARIANTS: usize = 64;

/// The variants of one key, newest first. Each is an object of its own under [`Key::variant`].
#[derive(Debug, Clone, Default)]
pub struct Variants {
    /// Text of the key.
    pub key: Box<[u8]>,
    entries: Vec<Variant>,
}

impl Variants {
    /// None yet, for `key`.
    pub fn new(key: &Key) -> Self {
        Self { key: key.text().into(), entries: Vec::new() }
    }

    /// As they were kept, newest first.
    pub fn from_parts(key: Box<[u8]>, mut entries: Vec<Variant>) -> Self {
        entries.truncate(MAX_VARIANTS);
        Self { key, entries }
    }

    /// Whether it is the list of `key`, compared by text.
    pub fn is_for(&self, key: &Key) -> bool {
        *self.key == *key.text()
    }

    /// The variants, newest first.
    pub fn iter(&self) -> impl Iterator<Item = &Variant> {
        self.entries.iter()
    }

    /// With `variant` as the newest.
    pub fn with(&self, variant: Variant) -> Self {
        let others = self.entries.iter().filter(|known| **known != variant).take(MAX_VARIANTS - 1).cloned();
        let mut entries = Vec::with_capacity(self.entries.len() + 1);
        entries.push(variant.clone());
        entries.extend(others);
        Self { key: self.key.clone(), entries }
    }

    /// Where to look for a response to a request: the variants it selects, newest first. `selecting` gives its values
    /// of fields.
    pub fn select(
        &self,
        key: &Key,
        selecting: impl Fn(&[HeaderName]) -> SelectingKey,
    ) -> SmallVec<[KeyHash; 2]> {
        let mut selected = SmallVec::new();
        let mut last: Option<(&[HeaderName], _)> = None;
        for entry in &self.entries {
            let wanted = match &last {
                Some((names, wanted)) if *names == entry.names.as_slice() => wanted,
                _ => &last.insert((&entry.names, selecting(&entry.names))).1,
            };
            if wanted[..] == entry.selecting[..] {
                selected.push(key.variant(&entry.selecting));
            }
        }
        selected
    }

    /// The fields that the newest was chosen by.
    pub fn newest_names(&self) -> Option<&VaryNames> {
        self.entries.first().map(|newest| &newest.names)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where all of them are kept.
    pub fn hashes<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = KeyHash> + 'a {
        self.entries.iter().map(|entry| key.variant(&entry.selecting))
    }

    /// Bytes it takes in RAM.
    pub fn weight(&self) -> usize {
        let entries: usize = self.entries.iter().map(|e| size_of::<Variant>() + e.selecting.len()).sum();
        size_of::<Self>() + self.key.len() + entries
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyText;
    use super::*;
    use crate::http::vary;
    use http::{HeaderMap, HeaderValue};

    fn key() -> Key {
        Key::new(KeyText::from_slice(b"h/p"))
    }

    fn select(variants: &Variants, language: &str) -> SmallVec<[KeyHash; 2]> {
        variants.select(&key(), |names| vary::selecting_key(names, &request(language)))
    }

    fn request(language: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", HeaderValue::from_str(language).unwrap());
        headers
    }

    fn variant(language: &str) -> Variant {
        let names: SmallVec<[HeaderName; 2]> =
            smallvec::smallvec![HeaderName::from_static("accept-language")];
        let selecting = vary::selecting_key(&names, &request(language));
        Variant { names, selecting: selecting[..].into() }
    }

    #[test]
    fn a_request_selects_the_variants_made_for_its_values() {
        let variants = Variants::new(&key()).with(variant("de")).with(variant("en"));
        assert_eq!(select(&variants, "de")[..], [key().variant(&variant("de").selecting)]);
        assert!(select(&variants, "fr").is_empty());
    }

    #[test]
    fn a_variant_stored_again_is_not_listed_twice() {
        let variants = Variants::new(&key()).with(variant("de")).with(variant("en")).with(variant("de"));
        assert_eq!(variants.len(), 2);
    }

    #[test]
    fn the_oldest_is_forgotten_at_the_limit() {
        let mut variants = Variants::new(&key());
        for i in 0..MAX_VARIANTS + 5 {
            variants = variants.with(variant(&format!("x-{i}")));
        }
        assert_eq!(variants.len(), MAX_VARIANTS);
        assert!(select(&variants, "x-0").is_empty());
        assert_eq!(select(&variants, &format!("x-{}", MAX_VARIANTS + 4)).len(), 1);
    }
}
