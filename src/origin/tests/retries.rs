//! Attempts after the first.

use http_body_util::Full;

use super::*;

/// An origin that nobody listens at.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn tries(attempts: u32, members: &[SocketAddr]) -> Pool {
    let mut pool = pool(members);
    pool.retry.attempts = attempts;
    pool
}

#[tokio::test]
async fn the_next_member_answers_for_one_that_fails() {
    let good = Server::start(|_, _, _| ok("good")).await;
    let bad =
        Server::start(|_, _, head| if head.starts_with("GET /close") { CLOSE() } else { status(503, "") })
            .await;
    for (other, paths) in [(bad.address, ["/close", "/503"]), (nobody().await, ["/a", "/b"])] {
        let world = World::new(tries(2, &[other, good.address]));
        let mut second_tries = 0;
        for path in paths {
            for n in 0..20 {
                let mut request = get(&format!("{path}/{n}"));
                request.key = (u64::MAX / 20) * n;
                let response = world.fetch(request).await;
                match response {
                    Ok(response) => {
                        assert_eq!(
                            (response.status.as_u16(), response.trip.member.as_ref()),
                            (200, good.address.to_string().as_str())
                        );
                        second_tries += u32::from(response.trip.attempts == 2);
                        assert_eq!(text(response).await.unwrap(), "good");
                    }
                    Err(error) => panic!("{path}: {error}"),
                }
                if second_tries > 3 {
                    break;
                }
            }
        }
        assert!(second_tries > 0, "the ring never picked the bad one first");
        assert_eq!(world.metric("seawall_origin_retries_total"), f64::from(second_tries));
    }
}

#[tokio::test]
async fn the_last_answer_is_handed_on_when_all_fail() {
    let busy = || {
        Server::start(|_, _, _| {
            Act::Reply("HTTP/1.1 503 X\r\nContent-Length: 4\r\nRetry-After: 0\r\n\r\nbusy".into())
        })
    };
    let servers = [busy().await, busy().await, busy().await];
    let world = World::new(tries(5, &servers.each_ref().map(|s| s.address)));
    let response = world.fetch(get("/")).await.unwrap();
    assert_eq!((response.status.as_u16(), response.trip.attempts), (503, 3));
    assert_eq!(text(response).await.unwrap(), "busy");
    assert_eq!(servers.each_ref().map(Server::requests), [1, 1, 1]);
}

#[tokio::test]
async fn a_server_that_heard_the_request_is_not_asked_twice() {
    let server = Server::start(|_, _, head| match head.split(' ').nth(1) {
        Some("/close") => CLOSE(),
        _ => status(503, ""),
    })
    .await;
    let world = World::new(tries(3, &[server.address]));
    assert_eq!(world.get("/close").await.unwrap_err().as_str(), "broken");
    assert_eq!(world.fetch(get("/503")).await.unwrap().trip.attempts, 1);
    assert_eq!((server.requests(), world.metric("seawall_origin_retries_total")), (2, 0.0));

    let world = World::new(tries(3, &[nobody().await]));
    assert_eq!(world.get("/").await.unwrap_err().as_str(), "connect");
    assert_eq!(world.metric("seawall_origin_retries_total"), 2.0, "it may be back, and has heard nothing");
}

#[tokio::test]
async fn what_is_not_idempotent_is_tried_once_unless_nothing_was_sent() {
    let busy = Server::start(|_, _, _| status(503, "")).await;
    let world = World::new(tries(3, &[busy.address]));
    let post = || request(Method::POST, "/", RequestBody::Empty);
    assert_eq!(world.fetch(post()).await.unwrap().trip.attempts, 1);

    let good = Server::start(|_, _, _| ok("")).await;
    let world = World::new(tries(2, &[nobody().await, good.address]));
    for n in 0..8 {
        let body = Full::new(Bytes::from_static(b"x")).map_err(|e| match e {}).boxed();
        let mut request = request(Method::POST, "/", RequestBody::Stream(body));
        request.key = (u64::MAX / 8) * n;
        assert_eq!(world.fetch(request).await.unwrap().status, 200);
    }
    assert!(world.metric("seawall_origin_retries_total") > 0.0);
}

#[tokio::test]
async fn a_budget_of_nothing_means_no_retries() {
    let servers =
        [Server::start(|_, _, _| status(502, "")).await, Server::start(|_, _, _| status(502, "")).await];
    let mut pool = tries(3, &servers.each_ref().map(|s| s.address));
    pool.retry.budget = 0.0;
    let world = World::new(pool);
    assert_eq!(world.fetch(get("/")).await.unwrap().trip.attempts, 1);
    assert_eq!(world.metric("seawall_origin_retry_budget_exhausted_total"), 1.0);
}

#[tokio::test]
async fn retries_are_a_share_of_requests() {
    let servers =
        [Server::start(|_, _, _| status(502, "")).await, Server::start(|_, _, _| status(502, "")).await];
    let mut pool = tries(3, &servers.each_ref().map(|s| s.address));
    (pool.breaker.consecutive_failures, pool.breaker.min_requests) = (1000, 1000);
    let world = World::new(pool);
    let start = std::time::Instant::now();
    for _ in 0..100 {
        world.fetch(get("/")).await.unwrap();
    }
    let retries = servers.iter().map(Server::requests).sum::<usize>() - 100;
    // A fifth of the requests, above the floor of 10 and what it fills in the meantime.
    let most = 31 + (start.elapsed().as_secs_f64() * 10.0) as usize;
    assert!((29..=most).contains(&retries), "{retries} retries of 100 requests, at most {most}");
}

#[tokio::test]
async fn errors_say_what_happened() {
    let world = World::new(pool(&[nobody().await]));
    let error = world.fetch(get("/")).await.map(|r| r.status).unwrap_err();
    assert_eq!((error.as_str(), error.refusal().as_str()), ("connect", "origin_unreachable"));
    assert!(!error.may_have_reached_origin());
    assert_eq!(world.metric("seawall_origin_errors_total"), 1.0);
}

#[tokio::test]
async fn a_slow_member_is_hedged() {
    let slow = Server::start(|_, _, _| SILENT()).await;
    let fast = Server::start(|_, _, _| ok("fast")).await;
    let mut pool = tries(2, &[slow.address, fast.address]);
    pool.retry.hedge_after = Some(Duration::from_millis(300));
    let world = World::new(pool);
    let mut n = 0;
    while slow.requests() == 0 {
        n += 1;
        assert_eq!(world.get(&format!("/{n}")).await.unwrap().1, "fast");
    }
    assert_eq!(world.metric("seawall_origin_retries_total"), 1.0);
    let mut closed = slow.closed.clone();
    closed.wait_for(|closed| *closed == 1).await.unwrap();
    assert_eq!(slow.requests() + fast.requests(), n + 1);
}

#[tokio::test]
async fn a_lone_member_is_not_hedged() {
    let server = Server::start(|_, _, _| SILENT()).await;
    let mut pool = tries(2, &[server.address]);
    pool.retry.hedge_after = Some(Duration::from_millis(5));
    pool.timeouts.first_byte = Duration::from_millis(60);
    pool.retry.budget = 0.0;
    let world = World::new(pool);
    assert_eq!(world.get("/").await.unwrap_err().as_str(), "first_byte_timeout");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_member_that_loses_every_race_is_ejected() {
    let slow = Server::start(|_, _, _| SILENT()).await;
    let fast = Server::start(|_, _, _| ok("fast")).await;
    let mut pool = tries(2, &[slow.address, fast.address]);
    pool.retry.hedge_after = Some(Duration::from_millis(20));
    pool.breaker.consecutive_failures = 3;
    pool.breaker.open_for = Duration::from_secs(60);
    let world = World::new(pool);
    let mut n = 0;
    while slow.requests() < 3 {
        n += 1;
        assert_eq!(world.get(&format!("/{n}")).await.unwrap().1, "fast");
    }
    world.until(|world| world.metric("seawall_origin_member_up") == 1.0).await;
    for n in 0..50 {
        world.get(&format!("/x/{n}")).await.unwrap();
    }
    assert_eq!(slow.requests(), 3);
    assert_eq!(world.metric("seawall_origin_errors_total"), 3.0);
}

#[tokio::test]
async fn a_good_head_with_a_bad_body_is_no_success() {
    let bad = Server::start(|_, _, _| {
        Act::ReplyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into())
    })
    .await;
    let good = Server::start(|_, _, _| ok("good")).await;
    let mut pool = pool(&[bad.address, good.address]);
    pool.breaker.consecutive_failures = 3;
    pool.breaker.open_for = Duration::from_secs(60);
    let world = World::new(pool);
    let mut n = 0;
    while bad.requests() < 3 {
        n += 1;
        if let Err(error) = world.get(&format!("/{n}")).await {
            assert_eq!(error.as_str(), "broken");
        }
    }
    for n in 0..20 {
        assert_eq!(world.get(&format!("/x/{n}")).await.unwrap().1, "good");
    }
}

#[tokio::test]
async fn all_attempts_together_have_a_deadline() {
    let silent = || Server::start(|_, _, _| SILENT());
    let servers = [silent().await, silent().await, silent().await, silent().await];
    let mut pool = tries(16, &servers.each_ref().map(|s| s.address));
    pool.timeouts.connect = Duration::from_millis(50);
    pool.timeouts.first_byte = Duration::from_millis(100);
    let world = World::new(pool);
    let start = std::time::Instant::now();
    assert_eq!(world.get("/").await.unwrap_err().as_str(), "first_byte_timeout");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(900), "{took:?}");
    let requests: usize = servers.iter().map(Server::requests).sum();
    assert!((2..=4).contains(&requests), "{requests}");
}

#[tokio::test]
async fn a_retry_waits_for_as_long_as_the_origin_asks() {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let next = move || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let busy = || status(503, "Retry-After: 1\r\n");
    let servers = {
        let next = Arc::new(next);
        let script = move |next: &dyn Fn() -> u32| if next() == 0 { busy() } else { ok("well") };
        let (one, other) = (next.clone(), next);
        [
            Server::start(move |_, _, _| script(one.as_ref())).await,
            Server::start(move |_, _, _| script(other.as_ref())).await,
        ]
    };
    let world = World::new(tries(2, &servers.each_ref().map(|s| s.address)));
    let start = std::time::Instant::now();
    assert_eq!(world.get("/").await.unwrap().1, "well");
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn who_asks_for_a_longer_wait_is_not_asked_again() {
    let busy = || Server::start(|_, _, _| status(503, "Retry-After: 60\r\n"));
    let (one, other) = (busy().await, busy().await);
    let world = World::new(tries(5, &[one.address, other.address]));
    let start = std::time::Instant::now();
    assert_eq!(world.fetch(get("/")).await.unwrap().trip.attempts, 2, "the other said nothing of the kind");
    assert!(start.elapsed() < Duration::from_secs(1), "nor is it waited for: {:?}", start.elapsed());
    assert_eq!((one.requests(), other.requests()), (1, 1));
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_asked_for_elsewhere() {
    let doubtful = Server::start(|_, _, _| {
        Act::ReplyAndClose("HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na".into())
    })
    .await;
    let good = Server::start(|_, _, _| ok("good")).await;
    let world = World::new(tries(2, &[doubtful.address, good.address]));
    let mut n = 0;
    while doubtful.requests() == 0 {
        n += 1;
        assert_eq!(world.get(&format!("/{n}")).await.unwrap().1, "good");
    }
}

#[tokio::test]
async fn a_failure_says_who_was_asked_and_how_often() {
    let silent = || Server::start(|_, _, _| SILENT());
    let servers = [silent().await, silent().await];
    let addresses = servers.each_ref().map(|s| s.address);
    let mut pool = tries(2, &addresses);
    pool.timeouts.first_byte = Duration::from_millis(50);
    let world = World::new(pool);
    let trip = world.trip(get("/")).await.unwrap_err().trip;
    assert_eq!((trip.attempts, trip.error), (2, Some("first_byte_timeout")));
    assert!(addresses.iter().any(|address| trip.member.as_ref() == address.to_string()), "{trip:?}");

    let mut pool = tries(1, &[]);
    pool.members = vec![member("no-such-host.invalid", 80)];
    pool.timeouts.connect = Duration::from_millis(50);
    let trip = World::new(pool).trip(get("/")).await.unwrap_err().trip;
    assert_eq!((trip.member.as_ref(), trip.attempts, trip.error), ("none", 0, Some("unresolved")));
}
