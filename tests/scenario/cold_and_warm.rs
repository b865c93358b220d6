//! A hit and a miss of one request say the same: whatever is asked, in whichever way the origin answers.
//!
//! Each case asks a question of a path that nobody has asked for, asks it again, and asks it once more when the whole is
//! in the cache. `PROPTEST_CASES` makes it look at more of them.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::{Answer, H2, Received, Seen, World};

const MODIFIED: &str = "Wed, 31 Dec 2025 12:00:00 GMT";
const BEFORE: &str = "Wed, 31 Dec 2025 11:59:59 GMT";
/// A small one and one in slices; a slice is 64 KiB.
const SIZES: [usize; 2] = [10, 100_000];

/// How an origin answers for a path.
#[derive(Clone, Debug)]
struct Nature {
    status: u16,
    size: usize,
    knows_ranges: bool,
    knows_conditions: bool,
    chunked: bool,
    etag: Option<&'static str>,
    modified: bool,
    dated: bool,
}

/// What a client asks.
#[derive(Clone, Debug)]
struct Question {
    method: &'static str,
    h2: bool,
    fields: Vec<(&'static str, String)>,
}

fn natures() -> impl Strategy<Value = Nature> {
    let statuses =
        prop_oneof![6 => Just(200), 1 => Just(203), 1 => Just(204), 1 => Just(301), 1 => Just(404)];
    let tags = prop_oneof![2 => Just(Some("\"v1\"")), 1 => Just(Some("W/\"v1\"")), 1 => Just(None)];
    let size = prop::sample::select(SIZES.to_vec());
    (statuses, size, any::<bool>(), any::<bool>(), any::<bool>(), tags, any::<bool>(), any::<bool>())
        .prop_map(|(status, size, knows_ranges, knows_conditions, chunked, etag, modified, dated)| Nature {
            status,
            size,
            knows_ranges,
            knows_conditions,
            chunked,
            etag,
            modified,
            dated,
        })
}

fn questions() -> impl Strategy<Value = Question> {
    let condition = prop_oneof![
        4 => Just(None),
        1 => prop::sample::select(vec!["\"v1\"", "W/\"v1\"", "\"v2\"", "\"v2\", \"v1\"", "*", "v1", ""])
            .prop_map(|tag| Some(("If-None-Match", tag.to_owned()))),
        1 => prop::sample::select(vec!["\"v1\"", "W/\"v1\"", "\"v2\"", "*"])
            .prop_map(|tag| Some(("If-Match", tag.to_owned()))),
        1 => prop::sample::select(vec![MODIFIED, BEFORE, "Wed, 01 Jan 2025 00:00:00 GMT", "soon"])
            .prop_map(|date| Some(("If-Modified-Since", date.to_owned()))),
        1 => prop::sample::select(vec![MODIFIED, BEFORE, "soon"])
            .prop_map(|date| Some(("If-Unmodified-Since", date.to_owned()))),
    ];
    let range = prop_oneof![
        2 => Just(None),
        5 => prop::sample::select(vec![
            "bytes=2-3", "bytes=0-", "bytes=0-0", "bytes=4-", "bytes=-3", "bytes=-0", "bytes=9-9", "bytes=5-999999",
            "bytes=-999999", "bytes=70000-70009", "bytes=10-", "bytes=200000-", "bytes=0-1,4-5", "bytes=0-1, -1",
            "bytes=0-1,70000-70001", "bytes=0-1,300000-", "bytes=300000-,-0", "bytes=4-2", "bytes=a-b", "bytes=", "bytes",
            "lines=0-1", "BYTES=2-3", "bytes=2-3,", "bytes= 2-3", "bytes=-",
        ]).prop_map(|range| Some(range.to_owned())),
    ];
    let if_range = prop_oneof![
        3 => Just(None),
        2 => prop::sample::select(vec!["\"v1\"", "W/\"v1\"", "\"v2\"", MODIFIED, BEFORE, "v1"])
            .prop_map(|validator| Some(validator.to_owned())),
    ];
    let method = prop_oneof![3 => Just("GET"), 2 => Just("HEAD"), 1 => Just("OPTIONS")];
    (method, any::<bool>(), condition, range, if_range).prop_map(
        |(method, h2, condition, range, if_range)| {
            let fields = condition.into_iter();
            let fields = fields.chain(range.map(|range| ("Range", range)));
            Question { method, h2, fields: fields.chain(if_range.map(|v| ("If-Range", v))).collect() }
        },
    )
}

impl Nature {
    fn body(&self) -> Vec<u8> {
        match self.status {
            204 => Vec::new(),
            _ => (0..self.size).map(|at| b"0123456789abcdefghijklmnopqrstuvwxyz"[at % 36]).collect(),
        }
    }

    fn head(&self, status: u16) -> Answer {
        let answer = Answer::status(status).header("Cache-Control", "max-age=600").header("X-Own", "1");
        let answer = match self.etag {
            Some(tag) => answer.header("ETag", tag),
            None => answer,
        };
        let answer = if self.modified { answer.header("Last-Modified", MODIFIED) } else { answer };
        if self.dated { answer } else { answer.without("Date") }
    }

    /// As an honest server does it, if it knows conditions and ranges at all (RFC 9110 §13.2.2).
    fn serve(&self, request: &Received) -> Answer {
        if request.method == "OPTIONS" {
            return self.head(204).header("Allow", "GET, HEAD, OPTIONS");
        }
        let success = (200..300).contains(&self.status);
        if self.knows_conditions && success {
            let named = |name: &str| request.header(name);
            let weak = self.etag.map(|tag| tag.trim_start_matches("W/"));
            if named("if-match").is_some_and(|tag| tag != "*" && Some(tag.as_str()) != self.etag) {
                return Answer::status(412).body("the origin's 412");
            }
            if named("if-none-match")
                .is_some_and(|tag| tag == "*" || Some(tag.trim_start_matches("W/")) == weak)
            {
                return self.head(304);
            }
        }
        let body = self.body();
        let range = request.header("range").filter(|_| {
            self.knows_ranges
                && self.status == 200
                && request.header("if-range").is_none_or(|tag| Some(&*tag) == self.etag)
        });
        let typed =
            |answer: Answer| answer.header("Content-Type", "text/plain").header("Accept-Ranges", "bytes");
        match range.and_then(|range| resolve(&range, body.len())) {
            Some(Some((from, to))) => {
                let place = format!("bytes {from}-{}/{}", to - 1, body.len());
                typed(self.head(206)).header("Content-Range", place).body(&body[from..to])
            }
            Some(None) => Answer::status(416)
                .header("Content-Range", format!("bytes */{}", body.len()))
                .body("the origin's 416"),
            None => {
                let answer = typed(self.head(self.status));
                let answer =
                    if self.status == 301 { answer.header("Location", "/elsewhere") } else { answer };
                match self.status {
                    204 => answer,
                    _ if self.chunked => answer.chunked().body(body),
                    _ => answer.body(body),
                }
            }
        }
    }
}

/// Of one range, as the edge writes it; HEAD may have what the client wrote.
fn resolve(range: &str, len: usize) -> Option<Option<(usize, usize)>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.parse::<usize>().ok();
    match (first, last) {
        ("", last) => {
            let last = number(last)?;
            Some((last > 0).then(|| (len.saturating_sub(last), len)))
        }
        (first, "") => number(first).map(|first| (first < len).then_some((first, len))),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| (first < len).then(|| (first, len.min(last.saturating_add(1)))))
        }
    }
}

/// What a client makes of a response: all but what says who answered, and when. A length may be left out.
#[derive(PartialEq)]
struct Said {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start: String = self.body.chars().take(200).collect();
        write!(f, "{} {:?} {} bytes: {start:?}", self.status, self.fields, self.body.len())
    }
}

impl Said {
    fn of(seen: &Seen) -> Self {
        const OF_THE_MOMENT: [&str; 7] = [
            "age",
            "date",
            "cache-status",
            "content-length",
            "transfer-encoding",
            "connection",
            "keep-alive",
        ];
        let fields = seen.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut fields: Vec<_> = fields.filter(|(name, _)| !OF_THE_MOMENT.contains(&name.as_str())).collect();
        fields.sort();
        if seen.status == 416 {
            // An origin that refuses a range does not say what it is a range of.
            fields.retain(|(name, _)| {
                matches!(name.as_str(), "content-range" | "cache-control" | "content-type")
            });
        }
        let mut body = seen.text();
        for (_, value) in fields.iter_mut().filter(|(name, _)| name == "content-type") {
            if let Some((_, boundary)) = value.split_once("boundary=") {
                let boundary = boundary.trim_matches('"').to_owned();
                body = body.replace(&boundary, "-boundary-");
                *value = value.replace(&boundary, "-boundary-");
            }
        }
        Self { status: seen.status, fields, body }
    }
}

struct Asking {
    world: World,
    h2: H2,
    asked: RefCell<usize>,
}

impl Asking {
    async fn ask(&self, question: &Question, target: &str) -> Seen {
        let fields = question.fields.iter();
        if question.h2 {
            let fields: Vec<(&str, &str)> = fields.map(|(name, value)| (*name, value.as_str())).collect();
            return self.h2.request(question.method, target, &fields).await.expect("an answer");
        }
        let request = self.world.client().request(question.method, target);
        fields.fold(request, |request, (name, value)| request.header(name, value)).send().await
    }

    async fn is_the_same(&self, nature: Nature, question: Question) -> Result<(), TestCaseError> {
        let target = format!("/{}", self.asked.replace_with(|n| *n + 1));
        let served = nature.clone();
        self.world.origin().on(&target, move |request| served.serve(request));
        let cold = self.ask(&question, &target).await;
        let again = self.ask(&question, &target).await;
        let whole = Question { method: "GET", h2: false, fields: Vec::new() };
        self.ask(&whole, &target).await;
        let warm = self.ask(&question, &target).await;
        for (what, later) in [("again", &again), ("warm", &warm)] {
            // What is not kept is asked for as its client asks, with conditions that the origin judges.
            if !later.is_hit() {
                continue;
            }
            prop_assert_eq!(
                Said::of(&cold),
                Said::of(later),
                "cold and {} of {:?}: {:?}",
                what,
                question,
                nature
            );
            let lengths = (cold.header("content-length"), later.header("content-length"));
            if let (Some(cold), Some(later)) = &lengths {
                prop_assert_eq!(cold, later, "lengths, {} of {:?}: {:?}", what, question, nature);
            }
        }
        Ok(())
    }
}

#[test]
fn a_hit_and_a_miss_of_one_request_say_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let asking = runtime.block_on(async {
        let world = World::new()
            .site("[site.cache]\nslice = \"64KiB\"")
            .more("[cache.memory]\ncapacity = \"64MiB\"\nmax_object = \"64KiB\"")
            .start()
            .await;
        let h2 = world.h2().await;
        Asking { world, h2, asked: RefCell::new(0) }
    });
    let all = std::env::var("SEAWALL_ALL_DIFFERENCES").is_ok();
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config { cases: asked.unwrap_or(100), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(natures(), questions()), |(nature, question)| {
        let found = runtime.block_on(asking.is_the_same(nature, question));
        if let (true, Err(error)) = (all, &found) {
            eprintln!("DIFF {error}");
            return Ok(());
        }
        found
    });
    runtime.block_on(async { drop(asking) });
    result.unwrap();
}
