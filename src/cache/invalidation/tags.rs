//! The tags of a response, from the fields that origins put them in.

use http::{HeaderMap, HeaderName};

/// Tags of one response that are kept. A response with more is purged with any tag: too much rather than too little.
pub const MAX_TAGS: usize = 128;
/// Bytes of a tag. A longer one counts as one too many.
pub const MAX_TAG: usize = 256;

/// The fields that hold tags. Each has its own habit on paper (Fastly: spaces, Cloudflare: commas), and origins mix
/// them, so both separate in all of them. A test compares this list with `docs/purging.md`.
const FIELDS: [HeaderName; 11] = [
    // Fastly, and who follows it.
    HeaderName::from_static("surrogate-key"),
    // Cloudflare, Google Cloud CDN, KeyCDN.
    HeaderName::from_static("cache-tag"),
    // API Platform; Symfony's FOSHttpCache and TYPO3.
    HeaderName::from_static("cache-tags"),
    HeaderName::from_static("x-cache-tags"),
    // Akamai.
    HeaderName::from_static("edge-cache-tag"),
    // bunny.net.
    HeaderName::from_static("cdn-tag"),
    // Varnish's vmod xkey.
    HeaderName::from_static("xkey"),
    // Metadata of an object in S3 or Google Cloud Storage.
    HeaderName::from_static("x-amz-meta-cache-tag"),
    HeaderName::from_static("x-amz-meta-surrogate-key"),
    HeaderName::from_static("x-goog-meta-cache-tag"),
    HeaderName::from_static("x-goog-meta-surrogate-key"),
];

/// Whether this byte stands between tags, so that no tag has it.
pub fn separates_tags(byte: u8) -> bool {
    matches!(byte, b',' | b' ' | b'\t')
}

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
        if !FIELDS.iter().any(|name| response.contains_key(name)) {
            return Self::default();
        }
        Self::collect(
            FIELDS.iter().flat_map(|name| response.get_all(name)).flat_map(|line| split(line.as_bytes())),
        )
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

fn split(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| separates_tags(byte)).filter(|tag| !tag.is_empty())
}

/// Takes the tags out of a head: they are between origin and cache.
pub fn strip_tags(head: &mut HeaderMap) {
    for name in &FIELDS {
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
    fn commas_and_spaces_separate_in_every_field() {
        for name in FIELDS {
            for (line, expected) in [
                ("a", &["a"][..]),
                ("a b", &["a", "b"]),
                ("a,b", &["a", "b"]),
                ("a, b", &["a", "b"]),
                ("a ,b", &["a", "b"]),
                ("a,\tb", &["a", "b"]),
                (" ,a,, b  c,d, ", &["a", "b", "c", "d"]),
                ("a, a b", &["a", "b"]),
                ("A, a", &["A", "a"]),
                (" , ", &[]),
                ("", &[]),
                ("product:7, /api/books/1 post-3;x", &["product:7", "/api/books/1", "post-3;x"]),
            ] {
                let mut head = HeaderMap::new();
                head.append(&name, HeaderValue::from_str(line).unwrap());
                let found = Tags::of(&head);
                assert_eq!(list(&found), expected, "{name}: {line}");
                assert_eq!(found.is_empty(), expected.is_empty());
            }
        }
    }

    #[test]
    fn lines_and_fields_add_up() {
        let lines = [("cache-tag", "a"), ("cache-tag", "b"), ("surrogate-key", "b c"), ("xkey", "d")];
        assert_eq!(list(&tags(&lines)), ["b", "c", "a", "d"]);
        assert!(tags(&[]).is_empty());
    }

    #[test]
    fn the_docs_list_the_fields() {
        let docs = include_str!("../../../docs/purging.md").to_ascii_lowercase();
        let rows = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let listed: Vec<&str> = rows.filter(|name| FIELDS.iter().any(|field| field == name)).collect();
        assert_eq!(listed, FIELDS.iter().map(HeaderName::as_str).collect::<Vec<_>>());
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
        for name in FIELDS {
            head.append(name, HeaderValue::from_static("x"));
        }
        head.append("etag", HeaderValue::from_static("x"));
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
