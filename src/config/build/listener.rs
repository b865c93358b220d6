//! `[[listener]]`

use std::net::SocketAddr;

use super::{certificates, is_in_a_folder};
use crate::config::keys::{self, CERTIFICATE, FILE, LISTENER, LISTENER_TLS};
use crate::config::section::Section;
use crate::config::{ListenAddress, Listener, ListenerTls};

pub(super) fn all(root: Section<'_, keys::File>) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for section in root.tables(&FILE.listener) {
        let tls = section.table(&LISTENER.tls);
        let listener = Listener {
            address: address(section),
            redirect_https: section
                .get(&LISTENER.redirect_https)
                .then(|| section.get(&LISTENER.redirect_port)),
            tls: tls.written().then(|| self::tls(section, tls)),
        };
        if listener.redirect_https.is_some() && listener.tls.is_some() {
            section.error(
                &LISTENER.redirect_https,
                format!("{} has both tls and redirect_https: it would redirect to itself", section.name()),
            );
        }
        let is_taken = listeners.iter().any(|other| other.address == listener.address);
        if is_taken && !is_any_port(&listener.address) && section.get(&LISTENER.address).is_some() {
            section.error(&LISTENER.address, format!("{} is defined twice", section.name()));
        }
        listeners.push(listener);
    }
    listeners
}

/// Port 0 asks the system for a free one, so it may stand any number of times.
fn is_any_port(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Tcp(address) if address.port() == 0)
}

fn address(section: Section<'_, keys::Listener>) -> ListenAddress {
    let stand_in = ListenAddress::Tcp(SocketAddr::from(([0, 0, 0, 0], 0)));
    let Some(text) = section.get(&LISTENER.address) else { return stand_in };
    if let Some(path) = text.strip_prefix("unix:") {
        // sockaddr_un holds 108 bytes, the last of them zero.
        let path = section.cx.resolve(path);
        if path.as_os_str().len() > 107 || path.file_name().is_none() {
            section.error(
                &LISTENER.address,
                format!("{} has a path that is too long for a socket, or none", section.name()),
            );
        } else if !is_in_a_folder(&path) {
            section
                .error(&LISTENER.address, format!("{} is in a folder that does not exist", section.name()));
        }
        return ListenAddress::Unix(path);
    }
    match text.parse() {
        Ok(address) => ListenAddress::Tcp(address),
        Err(_) => {
            let expected = "\"127.0.0.1:8080\", \"[::]:8080\" or \"unix:/path\"";
            section.error(
                &LISTENER.address,
                format!("{} must have an IP address and a port, not a name: {expected}", section.name()),
            );
            stand_in
        }
    }
}

fn tls(listener: Section<'_, keys::Listener>, tls: Section<'_, keys::ListenerTls>) -> ListenerTls {
    let self_signed = tls.get(&LISTENER_TLS.self_signed);
    let written = tls.tables(&LISTENER_TLS.certificates);
    let has_entries = tls.written_list(&LISTENER_TLS.certificates) || tls.node(&LISTENER_TLS.acme).is_some();
    if !has_entries && !self_signed {
        let message = format!("{} has tls but no certificates, and self_signed is false", listener.name());
        listener.error(&LISTENER.tls, message);
    }
    ListenerTls {
        min_version: tls.get(&LISTENER_TLS.min_version),
        certificates: written
            .into_iter()
            .filter_map(|s| certificates::pair(s, &CERTIFICATE.cert, &CERTIFICATE.key))
            .collect(),
        client_ca: certificates::roots(tls, &LISTENER_TLS.client_ca),
        self_signed,
    }
}
