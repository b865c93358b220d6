//! A visitor opens the home page: every link on it leads somewhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::*;

/// Status and body of a GET with curl's and a browser's Host.
fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(at).unwrap();
    let host = format!("localhost:{}", at.port());
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let mark = format!(" {attribute}=\"");
    page.split(&mark).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn every_link_of_the_home_page_leads_somewhere() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("edge.toml");
    let bucket = ports::listen(ports::ORIGIN).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let (text, _) = ports::settle(&text, bucket.local_addr().unwrap()).unwrap();
    let demo = Demo::start(bucket, &text, &file).unwrap();
    let (http, admin) = (demo.at.http, format!("http://{}", demo.at.admin));

    let (status, home) = get(http, "/");
    assert_eq!(status, 200);
    assert!(!home.contains("{site}") && !home.contains("{admin}") && !home.contains("{curl}"), "{home}");
    assert!(values(&home, "src").len() >= 4, "pictures");
    let links = ["href", "src", "data-path"].iter().flat_map(|attribute| values(&home, attribute));
    for link in links {
        let (at, path) = match link.strip_prefix(&admin) {
            Some(path) => (demo.at.admin, path),
            None => (http, link),
        };
        let wanted = if link == "/private/report.txt" { 403 } else { 200 };
        assert_eq!(get(at, path).0, wanted, "{link}");
    }
    // The lines to paste name the TLS listener; its paths are those of the plain one.
    for path in home
        .split(&demo.at.site())
        .skip(1)
        .map(|rest| rest.split(['"', '\'', '<', ' ', '\n']).next().unwrap())
    {
        assert!(path.starts_with('/'), "{path}");
        assert_eq!(get(http, path).0, if path == "/private/report.txt" { 403 } else { 200 }, "{path}");
    }

    let (status, pictures) = get(http, "/images/");
    assert_eq!(status, 200);
    for picture in values(&pictures, "src") {
        assert_eq!(get(http, &format!("/images/{picture}")).0, 200, "{picture}");
    }
    let album = values(&home, "href").into_iter().find(|link| link.starts_with("/_t/")).unwrap();
    for picture in values(&get(http, album).1, "src") {
        assert_eq!(get(http, &format!("{album}{picture}")).0, 200, "{picture}");
    }
    demo.edge.stop();
}
