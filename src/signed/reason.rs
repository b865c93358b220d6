//! Why a request for a guarded path is denied.

/// The detail behind [`crate::http::refusal::Refusal::Denied`], for metrics, logs and the body of the answer.
///
/// In the order of how far a credential got: when several tables deny a request, the greatest reason
/// is the one told, because it is about the credential that was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenyReason {
    /// No credential.
    Missing,
    /// A credential that does not parse, or says something this version does not know.
    Malformed,
    /// More than one credential where one may stand.
    Duplicate,
    /// Signed with a key that the table does not have.
    UnknownKey,
    /// The signature does not fit. Everything below is only ever said of a credential that we signed.
    BadSignature,
    /// For another path.
    WrongPath,
    /// For another host.
    WrongHost,
    /// For another client address.
    WrongClient,
    /// A signed URL gives reading, not this method.
    WrongMethod,
    /// Valid for longer than `max_lifetime`.
    LifetimeTooLong,
    /// Its time has not come.
    NotYetValid,
    /// Its time is over.
    Expired,
}

impl DenyReason {
    /// All of them, for tables in metrics and docs.
    pub const ALL: &[DenyReason] = &[
        DenyReason::Missing,
        DenyReason::Malformed,
        DenyReason::Duplicate,
        DenyReason::UnknownKey,
        DenyReason::BadSignature,
        DenyReason::WrongPath,
        DenyReason::WrongHost,
        DenyReason::WrongClient,
        DenyReason::WrongMethod,
        DenyReason::LifetimeTooLong,
        DenyReason::NotYetValid,
        DenyReason::Expired,
    ];

    /// The stable word used in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            DenyReason::Missing => "missing",
            DenyReason::Malformed => "malformed",
            DenyReason::Duplicate => "duplicate",
            DenyReason::UnknownKey => "unknown_key",
            DenyReason::BadSignature => "bad_signature",
            DenyReason::WrongPath => "wrong_path",
            DenyReason::WrongHost => "wrong_host",
            DenyReason::WrongClient => "wrong_client",
            DenyReason::WrongMethod => "wrong_method",
            DenyReason::LifetimeTooLong => "lifetime_too_long",
            DenyReason::NotYetValid => "not_yet_valid",
            DenyReason::Expired => "expired",
        }
    }
}

impl std::fmt::Display for DenyReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_ranks_follow_the_list() {
        let words: std::collections::HashSet<_> = DenyReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(words.len(), DenyReason::ALL.len());
        assert!(DenyReason::ALL.is_sorted());
    }
}
