//! A member's circuit breaker: ejects it when real requests fail, and tries it again one request at a time.

use std::time::{Duration, Instant};

use crate::config;

/// The longest a member stays out between trials, however often it fails.
const MAX_OPEN: Duration = Duration::from_secs(60);

/// What a member may be given now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Any request.
    Free,
    /// One trial, whose outcome decides; nobody else until then.
    Trial,
    /// None.
    Refused,
}

/// What became of an admitted request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The member did its part.
    Success,
    /// It did not.
    Failure,
    /// It was not asked, or says nothing about the member (the request was dropped half-way).
    Unknown,
}

/// Why a member is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// `consecutive_failures`
    InARow,
    /// `error_rate`
    ErrorRate,
    /// It was tried again, and failed.
    Trial,
    /// Its health checks fail. Not the breaker's business, but the same list.
    Health,
}

impl Why {
    /// The word in metrics and logs.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Why::InARow => "consecutive_failures",
            Why::ErrorRate => "error_rate",
            Why::Trial => "failed_trial",
            Why::Health => "health",
        }
    }
}

/// Where a breaker stands, as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests flow.
    Closed,
    /// None do.
    Open,
    /// One trial is under way.
    HalfOpen,
}

/// A change worth a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Out, for so long.
    Ejected(Duration, Why),
    /// In again.
    Readmitted,
}

#[derive(Debug)]
enum State {
    Closed {
        in_a_row: u32,
        window: Window,
    },
    Open {
        until: Instant,
        lasted: Duration,
    },
    /// A trial is under way since then.
    HalfOpen {
        since: Instant,
        lasted: Duration,
    },
}

/// Counts of the current window and the one before: cheap, and an eject decision looks back on at least one.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: Instant,
    seen: u32,
    failed: u32,
    before: (u32, u32),
}

impl Window {
    const fn new(start: Instant) -> Self {
        Self { start, seen: 0, failed: 0, before: (0, 0) }
    }

    fn add(&mut self, failed: bool, now: Instant, length: Duration) {
        let age = now.saturating_duration_since(self.start);
        if age >= length {
            let before = if age < length * 2 { (self.seen, self.failed) } else { (0, 0) };
            *self = Self { before, ..Self::new(now) };
        }
        self.seen += 1;
        self.failed += u32::from(failed);
    }

    fn totals(&self) -> (u32, u32) {
        (self.seen + self.before.0, self.failed + self.before.1)
    }
}

/// `now` is always an argument.
#[derive(Debug)]
pub(super) struct Breaker {
    config: config::Breaker,
    state: State,
}

impl Breaker {
    pub(super) fn new(config: config::Breaker, now: Instant) -> Self {
        Self { config, state: State::Closed { in_a_row: 0, window: Window::new(now) } }
    }

    /// Where it stands.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// Asks for a request; a `Trial` must be followed by [`Breaker::record`].
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Free,
            State::Open { until, lasted } if now >= until => {
                self.state = State::HalfOpen { since: now, lasted };
                Admission::Trial
            }
            // A trial nobody reported on (its task was killed) must not keep the member out for ever.
            State::HalfOpen { since, lasted } if now.saturating_duration_since(since) > MAX_OPEN => {
                self.state = State::HalfOpen { since: now, lasted };
                Admission::Trial
            }
            State::Open { .. } | State::HalfOpen { .. } => Admission::Refused,
        }
    }

    /// Something else says that the member is well: the waits that failed trials have added up to are forgotten.
    pub(super) fn encourage(&mut self, now: Instant) {
        if let State::Open { until, lasted } = &mut self.state {
            *until = (*until).min(now + self.config.open_for);
            *lasted = self.config.open_for;
        }
    }

    /// Reports on a request that was admitted.
    pub(super) fn record(&mut self, admission: Admission, verdict: Verdict, now: Instant) -> Option<Change> {
        match (&mut self.state, admission, verdict) {
            (State::HalfOpen { .. }, Admission::Trial, Verdict::Success) => {
                self.state = State::Closed { in_a_row: 0, window: Window::new(now) };
                Some(Change::Readmitted)
            }
            (State::HalfOpen { lasted, .. }, Admission::Trial, Verdict::Failure) => {
                let lasted = (*lasted * 2).min(MAX_OPEN.max(self.config.open_for));
                self.state = State::Open { until: now + lasted, lasted };
                Some(Change::Ejected(lasted, Why::Trial))
            }
            (State::HalfOpen { lasted, .. }, Admission::Trial, Verdict::Unknown) => {
                self.state = State::Open { until: now, lasted: *lasted };
                None
            }
            (State::Closed { in_a_row, window }, _, Verdict::Success) => {
                *in_a_row = 0;
                window.add(false, now, self.config.window);
                None
            }
            (State::Closed { in_a_row, window }, _, Verdict::Failure) => {
                *in_a_row += 1;
                window.add(true, now, self.config.window);
                let (seen, failed) = window.totals();
                let too_often = seen >= self.config.min_requests.max(1)
                    && f64::from(failed) / f64::from(seen) >= self.config.error_rate;
                let why = match (*in_a_row >= self.config.consecutive_failures.max(1), too_often) {
                    (true, _) => Why::InARow,
                    (false, true) => Why::ErrorRate,
                    (false, false) => return None,
                };
                let lasted = self.config.open_for;
                self.state = State::Open { until: now + lasted, lasted };
                Some(Change::Ejected(lasted, why))
            }
            // Late news of requests from before the ejection changes nothing.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn breaker(now: Instant) -> Breaker {
        let config = config::Breaker {
            consecutive_failures: 3,
            error_rate: 0.5,
            window: SEC * 10,
            min_requests: 10,
            open_for: SEC * 5,
        };
        Breaker::new(config, now)
    }

    #[test]
    fn failures_in_a_row_eject_and_a_good_trial_readmits() {
        let now = Instant::now();
        let mut b = breaker(now);
        for verdict in
            [Verdict::Failure, Verdict::Failure, Verdict::Success, Verdict::Failure, Verdict::Failure]
        {
            assert_eq!(b.record(Admission::Free, verdict, now), None);
        }
        assert_eq!(
            b.record(Admission::Free, Verdict::Failure, now),
            Some(Change::Ejected(SEC * 5, Why::InARow))
        );
        assert_eq!(b.admit(now + SEC * 4), Admission::Refused);
        assert_eq!(b.admit(now + SEC * 5), Admission::Trial);
        assert_eq!(b.admit(now + SEC * 6), Admission::Refused, "one trial at a time");
        assert_eq!(b.record(Admission::Free, Verdict::Success, now), None, "late news");
        assert_eq!(b.phase(), Phase::HalfOpen);
        assert_eq!(b.record(Admission::Trial, Verdict::Success, now + SEC * 6), Some(Change::Readmitted));
        assert_eq!(b.admit(now + SEC * 6), Admission::Free);
    }

    #[test]
    fn each_failed_trial_doubles_the_wait_up_to_a_minute() {
        let now = Instant::now();
        let mut b = breaker(now);
        (0..3).for_each(|_| {
            b.record(Admission::Free, Verdict::Failure, now);
        });
        let (mut at, mut waits) = (now + SEC * 5, vec![]);
        for _ in 0..5 {
            assert_eq!(b.admit(at), Admission::Trial);
            match b.record(Admission::Trial, Verdict::Failure, at) {
                Some(Change::Ejected(wait, Why::Trial)) => {
                    waits.push(wait.as_secs());
                    at += wait;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits, [10, 20, 40, 60, 60]);
    }

    #[test]
    fn a_good_check_shortens_the_wait() {
        let now = Instant::now();
        let mut b = breaker(now);
        (0..3).for_each(|_| {
            b.record(Admission::Free, Verdict::Failure, now);
        });
        let mut at = now;
        for wait in [5, 10, 20] {
            at += SEC * wait;
            assert_eq!(b.admit(at), Admission::Trial);
            b.record(Admission::Trial, Verdict::Failure, at);
        }
        b.encourage(at + SEC);
        b.encourage(at + SEC * 4);
        assert_eq!(b.admit(at + SEC * 5), Admission::Refused, "not sooner than after open_for");
        assert_eq!(b.admit(at + SEC * 6), Admission::Trial, "not after 40 s");
    }

    #[test]
    fn an_error_rate_ejects_once_enough_was_seen() {
        let now = Instant::now();
        let mut b = breaker(now);
        for n in 0..9 {
            let verdict = if n % 2 == 0 { Verdict::Failure } else { Verdict::Success };
            assert_eq!(b.record(Admission::Free, verdict, now), None, "{n}");
        }
        let change = b.record(Admission::Free, Verdict::Failure, now + SEC);
        assert_eq!(change, Some(Change::Ejected(SEC * 5, Why::ErrorRate)));
    }

    #[test]
    fn old_failures_are_forgotten() {
        let now = Instant::now();
        let mut b = breaker(now);
        for n in 0..9 {
            b.record(Admission::Free, if n % 2 == 0 { Verdict::Failure } else { Verdict::Success }, now);
        }
        assert_eq!(b.record(Admission::Free, Verdict::Failure, now + SEC * 30), None);
    }

    #[test]
    fn a_trial_that_says_nothing_leaves_room_for_the_next() {
        let now = Instant::now();
        let mut b = breaker(now);
        (0..3).for_each(|_| {
            b.record(Admission::Free, Verdict::Failure, now);
        });
        let at = now + SEC * 5;
        assert_eq!(b.admit(at), Admission::Trial);
        b.record(Admission::Trial, Verdict::Unknown, at);
        assert_eq!(b.admit(at), Admission::Trial);
        assert_eq!(b.admit(at + SEC * 61), Admission::Trial, "a lost trial is given up");
    }
}
