//! May a gateway or an identity provider run with what is written?
//!
//! Every section compiles whether or not the others did, and reports all it finds. A value that is
//! missing or refused is stood in for by its default: the report is not empty then, so what comes
//! out is thrown away.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gateway_core::ids::Sampling;
use gateway_core::level::Level;
use gateway_core::limits::Limits;
use gateway_core::peer::Network;

use path::Paths;

use crate::bounds;
use crate::composer::Composer;
use crate::document::NodeId;
use crate::gateway::{AccessLog, Deadlines, Gateway, Listener, Traces};
use crate::provider::Provider;
use crate::reader::{Field, Located, Reading};
use crate::units::{Address, Flag, Size};
use crate::written;

mod admission;
pub(crate) mod class;
mod composed;
mod composition;
mod header;
mod idp;
mod issuers;
mod lifetime;
mod matching;
mod path;
mod provider;
mod query;
mod reach;
mod redis;
mod rewrite;
mod routes;
mod secret;
mod services;
mod texts;
mod tls;
mod upgrade;

pub(crate) use routes::ADVICE as ROUTES_ADVICE;

/// What a file comes to.
pub(crate) struct Compiled {
    /// None for a file that speaks of an identity provider and of nothing else.
    pub(crate) gateway: Option<Gateway>,
    pub(crate) provider: Option<Provider>,
    pub(crate) composer: Option<Composer>,
}

pub(crate) fn compile(file: &written::File, reading: Reading<'_>) -> Compiled {
    let mut taken = Vec::new();
    let mut gateway = is_of_gateway(file).then(|| compile_gateway(file, &mut taken, reading));
    let provider = provider::compile(file, &mut taken, reading);
    if let Some(gateway) = &mut gateway {
        let mut paths = Paths::new(reading);
        gateway.idp = idp::compile(file, provider.as_ref(), &mut paths);
        gateway.issuers = issuers::compile(&file.issuers, &mut paths);
    }
    let plan = composition::compile(file, reading);
    let second_level = composition::second_level(file, &plan, reading);
    if let Some(gateway) = &mut gateway {
        gateway.plan = Arc::clone(&plan);
        gateway.second_level.clone_from(&second_level);
    }
    let composer = gateway.as_ref().filter(|_| !plan.endpoints.is_empty());
    Compiled {
        composer: composer.map(|gateway| Composer {
            plan,
            services: gateway.services.clone(),
            second_level,
        }),
        gateway,
        provider,
    }
}

fn is_of_gateway(file: &written::File) -> bool {
    file.provider.is_absent() || gateway_key(file).is_some()
}

/// The first key that is there for a gateway only.
fn gateway_key(file: &written::File) -> Option<&'static str> {
    let keys = [
        ("listen", file.listen.is_absent()),
        ("admin", file.admin.is_absent()),
        ("log", file.log.is_absent()),
        ("traces", file.traces.is_absent()),
        ("limits", file.limits.is_absent()),
        ("deadlines", file.deadlines.is_absent()),
        ("trusted_proxies", file.trusted_proxies.is_absent()),
        ("services", file.services.is_absent()),
        ("routes", file.routes.is_absent()),
        ("lookups", file.lookups.is_absent()),
        ("second_level", file.second_level.is_absent()),
        ("endpoints", file.endpoints.is_absent()),
        ("idp", file.idp.is_absent()),
        ("issuers", file.issuers.is_absent()),
    ];
    let mut given = keys.into_iter().filter(|(_, is_absent)| !is_absent);
    given.next().map(|(key, _)| key)
}

fn compile_gateway(file: &written::File, taken: &mut Vec<Taken>, reading: Reading<'_>) -> Gateway {
    let (listen, admin) = compile_addresses(file, taken, reading);
    let body_max = body_max(file, reading);
    let services = services::compile(&file.services, reading);
    Gateway {
        listen,
        admin,
        threads: threads(file, reading),
        access_log: access_log(file),
        traces: compile_traces(&file.traces, reading),
        limits: compile_limits(file, reading),
        deadlines: compile_deadlines(file, reading),
        trusted_proxies: compile_proxies(file, reading),
        routes: routes::compile(file, body_max, reading),
        plan: Arc::default(),
        second_level: None,
        idp: None,
        issuers: Vec::new(),
        services,
    }
}

fn threads(file: &written::File, reading: Reading<'_>) -> usize {
    let given = bounds::THREADS.find(&file.threads, reading);
    given.map_or(reading.environment.cores(), |count| count.get())
}

fn access_log(file: &written::File) -> AccessLog {
    let access = file.log.value().and_then(|log| log.access.value());
    access.map_or(AccessLog::Stdout, |log| log.0.clone())
}

fn compile_traces(traces: &Field<written::Traces>, reading: Reading<'_>) -> Option<Traces> {
    let given = traces.given()?;
    let missing = Missing {
        key: "collector",
        example: "collector: 127.0.0.1:4318",
    };
    let sample = bounds::SAMPLE.take(&given.value.sample, reading);
    let collector = missing.check(&given.value.collector, given.node, reading)?;
    check_reachable(
        collector.value.0,
        collector.node,
        "no collector can",
        reading,
    );
    Some(Traces {
        collector: collector.value.0,
        sampling: Sampling::share(sample.of_10_000()),
    })
}

/// Reports an address that nobody can connect to; `nobody` begins the sentence.
fn check_reachable(address: SocketAddr, node: NodeId, nobody: &str, reading: Reading<'_>) {
    let note = if address.port() == 0 {
        "port 0 is no port to connect to"
    } else if address.ip().is_unspecified() {
        "this address means every interface: it can be listened on, not connected to"
    } else if address.ip().is_multicast() {
        "this is a multicast address"
    } else {
        return;
    };
    let finding = reading.find(node, format!("{nobody} be reached here"));
    reading.report.add(finding.note(note));
}

fn body_max(file: &written::File, reading: Reading<'_>) -> Size {
    let limits = file.limits.value();
    limits.map_or(bounds::BODY.default, |limits| {
        bounds::BODY.take(&limits.body, reading)
    })
}

fn compile_limits(file: &written::File, reading: Reading<'_>) -> Limits {
    let absent = written::Limits::default();
    let limits = file.limits.value().unwrap_or(&absent);
    let head = bounds::HEAD.take(&limits.head, reading);
    let target = bounds::TARGET.take(&limits.target, reading);
    if let Some(given) = limits.target.given()
        && target > head
    {
        let finding = reading.find(given.node, "expected a target that fits into a head");
        reading.report.add(match limits.head.given() {
            Some(head) => finding.other(reading.span(head.node), "the largest head"),
            None => finding.note(format!("a head has at most {head} by default")),
        });
    }
    Limits {
        connections_max: bounds::CONNECTIONS.take(&limits.connections, reading).get(),
        streams_max: bounds::STREAMS.take(&limits.streams, reading).get(),
        head_bytes_max: head.get_usize(),
        target_bytes_max: target.get_usize(),
        fields_max: bounds::FIELDS.take(&limits.fields, reading).get(),
    }
}

fn compile_deadlines(file: &written::File, reading: Reading<'_>) -> Deadlines {
    let absent = written::Deadlines::default();
    let deadlines = file.deadlines.value().unwrap_or(&absent);
    Deadlines {
        handshake: bounds::HANDSHAKE
            .take(&deadlines.handshake, reading)
            .duration(),
        head: bounds::HEAD_DEADLINE
            .take(&deadlines.head, reading)
            .duration(),
        idle: bounds::IDLE.take(&deadlines.idle, reading).duration(),
        stall: bounds::STALL.take(&deadlines.stall, reading).duration(),
        websocket: bounds::WEBSOCKET
            .take(&deadlines.websocket, reading)
            .duration(),
        lame_duck: bounds::LAME_DUCK
            .take(&deadlines.lame_duck, reading)
            .duration(),
        drain: bounds::DRAIN.take(&deadlines.drain, reading).duration(),
    }
}

fn compile_proxies(file: &written::File, reading: Reading<'_>) -> Vec<Network> {
    check_count(
        file.trusted_proxies.count(),
        bounds::PROXIES_MAX,
        "trusted proxies",
        reading,
    );
    let mut networks = Vec::new();
    for network in file.trusted_proxies.items() {
        if holds_everybody(network.value.0) {
            let message = "every peer would be believed to be a trusted proxy";
            reading.report.add(
                reading
                    .find(network.node, message)
                    .note("name only the networks of your proxies"),
            );
        }
        networks.push(network.value.0);
    }
    networks
}

fn holds_everybody(network: Network) -> bool {
    let [low, high] = [[0, 0, 0, 0], [255, 255, 255, 255]].map(IpAddr::from);
    let [low6, high6] = [[0u16; 8], [0xffff; 8]].map(IpAddr::from);
    network.contains(low) && network.contains(high)
        || network.contains(low6) && network.contains(high6)
}

/// The addresses for clients and the one for operators, no two of which may meet.
fn compile_addresses(
    file: &written::File,
    taken: &mut Vec<Taken>,
    reading: Reading<'_>,
) -> (Vec<Listener>, SocketAddr) {
    check_count(
        file.listen.count(),
        bounds::LISTENERS_MAX,
        "listeners",
        reading,
    );
    let mut listen: Vec<Listener> = Vec::new();
    for listener in file.listen.items() {
        let missing = Missing {
            key: "address",
            example: "address: 127.0.0.1:8080",
        };
        let address = missing.check(&listener.value.address, listener.node, reading);
        if let Some(address) = address {
            take(taken, address, reading);
            listen.push(Listener {
                address: address.value.0,
                level: reach::read(&listener.value.level).unwrap_or_default(),
                tls: tls::compile(&listener.value.tls, reading),
                h2c: listener.value.h2c.value().is_some_and(|flag| flag.0),
            });
        }
    }
    if let Some(given) = file.listen.given()
        && given.value.is_empty()
    {
        let finding = reading.find(given.node, "expected at least one listener");
        reading
            .report
            .add(finding.note("write `- address: 127.0.0.1:8080`, or leave `listen` out"));
    }
    if listen.is_empty() {
        listen.push(Listener {
            address: bounds::LISTEN_ADDRESS,
            level: Level::default(),
            tls: None,
            h2c: false,
        });
    }
    if file.listen.is_absent() {
        taken.push(Taken {
            address: bounds::LISTEN_ADDRESS,
            node: None,
        });
    }
    (listen, compile_admin(file, taken, reading))
}

fn compile_admin(file: &written::File, taken: &mut Vec<Taken>, reading: Reading<'_>) -> SocketAddr {
    let absent = written::Admin::default();
    let admin = match &file.admin {
        Field::Absent => &absent,
        Field::Broken => return bounds::ADMIN_ADDRESS,
        Field::Given(admin) => &admin.value,
    };
    match &admin.address {
        Field::Absent => check_default_admin(taken, reading),
        Field::Broken => {}
        Field::Given(address) => {
            check_exposure(address, &admin.exposed, reading);
            take(taken, address, reading);
            return address.value.0;
        }
    }
    bounds::ADMIN_ADDRESS
}

/// Whoever reaches the admin listener may read it, so reaching it from elsewhere takes a word.
fn check_exposure(address: &Located<Address>, exposed: &Field<Flag>, reading: Reading<'_>) {
    let may_be_exposed = match exposed {
        Field::Absent => false,
        Field::Broken => true,
        Field::Given(flag) => flag.value.0,
    };
    if !address.value.0.ip().to_canonical().is_loopback() && !may_be_exposed {
        let message = "other machines could reach the admin address, which asks for no password";
        let note = "use 127.0.0.1, or allow it with `exposed: true`";
        let finding = reading.find(address.node, message);
        reading.report.add(finding.note(note));
    }
}

/// Where `admin` says nothing, a listener may still stand on its default.
fn check_default_admin(taken: &[Taken], reading: Reading<'_>) {
    let clash = taken
        .iter()
        .find(|taken| may_clash(taken.address, bounds::ADMIN_ADDRESS));
    if let Some(node) = clash.and_then(|taken| taken.node) {
        let message = "the admin listener is already on this address by default";
        let note = "choose another, or move it with `admin: { address: ... }`";
        reading.report.add(reading.find(node, message).note(note));
    }
}

/// An address that a listener has, and where it is written.
#[derive(Debug)]
struct Taken {
    address: SocketAddr,
    node: Option<NodeId>,
}

fn take(taken: &mut Vec<Taken>, address: &Located<Address>, reading: Reading<'_>) {
    let Located {
        value: Address(socket),
        node,
    } = *address;
    if let Some(first) = taken.iter().find(|taken| may_clash(taken.address, socket)) {
        let finding = reading.find(node, "two listeners cannot share an address");
        reading.report.add(match first.node {
            Some(first) => finding.other(reading.span(first), "it is taken here"),
            None => finding.note("`listen` is on it by default"),
        });
    }
    taken.push(Taken {
        address: socket,
        node: Some(node),
    });
}

/// Whether the system would refuse the second of two listeners. Port 0 is a new port each time.
fn may_clash(a: SocketAddr, b: SocketAddr) -> bool {
    let is_everything = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip == Ipv4Addr::UNSPECIFIED && b.is_ipv4() && a.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    a.port() != 0
        && a.port() == b.port()
        && (a.ip() == b.ip() || is_everything(a) || is_everything(b))
}

/// A key that must be there.
struct Missing {
    key: &'static str,
    example: &'static str,
}

impl Missing {
    /// The value, if it is there; reports a key that is not.
    fn check<'f, T>(
        &self,
        field: &'f Field<T>,
        parent: NodeId,
        reading: Reading<'_>,
    ) -> Option<&'f Located<T>> {
        if field.is_absent() && !reading.document.has_lost_keys(parent) {
            let finding = reading.find(parent, format!("the key `{}` is missing", self.key));
            reading
                .report
                .add(finding.note(format!("add `{}`", self.example)));
        }
        field.given()
    }
}

/// Refuses more of something than was ever written on purpose.
fn check_count(count: Option<(NodeId, usize)>, count_max: usize, noun: &str, reading: Reading<'_>) {
    let Some((node, count)) = count.filter(|(_, count)| *count > count_max) else {
        return;
    };
    let message = format!("expected at most {} {noun}", bounds::grouped(count_max));
    let note = format!("there are {}", bounds::grouped(count));
    reading.report.add(reading.find(node, message).note(note));
}
