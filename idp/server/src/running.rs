//! The process: what is opened, in which order, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use hyper_util::service::TowerToHyperService;
use idp_core::keyring::{self, Keyring};
use idp_core::provider::Settings;
use idp_core::store::{StoreError, Version};
use idp_token::value::Algorithm;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tollgate_config::{Provider, Redis};
use zeroize::Zeroizing;

use crate::audit::Audit;
use crate::credential::{Credential, CredentialError, Holder};
use crate::desk::{Desk, Unanswerable, consider, settle};
use crate::farewell::{Farewells, TrustError};
use crate::keys::{self, MaterialError, Ring, RingError, Schedule};
use crate::listener::{self, Listening, Phase};
use crate::metrics::Metrics;
use crate::passwords::{Busy, Limits, Password, Passwords};
use crate::random;
use crate::receipts::Receipts;
use crate::relay::{self, BeginError, Projection, Records, RedisSettingsError, Waiting};
use crate::seeds::{self, SeedError};
use crate::spawn::spawn;
use crate::store::{EmbeddedStore, KeySource, OpenError, Options};
use crate::{admin, internal, pages, protocol, upkeep};

/// How long connections may take to end once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// An identity provider that runs.
#[derive(Debug)]
pub struct Idp {
    addresses: Addresses,
    phase: watch::Sender<Phase>,
    listening: Vec<Listening>,
    tasks: Vec<JoinHandle<()>>,
    desk: Arc<Desk>,
}

/// Where it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Clients and browsers connect here.
    pub public: SocketAddr,
    /// Gateways and operators connect here.
    pub internal: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    #[error("the store cannot be read")]
    Unreadable(#[from] StoreError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the audit log cannot be opened")]
    Audit(#[source] io::Error),
    #[error("no thread can be started that looks at passwords")]
    Passwords(#[source] io::Error),
    #[error("keys cannot be made")]
    Material(#[from] MaterialError),
    #[error("the keys in the store cannot be used")]
    Ring(#[from] RingError),
    #[error("a decision at the start was not to be had")]
    Unanswerable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the log cannot begin")]
    Log(#[from] BeginError),
    #[error(transparent)]
    Redis(#[from] RedisSettingsError),
    #[error("what is counted cannot be named")]
    Metrics(#[from] prometheus::Error),
    #[error("a client or a user of the file cannot be registered")]
    Seed(#[from] SeedError),
}

impl Idp {
    /// Opens everything, or nothing.
    pub async fn start(provider: Provider) -> Result<Self, StartError> {
        // First what fails most often, and costs nothing.
        let public = bind(provider.listen)?;
        let inside = bind(provider.internal)?;
        let administrator =
            Credential::find_or_create(&provider.admin_key_file, Holder::Administrator)?;
        let gateway = Credential::find_or_create(&provider.gateway_key_file, Holder::Gateway)?;
        let limits = Limits::new(provider.passwords_at_once);
        let passwords = Passwords::start(limits).map_err(StartError::Passwords)?;
        let audit = Audit::open(&provider.audit_log).map_err(StartError::Audit)?;
        let store = open(&provider).await?;
        let is_first = store.moment()?.version == Version(0);
        let settings = Settings {
            issuer: provider.issuer.clone(),
            logins: provider.login,
        };
        let keyring = begin(&store, provider.signing.algorithm, &passwords, &audit).await?;
        let ring = Ring::new(settings, &keyring)?;
        let tail = relay::begin(&store).await?;
        let (records, waiting) = provider.redis.as_ref().map(|_| Records::new()).unzip();
        let desk = Arc::new(Desk {
            store,
            ring: ArcSwap::from_pointee(ring),
            schedule: Schedule {
                algorithm: provider.signing.algorithm,
                every: provider.signing.rotate,
            },
            audit,
            passwords,
            administrator,
            gateway,
            farewells: Farewells::new(provider.ca_file.as_deref())?,
            has_changes: Notify::new(),
            tail,
            receipts: Receipts::new(is_first),
            records,
            metrics: Metrics::new()?,
        });
        seeds::plant(&desk, &provider).await?;

        let tasks = work(&desk, provider.redis.as_ref().zip(waiting))?;
        let phase = watch::Sender::new(Phase::Serving);
        let is_local = provider.internal.ip().to_canonical().is_loopback();
        let [outside, inwards] = routers(&desk, &phase, is_local)?;
        let outside = protocol::Front::new(Arc::clone(&desk), outside);
        let inwards = TowerToHyperService::new(inwards);
        let public = Listening::start(public, outside, Some(Arc::clone(&desk)), phase.subscribe());
        let public = public.map_err(unheard(provider.listen))?;
        let inside = Listening::start(inside, inwards, None, phase.subscribe());
        let inside = inside.map_err(unheard(provider.internal))?;
        Ok(Self {
            addresses: Addresses {
                public: public.address,
                internal: inside.address,
            },
            phase,
            listening: vec![public, inside],
            tasks,
            desk,
        })
    }

    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Opens the audit log anew, as after a rotation.
    pub async fn reopen_audit_log(&self) {
        self.desk.audit.reopen().await;
    }

    /// Answers what is under way and closes the store. `false` if a connection had to be cut off.
    pub async fn stop(self) -> bool {
        self.phase.send_replace(Phase::Draining);
        let ending = async {
            for listening in self.listening {
                listening.drained().await;
            }
        };
        let is_clean = tokio::time::timeout(DRAIN, ending).await.is_ok();
        self.phase.send_replace(Phase::Stopped);
        for task in self.tasks {
            task.abort();
            // It was told to end, or a panic in it has been reported by name.
            let _ = task.await;
        }
        self.desk.audit.close().await;
        is_clean
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::bind(address).map_err(unheard(address))
}

fn unheard(address: SocketAddr) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Listen { address, source }
}

/// It may have to look over the whole file, so that it does not happen on a thread of the runtime.
async fn open(provider: &Provider) -> Result<EmbeddedStore, StartError> {
    let kept = provider.store.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let options = Options {
            cache_bytes_max: kept.cache_bytes_max,
            disk_free_bytes_min: kept.disk_free_bytes_min,
            ..Options::default()
        };
        EmbeddedStore::open(&kept.path, &KeySource::File(kept.key_file), options)
    });
    match opening.await {
        Ok(opened) => Ok(opened?),
        Err(error) => Err(StartError::Unanswerable(error.into())),
    }
}

/// What is served to clients and browsers, and what to gateways and operators.
fn routers(
    desk: &Arc<Desk>,
    phase: &watch::Sender<Phase>,
    is_local: bool,
) -> Result<[Router; 2], MaterialError> {
    let pages = pages::router(Arc::clone(desk))?;
    let outside = protocol::router(Arc::clone(desk)).merge(pages);
    let inwards = internal::router(Arc::clone(desk), phase.subscribe(), is_local);
    Ok([outside, inwards.merge(admin::router(Arc::clone(desk)))])
}

/// What is done without being asked.
fn work(
    desk: &Arc<Desk>,
    redis: Option<(&Redis, Waiting)>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let mut tasks = vec![
        spawn("keys", keys::keep(Arc::clone(desk))),
        spawn("relay", relay::run(Arc::clone(desk))),
        spawn("upkeep", upkeep::run(Arc::clone(desk))),
    ];
    if let Some((redis, waiting)) = redis {
        let projection = Projection::new(Arc::clone(desk), redis)?;
        let keeping = projection.keep(Arc::clone(desk), waiting);
        tasks.push(spawn("records for Redis", keeping));
        tasks.push(spawn("projection", projection.run()));
    }
    Ok(tasks)
}

/// The keys of the store; made if it has none.
async fn begin(
    store: &EmbeddedStore,
    algorithm: Algorithm,
    passwords: &Passwords,
    audit: &Audit,
) -> Result<Keyring, StartError> {
    // What is there already is not drawn for nothing: a password and two keys take their time.
    let known = consider(store, |view, _, _| keyring::find(view))?;
    if let Some(keyring) = known {
        return Ok(keyring);
    }
    // Nobody has this password: it is drawn, hashed and forgotten.
    let secret = random::bytes::<32>().map_err(MaterialError::from)?;
    let nobody = Zeroizing::new(
        secret
            .map(|byte| char::from(b'a' + byte % 26))
            .iter()
            .collect(),
    );
    let nobody = Password::parse(nobody).expect("invariant: 32 letters");
    let dummy = passwords.hash_at_start(nobody).await?;
    let material = keys::draw(algorithm, dummy)?;
    let begun = settle(store, move |view, now, _| {
        keyring::begin(view, &material, now)
    });
    let begun = begun.await?;
    if let Some(entry) = begun.audit {
        audit.log(entry).await;
    }
    Ok(begun.answer)
}

impl From<Unanswerable> for StartError {
    fn from(error: Unanswerable) -> Self {
        Self::Unanswerable(error.into())
    }
}

impl From<Busy> for StartError {
    fn from(error: Busy) -> Self {
        Self::Unanswerable(error.into())
    }
}
