//! A part of an object that can't be kept in slices: it answers the ranges it contains, and nothing else.
//!
//! An origin without strong tags, or one that picks its own ranges, gives nothing that could be put together
//! with other parts (RFC 9110 §15.3.7.3). One part alone is a stored response all the same (RFC 9111 §3.3).

use http_body_util::BodyExt;

use crate::cache::growing::Broken;
use crate::cache::object::{Extent, Meta, Whole, WholeBuilder};
use crate::edge::request::requested_range::content_range;
use crate::http::range::ByteRange;
use crate::origin::OriginBody;

/// Whether a part is other than it said it was: whoever asked for it gets it as it came.
pub fn contradicts_itself(meta: &Meta, extent: &Extent) -> bool {
    content_range(&meta.head).is_none_or(|(_, complete)| complete != extent.complete())
}

/// Reads a body of at most `most` bytes; `None` if it has more.
///
/// # Errors
/// It broke off.
pub async fn read(mut body: OriginBody, length: Option<u64>, most: u64) -> Result<Option<Whole>, Broken> {
    let mut whole = WholeBuilder::new(length);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Broken::Origin)?.into_data() else { continue };
        whole.push(&data);
        if whole.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(whole.finish()))
}

/// The part that a 206 turned out to be, by what it says it brings and what it brought.
///
/// A body that does not have the bytes its Content-Range announces is no part, with one exception: some origins
/// count one too many in a range that goes to the end (the public cache tests do). That is believed only of a body
/// whose length was announced and came, so that nothing can be missing: the end is where the body ends. Who asked
/// gets what came, word for word; the next are served by this reading, and only ranges, never a whole.
pub fn extent(says: ByteRange, complete: u64, announced: Option<u64>, body: Whole) -> Option<Extent> {
    let end = says.first.checked_add(body.len())?;
    if body.len() == says.len() {
        return Some(Extent::new(says.first, body, complete));
    }
    let to_the_end = says.last.checked_add(1) == Some(complete) && end == says.last;
    let miscounted = to_the_end && announced == Some(body.len()) && !body.is_empty();
    miscounted.then(|| Extent::new(says.first, body, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(first: u64, last: u64, complete: u64, body: &[u8]) -> Option<(bool, bool, u64)> {
        let announced = Some(body.len() as u64);
        announcing(announced, first, last, complete, body)
    }

    fn announcing(
        announced: Option<u64>,
        first: u64,
        last: u64,
        complete: u64,
        body: &[u8],
    ) -> Option<(bool, bool, u64)> {
        let mut whole = WholeBuilder::new(None);
        whole.push(body);
        let extent = extent(ByteRange { first, last }, complete, announced, whole.finish())?;
        let has = |first, last| extent.has(ByteRange { first, last });
        Some((has(first, last), has(first, first), extent.complete()))
    }

    #[test]
    fn a_part_is_what_it_says_it_is() {
        assert_eq!(brought(4, 8, 10, b"01234"), Some((true, true, 10)));
        assert_eq!(brought(0, 0, 10, b"0"), Some((true, true, 10)));
        for (last, body) in [(8, &b"0123"[..]), (8, b"012345"), (9, b"0123"), (9, b"0123456"), (9, b"")] {
            assert_eq!(brought(4, last, 10, body), None, "4-{last} with {} bytes", body.len());
        }
    }

    #[test]
    fn an_origin_that_counts_one_too_many_at_the_end_is_understood() {
        assert_eq!(brought(4, 9, 10, b"01234"), Some((false, true, 9)));
        assert_eq!(announcing(None, 4, 9, 10, b"01234"), None, "it may have lost its last byte");
    }
}
