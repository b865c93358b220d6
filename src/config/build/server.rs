//! `[server]` and its limits.

use std::net::IpAddr;

use ipnet::IpNet;

use super::fields::is_token;
use crate::config::key::{Key, Keys, Texts};
use crate::config::keys::{self, LIMITS, SERVER};
use crate::config::section::Section;
use crate::config::{Limits, Server};

pub(super) fn server(server: Section<'_, keys::Server>) -> Server {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let server_name = server.get(&SERVER.server_name);
    if !is_token(&server_name) && server.is_sound(&SERVER.server_name) {
        let shown = server.shown(&SERVER.server_name);
        server.error(
            &SERVER.server_name,
            format!("\"server.server_name\" must be a token of RFC 9110, not {shown}"),
        );
    }
    Server {
        threads: server.get(&SERVER.threads).unwrap_or_else(cores),
        drain_delay: server.get(&SERVER.drain_delay),
        shutdown_timeout: server.get(&SERVER.shutdown_timeout),
        server_name,
        trusted_proxies: networks(server, &SERVER.trusted_proxies),
        limits: limits(server.table(&SERVER.limits)),
    }
}

fn limits(limits: Section<'_, keys::Limits>) -> Limits {
    Limits {
        connections: limits.get(&LIMITS.connections),
        connections_per_ip: limits.get(&LIMITS.connections_per_ip),
        header_timeout: limits.get(&LIMITS.header_timeout),
        idle_timeout: limits.get(&LIMITS.idle_timeout),
        body_timeout: limits.get(&LIMITS.body_timeout),
        write_timeout: limits.get(&LIMITS.write_timeout),
        header_bytes: limits.get(&LIMITS.header_bytes),
        headers: limits.get(&LIMITS.headers),
        uri_bytes: limits.get(&LIMITS.uri_bytes),
        request_body: limits.get(&LIMITS.request_body),
    }
}

/// A list of networks; a bare address is a network of one.
pub(super) fn networks<T: Keys>(section: Section<'_, T>, key: &Key<T, Texts>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for node in section.get(key) {
        let text = node.text().unwrap_or_default();
        match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network.trunc()),
            Err(_) => {
                let message = format!(
                    "\"{}\" holds {}, which is neither an address nor a network",
                    node.path,
                    node.shown()
                );
                section.cx.error(&node.place, &node.path, message);
            }
        }
    }
    networks
}
