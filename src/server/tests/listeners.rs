//! Where a server listens, and what is said when it can't.

use super::*;

#[tokio::test]
async fn a_unix_socket_is_served_by_all_workers_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap()); // left from a crash
    let unix = Listener { address: ListenAddress::Unix(path.clone()), redirect_https: None, tls: None };
    let mut config = config(limits(), vec![unix]);
    config.server.threads = 2;
    let up = Up::new(config);
    for _ in 0..4 {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET /a HTTP/1.0\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("/a"));
    }
    assert!(up.seen.peers.lock().iter().all(|peer| peer.addr == PeerAddr::Unix));
    assert!(up.running.drain(Duration::from_secs(5)));
    assert!(!path.exists());
}

#[tokio::test]
async fn an_address_in_use_is_named_whoever_uses_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let up = Up::plain(limits());
    for addr in [taken.local_addr().unwrap(), up.addr(0)] {
        let mut second = listener(None);
        second.address = ListenAddress::Tcp(addr);
        let metrics = ServerMetrics::register(&prometheus::Registry::new()).unwrap();
        let error = bind(&config(limits(), vec![listener(None), second]), metrics).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {addr}: ")), "{error}");
        assert!(error.ends_with("; another process listens there"), "{error}");
    }
}
