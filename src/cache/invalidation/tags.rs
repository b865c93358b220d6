//! The tags of a response, from the fields that origins put them in.

use http::{HeaderMap, HeaderName};

/// Tags of one response that are kept. A response with more is purged with any tag: too much rather than too little.
pub const MAX_TAGS: usize = 128;
/// Bytes of a tag. A longer one counts as one too many.
pub const MAX_TAG: usize = 256;

/// Whose values hold tags, and what stands between them.
const FIELDS: [(HeaderName, &[u8]); 3] = [
    (HeaderName::from_static("surrogate-key"), b" \t"),
    (HeaderName::from_static("cache-tag"), b","),
    (HeaderName::from_static("x-amz-meta-cache-tag"), b", \t"),
];

/// The tags of a stored response, as text: a purge hashes them when it has to, which is once for each object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// One a line.
    text: Box<[u8]>,
    overflowed: bool,
}

impl Tags {
    /// From a response's fields. Case counts.
    pub fn of(response: &HeaderMap) -> Self {
        if !FIELDS.iter().any(|(name, _)| response.contains_key(name)) {
            return Self::default();
        }
        Self::collect(FIELDS.iter().flat_map(|(name, separators)| {
            response.get_all(name).into_iter().flat_map(|line| split(line.as_bytes(), separators))
        }))
    }

    /// From what [`Tags::iter`] and [`Tags::overflowed`] said, by a tier that keeps objects elsewhere.
    pub fn restore<'a>(tags: impl Iterator<Item = &'a [u8]>, overflowed: bool) -> Self {
        let mut restored = Self::collect(tags);
        restored.overflowed |= overflowed;
        restored
    }

    /// These and those of the response that this one confirms: a 304 may leave them out.
    pub fn with(&self, confirmed: &Tags) -> Self {
        if confirmed.is_empty() {
            return self.clone();
        }
        Self::restore(self.iter().chain(confirmed.iter()), self.overflowed || confirmed.overflowed)
    }

    fn collect<'a>(tags: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut kept: Vec<&[u8]> = Vec::new();
        let mut overflowed = false;
        for tag in tags {
            if kept.contains(&tag) {
                continue;
            }
            // A line break is in no field value, and would make two of a tag here.
            if kept.len() == MAX_TAGS || tag.len() > MAX_TAG || tag.contains(&b'\n') {
                overflowed = true;
                continue;
            }
            kept.push(tag);
        }
        Self { text: kept.join(&b'\n').into(), overflowed }
    }

    /// Each of them once, in the origin's order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&byte| byte == b'\n').filter(|tag| !tag.is_empty())
    }

    /// There were more, or longer ones, than are kept.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether no tag purge can mean it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && !self.overflowed
    }

    /// Bytes beyond its own struct.
    pub fn weight(&self) -> usize {
        self.text.len()
    }
}

fn split<'a>(line: &'a [u8], separators: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let tags = line.split(|byte| separators.contains(byte)).map(<[u8]>::trim_ascii);
    tags.filter(|tag| !tag.is_empty())
}

/// Takes the tags out of a head: they are between origin and cache.
pub fn strip_tags(head: &mut HeaderMap) {
    for (name, _) in &FIELDS {
        head.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn tags(lines: &[(&'static str, &str)]) -> Tags {
        let mut head = HeaderMap::new();
        for (name, value) in lines {
            head.append(*name, HeaderValue::from_str(value).unwrap());
        }
        Tags::of(&head)
    }

    fn list(tags: &Tags) -> Vec<&str> {
        tags.iter().map(|tag| std::str::from_utf8(tag).unwrap()).collect()
    }

    #[test]
    fn each_field_has_its_own_separator() {
        for (lines, expected) in [
            (&[][..], &[][..]),
            (&[("surrogate-key", "a  b\tc,d")], &["a", "b", "c,d"]),
            (&[("cache-tag", "a, b c ,,d")], &["a", "b c", "d"]),
            (&[("x-amz-meta-cache-tag", "a, b c")], &["a", "b", "c"]),
            (&[("cache-tag", "a"), ("cache-tag", "b"), ("surrogate-key", "b a")], &["b", "a"]),
            (&[("cache-tag", "A, a")], &["A", "a"]),
            (&[("cache-tag", " , ")], &[]),
        ] {
            let found = tags(lines);
            assert_eq!(list(&found), expected, "{lines:?}");
            assert_eq!(found.is_empty(), expected.is_empty());
        }
    }

    #[test]
    fn too_many_or_too_long_is_remembered() {
        let many: Vec<String> = (0..MAX_TAGS + 1).map(|n| format!("t{n}")).collect();
        assert!(!tags(&[("cache-tag", &many[..MAX_TAGS].join(","))]).overflowed());
        let more = tags(&[("cache-tag", &many.join(","))]);
        assert_eq!((more.iter().count(), more.overflowed()), (MAX_TAGS, true));
        let long = tags(&[("surrogate-key", &format!("{} ok", "x".repeat(MAX_TAG + 1)))]);
        assert_eq!((list(&long), long.overflowed(), long.is_empty()), (vec!["ok"], true, false));
    }

    #[test]
    fn a_confirmed_response_keeps_its_tags_and_gets_new_ones() {
        let old = tags(&[("cache-tag", "a,b")]);
        assert_eq!(list(&tags(&[]).with(&old)), ["a", "b"]);
        assert_eq!(list(&tags(&[("cache-tag", "b,c")]).with(&old)), ["b", "c", "a"]);
    }

    #[test]
    fn no_client_gets_them() {
        let mut head = HeaderMap::new();
        for name in ["surrogate-key", "cache-tag", "x-amz-meta-cache-tag", "etag"] {
            head.append(name, HeaderValue::from_static("x"));
        }
        strip_tags(&mut head);
        assert_eq!(head.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["etag"]);
    }

    proptest! {
        #[test]
        fn what_is_restored_is_what_was_read(values in prop::collection::vec("[ -~]{0,40}", 0..8)) {
            let lines: Vec<_> = values.iter().map(|value| ("x-amz-meta-cache-tag", value.as_str())).collect();
            let read = tags(&lines);
            prop_assert_eq!(Tags::restore(read.iter(), read.overflowed()), read);
        }
    }
}
