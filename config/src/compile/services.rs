//! Services: who can answer, how long that may take, and how they are spared.

use std::collections::HashMap;
use std::net::SocketAddr;

use gateway_upstream::{Policy, Probe, Protocol, Timeouts};

use super::{Missing, check_count, check_reachable};
use crate::bounds;
use crate::document::NodeId;
use crate::problem::shown;
use crate::reader::{Entries, Field, Located, Reading};
use crate::units::{Credential, Text};
use crate::written::{self, Service};

const NAME_LEN_MAX: usize = 63;

pub(super) fn compile(services: &Field<Entries<Service>>, reading: Reading<'_>) -> Vec<Policy> {
    check_count(services.count(), bounds::SERVICES_MAX, "services", reading);
    let mut policies = Vec::new();
    for (name, service) in services.entries() {
        check_name(name, "a service", reading);
        if let Some(service) = service.given() {
            policies.push(compile_service(&name.value, service, reading));
        }
    }
    policies
}

/// A name becomes a label of metrics and a word in logs, so it is kept to one plain form.
pub(super) fn check_name(name: &Located<String>, of: &str, reading: Reading<'_>) {
    let text = name.value.as_str();
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_plain = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| is_inner(byte) || byte == b'_');
    if !is_plain || text.len() > NAME_LEN_MAX {
        let message = format!("`{}` cannot be the name of {of}", shown(text));
        let note = "a lower-case letter, then letters, digits, `-` or `_`; at most 63 characters";
        reading
            .report
            .add(reading.find(name.node, message).note(note));
    }
}

fn compile_service(name: &str, service: &Located<Service>, reading: Reading<'_>) -> Policy {
    let Located {
        value: service,
        node,
    } = service;
    let exchange = bounds::TIMEOUT.take(&service.timeout, reading);
    let connect = bounds::CONNECT_TIMEOUT.take(&service.connect_timeout, reading);
    let timeouts = Timeouts {
        connect: match service.connect_timeout.is_absent() {
            true => connect.duration().min(exchange.duration()),
            false => connect.duration(),
        },
        exchange: exchange.duration(),
        idle: bounds::IDLE_TIMEOUT
            .take(&service.idle_timeout, reading)
            .duration(),
    };
    if let (Some(connect), Some(whole)) = (service.connect_timeout.given(), service.timeout.given())
        && connect.value > whole.value
    {
        let finding = reading.find(
            connect.node,
            "connecting may not take longer than the whole",
        );
        reading
            .report
            .add(finding.other(reading.span(whole.node), "the whole exchange"));
    }
    Policy {
        name: name.into(),
        endpoints: compile_endpoints(service, *node, reading),
        protocol: protocol(service),
        timeouts,
        probe: compile_probe(&service.probe, reading),
        in_flight_max: bounds::IN_FLIGHT
            .take(&service.max_in_flight, reading)
            .get(),
        has_breaker: service.breaker.value().is_none_or(|breaker| breaker.0),
    }
}

/// Whether the composer sends it the token of whoever asks.
pub(super) fn is_sent_credential(service: &Service) -> bool {
    let credential = service.credential.value();
    credential.is_none_or(|credential| *credential == Credential::Caller)
}

pub(super) fn protocol(service: &Service) -> Protocol {
    let given = service.protocol.value();
    given.map_or(Protocol::default(), |protocol| protocol.0)
}

fn compile_probe(probe: &Field<written::Probe>, reading: Reading<'_>) -> Option<Probe> {
    let Located { value: probe, node } = probe.given()?;
    let missing = Missing {
        key: "path",
        example: "path: /healthz",
    };
    let every = bounds::PROBE_EVERY.take(&probe.every, reading).duration();
    let path = missing.check(&probe.path, *node, reading)?;
    check_probe_path(path, reading);
    Some(Probe {
        path: path.value.0.as_str().into(),
        every,
    })
}

/// The path is sent as it is, so it must be what may stand in a request line.
fn check_probe_path(path: &Located<Text>, reading: Reading<'_>) {
    let text = path.value.0.as_str();
    let is_sound = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    let note = if !text.starts_with('/') {
        "it starts with `/`"
    } else if !text.bytes().all(is_sound) {
        "no spaces, no `#`, and ASCII only: percent-encode the rest"
    } else if text.len() > bounds::PROBE_PATH_CHARS_MAX {
        "this is too long"
    } else {
        return;
    };
    let finding = reading.find(path.node, "expected a path such as `/healthz`");
    let note = reading.note_on(path.node, note);
    reading.report.add(finding.note(note));
}

fn compile_endpoints(service: &Service, node: NodeId, reading: Reading<'_>) -> Vec<SocketAddr> {
    let missing = Missing {
        key: "endpoints",
        example: "endpoints: [\"127.0.0.1:8081\"]",
    };
    let Some(given) = missing.check(&service.endpoints, node, reading) else {
        return Vec::new();
    };
    check_count(
        service.endpoints.count(),
        bounds::ENDPOINTS_MAX,
        "endpoints",
        reading,
    );
    if given.value.is_empty() {
        let finding = reading.find(given.node, "expected at least one endpoint");
        reading
            .report
            .add(finding.note("write `[\"127.0.0.1:8081\"]`"));
    }
    let mut endpoints = Vec::new();
    let mut seen: HashMap<SocketAddr, NodeId> = HashMap::new();
    for endpoint in service.endpoints.items() {
        let address = endpoint.value.0;
        check_reachable(address, endpoint.node, "no service can", reading);
        match seen.insert(address, endpoint.node) {
            Some(first) => {
                let finding = reading.find(endpoint.node, "an endpoint is there twice");
                reading
                    .report
                    .add(finding.other(reading.span(first), "it is already here"));
            }
            None => endpoints.push(address),
        }
    }
    endpoints
}
