//! A fault that repeats is one line in ten seconds, with a count: a log that a fault can flood hides the next fault, and
//! fills a disk.
//!
//! It stands in front of the log as a layer, so that no warning has to think of it. Warnings and errors are told apart
//! by where they are in the source and by what they say. The first of a cause is written at once; those after it are
//! counted, and while they go on, a line says every ten seconds how many there were.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// A cause has one line in so long.
const WINDOW: Duration = Duration::from_secs(10);
/// Causes that one place in the source may have at once; the others are counted together. What differs can be an offset
/// or a port.
const CAUSES: usize = 8;
/// Bytes of a cause's text that are kept.
const TEXT: usize = 512;
/// Of the lines that are written here; never counted itself.
const TARGET: &str = "seawall::repeated";

/// The causes that are open.
#[derive(Debug, Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<HashMap<Place, Causes>>>);

/// Where in the source an event is.
type Place = tracing::callsite::Identifier;

#[derive(Debug, Default)]
struct Causes {
    /// By the hash of what the event says.
    known: HashMap<u64, Cause>,
    /// All beyond [`CAUSES`].
    others: Option<Cause>,
}

#[derive(Debug)]
struct Cause {
    is_error: bool,
    since: Instant,
    times: u64,
    text: String,
}

/// What is to be said of a cause whose window is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    is_error: bool,
    times: u64,
    text: String,
}

impl Repeats {
    /// Whether an event is the first of its cause; if not, it is counted.
    fn is_first(&self, metadata: &Metadata<'_>, text: &str, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        let new = |text: &str| Cause {
            is_error: *metadata.level() == Level::ERROR,
            since: now,
            times: 0,
            text: text.to_owned(),
        };
        let mut places = self.0.lock();
        let causes = places.entry(metadata.callsite()).or_default();
        if let Some(cause) = causes.known.get_mut(&hash) {
            cause.times += 1;
            return false;
        }
        if causes.known.len() < CAUSES {
            causes.known.insert(hash, new(text));
            return true;
        }
        causes.others.get_or_insert_with(|| new(&format!("{text} (and others like it)"))).times += 1;
        false
    }

    /// Closes the windows that are over. A cause that went on has another, one that did not is forgotten.
    fn due(&self, now: Instant) -> Vec<Repeated> {
        let mut due = Vec::new();
        let mut goes_on = |cause: &mut Cause| {
            if now.saturating_duration_since(cause.since) < WINDOW {
                return true;
            }
            let times = std::mem::take(&mut cause.times);
            if times > 0 {
                cause.since = now;
                due.push(Repeated { is_error: cause.is_error, times, text: cause.text.clone() });
            }
            times > 0
        };
        self.0.lock().retain(|_, causes| {
            causes.known.retain(|_, cause| goes_on(cause));
            if causes.others.as_mut().is_some_and(|cause| !goes_on(cause)) {
                causes.others = None;
            }
            !causes.known.is_empty() || causes.others.is_some()
        });
        due
    }

    /// Writes the lines that are due. To be called about once a second.
    pub(super) fn tell(&self) {
        let seconds = WINDOW.as_secs();
        for Repeated { is_error, times, text } in self.due(Instant::now()) {
            match is_error {
                true => tracing::error!(target: TARGET, times, seconds, "repeated: {text}"),
                false => tracing::warn!(target: TARGET, times, seconds, "repeated: {text}"),
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Repeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target() == TARGET {
            return true;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.is_first(metadata, &text.0, Instant::now())
    }
}

/// An event's message and fields in a line.
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.0.len() >= TEXT {
            return;
        }
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" if self.0.is_empty() => write!(self.0, "{value:?}"),
            "message" => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}, {fields}")
            }
            name if self.0.is_empty() => write!(self.0, "{name}={value:?}"),
            name => write!(self.0, ", {name}={value:?}"),
        };
        if self.0.len() > TEXT {
            let end = self.0.floor_char_boundary(TEXT);
            self.0.truncate(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    /// What a subscriber behind the layer gets.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().push(text.0);
        }
    }

    fn with(test: impl FnOnce(&Repeats, &Seen)) {
        let (repeats, seen) = (Repeats::default(), Seen::default());
        let subscriber = tracing_subscriber::registry().with(seen.clone()).with(repeats.clone());
        tracing::subscriber::with_default(subscriber, || test(&repeats, &seen));
    }

    fn fault(member: &str) {
        tracing::warn!(member, "attempt failed");
    }

    #[test]
    fn a_fault_that_repeats_is_a_line_and_then_a_count() {
        with(|repeats, seen| {
            (0..5).for_each(|_| fault("a"));
            fault("b");
            (0..3).for_each(|_| tracing::info!("all is well"));
            assert_eq!(
                *seen.0.lock(),
                [
                    "attempt failed, member=a",
                    "attempt failed, member=b",
                    "all is well",
                    "all is well",
                    "all is well"
                ]
            );
            let now = Instant::now();
            assert_eq!(repeats.due(now), []);
            let told = |times, text: &str| Repeated { is_error: false, times, text: text.to_owned() };
            assert_eq!(repeats.due(now + WINDOW), [told(4, "attempt failed, member=a")]);
            fault("a");
            fault("b");
            assert_eq!(seen.0.lock().len(), 6, "one goes on and is counted, the other begins anew");
            assert_eq!(repeats.due(now + WINDOW * 2), [told(1, "attempt failed, member=a")]);
            assert_eq!(repeats.due(now + WINDOW * 3), []);
            assert!(repeats.0.lock().is_empty(), "what is over is forgotten");
        });
    }

    #[test]
    fn what_always_says_something_else_is_bounded_as_well() {
        with(|repeats, seen| {
            for offset in 0..1000 {
                tracing::error!(offset, "damaged record");
            }
            assert_eq!(seen.0.lock().len(), CAUSES);
            let due = repeats.due(Instant::now() + WINDOW);
            assert_eq!((due.len(), due[0].times, due[0].is_error), (1, 1000 - CAUSES as u64, true));
            assert!(due[0].text.ends_with("(and others like it)"), "{due:?}");
        });
    }

    #[test]
    fn a_long_text_is_cut() {
        with(|_, seen| {
            tracing::warn!(what = "ü".repeat(TEXT), "long");
            assert!(seen.0.lock()[0].len() <= TEXT);
        });
    }
}
