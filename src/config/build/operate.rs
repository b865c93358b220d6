//! `[admin]` and `[log]`: what operators meet.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::is_in_a_folder;
use super::server::networks;
use crate::config::error::nearest;
use crate::config::node::quoted;
use crate::config::section::Section;
use crate::config::{AccessLog, Admin, ListenAddress, Listener, Log, LogFormat, Secret};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn admin(admin: Section<'_>, listeners: &[Listener]) -> Admin {
    let address = admin.filled("address").and_then(|text| match text.parse::<SocketAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            let shown = admin.shown("address");
            admin.error("address", format!("\"admin.address\" must be like \"127.0.0.1:9090\", not {shown}"));
            None
        }
    });
    if let Some(address) = address {
        if !address.ip().is_loopback() && admin.filled("token").is_none() && admin.is_sound("token") {
            admin.error("address", format!("\"admin.token\" is required: {address} is not on loopback"));
        }
        let is_taken = listeners.iter().any(|l| l.address == ListenAddress::Tcp(address));
        if is_taken && address.port() != 0 {
            admin.error("address", format!("\"admin.address\" {address} is also the address of a listener"));
        }
    }
    let (token, read_token) = (bearer(admin, "token"), bearer(admin, "read_token"));
    if token.is_none() && admin.is_sound("token") && read_token.is_some() {
        // Reading would ask for more than changing.
        admin.error("read_token", "\"admin.read_token\" needs \"admin.token\"");
    }
    let guarded_metrics = admin.choice("metrics", &[("open", false), ("token", true)]);
    if guarded_metrics && token.is_none() && admin.is_sound("token") {
        admin.error("metrics", "\"admin.metrics\" = \"token\" needs \"admin.token\"");
    }
    Admin { address, token, read_token, guarded_metrics, purge_from: networks(admin, "purge_from") }
}

fn bearer(admin: Section<'_>, key: &str) -> Option<Secret> {
    let token = admin.secret(key);
    if token.as_ref().is_some_and(|token| !token.expose().bytes().all(|b| b.is_ascii_graphic())) {
        let message = format!("\"admin.{key}\" must be visible ASCII without spaces: it travels in a header");
        admin.error(key, message);
    }
    token
}

pub(super) fn log(log: Section<'_>) -> Log {
    let level = log.text("level").unwrap_or_default();
    if log.is_sound("level") {
        check_level(log, &level);
    }
    let format = match log.text("format").as_deref() {
        Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        _ => LogFormat::Auto,
    };
    let access = match log.text("access").as_deref() {
        Some("stdout") => AccessLog::Stdout,
        Some("off" | "") | None => AccessLog::Off,
        Some(path) => {
            let path = log.cx.resolve(path);
            if !is_in_a_folder(&path) {
                log.error(
                    "access",
                    format!("\"log.access\" {} is in a folder that does not exist", log.shown("access")),
                );
            }
            AccessLog::File(path)
        }
    };
    Log { level, format, access, sample: log.number("sample") }
}

fn check_level(log: Section<'_>, level: &str) {
    // EnvFilter takes any word for a target and would then log that target alone: "inof" would be silence.
    let is_slip = |part: &&str| !part.contains(['=', '[', ':']) && !LEVELS.contains(part);
    if let Some(word) = level.split(',').map(str::trim).find(is_slip) {
        let message = format!("\"log.level\" has {}; the levels are {}", quoted(word), LEVELS.join(", "));
        log.nearest("level", message, nearest(word, LEVELS));
    } else if let Err(error) = EnvFilter::builder().parse(level) {
        let why = error.to_string().replace('\n', " ");
        log.error("level", format!("\"log.level\" {} is not a filter: {why}", log.shown("level")));
    }
}
