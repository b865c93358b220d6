//! A thread's way to the origins.

use std::sync::Arc;
use std::time::Duration;

use super::attempts::{Fetch, Tried};
use super::connection::Connections;
use super::error::{Failed, FetchError};
use super::pool::{Pool, PoolHandle};
use super::request::{OriginRequest, OriginResponse};
use super::template::Template;

/// Asks origins; owns one thread's connections to them. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    connections: Arc<Connections>,
}

/// A small body that comes along with its head is whole before the client hears of it.
const AHEAD: (u64, Duration) = (64 * 1024, Duration::from_millis(10));
/// Where something stored can be served instead, waiting is the better risk.
const AHEAD_OF_STAND_IN: (u64, Duration) = (1024 * 1024, Duration::from_secs(1));

impl Client {
    pub(super) fn new() -> Self {
        Self { connections: Connections::start() }
    }

    /// Gets a response head for `request` from a member of `pool`, trying others where that is safe and the
    /// pool's retry settings allow. A status is an answer, not an error: when all attempts end in one that asks
    /// for a retry, the last is handed on.
    ///
    /// Dropping the future gives the request up and closes its connection.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, pool: &PoolHandle, request: OriginRequest) -> Result<OriginResponse, Failed> {
        let mut tried = Tried::default();
        let Some(pool) = &pool.0 else {
            return Err(tried.failed("".into(), FetchError::BadRequest("no such pool")));
        };
        self.fetch_from(pool, request, &mut tried)
            .await
            .map_err(|error| tried.failed(pool.name.clone(), error))
    }

    async fn fetch_from(
        &self,
        pool: &Arc<Pool>,
        request: OriginRequest,
        tried: &mut Tried,
    ) -> Result<OriginResponse, FetchError> {
        let key = request.key;
        let ahead = if request.stand_in { AHEAD_OF_STAND_IN } else { AHEAD };
        let (template, mut body) = Template::new(pool, request)?;
        if let Some(status) = template.local() {
            return Ok(super::s3::local_answer(&pool.name, status));
        }
        pool.ready().await?;
        if let Some(s3) = &pool.s3 {
            s3.ready(pool.config.timeouts.connect).await;
        }
        let place = pool.gate.enter(&pool.name, &pool.metrics).await?;
        pool.deposit();
        let fetch = Fetch { connections: &self.connections, pool, template: &template, key, ahead };
        let mut response = match fetch.deadline(&body) {
            None => fetch.run(&mut body, tried).await?,
            Some(deadline) => tokio::time::timeout(deadline, fetch.run(&mut body, tried))
                .await
                .unwrap_or_else(|_| Err(FetchError::FirstByteTimeout(pool.name.clone())))?,
        };
        match &mut response.tunnel {
            Some(tunnel) => tunnel.keep(place),
            None => response.body.keep(place),
        }
        Ok(response)
    }

    #[cfg(test)]
    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }
}
