//! Starting the services in one go, and ending them without losing a request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, Admin};
use crate::answer;
use crate::banking::{self, Banking};
use crate::client::Client;
use crate::clock::Clock;
use crate::desk::{self, Desk};
use crate::listener::{ConnectionLimits, Listening, Phase};
use crate::membership::{self, Membership};
use crate::money::{self, Money};
use crate::problem::Refusal;
use crate::remittance::history::History;
use crate::remittance::peers::{PeerAddresses, Peers};
use crate::remittance::{self, Remittances};
use crate::request::BODY_BYTES_MAX;
use crate::seed::{Seed, SizesError};
use crate::service::Service;
use crate::settings::{Listen, Settings};
use crate::trust::{self, Guard, JwksUrlError, Keys, UndoCredential};

/// How long tasks that were told to stop at once may take to do so.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A running set of the four services and their admin port.
///
/// Dropped without [`Pay::shutdown`], it cuts all connections.
#[derive(Debug)]
pub struct Pay {
    addresses: Addresses,
    remittances: Arc<Remittances>,
    /// Those whose clients are outside: they end first.
    remittance: Group,
    /// Those that a remittance under way may need.
    others: Group,
    drain_timeout: Duration,
}

#[derive(Debug)]
struct Group {
    phase: watch::Sender<Phase>,
    listening: Vec<Listening>,
}

/// Where the services are, ports included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    pub membership: Vec<SocketAddr>,
    pub banking: Vec<SocketAddr>,
    pub money: Vec<SocketAddr>,
    pub remittance: Vec<SocketAddr>,
    pub admin: SocketAddr,
}

/// Why the services did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("{service} cannot listen on {address}")]
    Listen {
        service: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("{service} is given no address to listen on")]
    NoAddress { service: &'static str },
    #[error("the seed data cannot have this size")]
    Sizes(#[from] SizesError),
    #[error("`{limit}` must be at least 1")]
    Zero { limit: &'static str },
    #[error("the issuer's keys cannot be fetched")]
    JwksUrl(#[from] JwksUrlError),
    #[error("this machine gives out no random bytes")]
    Random(#[from] getrandom::Error),
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// One of something for everything that listens.
struct Each<T> {
    membership: T,
    banking: T,
    money: T,
    remittance: T,
    admin: T,
}

impl Pay {
    /// Starts the services. When it returns they are ready: connections are accepted.
    pub async fn boot(settings: Settings) -> Result<Self, BootError> {
        settings.sizes.check()?;
        settings
            .check_limits()
            .map_err(|limit| BootError::Zero { limit })?;
        let bound = bind_all(&settings.listen).await?;
        let addresses = bound.addresses(&settings.listen);
        let mut others = Group::default();
        let mut remittance = Group::default();
        let phase = remittance.phase.subscribe();
        let door = Door::open(&settings, others.phase.subscribe())?;
        let (routers, remittances) = build(&settings, &addresses, phase, door.as_ref());

        let limits = settings.connections;
        others.listen(bound.membership, &routers.membership, limits);
        others.listen(bound.banking, &routers.banking, limits);
        others.listen(bound.money, &routers.money, limits);
        others.listen(bound.admin, &routers.admin, limits);
        remittance.listen(bound.remittance, &routers.remittance, limits);
        let drain_timeout = settings.drain_timeout;
        Ok(Self {
            addresses,
            remittances,
            remittance,
            others,
            drain_timeout,
        })
    }

    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Ends the services: open requests are answered within the drain timeout, remittance first,
    /// because what is under way there needs the others.
    pub async fn shutdown(mut self) {
        self.remittance.phase.send_replace(Phase::Draining);
        let ended = async {
            self.remittance.drained().await;
            self.remittances.settled().await;
            self.others.phase.send_replace(Phase::Draining);
            self.others.drained().await;
        };
        if tokio::time::timeout(self.drain_timeout, ended)
            .await
            .is_err()
        {
            tracing::warn!("requests that did not end in time are cut");
            self.remittance.stop().await;
            self.others.stop().await;
        }
    }
}

async fn bind_all(listen: &Listen) -> Result<Each<Vec<Bound>>, BootError> {
    Ok(Each {
        membership: bind("membership", &listen.membership).await?,
        banking: bind("banking", &listen.banking).await?,
        money: bind("money", &listen.money).await?,
        remittance: bind("remittance", &listen.remittance).await?,
        admin: bind("admin", &[listen.admin]).await?,
    })
}

async fn bind(service: &'static str, wanted: &[SocketAddr]) -> Result<Vec<Bound>, BootError> {
    if wanted.is_empty() {
        return Err(BootError::NoAddress { service });
    }
    let mut bound = Vec::with_capacity(wanted.len());
    for &address in wanted {
        let refused = |source| BootError::Listen {
            service,
            address,
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        bound.push(Bound { listener, address });
    }
    Ok(bound)
}

impl Each<Vec<Bound>> {
    fn addresses(&self, listen: &Listen) -> Addresses {
        let of = |bound: &[Bound]| bound.iter().map(|bound| bound.address).collect();
        Addresses {
            membership: of(&self.membership),
            banking: of(&self.banking),
            money: of(&self.money),
            remittance: of(&self.remittance),
            admin: self
                .admin
                .first()
                .map_or(listen.admin, |bound| bound.address),
        }
    }
}

/// Makes the state of every service and the routes over it.
fn build(
    settings: &Settings,
    addresses: &Addresses,
    phase: watch::Receiver<Phase>,
    door: Option<&Door>,
) -> (Each<Router>, Arc<Remittances>) {
    let Settings { memory, clock, .. } = settings;
    let seed = Seed::new(settings.seed, settings.sizes);
    let membership = Arc::new(Membership::new(seed, clock.clone()));
    let banking = Arc::new(Banking::new(seed, clock.clone(), memory.payouts_max));
    let money = Arc::new(Money::new(&seed, clock.clone(), *memory));
    let peers = PeerAddresses {
        membership: addresses.membership.clone(),
        banking: addresses.banking.clone(),
        money: addresses.money.clone(),
    };
    let remittances = Arc::new(Remittances::new(
        History::new(seed, memory.remittances_max),
        Peers::new(peers, settings.patience, door.map(|door| door.undo.clone())),
        clock.clone(),
        memory.answers_max,
        phase,
    ));

    let desks = Service::ALL.map(|service| (service, Arc::<Desk>::default()));
    let [of_membership, of_banking, of_money, of_remittance] = &desks;
    let admin = Admin {
        desks: desks.to_vec(),
        banking: Arc::clone(&banking),
        money: Arc::clone(&money),
    };
    let routers = Each {
        membership: fronted(membership::routes(membership), of_membership, door),
        banking: fronted(banking::routes(banking), of_banking, door),
        money: fronted(money::routes(money), of_money, door),
        remittance: fronted(
            remittance::routes(Arc::clone(&remittances)),
            of_remittance,
            door,
        ),
        admin: finished(admin::routes(Arc::new(admin))),
    };
    (routers, remittances)
}

/// What the guards of all services have in common.
struct Door {
    keys: Keys,
    undo: UndoCredential,
    clock: Clock,
}

impl Door {
    /// Nothing where nobody is asked who they are.
    fn open(settings: &Settings, phase: watch::Receiver<Phase>) -> Result<Option<Self>, BootError> {
        let Some(trust) = &settings.trust else {
            return Ok(None);
        };
        let client = Client::new(settings.patience.call_timeout);
        Ok(Some(Self {
            keys: Keys::keep(trust, settings.key_refresh, client, phase)?,
            undo: UndoCredential::make()?,
            clock: settings.clock.clone(),
        }))
    }

    fn guard(&self, service: Service, desk: &Arc<Desk>) -> Guard {
        Guard {
            service,
            desk: Arc::clone(desk),
            keys: self.keys.clone(),
            undo: self.undo.clone(),
            clock: self.clock.clone(),
        }
    }
}

fn fronted(routes: Router, (service, desk): &(Service, Arc<Desk>), door: Option<&Door>) -> Router {
    let routes = finished(routes);
    let guarded = match door {
        Some(door) => routes.layer(from_fn_with_state(
            door.guard(*service, desk),
            trust::demand,
        )),
        None => routes,
    };
    guarded.layer(from_fn_with_state(Arc::clone(desk), desk::observe))
}

/// What all services have in common.
fn finished(routes: Router) -> Router {
    routes
        .route(
            "/healthz",
            get(async || answer::unstored(StatusCode::OK, &json!({ "status": "ok" }))),
        )
        .fallback(async || Refusal::NoRoute)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

impl Default for Group {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            listening: Vec::new(),
        }
    }
}

impl Group {
    fn listen(&mut self, bound: Vec<Bound>, router: &Router, limits: ConnectionLimits) {
        let started = bound
            .into_iter()
            .enumerate()
            .map(|(endpoint, Bound { listener, .. })| {
                let phase = self.phase.subscribe();
                Listening::start(listener, (router.clone(), endpoint), limits, phase)
            });
        self.listening.extend(started);
    }

    async fn drained(&mut self) {
        for listening in &mut self.listening {
            listening.drained().await;
        }
    }

    async fn stop(&mut self) {
        self.phase.send_replace(Phase::Stopped);
        if tokio::time::timeout(STOP_TIMEOUT, self.drained())
            .await
            .is_err()
        {
            tracing::error!("a connection does not let itself be cut");
        }
    }
}
