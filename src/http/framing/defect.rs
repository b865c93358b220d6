//! What can be wrong with a request head's framing, by name.

use crate::http::refusal::Refusal;

/// Why what follows a head can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Defect {
    /// Transfer-Encoding beside Content-Length (RFC 9112 §6.1).
    LengthAndCoding,
    /// More than one Transfer-Encoding line.
    RepeatedCoding,
    /// A Transfer-Encoding other than `chunked`.
    OtherCoding,
    /// Transfer-Encoding in a request before HTTP/1.1 (RFC 9112 §6.1).
    CodingInOldVersion,
    /// More than one Content-Length line, alike or not (RFC 9112 §6.3 allows to refuse both).
    RepeatedLength,
    /// A Content-Length that is no number, or a list, or too large for 63 bits.
    BadLength,
    /// A LF without CR in a head with a body. RFC 9112 §2.2 lets a recipient take it for a line end, so others may not.
    BareLf,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::LengthAndCoding,
        Self::RepeatedCoding,
        Self::OtherCoding,
        Self::CodingInOldVersion,
        Self::RepeatedLength,
        Self::BadLength,
        Self::BareLf,
    ];

    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LengthAndCoding => "length_and_coding",
            Self::RepeatedCoding => "repeated_coding",
            Self::OtherCoding => "other_coding",
            Self::CodingInOldVersion => "coding_in_old_version",
            Self::RepeatedLength => "repeated_length",
            Self::BadLength => "bad_length",
            Self::BareLf => "bare_lf",
        }
    }

    /// How the request is refused.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::BareLf => Refusal::MalformedHead,
            _ => Refusal::AmbiguousFraming,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_word_and_all_but_one_are_about_framing() {
        let words: std::collections::HashSet<_> = Defect::ALL.map(Defect::as_str).into();
        assert_eq!(words.len(), Defect::ALL.len());
        let malformed = Defect::ALL.into_iter().filter(|defect| defect.refusal() == Refusal::MalformedHead);
        assert_eq!(malformed.collect::<Vec<_>>(), [Defect::BareLf]);
    }
}
