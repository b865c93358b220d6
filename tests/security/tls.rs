//! What a TLS connection is for.

use crate::world::{Answer, World};

const TWO_SITES: &str = "[[site]]\nhosts = [\"other.example\"]\npool = \"origin\"";

#[tokio::test]
async fn a_plain_request_to_the_tls_port_gets_no_page() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    let mut tls = world.tls_client();
    tls = tls.without_tls();
    if let Ok(seen) = tls.get("/a").try_send().await {
        assert_eq!(seen.status, 400, "{seen:?}");
    }
    assert_eq!(world.origin().count(), 0);
    world.tls_client().get("/a").send().await.assert(200, "hello");
}

#[tokio::test]
async fn a_host_of_no_site_is_421_on_a_connection_for_a_site() {
    let world = World::new().more(TWO_SITES).start().await;
    let mut connection = world.tls_client().connect().await;
    connection.send("GET /a HTTP/1.1\r\nHost: nobody.example\r\n\r\n").await;
    connection.read("GET").await.assert_refused(421, "misdirected");
    let h2 = world.h2().await;
    if let Ok(seen) = h2.request("GET", "/a", &[("host", "nobody.example")]).await {
        assert!(seen.status == 400 || seen.status == 421, "{seen:?}");
    }
    assert_eq!(world.origin().count(), 0);
}

#[tokio::test]
async fn a_handshake_that_is_none_does_not_disturb_the_next() {
    let world = World::start().await;
    world.origin().always("/a", Answer::fresh("hello", 60));
    for garbage in ["", "\0\0\0\0", "\x16\x03\x01\x7f", "GET / HTTP/1.0\r\n\r\n"] {
        let mut connection = world.tls_client().without_tls().connect().await;
        connection.send(garbage).await;
        drop(connection);
        world.tls_client().get("/a").send().await.assert(200, "hello");
    }
}

#[tokio::test]
async fn plain_http_on_a_port_of_tls_is_told_so() {
    let world = World::start().await;
    let mut connection = world.tls_client().without_tls().connect().await;
    connection.send("GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n").await;
    connection.read("GET").await.assert_refused(400, "plain_http_on_tls");
    connection.closed().await;
    assert_eq!(world.origin().count(), 0);
}
