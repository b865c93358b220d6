//! Every pool of the configuration, set up once per process.

use std::sync::Arc;

use super::client::Client;
use super::error::OriginSetupError;
use super::member::Origin;
use super::metrics::OriginMetrics;
use super::pool::Pool;
use super::s3::S3;
use super::{health, resolve, tls};
use crate::config::{self, Config, PoolId};

/// The pools with their members, rings and health. One per process, shared by all threads.
pub struct Origins {
    pools: Vec<Arc<Pool>>,
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
            let s3 = pool.s3.as_ref().map(|s3| S3::new(pool, s3, &config.sites)).transpose()?;
            let started = Arc::new(Pool::new(pool.clone(), s3, origins(pool, &metrics)?, metrics.clone()));
            for (slot, member) in pool.members.iter().enumerate() {
                if let Some(addresses) = resolve::without_dns(&member.host) {
                    started.set_addresses(slot, Some(resolve::pair(&addresses, member.port)));
                    continue;
                }
                let resolver = match &resolver {
                    Some(resolver) => Arc::clone(resolver),
                    None => resolver.insert(Arc::new(resolve::resolver()?)).clone(),
                };
                let (pool, host) = (Arc::downgrade(&started), member.host.clone());
                tokio::spawn(resolve::keep_resolved(pool, slot, host, member.port, resolver));
            }
            if let Some(checks) = &pool.health {
                tokio::spawn(health::watch(Arc::downgrade(&started), checks.clone()));
            }
            pools.push(started);
        }
        Ok(Arc::new(Self { pools }))
    }

    /// A client with connections of its own; one per worker thread, made on that thread's runtime.
    pub fn client(self: &Arc<Self>) -> Client {
        Client::new(self.clone())
    }

    pub(super) fn pool(&self, id: PoolId) -> Option<&Arc<Pool>> {
        self.pools.get(id.0)
    }
}

/// One per configured member.
pub(super) fn origins(
    pool: &config::Pool,
    metrics: &OriginMetrics,
) -> Result<Vec<Arc<Origin>>, OriginSetupError> {
    let connector = if pool.members.iter().any(|m| m.tls) { Some(tls::connector(pool)?) } else { None };
    let name: Arc<str> = pool.name.as_str().into();
    let mut all = Vec::with_capacity(pool.members.len());
    for member in &pool.members {
        let host = if member.host.contains(':') { format!("[{}]", member.host) } else { member.host.clone() };
        let with_port: Arc<str> = format!("{host}:{}", member.port).into();
        let default_port = if member.tls { 443 } else { 80 };
        let tls = match &connector {
            Some(connector) if member.tls => Some((connector.clone(), tls::server_name(pool, &member.host)?)),
            _ => None,
        };
        all.push(Arc::new(Origin {
            pool: name.clone(),
            authority: if member.port == default_port { host.into() } else { with_port.clone() },
            metrics: metrics.member(&pool.name, &with_port),
            name: with_port,
            zone: member.zone.clone(),
            weight: member.weight,
            tls,
            breaker: pool.breaker.clone(),
        }));
    }
    Ok(all)
}
