//! Every pool of the configuration, set up once per process.

use std::sync::Arc;

use super::client::Client;
use super::error::OriginSetupError;
use super::maker::Maker;
use super::member::Address;
use super::metrics::OriginMetrics;
use super::pool::{Found, Pool, PoolHandle};
use super::resolve::Name;
use super::s3::S3;
use super::{health, resolve};
use crate::config::Config;

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
