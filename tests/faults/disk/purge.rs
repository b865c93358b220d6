//! Killed right after a purge: what was purged is not served again, what was not is still there.

use super::client::{ask, post};
use super::edge::Edge;
use super::origin::{Origin, version};
use super::random::{Random, cycles};

const OBJECTS: u64 = 60;

fn path(i: u64) -> String {
    format!("/{i}")
}

#[test]
fn an_acknowledged_purge_outlives_a_kill() {
    let mut random = Random::new("purge");
    let folder = tempfile::tempdir().unwrap();
    let origin = Origin::start();
    let mut versions = vec![0; OBJECTS as usize];
    for cycle in 0..cycles(3) {
        let edge = Edge::start(folder.path(), &origin, "512MiB");
        edge.recovered();
        (0..OBJECTS).for_each(|i| drop(ask(edge.address, "GET", &path(i)).unwrap()));
        let begun = std::time::Instant::now();
        while edge.metric("seawall_cache_entries{tier=\"disk\"}") < OBJECTS as f64 {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "not all is written");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        // Changed behind the edge's back; some of it is purged, some as the last thing the edge ever does.
        let mut purged = Vec::new();
        for _ in 0..1 + random.below(20) {
            let i = random.below(OBJECTS);
            origin.change(&path(i));
            versions[i as usize] += 1;
            purged.push(i);
            let body = format!("{{\"urls\":[\"http://test.example{}\"]}}", path(i));
            assert_eq!(post(edge.admin, "/purge", &body).unwrap().status, 200);
        }
        edge.kill();
        let edge = Edge::start(folder.path(), &origin, "512MiB");
        edge.recovered();
        let mut hits = 0;
        for i in 0..OBJECTS {
            let seen = ask(edge.address, "GET", &path(i)).unwrap();
            assert_eq!(version(&path(i), &seen.body), Some(versions[i as usize]), "cycle {cycle}: {i}");
            assert!(!(seen.hit && purged.contains(&i)), "cycle {cycle}: {i} was purged");
            hits += u64::from(seen.hit);
        }
        assert!(hits + purged.len() as u64 >= OBJECTS, "cycle {cycle}: {hits} of {OBJECTS} are hits");
        edge.kill();
    }
}
