//! Everything a reload can change, immutable and swapped whole.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use composer_core::plan::EndpointId;
use composer_engine::Asker;
use gateway_core::admission::Issuer as Choice;
use gateway_core::head::Head;
use gateway_core::ids::Sampling;
use gateway_core::level::Level;
use gateway_core::limits::Limits;
use gateway_core::peer::{self, Network};
use gateway_core::rejection::Rejection;
use gateway_core::route::{Destination, Route};
use gateway_core::routes::{Miss, Origin, RouteTable};
use gateway_upstream::{Policy, Protocol, Service};
use tollgate_config::{Deadlines, Gateway as Config, Listener};

use crate::carrier::{Spares, Trunks};
use crate::ceiling;
use crate::clock;
use crate::composed::Composer;
use crate::gateway::Written;
use crate::identity::{Issuer, Issuers};
use crate::metrics::{EndpointMoment, Metrics, RouteMetrics, ServiceMetrics, ServiceMoment};
use crate::tls::{Handshakes, Secured};

#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) limits: Limits,
    pub(crate) deadlines: Deadlines,
    /// Which requests are recorded, where any are.
    pub(crate) sampling: Option<Sampling>,
    /// The listeners that run, in the order they were started in.
    doors: Vec<Door>,
    trusted_proxies: Vec<Network>,
    table: RouteTable,
    /// In the order of the table's routes.
    routes: Vec<Arc<RouteState>>,
    services: Vec<Arc<Upstream>>,
    issuers: Issuers,
    /// None where nothing is composed.
    pub(crate) composer: Option<Composer>,
}

/// A listener that runs: where the file has it, and how it meets its clients.
#[derive(Debug, Clone)]
struct Door {
    configured: SocketAddr,
    /// `None` for plain text.
    secured: Option<Secured>,
}

/// A route with what it needs at hand, so that nothing is looked up by name per request.
#[derive(Debug)]
pub(crate) struct RouteState {
    pub(crate) route: Route,
    /// In the order of the route's shares; at least one.
    upstreams: Vec<Arc<Upstream>>,
    /// Who vouches for its callers, if that is not the identity provider of this gateway.
    pub(crate) issuer: Option<Arc<Issuer>>,
    /// What is composed for it, where it leads to no service.
    pub(crate) endpoint: Option<EndpointId>,
    pub(crate) metrics: RouteMetrics,
}

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) service: Arc<Service>,
    /// Spare connections, in the order of the service's endpoints; none where it speaks HTTP/2.
    pub(crate) spares: Vec<Spares>,
    /// Shared connections, in the same order; none where it speaks HTTP/1.1.
    pub(crate) trunks: Vec<Arc<Trunks>>,
    pub(crate) metrics: ServiceMetrics,
}

impl Snapshot {
    /// Builds the snapshot for a configuration; a service whose policy is as before keeps its state.
    pub(crate) fn build(
        config: &Config,
        before: Option<&Self>,
        (metrics, handshakes): (&Metrics, &Handshakes),
    ) -> Self {
        let known = by_name(before.map_or(&[], Self::services));
        let services: Vec<_> = config
            .services
            .iter()
            .map(|policy| {
                let known = known.get(&*policy.name).copied();
                let same = known.filter(|known| known.service.policy() == policy);
                same.cloned()
                    .unwrap_or_else(|| Arc::new(Upstream::build(policy, metrics)))
            })
            .collect();
        let known = before.map(|before| &before.issuers);
        let issuers = Issuers::build(&config.issuers, known, metrics);
        let known = before.and_then(|before| before.composer.as_ref());
        let composed = (&config.plan, config.second_level.as_ref());
        let composer = Composer::build(composed, &services, known, metrics);
        let routes = config.routes.routes().iter();
        let goals = Goals {
            services: by_name(&services),
            issuers: &issuers,
            composer: composer.as_ref(),
        };
        let routes = routes.filter_map(|route| RouteState::build(route, &goals, metrics));
        let routes = routes.map(Arc::new).collect();
        Self {
            limits: Limits {
                connections_max: ceiling::connections_max(config.limits.connections_max),
                ..config.limits.clone()
            },
            deadlines: config.deadlines,
            sampling: config.traces.map(|traces| traces.sampling),
            doors: match before {
                Some(before) => Door::follow(&before.doors, &config.listen, handshakes),
                None => Door::open(&config.listen, handshakes),
            },
            trusted_proxies: config.trusted_proxies.clone(),
            table: config.routes.clone(),
            routes,
            services,
            issuers,
            composer,
        }
    }

    /// The route of a request that came in by a listener of this level.
    pub(crate) fn find(
        &self,
        head: &Head<'_>,
        level: Level,
        is_trusted: bool,
    ) -> Result<&Arc<RouteState>, Miss> {
        let origin = Origin { level, is_trusted };
        let (index, _) = self.table.find(head, origin)?;
        self.routes.get(index).ok_or(Miss::NoRoute)
    }

    /// What a head asks of the composer.
    pub(crate) fn wish(
        &self,
        endpoint: EndpointId,
        head: &Head<'_>,
        asker: Asker,
        began: Instant,
    ) -> Result<Written, Rejection> {
        let composer = self.composer.as_ref().ok_or(Rejection::Internal)?;
        let wish = composer.wish(endpoint, head, asker, began);
        let wish = wish.ok_or(Rejection::Internal)?;
        Ok(Written::Composed(Box::new(wish)))
    }

    /// How the listener of this place meets its clients; `None` for plain text.
    pub(crate) fn secured(&self, place: usize) -> Option<&Secured> {
        self.doors.get(place)?.secured.as_ref()
    }

    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies
            .iter()
            .any(|network| network.contains(peer))
    }

    /// Whom a request comes from, as far as trusted proxies tell.
    pub(crate) fn client(&self, head: &Head<'_>, peer: IpAddr) -> IpAddr {
        peer::client(head, peer, |ip| self.trusts(ip))
    }

    pub(crate) fn route_names(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|state| &*state.route.name)
    }

    pub(crate) fn service_names(&self) -> impl Iterator<Item = &str> {
        self.services
            .iter()
            .map(|upstream| &*upstream.service.policy().name)
    }

    pub(crate) fn issuer_names(&self) -> impl Iterator<Item = &str> {
        self.issuers.names()
    }

    pub(crate) fn issuers_without_keys(&self) -> impl Iterator<Item = &str> {
        self.issuers.without_keys()
    }

    /// Whether clients may show value tokens of our own somewhere.
    pub(crate) fn takes_value_tokens(&self) -> bool {
        let mut admissions = self.routes().filter_map(|route| route.admission.as_ref());
        admissions.any(|it| it.issuer == Choice::Own && it.accept.takes_value())
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map(|state| &state.route)
    }

    pub(crate) fn services(&self) -> &[Arc<Upstream>] {
        &self.services
    }
}

impl Door {
    fn open(listeners: &[Listener], handshakes: &Handshakes) -> Vec<Self> {
        let open = |listener: &Listener| Self {
            configured: listener.address,
            secured: listener.tls.as_ref().map(|tls| handshakes.secure(tls)),
        };
        listeners.iter().map(open).collect()
    }

    /// The same doors with the certificates of now. Listeners are known by their addresses; one
    /// that is not there any more, or not under TLS, goes on as it is until the next start.
    fn follow(before: &[Self], listeners: &[Listener], handshakes: &Handshakes) -> Vec<Self> {
        let mut left: Vec<_> = listeners.iter().collect();
        let follow = |door: &Self| {
            let same = |listener: &&Listener| listener.address == door.configured;
            let same = left.iter().position(same).map(|at| left.remove(at));
            let tls = same.and_then(|listener| listener.tls.as_ref());
            let secured = door.secured.as_ref();
            Self {
                secured: secured.map(|before| match tls {
                    Some(tls) => handshakes.secure(tls),
                    None => before.clone(),
                }),
                ..door.clone()
            }
        };
        before.iter().map(follow).collect()
    }
}

/// What routes may lead to, and who may vouch for their callers.
struct Goals<'a> {
    services: ByName<'a>,
    issuers: &'a Issuers,
    composer: Option<&'a Composer>,
}

/// Services by their names: files have thousands of both, and a reload looks each one up.
type ByName<'a> = HashMap<&'a str, &'a Arc<Upstream>>;

fn by_name(services: &[Arc<Upstream>]) -> ByName<'_> {
    let named = services.iter();
    named
        .map(|known| (&*known.service.policy().name, known))
        .collect()
}

impl Upstream {
    pub(crate) fn build(policy: &Policy, metrics: &Metrics) -> Self {
        let endpoints = policy.endpoints.iter();
        let (mut spares, mut trunks) = (Vec::new(), Vec::new());
        match policy.protocol {
            Protocol::H1 => spares.extend(endpoints.map(|_| Spares::default())),
            Protocol::H2 => {
                let connect = policy.timeouts.connect;
                trunks.extend(endpoints.map(|address| Trunks::new(*address, connect)));
            }
        }
        Self {
            service: Service::new(policy.clone(), clock::now()),
            spares,
            trunks,
            metrics: metrics.service(&policy.name),
        }
    }

    /// Connections to an endpoint that are kept: those nobody uses, or those that all share.
    fn connections(&self, place: usize) -> usize {
        let spares = self.spares.get(place).map(Spares::len);
        let trunks = self.trunks.get(place).map(|trunks| trunks.len());
        spares.or(trunks).unwrap_or_default()
    }

    /// Lets go of connections that exchanges share; those under way go on.
    pub(crate) fn close(&self) {
        for trunks in &self.trunks {
            trunks.close();
        }
    }

    /// What the service and its endpoints are doing now.
    pub(crate) fn moment(&self, now: Instant) -> ServiceMoment<'_> {
        let service = &self.service;
        let endpoints = service.endpoints().iter().enumerate();
        let endpoints = endpoints.map(|(place, endpoint)| EndpointMoment {
            endpoint: endpoint.text(),
            is_ready: service.is_ready(place, now),
            in_flight: endpoint.in_flight(),
            spares: self.connections(place),
        });
        ServiceMoment {
            service: &service.policy().name,
            breaker: service.breaker_state(),
            ejections: service.ejections(),
            endpoints: endpoints.collect(),
        }
    }

    /// Drops spare connections that are of no use any more.
    pub(crate) fn sweep(&self, now: Instant) {
        let idle = self.service.policy().timeouts.idle;
        for spares in &self.spares {
            spares.sweep(idle, now);
        }
        for trunks in &self.trunks {
            trunks.sweep(idle, now);
        }
    }
}

impl RouteState {
    /// The service that takes one request, by chance where there are several. `None` never comes
    /// about: every share has its service.
    pub(crate) fn pick(&self, random: u64) -> Option<&Arc<Upstream>> {
        self.upstreams.get(self.route.to.pick(random))
    }

    /// `None` never comes about: a compiled file has no route without what it leads to and its issuer.
    fn build(route: &Route, goals: &Goals<'_>, metrics: &Metrics) -> Option<Self> {
        let find = |name: &Arc<str>| goals.services.get(&**name).copied().cloned();
        let issuer = route.admission.as_ref().map(|admission| &admission.issuer);
        let issuer = match issuer {
            Some(Choice::Foreign(name)) => Some(Arc::clone(goals.issuers.find(name)?)),
            Some(Choice::Own) | None => None,
        };
        let (upstreams, endpoint) = match &route.to {
            Destination::Services(shares) => {
                let upstreams = shares.services().map(find);
                (upstreams.collect::<Option<_>>()?, None)
            }
            Destination::Composed(name) => {
                let composer = goals.composer?;
                let endpoint = composer.engine.plan().find(name)?;
                (vec![Arc::clone(&composer.upstream)], Some(endpoint))
            }
        };
        Some(Self {
            upstreams,
            issuer,
            endpoint,
            metrics: metrics.route(&route.name),
            route: route.clone(),
        })
    }
}
