//! Where a request body ends. What it holds is hyper's business; this only counts, by the same grammar.

use crate::http::framing::Framing;

/// A body, as far as it was not passed by yet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked(Chunked),
}

/// Where in a chunked body we stand.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chunked {
    /// Before a size's first digit.
    Start,
    /// In a size.
    Size(u64),
    /// In the whitespace or extension after a size.
    Extension(u64),
    /// Between CR and LF of a size line.
    SizeLf(u64),
    /// In a chunk's data.
    Data(u64),
    /// Before the CR, or the LF, after a chunk's data.
    DataCr,
    /// See `DataCr`.
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    /// In a trailer line.
    TrailerLine,
    /// Between a trailer line's CR and LF.
    TrailerLf,
    /// Between the last CR and LF.
    End,
}

/// What is left of a body after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Something.
    More,
    /// Nothing: the next byte is the next head's.
    Ended,
    /// The framing is broken.
    Broken,
}

impl Body {
    /// What a head announced; none if that is nothing.
    pub(super) const fn new(framing: Framing) -> Option<Self> {
        match framing {
            Framing::None | Framing::Length(0) => None,
            Framing::Length(length) => Some(Self::Length(length)),
            Framing::Chunked => Some(Self::Chunked(Chunked::Start)),
        }
    }

    /// Passes over `bytes`: how many were the body's, and what is left of it.
    pub(super) fn skip(&mut self, bytes: &[u8]) -> (usize, Left) {
        match self {
            Body::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                (taken, if *left == 0 { Left::Ended } else { Left::More })
            }
            Body::Chunked(state) => {
                let mut at = 0;
                while at < bytes.len() {
                    if let Chunked::Data(left) = state {
                        let taken = (bytes.len() - at).min(usize::try_from(*left).unwrap_or(usize::MAX));
                        *left -= taken as u64;
                        at += taken;
                        if *left == 0 {
                            *state = Chunked::DataCr;
                        }
                        continue;
                    }
                    let left = state.step(bytes[at]);
                    at += 1;
                    if left != Left::More {
                        return (at, left);
                    }
                }
                (at, Left::More)
            }
        }
    }
}

impl Chunked {
    fn step(&mut self, byte: u8) -> Left {
        let next = match (*self, byte) {
            (Chunked::Start, _) => digit(byte).map(Chunked::Size),
            (Chunked::Size(size), b'\t' | b' ' | b';') => Some(Chunked::Extension(size)),
            (Chunked::Size(size) | Chunked::Extension(size), b'\r') => Some(Chunked::SizeLf(size)),
            (Chunked::Size(size), _) => {
                digit(byte).and_then(|digit| size.checked_mul(16)?.checked_add(digit)).map(Chunked::Size)
            }
            (Chunked::Extension(_), b'\n') => None,
            (Chunked::Extension(size), _) => Some(Chunked::Extension(size)),
            (Chunked::SizeLf(0), b'\n') => Some(Chunked::Trailer),
            (Chunked::SizeLf(size), b'\n') => Some(Chunked::Data(size)),
            (Chunked::DataCr, b'\r') => Some(Chunked::DataLf),
            (Chunked::DataLf, b'\n') => Some(Chunked::Start),
            (Chunked::Trailer, b'\r') => Some(Chunked::End),
            (Chunked::Trailer | Chunked::TrailerLine, b'\n') => None,
            (Chunked::TrailerLine, b'\r') => Some(Chunked::TrailerLf),
            (Chunked::TrailerLf, b'\n') => Some(Chunked::Trailer),
            (Chunked::Trailer | Chunked::TrailerLine, _) => Some(Chunked::TrailerLine),
            (Chunked::End, b'\n') => return Left::Ended,
            _ => None,
        };
        match next {
            Some(next) => {
                *self = next;
                Left::More
            }
            None => Left::Broken,
        }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}
