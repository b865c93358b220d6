//! `[server]` and its limits.

use std::net::IpAddr;

use ipnet::IpNet;

use super::fields::is_token;
use crate::config::section::Section;
use crate::config::{Limits, Server};

pub(super) fn server(server: Section<'_>) -> Server {
    let threads = match server.text("threads").as_deref() {
        Some("auto") => std::thread::available_parallelism().map_or(1, usize::from),
        _ => server.count("threads"),
    };
    let server_name = server.text("server_name").unwrap_or_default();
    if !is_token(&server_name) && server.is_sound("server_name") {
        let shown = server.shown("server_name");
        server
            .error("server_name", format!("\"server.server_name\" must be a token of RFC 9110, not {shown}"));
    }
    Server {
        threads,
        drain_delay: server.duration("drain_delay"),
        shutdown_timeout: server.duration("shutdown_timeout"),
        server_name,
        trusted_proxies: networks(server, "trusted_proxies"),
        limits: limits(server.section("limits")),
    }
}

fn limits(limits: Section<'_>) -> Limits {
    Limits {
        connections: limits.count("connections"),
        connections_per_ip: limits.count("connections_per_ip"),
        header_timeout: limits.duration("header_timeout"),
        idle_timeout: limits.duration("idle_timeout"),
        body_timeout: limits.duration("body_timeout"),
        write_timeout: limits.duration("write_timeout"),
        header_bytes: usize::try_from(limits.size("header_bytes")).unwrap_or(usize::MAX),
        headers: limits.count("headers"),
        uri_bytes: usize::try_from(limits.size("uri_bytes")).unwrap_or(usize::MAX),
        request_body: limits.size("request_body"),
    }
}

/// A list of networks; a bare address is a network of one.
pub(super) fn networks(section: Section<'_>, key: &str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for node in section.texts(key) {
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
