//! Many requests, one fill: how concurrent misses share what one of them fetches.

use crate::world::{Answer, Gate, World};

/// Awaits all of them; a panic in one is a panic here.
async fn all<T>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("a client failed"));
    }
    done
}

#[tokio::test]
async fn two_hundred_clients_of_a_cold_object_make_one_origin_request() {
    let world = World::start().await;
    let answered = Gate::new("the origin may answer");
    let body: String = (0..20_000).map(|n| format!("{n},")).collect();
    world.origin().always("/big", Answer::fresh(&body, 60).head_after(&answered));

    let mut waiting = Vec::new();
    for _ in 0..200 {
        let mut connection = world.client().connect().await;
        connection.send(world.client().get("/big").bytes()).await;
        waiting.push(connection);
    }
    world.origin().got(1).await;
    answered.open();
    for mut connection in waiting {
        assert!(connection.read("GET").await.text() == body, "each gets every byte");
    }
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_site_can_do_without_collapsing() {
    let world = World::with_site("[site.cache]\ncollapse = false").await;
    let answered = Gate::new("the origin may answer");
    world.origin().always("/a", Answer::fresh("hello", 60).head_after(&answered));
    let ask = || tokio::spawn(world.client().get("/a").send());
    let clients = vec![ask(), ask()];
    world.origin().got(2).await;
    answered.open();
    all(clients).await.iter().for_each(|seen| {
        seen.assert(200, "hello");
    });
}

#[tokio::test]
async fn a_follower_reads_along_while_the_leader_fills() {
    let world = World::start().await;
    let rest = Gate::new("the origin may send the rest");
    let answer = Answer::status(200).header("Cache-Control", "max-age=60").chunked();
    world.origin().always("/a", answer.body("first").hold(&rest).body("second"));

    let mut leader = world.client().get("/a").begin().await;
    assert_eq!(leader.read(5).await, "first");
    let mut follower = world.client().get("/a").begin().await;
    assert_eq!(follower.read(5).await, "first", "before the origin has sent all");
    rest.open();
    assert_eq!(follower.rest().await.unwrap(), "second");
    assert_eq!(leader.rest().await.unwrap(), "second");
    world.get("/a").await.assert_hit(200, "firstsecond");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_stop_the_fill() {
    let world = World::start().await;
    let rest = Gate::new("the origin may send the rest");
    world.origin().always("/a", Answer::fresh("first", 60).hold(&rest).body("second"));

    let mut leader = world.client().get("/a").begin().await;
    assert_eq!(leader.read(5).await, "first");
    drop(leader);
    // The answer to another request shows that the edge has lived on; the leader's going is noticed by then or soon.
    world.origin().always("/b", Answer::ok("b"));
    world.get("/b").await;
    rest.open();
    world.get("/a").await.assert(200, "firstsecond");
    world.eventually("/a", "firstsecond").await.assert_hit(200, "firstsecond");
    assert_eq!(world.origin().received().iter().filter(|request| request.target == "/a").count(), 1);
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_nobody_up() {
    let world = World::start().await;
    let body = "0123456789abcdef".repeat(12 * 65_536);
    world.origin().always("/big", Answer::fresh(&body, 60));
    let standing = world.client().get("/big").begin().await;
    assert!(world.get("/big").await.text() == body);
    assert!(standing.rest().await.unwrap() == body, "and it still gets all in the end");
    assert_eq!(world.origin().count(), 1);
}

#[tokio::test]
async fn a_response_that_cannot_be_shared_sends_each_follower_on_its_own_way() {
    let world = World::start().await;
    let (answered, burst) = (Gate::new("the first answer"), Gate::new("the second burst's answers"));
    let gates = (answered.clone(), burst.clone());
    let mut asked = 0;
    world.origin().on("/a", move |_| {
        asked += 1;
        let answer = Answer::ok(format!("only for {asked}")).header("Cache-Control", "no-store");
        if asked <= 5 { answer.head_after(&gates.0) } else { answer.head_after(&gates.1) }
    });

    let ask = || tokio::spawn(world.client().get("/a").send());
    let clients = (0..5).map(|_| ask()).collect();
    world.origin().got(1).await;
    answered.open();
    let mut bodies: Vec<String> = all(clients).await.iter().map(|seen| seen.text()).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 5, "nobody gets another's response: {bodies:?}");
    assert_eq!(world.origin().count(), 5);

    // Remembered: the next burst does not queue behind a leader that has not been answered yet.
    let clients = vec![ask(), ask(), ask()];
    world.origin().got(8).await;
    burst.open();
    all(clients).await;
}

#[tokio::test]
async fn a_follower_does_not_wait_for_ever() {
    let world = World::with_site("[site.cache]\ncollapse_timeout = \"100ms\"").await;
    let slow = Gate::new("the slow answer");
    let held = slow.clone();
    let mut asked = 0;
    world.origin().on("/a", move |_| {
        asked += 1;
        let answer = Answer::fresh(format!("answer {asked}"), 60);
        if asked == 1 { answer.head_after(&held) } else { answer }
    });
    let leader = tokio::spawn(world.client().get("/a").send());
    world.origin().got(1).await;
    world.get("/a").await.assert(200, "answer 2");
    slow.open();
    leader.await.unwrap().assert(200, "answer 1");
}

#[tokio::test]
async fn followers_of_a_fill_that_breaks_see_it_break() {
    let world = World::new().pool("[pool.retry]\nattempts = 1").start().await;
    let cut = Gate::new("the origin may break off");
    world.origin().always("/a", Answer::fresh("first", 60).hold(&cut).cut_short_by(6));
    let mut leader = world.client().get("/a").begin().await;
    leader.read(5).await;
    let mut follower = world.client().get("/a").begin().await;
    follower.read(5).await;
    cut.open();
    assert!(leader.rest().await.is_err());
    assert!(follower.rest().await.is_err());
}

#[tokio::test]
async fn a_client_that_wants_nothing_kept_takes_nothing_from_the_others() {
    let world = World::start().await;
    world.origin().on("/a", |request| match request.header("if-none-match") {
        Some(_) => Answer::status(304).header("ETag", "\"v1\"").header("Cache-Control", "max-age=60"),
        None => Answer::fresh("hello", 60).header("ETag", "\"v1\""),
    });
    world.get("/a").await.assert_stored(200, "hello");
    world.advance(61);
    let private = world.client().get("/a").header("Cache-Control", "no-store").send().await;
    private.assert(200, "hello");
    world.get("/a").await.assert(200, "hello");
    let last = world.origin().last();
    assert_eq!(last.header("if-none-match").as_deref(), Some("\"v1\""), "it is still here");
}
