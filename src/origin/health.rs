//! Active checks: each member is asked for a path at its interval, and is out after so many bad answers in a row.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::connection::Connections;
use super::exchange::{Head, exchange};
use super::member::Member;
use super::pool::Pool;
use crate::config::{Health, Timeouts};

/// Answers in a row that point the other way than the member's standing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Streak(u32);

impl Streak {
    /// Counts one answer; gives the standing it leads to.
    fn count(&mut self, healthy: bool, good: bool, checks: &Health) -> bool {
        if healthy == good {
            self.0 = 0;
            return healthy;
        }
        self.0 += 1;
        let enough = if healthy { checks.unhealthy_after } else { checks.healthy_after };
        if self.0 < enough.max(1) {
            return healthy;
        }
        self.0 = 0;
        good
    }
}

/// Checks all members of a pool, as they are at each round, for as long as the pool lives.
pub(super) async fn watch(pool: Weak<Pool>, checks: Health) {
    let mut tick = tokio::time::interval(checks.interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let connections = Connections::start();
    let mut streaks: HashMap<u64, Streak> = HashMap::new();
    loop {
        tick.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        let members = pool.members();
        let answers: Vec<_> = members
            .iter()
            .map(|member| {
                let (pool, member, checks) = (pool.clone(), member.clone(), checks.clone());
                let connections = connections.clone();
                tokio::spawn(async move { check(&pool, &connections, &member, &checks).await })
            })
            .collect();
        let mut next = HashMap::with_capacity(members.len());
        for (member, answer) in members.iter().zip(answers) {
            let good = answer.await.unwrap_or(false);
            if good {
                member.encourage();
            }
            let mut streak = streaks.get(&member.place.identity).copied().unwrap_or_default();
            member.set_healthy(streak.count(member.is_healthy(), good, &checks));
            next.insert(member.place.identity, streak);
        }
        streaks = next;
    }
}

/// Whether one member answers as expected. The body is not read; its connection is closed with it.
async fn check(pool: &Pool, connections: &Arc<Connections>, member: &Arc<Member>, checks: &Health) -> bool {
    let Ok(target) = PathAndQuery::try_from(checks.path.as_str()) else { return false };
    let authority = HeaderValue::from_str(&member.origin.authority);
    let Some(host) = pool.config.host.clone().or_else(|| authority.ok()) else { return false };
    let headers = HeaderMap::from_iter([(
        http::header::USER_AGENT,
        HeaderValue::from_static(concat!("seawall/", env!("CARGO_PKG_VERSION"), " health check")),
    )]);
    let head = Head {
        method: Method::GET,
        target,
        host,
        headers,
        trailers: false,
        upgrade: None,
        on_informational: None,
    };
    let timeouts = Timeouts {
        connect: checks.timeout,
        first_byte: checks.timeout,
        idle: checks.timeout,
        event_stream: checks.timeout,
    };
    let mut body = None;
    let asked = exchange(connections, member, pool.config.protocol, &timeouts, &head, &mut body, true);
    match tokio::time::timeout(checks.timeout, asked).await {
        Ok(Ok(answer)) => expected(answer.response.status(), checks),
        Ok(Err(_)) | Err(_) => false,
    }
}

fn expected(status: StatusCode, checks: &Health) -> bool {
    checks.expect.contains(&status.as_u16())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn standing_changes_after_a_streak() {
        let checks = Health {
            path: "/".into(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            expect: vec![200, 404],
            unhealthy_after: 3,
            healthy_after: 2,
        };
        let (mut streak, mut healthy) = (Streak::default(), true);
        let mut seen = String::new();
        for answer in "bbgbbbgbggg".chars() {
            healthy = streak.count(healthy, answer == 'g', &checks);
            seen.push(if healthy { 'u' } else { 'd' });
        }
        assert_eq!(seen, "uuuuuddddu\u{75}");
        assert!(expected(StatusCode::NOT_FOUND, &checks) && !expected(StatusCode::BAD_GATEWAY, &checks));
    }
}
