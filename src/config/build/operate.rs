//! `[admin]` and `[log]`: what operators meet.

use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::is_in_a_folder;
use super::server::networks;
use crate::config::error::nearest;
use crate::config::key::Key;
use crate::config::keys::{self, ADMIN, LOG};
use crate::config::node::quoted;
use crate::config::section::Section;
use crate::config::{AccessLog, Admin, ListenAddress, Listener, Log, Secret};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn admin(admin: Section<'_, keys::Admin>, listeners: &[Listener]) -> Admin {
    let address = admin.get(&ADMIN.address).and_then(|text| match text.parse::<SocketAddr>() {
        Ok(address) => Some(address),
        Err(_) => {
            let shown = admin.shown(&ADMIN.address);
            admin.error(
                &ADMIN.address,
                format!("\"admin.address\" must be like \"127.0.0.1:9090\", not {shown}"),
            );
            None
        }
    });
    if let Some(address) = address {
        if !address.ip().is_loopback() && admin.get(&ADMIN.token).is_none() && admin.is_sound(&ADMIN.token) {
            admin.error(&ADMIN.address, format!("\"admin.token\" is required: {address} is not on loopback"));
        }
        let is_taken = listeners.iter().any(|l| l.address == ListenAddress::Tcp(address));
        if is_taken && address.port() != 0 {
            admin.error(
                &ADMIN.address,
                format!("\"admin.address\" {address} is also the address of a listener"),
            );
        }
    }
    let (token, read_token) = (bearer(admin, &ADMIN.token), bearer(admin, &ADMIN.read_token));
    if token.is_none() && admin.is_sound(&ADMIN.token) && read_token.is_some() {
        // Reading would ask for more than changing.
        admin.error(&ADMIN.read_token, "\"admin.read_token\" needs \"admin.token\"");
    }
    let guarded_metrics = admin.get(&ADMIN.metrics);
    if guarded_metrics && token.is_none() && admin.is_sound(&ADMIN.token) {
        admin.error(&ADMIN.metrics, "\"admin.metrics\" = \"token\" needs \"admin.token\"");
    }
    Admin { address, token, read_token, guarded_metrics, purge_from: networks(admin, &ADMIN.purge_from) }
}

fn bearer(admin: Section<'_, keys::Admin>, key: &Key<keys::Admin, Option<Secret>>) -> Option<Secret> {
    let token = admin.get(key);
    if token.as_ref().is_some_and(|token| !token.expose().bytes().all(|b| b.is_ascii_graphic())) {
        let key_name = key.name();
        let message =
            format!("\"admin.{key_name}\" must be visible ASCII without spaces: it travels in a header");
        admin.error(key, message);
    }
    token
}

pub(super) fn log(log: Section<'_, keys::Log>) -> Log {
    let level = log.get(&LOG.level);
    if log.is_sound(&LOG.level) {
        check_level(log, &level);
    }
    let access = match log.get(&LOG.access).as_str() {
        "stdout" => AccessLog::Stdout,
        "off" | "" => AccessLog::Off,
        path => {
            let path = log.cx.resolve(path);
            if !is_in_a_folder(&path) {
                log.error(
                    &LOG.access,
                    format!("\"log.access\" {} is in a folder that does not exist", log.shown(&LOG.access)),
                );
            }
            AccessLog::File(path)
        }
    };
    Log { level, format: log.get(&LOG.format), access, sample: log.get(&LOG.sample) }
}

fn check_level(log: Section<'_, keys::Log>, level: &str) {
    // EnvFilter takes any word for a target and would then log that target alone: "inof" would be silence.
    let is_slip = |part: &&str| !part.contains(['=', '[', ':']) && !LEVELS.contains(part);
    if let Some(word) = level.split(',').map(str::trim).find(is_slip) {
        let message = format!("\"log.level\" has {}; the levels are {}", quoted(word), LEVELS.join(", "));
        log.nearest(&LOG.level, message, nearest(word, LEVELS));
    } else if let Err(error) = EnvFilter::builder().parse(level) {
        let why = error.to_string().replace('\n', " ");
        log.error(&LOG.level, format!("\"log.level\" {} is not a filter: {why}", log.shown(&LOG.level)));
    }
}
