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
    /// Behind a size, in its extensions.
    Extension(u64, Extension),
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
    /// In a trailer field's name.
    TrailerName,
    /// In a trailer field's value.
    TrailerValue,
    /// Between a trailer line's CR and LF.
    TrailerLf,
    /// Between the last CR and LF.
    End,
}

/// Where in a size line's extensions we stand: `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112 §7.1.1).
#[derive(Debug, Clone, Copy)]
pub(super) enum Extension {
    /// Behind the size, or a value: white space, the next extension, or the end. Some senders pad the size with spaces.
    Between,
    /// Behind a semicolon: white space, or a name.
    Before,
    /// In a name.
    Name,
    /// In the white space behind a name.
    AfterName,
    /// Behind an equals sign: white space, or a value.
    BeforeValue,
    /// In a value that is a token.
    Token,
    /// In a value in quotes.
    Quoted,
    /// Behind a backslash in quotes.
    Escaped,
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
            (Chunked::Size(size), b'\r') => Some(Chunked::SizeLf(size)),
            (Chunked::Size(size), b'\t' | b' ' | b';') => {
                Extension::Between.step(byte).map(|next| Chunked::Extension(size, next))
            }
            (Chunked::Size(size), _) => {
                digit(byte).and_then(|digit| size.checked_mul(16)?.checked_add(digit)).map(Chunked::Size)
            }
            (Chunked::Extension(size, at), b'\r') if at.may_end() => Some(Chunked::SizeLf(size)),
            (Chunked::Extension(size, at), _) => at.step(byte).map(|next| Chunked::Extension(size, next)),
            (Chunked::SizeLf(0), b'\n') => Some(Chunked::Trailer),
            (Chunked::SizeLf(size), b'\n') => Some(Chunked::Data(size)),
            (Chunked::DataCr, b'\r') => Some(Chunked::DataLf),
            (Chunked::DataLf, b'\n') => Some(Chunked::Start),
            (Chunked::Trailer, b'\r') => Some(Chunked::End),
            (Chunked::TrailerName, b':') => Some(Chunked::TrailerValue),
            // A folded line begins with white space, which no name does (RFC 9112 §5.2).
            (Chunked::Trailer | Chunked::TrailerName, _) => is_token(byte).then_some(Chunked::TrailerName),
            (Chunked::TrailerValue, b'\r') => Some(Chunked::TrailerLf),
            (Chunked::TrailerValue, _) => is_text(byte).then_some(Chunked::TrailerValue),
            (Chunked::TrailerLf, b'\n') => Some(Chunked::Trailer),
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

impl Extension {
    /// Where a byte leads; none where the grammar has no place for it.
    fn step(self, byte: u8) -> Option<Self> {
        let blank = matches!(byte, b' ' | b'\t');
        match self {
            Self::Between if blank => Some(Self::Between),
            Self::Between | Self::Name | Self::AfterName | Self::Token if byte == b';' => Some(Self::Before),
            Self::Between => None,
            Self::Before if blank => Some(Self::Before),
            Self::Before | Self::Name if is_token(byte) => Some(Self::Name),
            Self::Name | Self::AfterName if blank => Some(Self::AfterName),
            Self::Name | Self::AfterName if byte == b'=' => Some(Self::BeforeValue),
            Self::Before | Self::Name | Self::AfterName => None,
            Self::BeforeValue if blank => Some(Self::BeforeValue),
            Self::BeforeValue if byte == b'"' => Some(Self::Quoted),
            Self::BeforeValue | Self::Token if is_token(byte) => Some(Self::Token),
            Self::Token if blank => Some(Self::Between),
            Self::BeforeValue | Self::Token => None,
            Self::Quoted if byte == b'"' => Some(Self::Between),
            Self::Quoted if byte == b'\\' => Some(Self::Escaped),
            Self::Quoted | Self::Escaped => is_text(byte).then_some(Self::Quoted),
        }
    }

    /// Whether the line may end here.
    const fn may_end(self) -> bool {
        matches!(self, Self::Between | Self::Name | Self::AfterName | Self::Token)
    }
}

/// A byte of a token (RFC 9110 §5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// A byte of a field's value or of a quoted string: printable, a blank, or beyond ASCII (RFC 9110 §5.5, §5.6.4).
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Left {
        let mut chunked = Body::Chunked(Chunked::Start);
        let (taken, left) = chunked.skip(body);
        if left == Left::Ended { if taken == body.len() { left } else { Left::More } } else { left }
    }

    #[test]
    fn extensions_are_read_by_their_grammar() {
        let good = [
            "",
            ";a",
            ";a=b",
            " ;\ta = b ; c",
            ";a=\"x;y=\\\"z\"",
            ";a=\"\"",
            ";a=\"\u{fc}\t\"",
            " ",
            ";a;b;c",
            ";a=b\t;c",
        ];
        let bad = [
            ";",
            ";;a",
            ";a=",
            ";=b",
            ";a=b=c",
            ";a b",
            ";a=b c",
            ";a=\"x",
            ";a=\"x\"y",
            ";a(",
            ";a=\"x\\",
            " a",
            ";a\0",
            ";a=\0",
            ";a=\"\0\"",
            ";a=\"\\\0\"",
            ";\0",
            "\0",
            ";a\x0b",
            ";a=\"\x7f\"",
            ";a\n",
            ";a=\"\n\"",
            ";a=\"\r\"",
            ";\u{fc}",
            ";a\r",
        ];
        let all =
            good.map(|text| (text, Left::Ended)).into_iter().chain(bad.map(|text| (text, Left::Broken)));
        for (text, expected) in all {
            for (size, data) in [("1", "x\r\n0\r\n\r\n"), ("0", "\r\n")] {
                let body = format!("{size}{text}\r\n{data}");
                assert_eq!(read(body.as_bytes()), expected, "{body:?}");
            }
        }
    }

    #[test]
    fn trailers_are_fields() {
        for (line, expected) in [
            ("a: b", Left::Ended),
            ("a:", Left::Ended),
            ("a:b\tc \u{fc}", Left::Ended),
            ("a", Left::Broken),
            ("a b: c", Left::Broken),
            (": c", Left::Broken),
            (":path: /", Left::Broken),
            (" a: b", Left::Broken),
            ("a: b\r\n c", Left::Broken),
            ("a: \0", Left::Broken),
            ("a: b\rc: d", Left::Broken),
            ("a: b\nc: d", Left::Broken),
            ("a\0: b", Left::Broken),
            ("\u{fc}: b", Left::Broken),
        ] {
            let body = format!("1\r\nx\r\n0\r\n{line}\r\n\r\n");
            assert_eq!(read(body.as_bytes()), expected, "{body:?}");
        }
    }

    proptest! {
        /// No control byte but those of line ends and tabs passes outside of a chunk's data.
        #[test]
        fn no_control_byte_passes(byte in 0u8..0x20, at in 0usize..28) {
            let mut body = b"1;a=\"b\" ; c\r\nx\r\n0;d=e\r\nf: g\r\n\r\n".to_vec();
            let is_data = body[at] == b'x';
            if !is_data && !b"\t\r\n".contains(&byte) {
                body.insert(at, byte);
                prop_assert_eq!(read(&body), Left::Broken);
            }
        }
    }
}
