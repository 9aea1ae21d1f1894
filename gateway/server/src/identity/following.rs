//! Starts and stops everything that keeps this gateway's knowledge fresh.

use std::sync::{Arc, Mutex, PoisonError};

use idp_token::ask::report::GatewayId;
use tokio::task::JoinHandle;
use tollgate_config::Idp;

use super::asking::Asking;
use super::credential::Credential;
use super::keys::{Expected, Keys};
use super::knowledge::{Knowledge, NoRandom};
use super::log::Reader;
use super::provider::Provider;
use super::redis::{Server, TroubleError};
use super::reports::Reports;
use super::shelf::Shelf;
use super::sources::Sources;
use super::uses::Uses;
use super::waking;
use crate::metrics::SourceMetrics;
use crate::spawn::spawn;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Random(#[from] NoRandom),
    #[error("this Redis cannot be connected to")]
    Redis(#[from] TroubleError),
}

/// What a gateway knows, whom it asks, and the tasks behind both.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) knowledge: Arc<Knowledge>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) uses: Arc<Uses>,
    pub(crate) keys: Arc<Keys>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Following {
    /// Begins to follow. Nothing need be there yet: what is not known is asked for until it is.
    pub(crate) fn start(idp: &Idp, metrics: &SourceMetrics) -> Result<Self, FollowError> {
        let knowledge = Arc::new(Knowledge::new(idp.lease)?);
        let credential = Credential::new(idp.key_file.clone());
        let provider = Provider::new(idp.internal, idp.listen, credential);
        let redis = idp.redis.as_ref().map(Server::new).transpose();
        let redis = redis.map_err(TroubleError::from)?.map(Arc::new);
        let shelf = redis.clone().map(Shelf::new);
        let asking = Asking::new(Arc::clone(&provider), metrics.clone());
        let expected = Expected {
            issuer: idp.issuer.clone(),
            audiences: idp.audience.clone(),
            has_redis: redis.is_some(),
        };
        let keys = Keys::new(
            Arc::clone(&knowledge),
            Arc::clone(&provider),
            expected,
            metrics.clone(),
        );
        let uses = Uses::new(Arc::clone(&provider), metrics.clone());
        let reader = Reader::new(Arc::clone(&knowledge), idp.lease, metrics.clone());
        let reports = Reports {
            gateway: draw_id()?,
            lease: idp.lease,
            knowledge: Arc::clone(&knowledge),
            provider: Arc::clone(&provider),
            metrics: metrics.clone(),
        };
        let watch = waking::watch(Arc::clone(&knowledge), idp.lease, metrics.clone());
        let mut tasks = vec![
            spawn("identity-reports", reports.run(reader.watch())),
            spawn("identity-log", reader.run(provider, redis)),
            spawn("identity-waking", watch),
            spawn("identity-keys", Arc::clone(&keys).run()),
            spawn("identity-uses", Arc::clone(&uses).run()),
        ];
        if let Some(shelf) = &shelf {
            let connected = Arc::clone(shelf).keep_connected();
            tasks.push(spawn("identity-records", connected));
        }
        let copies = shelf.map(|shelf| (shelf, Arc::clone(&keys)));
        let sources = Sources::new(Arc::clone(&knowledge), copies, asking, metrics.clone());
        Ok(Self {
            knowledge,
            sources: Arc::new(sources),
            uses,
            keys,
            tasks: Mutex::new(tasks),
        })
    }

    /// Tells what is left to be told. To be called when no request is under way any more.
    pub(crate) async fn stop(&self) {
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        for task in tasks {
            task.abort();
            // What it held is given back before what is left is told.
            let _ = task.await;
        }
        self.uses.flush().await;
    }
}

/// One run of a gateway is another one than the run before.
fn draw_id() -> Result<GatewayId, NoRandom> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(NoRandom::from)?;
    Ok(GatewayId(id))
}

#[cfg(test)]
mod tests;
