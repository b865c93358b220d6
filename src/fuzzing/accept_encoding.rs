//! Accept-Encoding: the canonical text is a fixed point, and says of each coding what the field said.

use http::header::ACCEPT_ENCODING;
use smallvec::SmallVec;

use super::input::{field, lines};
use crate::http::accept_encoding::{Coding, Codings};

pub(super) fn run(data: &[u8]) {
    let headers = field(ACCEPT_ENCODING, &lines(data));
    let Some(codings) = Codings::of(&headers) else { return };
    let mut text = SmallVec::<[u8; 64]>::new();
    codings.write_to(&mut text);
    assert!(text.len() <= 40 + data.len() + 12, "grows beyond what was said");

    // The canonical text, as a field, is the same set, and is written alike. Without "identity" in it, that was refused.
    let mut again = text.split(|&byte| byte == b' ').collect::<Vec<_>>().join(&b", "[..]);
    if !codings.accepts(Coding::Identity) {
        again.extend_from_slice(b", identity;q=0");
    }
    // A set with `*` in it says of each known coding that is missing that it was refused.
    if codings.accepts(Coding::Identity) && text.split(|&byte| byte == b' ').any(|name| name == b"*") {
        for coding in Coding::ALL.into_iter().filter(|coding| !codings.accepts(*coding)) {
            again.extend_from_slice(format!(", {};q=0", coding.as_str()).as_bytes());
        }
    } else if !codings.accepts(Coding::Identity) {
        for coding in [Coding::Zstd, Coding::Br, Coding::Gzip].into_iter().filter(|c| !codings.accepts(*c)) {
            again.extend_from_slice(format!(", {};q=0", coding.as_str()).as_bytes());
        }
    }
    let second = Codings::of(&field(ACCEPT_ENCODING, &[&again]));
    assert_eq!(second.as_ref(), Some(&codings), "{:?}", String::from_utf8_lossy(&again));
}
