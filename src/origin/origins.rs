//! Every pool of the configuration, set up once per process.

use std::sync::Arc;

use tokio_rustls::TlsConnector;

use super::client::Client;
use super::error::OriginSetupError;
use super::member::{Address, Origin};
use super::metrics::OriginMetrics;
use super::pool::{Found, Pool};
use super::resolve::Name;
use super::s3::S3;
use super::{health, resolve, tls};
use crate::config::{self, Config};

/// The pools with their members, rings and health. One per process, shared by all threads.
pub struct Origins {
    pools: Vec<Arc<Pool>>,
}

/// A pool to ask. The default is none: every request to it fails.
#[derive(Clone, Default)]
pub struct PoolHandle(pub(super) Option<Arc<Pool>>);

impl std::fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PoolHandle").field(&self.0.as_ref().map(|pool| &pool.name)).finish()
    }
}

impl Origins {
    /// Loads certificates and credentials, and starts resolving names and checking health on the current runtime.
    ///
    /// # Errors
    /// See [`OriginSetupError`]. A name that does not resolve is not one: it is tried again.
    pub fn start(config: &Config, metrics: OriginMetrics) -> Result<Arc<Self>, OriginSetupError> {
        tokio::runtime::Handle::try_current().map_err(|_| OriginSetupError::NoRuntime)?;
        let mut pools = Vec::with_capacity(config.pools.len());
        let mut resolver = None;
        for pool in &config.pools {
            let s3 = pool.s3.as_ref().map(|s3| S3::new(pool, s3, &config.sites, &metrics)).transpose()?;
            let maker = Maker::new(pool, &metrics)?;
            let started = Arc::new(Pool::new(pool.clone(), s3, maker.clone(), metrics.clone()));
            for (slot, member) in pool.members.iter().enumerate() {
                let origin = if member.srv { None } else { Some(maker.member(member)?) };
                if let (Some(origin), true) = (&origin, member.socket.is_some()) {
                    started.set(slot, Some(vec![Found::new(origin.clone(), vec![Address::NONE])]));
                    continue;
                }
                if let (Some(origin), Some(addresses)) = (&origin, resolve::without_dns(&member.host)) {
                    let addresses = resolve::pair(&addresses, member.port);
                    started.set(slot, Some(vec![Found::new(origin.clone(), addresses)]));
                    continue;
                }
                let resolver = match &resolver {
                    Some(resolver) => Arc::clone(resolver),
                    None => resolver.insert(Arc::new(resolve::resolver()?)).clone(),
                };
                let name = match origin {
                    Some(origin) => Name::Host { origin, host: member.host.clone(), port: member.port },
                    None => Name::Srv { maker: maker.clone(), member: member.clone() },
                };
                tokio::spawn(resolve::keep_resolved(Arc::downgrade(&started), slot, name, resolver));
            }
            if let Some(checks) = &pool.health {
                tokio::spawn(health::watch(Arc::downgrade(&started), checks.clone()));
            }
            pools.push(started);
        }
        Ok(Arc::new(Self { pools }))
    }

    /// A client with connections of its own; one per worker thread, made on that thread's runtime.
    pub fn client(&self) -> Client {
        Client::new()
    }

    /// Names of pools of which no member can be asked now.
    pub fn down(&self) -> impl Iterator<Item = Arc<str>> {
        self.pools.iter().filter(|pool| pool.is_down()).map(|pool| Arc::clone(&pool.name))
    }

    /// The pool of this name: what holds it can ask it, whatever becomes of the configuration.
    pub fn pool(&self, name: &str) -> PoolHandle {
        PoolHandle(self.pools.iter().find(|pool| *pool.name == *name).cloned())
    }
}

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
