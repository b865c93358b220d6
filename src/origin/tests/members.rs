//! Who is asked: names, ejection, health.

use super::*;

#[tokio::test]
async fn localhost_needs_no_dns() {
    let server = Server::start(|_, _, _| ok("here")).await;
    let mut pool = pool(&[]);
    pool.members = vec![member("localhost", server.address.port())];
    let world = World::new(pool);
    let response = world.fetch(get("/")).await.unwrap();
    assert_eq!(response.trip.member.as_ref(), format!("localhost:{0}/127.0.0.1", server.address.port()));
}

#[tokio::test]
async fn a_key_stays_with_its_member() {
    let servers = [
        Server::start(|_, _, _| ok("a")).await,
        Server::start(|_, _, _| ok("b")).await,
        Server::start(|_, _, _| ok("c")).await,
    ];
    let addresses: Vec<_> = servers.iter().map(|s| s.address).collect();
    let world = World::new(pool(&addresses));
    let turned: Vec<_> = addresses.iter().rev().copied().collect();
    let other = World::new(pool(&turned));
    let mut who = std::collections::BTreeSet::new();
    for n in 0..40 {
        let path = format!("/{n}");
        let (_, first) = world.get(&path).await.unwrap();
        assert_eq!(world.get(&path).await.unwrap().1, first);
        assert_eq!(other.get(&path).await.unwrap().1, first);
        who.insert(first);
    }
    assert_eq!(who.len(), 3);
}

#[tokio::test]
async fn load_above_the_bound_goes_to_the_next() {
    let servers = [Server::start(|_, _, _| SILENT()).await, Server::start(|_, _, _| SILENT()).await];
    let world = World::new(pool(&[servers[0].address, servers[1].address]));
    let client = world.client.clone();
    let asks: Vec<_> = (0..10)
        .map(|_| {
            let (client, pool) = (client.clone(), world.pool.clone());
            tokio::spawn(async move { client.fetch(&pool, get("/one")).await.map(|r| r.status) })
        })
        .collect();
    world.until(|_| servers[0].requests() + servers[1].requests() == 10).await;
    for server in &servers {
        assert!(server.requests() <= 7, "1.25 times half of ten, rounded up: {}", server.requests());
    }
    asks.iter().for_each(tokio::task::JoinHandle::abort);
    world.until(|world| world.metric("seawall_origin_connections") == 0.0).await;
}

#[tokio::test]
async fn a_member_that_fails_is_ejected_and_tried_again() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let state = broken.clone();
    let server =
        Server::start(
            move |_, _, _| {
                if state.load(std::sync::atomic::Ordering::Relaxed) { SILENT() } else { ok("well") }
            },
        )
        .await;
    let mut pool = pool(&[server.address]);
    pool.breaker.consecutive_failures = 3;
    pool.breaker.open_for = Duration::from_millis(600);
    pool.timeouts.first_byte = Duration::from_millis(100);
    let world = World::new(pool);
    for _ in 0..3 {
        assert_eq!(world.get("/").await.unwrap_err().as_str(), "first_byte_timeout");
    }
    assert_eq!(world.get("/").await.unwrap_err().refusal().as_str(), "origin_unavailable");
    assert_eq!(server.requests(), 3);
    assert_eq!(world.metric("seawall_origin_member_up"), 0.0);
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.get("/").await.unwrap().1, "well");
    assert_eq!(world.metric("seawall_origin_member_up"), 1.0);
}

#[tokio::test]
async fn who_answers_badly_stays_while_nobody_answers_better() {
    let bad = || async {
        Server::start(|_, _, head| match head.split(' ').nth(1) {
            Some("/close") => CLOSE(),
            Some("/half") => Act::ReplyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into()),
            Some("/doubtful") => status(999, ""),
            Some("/503") => status(503, ""),
            _ => ok("well"),
        })
        .await
    };
    for servers in [vec![bad().await], vec![bad().await, bad().await]] {
        let addresses: Vec<_> = servers.iter().map(|s| s.address).collect();
        let mut pool = pool(&addresses);
        pool.breaker.consecutive_failures = 3;
        pool.breaker.open_for = Duration::from_secs(60);
        let world = World::new(pool);
        // One that hangs up may be gone, and only the one that has no other is asked all the same.
        let errors = [("/half", "broken"), ("/doubtful", "ambiguous"), ("/close", "broken")];
        for _ in 0..10 {
            for (path, error) in errors.into_iter().take(4 - servers.len()) {
                assert_eq!(world.get(path).await.unwrap_err().as_str(), error);
            }
            assert_eq!(world.get("/503").await.unwrap().0, 503);
        }
        assert_eq!(world.get("/").await.unwrap().1, "well");
        assert_eq!(world.metric("seawall_origin_member_up"), 1.0, "one of {}", servers.len());
    }
}

#[tokio::test]
async fn health_checks_take_a_member_out() {
    let sick = Server::start(
        |_, _, head| if head.starts_with("GET /health ") { status(500, "") } else { ok("sick") },
    )
    .await;
    let well = Server::start(|_, _, _| ok("well")).await;
    let mut pool = pool(&[sick.address, well.address]);
    pool.health = Some(config::Health {
        path: "/health".into(),
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(2),
        expect: vec![200],
        unhealthy_after: 3,
        healthy_after: 2,
    });
    let world = World::new(pool);
    world.until(|world| world.metric("seawall_origin_member_up") == 1.0).await;
    assert!(sick.requests() >= 3);
    for n in 0..20 {
        assert_eq!(world.get(&format!("/{n}")).await.unwrap().1, "well");
    }
}

#[tokio::test]
async fn the_pools_own_zone_comes_first() {
    let near = Server::start(|_, _, _| ok("near")).await;
    let far = Server::start(|_, _, _| ok("far")).await;
    let mut pool = pool(&[near.address, far.address]);
    pool.zone = "a".into();
    pool.members[0].zone = "a".into();
    pool.members[1].zone = "b".into();
    let world = World::new(pool);
    for n in 0..20 {
        assert_eq!(world.get(&format!("/{n}")).await.unwrap().1, "near");
    }
}

#[tokio::test]
async fn other_balances_spread_one_key() {
    for balance in [config::Balance::RoundRobin, config::Balance::LeastRequests] {
        let servers = [Server::start(|_, _, _| ok("")).await, Server::start(|_, _, _| ok("")).await];
        let mut pool = pool(&[servers[0].address, servers[1].address]);
        pool.balance = balance;
        let world = World::new(pool);
        for _ in 0..40 {
            world.get("/same").await.unwrap();
        }
        let (a, b) = (servers[0].requests(), servers[1].requests());
        match balance {
            config::Balance::RoundRobin => assert_eq!((a, b), (20, 20)),
            _ => assert!(a > 0 && b > 0, "{a} {b}"),
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_no_reason_not_to_start() {
    let mut pool = pool(&[]);
    pool.members = vec![member("no-such-host.invalid", 80)];
    pool.timeouts.connect = Duration::from_millis(200);
    let error = World::new(pool).get("/").await.unwrap_err();
    assert_eq!(error.refusal().as_str(), "origin_unresolved");
}

/// Answers, or takes requests and says nothing for `/slow`, or for everything.
async fn slow_in_parts(all: Arc<std::sync::atomic::AtomicBool>) -> Server {
    Server::start(move |_, _, head| {
        let hangs = all.load(std::sync::atomic::Ordering::Relaxed);
        if hangs || head.starts_with("GET /slow") { SILENT() } else { ok("well") }
    })
    .await
}

#[tokio::test]
async fn nobody_empties_a_pool_by_asking_for_what_is_slow_everywhere() {
    for count in [1, 3] {
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(slow_in_parts(Arc::default()).await);
        }
        let addresses: Vec<_> = servers.iter().map(|s| s.address).collect();
        let mut pool = pool(&addresses);
        pool.breaker.consecutive_failures = 3;
        pool.breaker.open_for = Duration::from_secs(60);
        pool.timeouts.first_byte = Duration::from_millis(300);
        let world = World::new(pool);
        for round in 0..4 {
            let slow: Vec<_> = (0..20)
                .map(|n| {
                    let (client, pool) = (world.client.clone(), world.pool.clone());
                    tokio::spawn(async move {
                        let mut request = get(&format!("/slow/{n}"));
                        request.key = (u64::MAX / 20) * n;
                        client.fetch(&pool, request).await.is_err()
                    })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(50)).await;
            for n in 0..20 {
                let mut request = get("/quick");
                request.key = (u64::MAX / 20) * n;
                assert_eq!(world.fetch(request).await.unwrap().status, 200, "{count} members, round {round}");
            }
            for one in slow {
                assert!(one.await.unwrap());
            }
        }
        assert!(world.metric("seawall_origin_member_up") * 2.0 >= f64::from(count), "of {count}");
    }
}

#[tokio::test]
async fn an_outage_of_all_costs_one_trial_each_and_its_end_is_noticed_soon() {
    let open_for = Duration::from_millis(200);
    for count in [1, 3] {
        let hang = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(slow_in_parts(hang.clone()).await);
        }
        let addresses: Vec<_> = servers.iter().map(|s| s.address).collect();
        let mut pool = pool(&addresses);
        pool.breaker.consecutive_failures = 2;
        pool.breaker.open_for = open_for;
        pool.timeouts.first_byte = Duration::from_millis(100);
        let world = World::new(pool);
        let asked = || servers.iter().map(Server::requests).sum::<usize>();
        let down = async {
            while world.metric("seawall_origin_member_up") > 0.0 {
                let _ = tokio::join!(world.get("/1"), world.get("/2"), world.get("/3"), world.get("/4"));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), down).await.expect("all to be ejected");
        // Six times as long as the first wait: doubled each time, the next trial would be as far away as that.
        let (before, start) = (asked(), std::time::Instant::now());
        while start.elapsed() < open_for * 6 {
            let began = std::time::Instant::now();
            if world.get("/a").await.is_err_and(|error| error.as_str() == "unavailable") {
                assert!(began.elapsed() < Duration::from_millis(80), "at once");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let trials = asked() - before;
        let most = count * (start.elapsed().as_millis() / open_for.as_millis() + 1) as usize;
        assert!((2 * count..=most).contains(&trials), "{trials} trials of {count} members, at most {most}");
        hang.store(false, std::sync::atomic::Ordering::Relaxed);
        let back = std::time::Instant::now();
        while world.get("/a").await.is_err() {
            assert!(back.elapsed() < open_for * 5, "not back after {:?}", back.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn an_address_that_is_gone_finishes_what_it_began() {
    let old = Server::start(|_, _, _| {
        Act::ReplyAndStall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".into())
    })
    .await;
    let new = Server::start(|_, _, _| ok("new")).await;
    let world = World::new(pool(&[old.address]));
    let mut response = world.fetch(get("/")).await.unwrap();
    let pool = world.pool.0.as_ref().unwrap();
    let mut found = pool.found(0);
    found[0].addresses = vec![crate::origin::resolve::pair(&[new.address.ip()], new.address.port())[0]];
    pool.set(0, Some(found));
    assert_eq!(world.get("/").await.unwrap().1, "new");
    let frame = response.body.frame().await.unwrap().unwrap();
    assert_eq!((frame.into_data().unwrap(), *old.closed.borrow()), (Bytes::from("abc"), 0));
    drop(response);
    let mut closed = old.closed.clone();
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    assert_eq!(world.metric("seawall_origin_member_up"), 1.0, "the old one is not counted any more");
}
