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
    let server = Server::start(|_, _, _| {
        Act::Reply("HTTP/1.1 503 X\r\nContent-Length: 4\r\nRetry-After: 0\r\n\r\nbusy".into())
    })
    .await;
    let world = World::new(tries(3, &[server.address]));
    let response = world.fetch(get("/")).await.unwrap();
    assert_eq!((response.status.as_u16(), response.trip.attempts), (503, 3));
    assert_eq!(text(response).await.unwrap(), "busy");
    assert_eq!(server.requests(), 3);
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
    let server = Server::start(|_, _, _| status(502, "")).await;
    let mut pool = tries(3, &[server.address]);
    pool.retry.budget = 0.0;
    let world = World::new(pool);
    assert_eq!(world.fetch(get("/")).await.unwrap().trip.attempts, 1);
    assert_eq!(world.metric("seawall_origin_retry_budget_exhausted_total"), 1.0);
}

#[tokio::test]
async fn retries_are_a_share_of_requests() {
    let server = Server::start(|_, _, _| status(502, "")).await;
    let world = World::new(tries(3, &[server.address]));
    let start = std::time::Instant::now();
    for _ in 0..100 {
        world.fetch(get("/")).await.unwrap();
    }
    let retries = server.requests() - 100;
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
    let server = Server::start(|_, _, _| {
        Act::ReplyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into())
    })
    .await;
    let mut pool = pool(&[server.address]);
    pool.breaker.consecutive_failures = 3;
    let world = World::new(pool);
    for _ in 0..3 {
        assert_eq!(world.get("/").await.unwrap_err().as_str(), "broken");
    }
    assert_eq!(world.get("/").await.unwrap_err().as_str(), "unavailable");
}

#[tokio::test]
async fn all_attempts_together_have_a_deadline() {
    let server = Server::start(|_, _, _| SILENT()).await;
    let mut pool = tries(16, &[server.address]);
    pool.timeouts.connect = Duration::from_millis(50);
    pool.timeouts.first_byte = Duration::from_millis(100);
    let world = World::new(pool);
    let start = std::time::Instant::now();
    assert_eq!(world.get("/").await.unwrap_err().as_str(), "first_byte_timeout");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(900), "{took:?}");
    assert!((2..=4).contains(&server.requests()), "{}", server.requests());
}
