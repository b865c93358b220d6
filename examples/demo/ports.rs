//! The ports of `edge.toml`, or free ones where those are taken.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, ensure};

/// Where `edge.toml` expects the bucket.
pub const ORIGIN: u16 = 9000;

/// What else `edge.toml` listens on.
const EDGE: &[(u16, &str)] = &[(8080, "http"), (8443, "https"), (9090, "admin")];

/// The port on loopback, or a free one.
pub fn listen(wanted: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("no free port on 127.0.0.1")
}

/// The text of `edge.toml` with the bucket where it is and other ports where the usual ones are taken,
/// with a line to print for each that moved.
pub fn settle(text: &str, origin: SocketAddr) -> anyhow::Result<(String, Vec<String>)> {
    // All stay bound until all are chosen, so that no port is chosen twice.
    let probes = EDGE.iter().map(|(port, what)| Ok((*port, *what, listen(*port)?)));
    let probes = probes.collect::<anyhow::Result<Vec<_>>>()?;
    let mut moves = vec![(ORIGIN, "origin", origin.port())];
    for (wanted, what, probe) in &probes {
        moves.push((*wanted, *what, probe.local_addr()?.port()));
    }
    let mut text = text.to_owned();
    for (wanted, what, _) in &moves {
        let usual = format!("127.0.0.1:{wanted}");
        ensure!(text.contains(&usual), "edge.toml has no {usual} for {what}");
        // Through a mark, lest a free port be another's usual one and move twice.
        text = text.replace(&usual, &format!("127.0.0.1:<{what}>"));
    }
    for (_, what, port) in &moves {
        text = text.replace(&format!("127.0.0.1:<{what}>"), &format!("127.0.0.1:{port}"));
    }
    let lines = moves
        .iter()
        .filter(|(wanted, _, port)| wanted != port)
        .map(|(wanted, what, port)| format!("port {wanted} is taken: {what} is on {port}"));
    Ok((text, lines.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a 127.0.0.1:8080 b 127.0.0.1:8443 c 127.0.0.1:9090 d http://127.0.0.1:9000/";

    #[test]
    fn what_is_taken_moves_and_says_so() {
        // Taken by this test or by whoever has it; either way it must move.
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 8443));
        let (text, lines) = settle(TEXT, SocketAddr::from(([127, 0, 0, 1], 8080))).unwrap();
        assert!(!text.contains("127.0.0.1:8443") && text.ends_with("d http://127.0.0.1:8080/"), "{text}");
        assert!(lines.contains(&"port 9000 is taken: origin is on 8080".to_owned()), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("port 8443 is taken: https is on ")), "{lines:?}");
    }

    #[test]
    fn another_edge_toml_is_refused() {
        assert!(settle("nothing", SocketAddr::from(([127, 0, 0, 1], 9000))).is_err());
    }
}
