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
    /// A trial, whose outcome decides, and its number.
    Trial(u32),
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
        since: Instant,
        until: Instant,
        lasted: Duration,
    },
    /// A trial is under way since then, the last of so many.
    HalfOpen {
        since: Instant,
        lasted: Duration,
        number: u32,
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
    trials: u32,
}

impl Breaker {
    pub(super) fn new(config: config::Breaker, now: Instant) -> Self {
        Self { config, state: State::Closed { in_a_row: 0, window: Window::new(now) }, trials: 0 }
    }

    /// Where it stands.
    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// Asks for a request; a `Trial` must be followed by [`Breaker::record`]. `needed` says that nobody else is up:
    /// then each trial is due `open_for` after the last one began or failed, so that the end of an outage is noticed
    /// however long it was, and even if a trial hangs. While others serve, there is no hurry.
    pub(super) fn admit(&mut self, now: Instant, needed: bool) -> Admission {
        let soon = self.config.open_for;
        let lasted = match self.state {
            State::Closed { .. } => return Admission::Free,
            State::Open { since, until, lasted } if now >= until || (needed && now >= since + soon) => lasted,
            // A trial nobody reported on (its task was killed) must not keep the member out for ever.
            State::HalfOpen { since, lasted, .. }
                if now >= since + if needed { soon.min(MAX_OPEN) } else { MAX_OPEN } =>
            {
                lasted
            }
            State::Open { .. } | State::HalfOpen { .. } => return Admission::Refused,
        };
        self.trials = self.trials.wrapping_add(1);
        self.state = State::HalfOpen { since: now, lasted, number: self.trials };
        Admission::Trial(self.trials)
    }

    /// Something else says that the member is well: the waits that failed trials have added up to are forgotten.
    pub(super) fn encourage(&mut self, now: Instant) {
        if let State::Open { until, lasted, .. } = &mut self.state {
            *until = (*until).min(now + self.config.open_for);
            *lasted = self.config.open_for;
        }
    }

    /// Reports on a request that was admitted.
    pub(super) fn record(&mut self, admission: Admission, verdict: Verdict, now: Instant) -> Option<Change> {
        match (&mut self.state, admission, verdict) {
            // Also of a trial that others have followed meanwhile: it answers.
            (State::HalfOpen { .. } | State::Open { .. }, Admission::Trial(_), Verdict::Success) => {
                self.state = State::Closed { in_a_row: 0, window: Window::new(now) };
                Some(Change::Readmitted)
            }
            (State::HalfOpen { lasted, number, .. }, Admission::Trial(trial), Verdict::Failure)
                if *number == trial =>
            {
                let lasted = (*lasted * 2).min(MAX_OPEN.max(self.config.open_for));
                self.state = State::Open { since: now, until: now + lasted, lasted };
                Some(Change::Ejected(lasted, Why::Trial))
            }
            (State::HalfOpen { lasted, number, .. }, Admission::Trial(trial), Verdict::Unknown)
                if *number == trial =>
            {
                self.state = State::Open { since: now, until: now, lasted: *lasted };
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
                self.state = State::Open { since: now, until: now + lasted, lasted };
                Some(Change::Ejected(lasted, why))
            }
            // Late news of requests from before the ejection, or of a trial that was given up, changes nothing.
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
        assert_eq!(b.admit(now + SEC * 4, false), Admission::Refused);
        assert_eq!(b.admit(now + SEC * 5, false), Admission::Trial(1));
        assert_eq!(b.admit(now + SEC * 6, false), Admission::Refused, "one trial at a time");
        assert_eq!(b.record(Admission::Free, Verdict::Success, now), None, "late news");
        assert_eq!(b.phase(), Phase::HalfOpen);
        assert_eq!(b.record(Admission::Trial(1), Verdict::Success, now + SEC * 6), Some(Change::Readmitted));
        assert_eq!(b.admit(now + SEC * 6, false), Admission::Free);
    }

    #[test]
    fn each_failed_trial_doubles_the_wait_up_to_a_minute() {
        let now = Instant::now();
        let mut b = breaker(now);
        (0..3).for_each(|_| {
            b.record(Admission::Free, Verdict::Failure, now);
        });
        let (mut at, mut waits) = (now + SEC * 5, vec![]);
        for n in 1..=5 {
            assert_eq!(b.admit(at, false), Admission::Trial(n));
            match b.record(Admission::Trial(n), Verdict::Failure, at) {
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
        for (n, wait) in [(1, 5), (2, 10), (3, 20)] {
            at += SEC * wait;
            assert_eq!(b.admit(at, false), Admission::Trial(n));
            b.record(Admission::Trial(n), Verdict::Failure, at);
        }
        b.encourage(at + SEC);
        b.encourage(at + SEC * 4);
        assert_eq!(b.admit(at + SEC * 5, false), Admission::Refused, "not sooner than after open_for");
        assert_eq!(b.admit(at + SEC * 6, false), Admission::Trial(4), "not after 40 s");
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
        assert_eq!(b.admit(at, false), Admission::Trial(1));
        b.record(Admission::Trial(1), Verdict::Unknown, at);
        assert_eq!(b.admit(at, false), Admission::Trial(2));
        assert_eq!(b.admit(at + SEC * 61, false), Admission::Trial(3), "a lost trial is given up");
    }

    #[test]
    fn while_nobody_else_is_up_trials_do_not_become_rarer() {
        let now = Instant::now();
        let mut b = breaker(now);
        (0..3).for_each(|_| {
            b.record(Admission::Free, Verdict::Failure, now);
        });
        let mut at = now;
        for n in 1..=6 {
            assert_eq!(b.admit(at + SEC * 4, true), Admission::Refused, "{n}");
            at += SEC * 5;
            assert_eq!(b.admit(at, true), Admission::Trial(n));
            b.record(Admission::Trial(n), Verdict::Failure, at);
        }
        assert_eq!(b.admit(at + SEC * 5, false), Admission::Refused, "somebody else serves: no hurry");
        assert_eq!(b.admit(at + SEC * 5, true), Admission::Trial(7));
    }

    #[test]
    fn a_trial_that_hangs_makes_way_for_the_next_when_nobody_else_is_up() {
        let now = Instant::now();
        let hanging = |trials: u32| {
            let mut b = breaker(now);
            (0..3).for_each(|_| {
                b.record(Admission::Free, Verdict::Failure, now);
            });
            for n in 1..=trials {
                let at = now + SEC * 5 * n;
                assert_eq!(b.admit(at - SEC, true), Admission::Refused, "{n}");
                assert_eq!(b.admit(at, true), Admission::Trial(n));
            }
            b
        };
        let at = now + SEC * 11;
        let mut b = hanging(2);
        assert_eq!(b.record(Admission::Trial(1), Verdict::Failure, at), None, "the second decides");
        assert_eq!(b.phase(), Phase::HalfOpen);
        assert_eq!(b.record(Admission::Trial(2), Verdict::Success, at), Some(Change::Readmitted));

        let mut b = hanging(2);
        assert!(b.record(Admission::Trial(2), Verdict::Failure, at).is_some());
        assert_eq!(b.record(Admission::Trial(1), Verdict::Success, at), Some(Change::Readmitted));
        assert_eq!(b.record(Admission::Trial(2), Verdict::Failure, at), None, "one failure of three");
    }
}
