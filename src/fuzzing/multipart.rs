//! multipart/byteranges: the announced length is that of what is sent, and a plain reader finds every part again.

use super::input::Input;
use crate::http::multipart::{Boundary, Multipart};
use crate::http::range::{ByteRange, ContentRange, RangeResult, parse};

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let [complete, bits] = input.numbers();
    let content_type = input.value().filter(|value| !value.is_empty());
    let Some(range) = input.value() else { return };
    let Some(boundary) = Boundary::new(input.text()).or(Some(Boundary::from_bits(bits.into()))) else {
        return;
    };
    // Bodies are written out below, so they are small here; lengths that are not are `range`'s matter.
    let complete = complete % 4096;
    let RangeResult::Satisfiable(ranges) = parse(&range, complete) else { return };
    let layout = Multipart::new(complete, content_type.as_ref(), &ranges, &boundary);
    let whole: Vec<u8> = (0..complete).map(|at| (at % 251) as u8 | 0x80).collect();
    let bytes = |range: &ByteRange| &whole[range.first as usize..=range.last as usize];
    let mut body = Vec::new();
    for part in layout.parts() {
        body.extend_from_slice(&part.head);
        body.extend_from_slice(bytes(&part.range));
    }
    body.extend_from_slice(layout.trailer());
    assert_eq!(body.len() as u64, layout.content_length());

    let boundary = boundary.content_type().to_str().unwrap().split_once("boundary=").unwrap().1.to_owned();
    let mut rest = body.strip_prefix(format!("--{boundary}").as_bytes()).expect("begins with the boundary");
    for range in &ranges {
        let head = memchr::memmem::find(rest, b"\r\n\r\n").expect("a part has a head");
        let said = String::from_utf8_lossy(&rest[..head]);
        let said = said.rsplit_once("Content-Range: ").expect("a part says what it is").1.to_owned();
        let said = ContentRange::parse(&said.parse().unwrap());
        assert_eq!(said, Some(ContentRange::of(*range, complete)));
        rest = rest[head + 4..].strip_prefix(bytes(range)).expect("the part's bytes");
        rest = rest.strip_prefix(format!("\r\n--{boundary}").as_bytes()).expect("the next boundary");
    }
    assert_eq!(rest, b"--\r\n");
}
