//! What can be wrong with a request head's form, by name.

use crate::http::refusal::Refusal;

/// Why a head can be read in two ways. The worst is reported: the order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A Content-Length that is no number, or a list, or too large for 64 bits.
    BadLength,
    /// More than one Host line (RFC 9112 §3.2).
    RepeatedHost,
    /// White space between a field's name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon,
    /// A line that continues the one before (RFC 9112 §5.2).
    FoldedLine,
    /// A CR without LF (RFC 9112 §2.2).
    BareCr,
    /// A LF without CR. RFC 9112 §2.2 lets a recipient take it for a line end, so others may not.
    BareLf,
}

impl Defect {
    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LengthAndCoding => "length_and_coding",
            Self::RepeatedCoding => "repeated_coding",
            Self::OtherCoding => "other_coding",
            Self::CodingInOldVersion => "coding_in_old_version",
            Self::RepeatedLength => "repeated_length",
            Self::BadLength => "bad_length",
            Self::RepeatedHost => "repeated_host",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::FoldedLine => "folded_line",
            Self::BareCr => "bare_cr",
            Self::BareLf => "bare_lf",
        }
    }

    /// How the request is refused.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::RepeatedHost => Refusal::BadHost,
            Self::SpaceBeforeColon | Self::FoldedLine | Self::BareCr | Self::BareLf => Refusal::MalformedHead,
            _ => Refusal::AmbiguousFraming,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defects_have_words_and_refusals() {
        for (defect, word, refusal) in [
            (Defect::LengthAndCoding, "length_and_coding", Refusal::AmbiguousFraming),
            (Defect::RepeatedCoding, "repeated_coding", Refusal::AmbiguousFraming),
            (Defect::OtherCoding, "other_coding", Refusal::AmbiguousFraming),
            (Defect::CodingInOldVersion, "coding_in_old_version", Refusal::AmbiguousFraming),
            (Defect::RepeatedLength, "repeated_length", Refusal::AmbiguousFraming),
            (Defect::BadLength, "bad_length", Refusal::AmbiguousFraming),
            (Defect::RepeatedHost, "repeated_host", Refusal::BadHost),
            (Defect::SpaceBeforeColon, "space_before_colon", Refusal::MalformedHead),
            (Defect::FoldedLine, "folded_line", Refusal::MalformedHead),
            (Defect::BareCr, "bare_cr", Refusal::MalformedHead),
            (Defect::BareLf, "bare_lf", Refusal::MalformedHead),
        ] {
            assert_eq!((defect.as_str(), defect.refusal()), (word, refusal));
        }
    }
}
