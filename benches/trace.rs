//! What the caching policy is worth: a trace replayed through Seawall's own tiers, and through other policies with as
//! many bytes; docs/disk-cache.md has the tables.
//!
//!     cargo bench --bench trace                                 all of it: five minutes
//!     cargo bench --bench trace -- traces=zipf                  one and a half
//!     cargo bench --bench trace -- requests=2000000 alpha=1.0   another trace
//!
//! Arguments are `name=value`: what `benches/trace/generate.rs` lists, and `memory` and `disk` (bytes of the tiers),
//! `folder` (where the disk tier is; a folder of its own is made there), `traces` and `only` (names, as in the tables:
//! `traces=zipf,scan only=second-hit`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that fails ends"
)]

#[path = "trace/edge.rs"]
mod edge;
#[path = "trace/generate.rs"]
mod generate;
#[path = "trace/policies/mod.rs"]
mod policies;
#[path = "trace/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;

use edge::Edge;
use generate::{Parameters, Trace};
use policies::{Belady, Farthest, Order, Policy, Queue, Request, S3Fifo, Seen, Sieve, next_uses};
use seawall::config::Admission;
use table::Counts;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is to be run.
struct Setup {
    with: Parameters,
    /// Bytes of the tiers.
    memory: u64,
    disk: u64,
    folder: PathBuf,
    /// Names of traces; all if there are none.
    traces: Vec<String>,
    /// Parts of names of policies; all if there are none.
    only: Vec<String>,
    /// What an object takes beside its body, in memory and on disk.
    overheads: (u64, u64),
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut setup = Setup::from_arguments(std::env::args().skip(1).filter(|a| !a.starts_with("--")));
    setup.overheads = runtime.block_on(edge::overheads(&setup.folder));
    std::fs::remove_dir_all(&setup.folder).unwrap();
    println!("{:?}", setup.with);
    let (memory, disk) = setup.overheads;
    println!("memory {} bytes, disk {} bytes", setup.memory, setup.disk);
    println!("an object takes {memory} bytes beside its body in memory, {disk} on disk");
    for trace in setup.traces() {
        setup.run(&trace, &runtime);
    }
}

impl Setup {
    fn from_arguments(arguments: impl Iterator<Item = String>) -> Self {
        let mut setup = Self {
            with: Parameters::default(),
            memory: 128 << 20,
            disk: 1 << 30,
            folder: std::env::temp_dir(),
            traces: Vec::new(),
            only: Vec::new(),
            overheads: (0, 0),
        };
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
            let names = || value.split(',').map(str::to_owned).collect();
            match name {
                "memory" => setup.memory = value.parse().unwrap(),
                "disk" => setup.disk = value.parse().unwrap(),
                "folder" => setup.folder = value.into(),
                "traces" => setup.traces = names(),
                "only" => setup.only = names(),
                _ => assert!(setup.with.set(name, value).is_some(), "what is {argument}?"),
            }
        }
        setup.folder = setup.folder.join(format!("seawall-trace-{}", std::process::id()));
        setup
    }

    fn traces(&self) -> impl Iterator<Item = Trace> {
        let all: [(&str, &dyn Fn() -> Trace); 3] = [
            ("zipf", &|| Trace::zipf(&self.with)),
            ("scan", &|| Trace::scan(&self.with, 2 * (self.memory + self.disk))),
            ("equal", &|| Trace::equal(&self.with, 2 * (self.memory + self.disk))),
        ];
        let wanted = |name: &str| self.traces.is_empty() || self.traces.iter().any(|wanted| wanted == name);
        all.into_iter()
            .filter(|(name, _)| wanted(name))
            .map(|(_, make)| make())
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    fn run(&self, trace: &Trace, runtime: &tokio::runtime::Runtime) {
        let (objects, once, footprint) = trace.footprint();
        println!(
            "\n### {}: {} requests for {:.1} GiB; {objects} objects of {:.1} GiB, {:.0} % of them asked for once\n",
            trace.name,
            trace.requests.len(),
            gib(trace.bytes()),
            gib(footprint),
            once as f64 * 100.0 / objects as f64
        );
        let total = self.memory + self.disk;
        let rows = [
            ("Seawall, memory only", None),
            ("Seawall, disk, all", Some(Admission::All)),
            ("Seawall, disk, second-hit", Some(Admission::SecondHit)),
        ];
        let mut details = Vec::new();
        for (capacity, is_flash) in [(self.memory, false), (total, true)] {
            println!("{:.3} GiB\n\n{}", gib(capacity), table::head());
            for (name, admission) in rows {
                if admission.is_some() != is_flash || !self.wants(name) {
                    continue;
                }
                let began = Instant::now();
                let counts =
                    runtime.block_on(replayed(trace, self.memory, self.disk, admission, &self.folder));
                println!("{}", counts.row(name));
                details.push(format!("{name}: {}; {:.0?}", counts.details(), began.elapsed()));
            }
            self.simulate(trace, capacity, is_flash);
            println!();
        }
        details.iter().for_each(|line| println!("{line}"));
    }

    /// The rows of the other policies.
    fn simulate(&self, trace: &Trace, capacity: u64, is_flash: bool) {
        let objects = trace.sizes.len();
        let next = next_uses(&trace.requests, objects);
        let (in_memory, on_disk) = self.overheads;
        let overhead = if is_flash { on_disk } else { in_memory };
        let policies: Vec<Box<dyn Policy + '_>> = vec![
            Box::new(Queue::new(Order::Lru, capacity, objects)),
            Box::new(Queue::new(Order::Fifo, capacity, objects)),
            Box::new(S3Fifo::new(capacity, objects)),
            Box::new(Sieve::new(capacity, objects)),
            Box::new(Belady::new(Farthest::Time, capacity, objects, &next)),
            Box::new(Belady::new(Farthest::TimeAndSize, capacity, objects, &next)),
        ];
        for mut policy in policies {
            let name = policy.name();
            if self.wants(name) {
                let mut counts = simulated(trace, &mut *policy, overhead);
                counts.written = counts.written.filter(|_| is_flash && !name.starts_with("Belady"));
                println!("{}", counts.row(name));
            }
        }
    }
}

/// Through Seawall's tiers.
async fn replayed(
    trace: &Trace,
    memory: u64,
    disk: u64,
    admission: Option<Admission>,
    folder: &Path,
) -> Counts {
    let counts = match admission {
        None => Edge::open(memory, None).await.replay(trace).await,
        Some(admission) => {
            let counts = Edge::open(memory, Some((folder, disk, admission))).await.replay(trace).await;
            std::fs::remove_dir_all(folder).unwrap();
            counts
        }
    };
    assert_eq!(counts.shed, 0, "the replay was too fast for the disk");
    counts
}

/// Through another policy. As a tier on flash, it would write what it lets in.
fn simulated(trace: &Trace, policy: &mut dyn Policy, overhead: u64) -> Counts {
    let (mut counts, mut written) = (Counts::default(), 0);
    for (at, id) in trace.requests.iter().enumerate() {
        let size = u64::from(trace.sizes[*id as usize]);
        let weight = size + overhead;
        let seen = policy.request(Request { at, id: *id, weight });
        counts.asked(size, seen == Seen::Hit);
        written += if seen == Seen::Admitted { weight } else { 0 };
    }
    counts.written = Some(written);
    counts.evicted = policy.evicted();
    counts
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / (1u64 << 30) as f64
}
