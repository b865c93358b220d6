//! Entity tags: comparison is symmetric, strong equality implies weak, and a tag is found in the list it stands in.

use http::HeaderValue;
use http::header::{IF_MATCH, IF_NONE_MATCH};

use super::input::{Input, field};
use crate::http::etag::{EntityTag, if_match, if_none_match};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let values: Vec<HeaderValue> = [input.value(), input.value()].into_iter().flatten().collect();
    let tags: Vec<EntityTag> = values.iter().filter_map(EntityTag::parse_lenient).collect();
    for (tag, value) in
        tags.iter().zip(values.iter().filter(|value| EntityTag::parse_lenient(value).is_some()))
    {
        assert_eq!(tag.as_value(), value);
        assert!(tag.weak_eq(tag) && tag.strong_eq(tag) != tag.is_weak());
        let sound = EntityTag::parse(value).is_some();
        assert!(tag.opaque().len() <= value.len() && !(sound && tag.opaque().contains(&b'"')));
    }
    if let [one, two] = tags.as_slice() {
        assert_eq!(one.weak_eq(two), two.weak_eq(one));
        assert_eq!(one.strong_eq(two), two.strong_eq(one));
        assert!(!one.strong_eq(two) || one.weak_eq(two));
        assert!(!one.weak_eq(two) || one.opaque() == two.opaque());
    }
    let list = input.0;
    for tag in &tags {
        let lines = [list];
        let named = if_none_match(&field(IF_NONE_MATCH, &lines), Some(tag));
        let matched = if_match(&field(IF_MATCH, &lines), Some(tag));
        assert!(matched != Some(true) || named == Some(true), "strongly but not weakly");
        let opaque = memchr::memmem::find(list, tag.opaque()).is_some();
        assert!(named != Some(true) || opaque || list.trim_ascii() == b"*");
        // As the last member of a list, behind whatever is sound, it is found.
        let behind = [b"\"x\", ".as_slice(), tag.as_value().as_bytes()].concat();
        assert_eq!(if_none_match(&field(IF_NONE_MATCH, &[&behind]), Some(tag)), Some(true));
    }
}
