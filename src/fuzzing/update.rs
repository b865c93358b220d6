//! 304 and HEAD: what describes the stored bytes is never changed by them, and only the same validators confirm.

use http::HeaderMap;
use http::header::{
    AGE, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, TRANSFER_ENCODING,
};

use super::input::Input;
use crate::policy::update::{HeadUpdate, head_response, merge_304, selects};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (stored, fresh) = (input.fields(), input.fields());
    let merged = merge_304(&stored, &fresh);
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE] {
        assert!(same(&merged, &stored, &name), "{name} changed");
    }
    let hop = fresh.contains_key(CONNECTION) || fresh.contains_key(TRANSFER_ENCODING);
    if !hop {
        assert!(same(&merged, &fresh, &AGE), "an old Age stayed");
        let merged_in =
            fresh.keys().filter(|name| ![CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE].contains(name));
        for name in merged_in.filter(|name| !crate::http::hop_by_hop::is_hop_by_hop(name)) {
            assert!(same(&merged, &fresh, name), "{name} is not the new one");
        }
    }
    let mut twice = merge_304(&merged, &fresh);
    twice.remove("x");
    let mut once = merged.clone();
    once.remove("x");
    assert_eq!(twice, once, "merged twice is merged once");

    if selects(&stored, &fresh) && fresh.contains_key(ETAG) {
        let bare = |head: &HeaderMap| {
            let tag = head.get(ETAG).map(|tag| tag.as_bytes().to_vec()).unwrap_or_default();
            tag.strip_prefix(b"W/").map(<[u8]>::to_vec).unwrap_or(tag)
        };
        assert_eq!(bare(&stored), bare(&fresh));
    } else if selects(&stored, &fresh) && fresh.contains_key(LAST_MODIFIED) {
        assert_eq!(stored.get(LAST_MODIFIED), fresh.get(LAST_MODIFIED));
    }
    if head_response(&stored, &fresh) == HeadUpdate::Update {
        for name in [ETAG, LAST_MODIFIED, CONTENT_LENGTH] {
            assert!(fresh.get(&name).is_none_or(|value| stored.get(&name) == Some(value)));
        }
    }
}

fn same(one: &HeaderMap, two: &HeaderMap, name: &http::HeaderName) -> bool {
    one.get_all(name).iter().eq(two.get_all(name).iter())
}
