//! Paths and queries: one spelling, which is its own; bounded growth; no dot segment, by whoever decodes once.

use percent_encoding::percent_decode_str;

use super::input::Input;
use crate::http::{uniform, uri};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (path, query) = (input.text(), input.text());
    if let Ok(normal) = uri::normalise_path(path) {
        assert!(normal.len() <= path.len() * 3 && normal.starts_with('/'));
        assert!(
            normal.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\\"<>".contains(&byte)),
            "{normal}"
        );
        assert!(!normal.split('/').any(|segment| matches!(segment, "." | "..")), "{normal}");
        assert_eq!(uri::normalise_path(&normal).as_deref(), Ok(&*normal));
        // Not even to one who takes apart first and decodes then.
        for segment in normal.split('/') {
            let decoded: Vec<u8> = percent_decode_str(segment).collect();
            assert!(
                decoded != b".." && decoded != b"." && !decoded.iter().any(u8::is_ascii_control),
                "{normal}"
            );
        }
        if !path.contains('%') && !path.contains("/.") && path.is_ascii() {
            let same: Vec<u8> = percent_decode_str(&normal).collect();
            assert_eq!(same, path.as_bytes(), "nothing to decode, and yet another path");
        }
        let read = uniform::path(&normal);
        assert!(read.len() <= normal.len() * 3);
        assert_eq!(uniform::path(&read), read, "one spelling for rules");
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        assert_eq!(decoded(&read), decoded(&normal), "rules read another path than who decodes");
        let _ = uniform::pattern(path);
    }
    if let Ok(Some(normal)) = uri::normalise_query(query) {
        assert!(normal.len() <= query.len() * 3 && normal.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(uri::normalise_query(&normal).ok().flatten().as_deref(), Some(&*normal));
        assert!(percent_decode_str(&normal).eq(percent_decode_str(query)), "{query} became {normal}");
    }
}
