//! The bytes of a whole body.

use std::mem::size_of;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::derived::{By, Derived};

/// A whole body is kept in pieces of at most this many bytes, so that no allocation is huge.
pub const PIECE: usize = 256 * 1024;

/// The bytes of a whole body, and the bodies that were made from it.
#[derive(Debug, Clone, Default)]
pub struct Whole {
    pieces: SmallVec<[Bytes; 1]>,
    len: u64,
    /// They go where the body goes: to the head that a 304 updates, and away with it.
    derived: Option<Arc<[Arc<Derived>]>>,
}

/// Copies what arrives into pieces of its own: chunks that came from a socket share its read buffer, and would
/// keep all of that alive for as long as the object lives.
#[derive(Debug)]
pub struct WholeBuilder {
    pieces: SmallVec<[Bytes; 1]>,
    piece: BytesMut,
    len: u64,
    expected: Option<u64>,
}

impl WholeBuilder {
    /// Nothing yet. `expected` is what the head announced; memory is taken a piece at a time whatever it says.
    pub fn new(expected: Option<u64>) -> Self {
        let piece = BytesMut::with_capacity(expected.unwrap_or(0).min(PIECE as u64) as usize);
        Self { pieces: SmallVec::new(), piece, len: 0, expected }
    }

    /// Copies a chunk.
    pub fn push(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let take = chunk.len().min(PIECE - self.piece.len());
            self.piece.extend_from_slice(&chunk[..take]);
            self.len += take as u64;
            chunk = &chunk[take..];
            if self.piece.len() == PIECE {
                let next = self.expected.unwrap_or(0).saturating_sub(self.len).min(PIECE as u64) as usize;
                self.pieces.push(std::mem::replace(&mut self.piece, BytesMut::with_capacity(next)).freeze());
            }
        }
    }

    /// Bytes so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The body, in exactly the memory it needs.
    pub fn finish(mut self) -> Whole {
        if !self.piece.is_empty() {
            let last = if self.piece.capacity() == self.piece.len() {
                self.piece.freeze()
            } else {
                Bytes::copy_from_slice(&self.piece)
            };
            self.pieces.push(last);
        }
        Whole { pieces: self.pieces, len: self.len, derived: None }
    }
}

impl Whole {
    /// From its pieces; `None` unless all but the last have [`PIECE`] bytes and the last has some.
    pub fn from_pieces(pieces: Vec<Bytes>) -> Option<Self> {
        let (last, full) = pieces.split_last().map_or((None, &[][..]), |(last, full)| (Some(last), full));
        let is_whole = full.iter().all(|piece| piece.len() == PIECE)
            && last.is_none_or(|last| (1..=PIECE).contains(&last.len()));
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        is_whole.then(|| Self { pieces: pieces.into(), len, derived: None })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Bytes it takes in RAM beyond its own struct, what was made from it included.
    pub fn weight(&self) -> usize {
        let derived = self.derived.iter().flat_map(|all| all.iter()).map(|derived| derived.weight());
        self.len as usize + self.pieces.len() * (size_of::<Bytes>() + 48) + derived.sum::<usize>()
    }

    /// Whether both are one body in one place, not merely equal ones.
    pub fn is(&self, other: &Self) -> bool {
        self.len == other.len
            && self.pieces.len() == other.pieces.len()
            && self.pieces.iter().zip(&other.pieces).all(|(a, b)| a.as_ptr() == b.as_ptr())
    }

    /// What was made from it in this way.
    pub fn derived(&self, by: &By) -> Option<&Arc<Derived>> {
        self.derived.as_ref()?.iter().find(|derived| derived.by == *by)
    }

    /// The same body with `derived`, in place of what was made in the same way before.
    pub fn with_derived(&self, derived: Derived) -> Self {
        let others = self.derived.iter().flat_map(|all| all.iter()).filter(|known| known.by != derived.by);
        let all = others.cloned().chain([Arc::new(derived.clone())]).collect();
        Self { derived: Some(all), ..self.clone() }
    }

    /// The part of it from `at`, at most `max` bytes, without copying; `None` at the end.
    pub fn slice_at(&self, at: u64, max: u64) -> Option<Bytes> {
        if at >= self.len || max == 0 {
            return None;
        }
        // All pieces but the last have PIECE bytes.
        let piece = self.pieces.get(at as usize / PIECE)?;
        let from = at as usize % PIECE;
        let to = piece.len().min(from.saturating_add(usize::try_from(max).unwrap_or(usize::MAX)));
        Some(piece.slice(from..to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(chunks: &[&[u8]]) -> Whole {
        let mut builder = WholeBuilder::new(None);
        chunks.iter().for_each(|chunk| builder.push(chunk));
        builder.finish()
    }

    #[test]
    fn a_body_is_what_arrived_however_it_arrived() {
        let big: Vec<u8> = (0..PIECE * 2 + 17).map(|i| (i % 251) as u8).collect();
        for cut in [1000, PIECE - 1, PIECE, PIECE + 1, big.len()] {
            let chunks: Vec<&[u8]> = big.chunks(cut).collect();
            let whole = body(&chunks);
            assert_eq!(whole.len(), big.len() as u64);
            assert_eq!(whole.pieces().concat(), big, "cut at {cut}");
            assert_eq!(whole.pieces().len(), 3);
        }
        assert!(body(&[]).is_empty());
        assert!(body(&[b"", b""]).pieces().is_empty());
    }

    #[test]
    fn any_part_can_be_read_without_the_rest() {
        let big: Vec<u8> = (0..PIECE + 100).map(|i| (i % 251) as u8).collect();
        let whole = body(&[&big]);
        let read = |from: usize, to: usize| {
            let (mut at, mut out) = (from as u64, Vec::new());
            while let Some(part) = whole.slice_at(at, to as u64 - at) {
                at += part.len() as u64;
                out.extend_from_slice(&part);
            }
            out
        };
        for (from, to) in
            [(0, 1), (0, big.len()), (PIECE - 1, PIECE + 1), (PIECE, PIECE + 100), (PIECE + 99, PIECE + 100)]
        {
            assert_eq!(read(from, to), big[from..to], "{from}..{to}");
        }
        assert!(whole.slice_at(whole.len(), 1).is_none());
    }
}
