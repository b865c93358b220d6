//! Killed while it writes: what was on disk a second before is there again, and nothing else is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::ask;
use super::edge::Edge;
use super::origin::{Origin, version};
use super::random::{Random, cycles};

/// How soon an edge listens again. A debug build beside other tests is not what an operator waits for.
const READY: Duration = Duration::from_secs(if cfg!(debug_assertions) { 15 } else { 2 });

/// What is known of a path.
#[derive(Clone, Copy)]
struct Known {
    /// The first whole response.
    stored: Instant,
    /// The last PUT that was answered, and when; the versions that count are that and later ones.
    least: u64,
    changed: Instant,
    /// A PUT was begun and its answer not seen: any version from `least` on may be the last.
    unsure: bool,
}

type Paths = Arc<Mutex<HashMap<String, Known>>>;

/// Asks for new things, known things, and changes some, until the edge is gone.
fn load(
    edge: std::net::SocketAddr,
    paths: &Paths,
    cycle: u64,
    client: u64,
    random: &mut Random,
    stop: &AtomicBool,
) {
    for i in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let mine = |i: u64| format!("/{cycle}/{client}/{i}");
        match random.below(10) {
            0 if i > 0 => {
                let path = mine(random.below(i));
                let known = paths.lock().unwrap().get(&path).copied();
                let Some(known) = known else { continue };
                let answered = ask(edge, "PUT", &path).is_ok_and(|seen| seen.status == 200);
                let known = Known {
                    least: known.least + u64::from(answered),
                    changed: Instant::now(),
                    unsure: !answered,
                    ..known
                };
                paths.lock().unwrap().insert(path, known);
            }
            1..=3 if i > 0 => check(edge, &mine(random.below(i)), paths, false),
            _ => {
                let path = mine(i);
                let Ok(seen) = ask(edge, "GET", &path) else { continue };
                assert_eq!((seen.status, version(&path, &seen.body)), (200, Some(0)), "{path}");
                let now = Instant::now();
                let known = Known { stored: now, least: 0, changed: now, unsure: false };
                paths.lock().unwrap().insert(path, known);
            }
        }
    }
}

/// Asks for a path that may be known; a body that is not right fails the test.
fn check(edge: std::net::SocketAddr, path: &str, paths: &Paths, forgive: bool) {
    let Some(known) = paths.lock().unwrap().get(path).copied() else { return };
    let Ok(seen) = ask(edge, "GET", path) else { return };
    judge(path, seen.status, &seen.body, known, forgive);
}

fn judge(path: &str, status: u16, body: &[u8], known: Known, forgive: bool) {
    let version = version(path, body);
    let least = if forgive { 0 } else { known.least };
    assert!(
        status == 200 && version.is_some_and(|version| version >= least),
        "{path}: {status}, version {version:?}, not {} (unsure: {}), {} bytes",
        known.least,
        known.unsure,
        body.len(),
    );
}

#[test]
fn what_was_on_disk_a_second_before_a_kill_is_served_after_it() {
    let mut random = Random::new("crash");
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let paths = Paths::default();
    let (mut served, mut expected) = (0, 0);
    for cycle in 0..cycles(3) {
        let edge = Edge::start(folder.path(), &origin, "4GiB");
        edge.recovered();
        let stop = AtomicBool::new(false);
        let address = edge.address;
        let killed = std::thread::scope(|scope| {
            for client in 0..4 {
                let (paths, stop, mut random) = (&paths, &stop, random.split());
                scope.spawn(move || load(address, paths, cycle, client, &mut random, stop));
            }
            std::thread::sleep(Duration::from_millis(1300 + random.below(1200)));
            let killed = Instant::now();
            edge.kill();
            stop.store(true, Ordering::Relaxed);
            killed
        });
        let edge = Edge::start(folder.path(), &origin, "4GiB");
        edge.recovered();
        assert!(edge.ready_after < READY, "ready after {:?}", edge.ready_after);
        let second_before = killed - Duration::from_secs(1);
        let (mut hits, mut of) = (0u32, 0u32);
        let known: Vec<_> =
            paths.lock().unwrap().iter().map(|(path, known)| (path.clone(), *known)).collect();
        for (path, known) in known.into_iter().filter(|(path, _)| path.starts_with(&format!("/{cycle}/"))) {
            let seen = ask(edge.address, "GET", &path).unwrap();
            // What was changed just before the kill may have been on its way to the disk.
            let is_settled = known.changed < second_before;
            judge(&path, seen.status, &seen.body, known, !is_settled);
            if known.stored < second_before && known.least == 0 && !known.unsure {
                of += 1;
                hits += u32::from(seen.hit);
            }
        }
        eprintln!("cycle {cycle}: {hits} of {of} served from disk");
        assert!(hits * 100 >= of * 95, "cycle {cycle}: {hits} of {of}");
        (served, expected) = (served + hits, expected + of);
        edge.kill();
    }
    assert!(expected > 10, "too little was written to say anything: {expected}");
    eprintln!("{served} of {expected} served from disk");
}

#[test]
fn killed_while_it_makes_room_it_serves_nothing_wrong_and_keeps_its_capacity() {
    let mut random = Random::new("room");
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    for cycle in 0..cycles(2) {
        let paths = Paths::default();
        let edge = Edge::start(folder.path(), &origin, "8MiB");
        edge.recovered();
        let stop = AtomicBool::new(false);
        let address = edge.address;
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (paths, stop, mut random) = (&paths, &stop, random.split());
                scope.spawn(move || load(address, paths, cycle, client, &mut random, stop));
            }
            std::thread::sleep(Duration::from_millis(800 + random.below(800)));
            edge.kill();
            stop.store(true, Ordering::Relaxed);
        });
        let files = std::fs::read_dir(folder.path().join("cache")).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 8 << 20, "{bytes} bytes on disk");
        let edge = Edge::start(folder.path(), &origin, "8MiB");
        edge.recovered();
        let known: Vec<_> = paths.lock().unwrap().keys().cloned().collect();
        known.iter().for_each(|path| check(edge.address, path, &paths, true));
        edge.kill();
    }
}
