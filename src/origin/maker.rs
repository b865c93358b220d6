//! Makes the origins of a pool from their configuration.

use std::sync::Arc;

use tokio_rustls::TlsConnector;

use super::error::OriginSetupError;
use super::member::Origin;
use super::metrics::OriginMetrics;
use super::tls;
use crate::config::{self};

/// Makes the origins of a pool: one per configured member, or per server that SRV records name.
#[derive(Clone)]
pub(super) struct Maker {
    pool: Arc<config::Pool>,
    name: Arc<str>,
    connector: Option<TlsConnector>,
    metrics: OriginMetrics,
}

impl Maker {
    /// # Errors
    /// If the pool's TLS settings can not be used.
    pub(super) fn new(pool: &config::Pool, metrics: &OriginMetrics) -> Result<Self, OriginSetupError> {
        let tls = pool.members.iter().any(|m| m.tls);
        let connector = if tls { Some(tls::connector(pool)?) } else { None };
        let name = pool.name.as_str().into();
        Ok(Self { pool: Arc::new(pool.clone()), name, connector, metrics: metrics.clone() })
    }

    /// Of a member with a host and a port of its own.
    ///
    /// # Errors
    /// If its host is no name that a certificate could have.
    pub(super) fn member(&self, member: &config::Member) -> Result<Arc<Origin>, OriginSetupError> {
        self.origin(member, false)
    }

    /// Of a server that SRV records name; `spare` if it is not of the first priority.
    ///
    /// # Errors
    /// As [`Maker::member`].
    pub(super) fn origin(
        &self,
        member: &config::Member,
        spare: bool,
    ) -> Result<Arc<Origin>, OriginSetupError> {
        let host = if member.host.contains(':') { format!("[{}]", member.host) } else { member.host.clone() };
        let with_port: Arc<str> = match &member.socket {
            Some(socket) => format!("unix:{}", socket.display()).into(),
            None => format!("{host}:{}", member.port).into(),
        };
        let default_port = if member.tls { 443 } else { 80 };
        let tls = match &self.connector {
            Some(connector) if member.tls => {
                Some((connector.clone(), tls::server_name(&self.pool, &member.host)?))
            }
            _ => None,
        };
        Ok(Arc::new(Origin {
            pool: self.name.clone(),
            authority: if member.port == default_port { host.into() } else { with_port.clone() },
            metrics: self.metrics.member(&self.name, &with_port),
            name: with_port,
            zone: member.zone.clone(),
            socket: member.socket.clone(),
            spare,
            weight: member.weight,
            tls,
            breaker: self.pool.breaker.clone(),
        }))
    }
}
