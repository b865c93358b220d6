//! File descriptors: as many as the system allows, and a word when those are too few.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Beside client connections: listeners, logs, segments of the disk tier, and some connections to origins. How many of
/// the last there are depends on the traffic, so this is a floor.
const OTHERS: u64 = 256;

/// Raises the soft limit to the hard one, and warns when `connections` (`server.limits.connections`) are more than that.
/// The soft limit is often 1,024 for the sake of programs that use select(2); this one does not.
pub(super) fn raise(connections: usize) {
    let before = getrlimit(Resource::Nofile);
    if before.current != before.maximum {
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => tracing::info!(
                from = before.current,
                to = before.maximum,
                "the limit on open files is raised to the hard limit"
            ),
            Err(error) => {
                tracing::warn!(%error, "the limit on open files cannot be raised to the hard limit")
            }
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    if let Some(needed) = shortage(limit, connections) {
        tracing::warn!(
            limit,
            needed,
            "the limit on open files is too low for server.limits.connections = {connections}: raise it (ulimit -n, LimitNOFILE=) or lower the setting"
        );
    }
}

/// How many descriptors `connections` need, when the limit is lower; no limit is never lower.
fn shortage(limit: Option<u64>, connections: usize) -> Option<u64> {
    let needed = (connections as u64).saturating_add(OTHERS);
    limit.filter(|limit| *limit < needed).map(|_| needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_too_low_when_connections_and_the_rest_do_not_fit() {
        assert_eq!(shortage(Some(64), 65_536), Some(65_792));
        assert_eq!(shortage(Some(65_791), 65_536), Some(65_792));
        assert_eq!(shortage(Some(65_792), 65_536), None);
        assert_eq!(shortage(None, usize::MAX), None);
    }
}
