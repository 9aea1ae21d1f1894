//! What does a process run with, and who said so?
//!
//! The answer is a file: complete, each line with where it came from, and loading to the very same
//! gateway. A value that came from the environment is shown as the variable it is, never as itself.

use std::collections::HashSet;

use gateway_core::level::Level;
use page::Page;

use crate::compile::class;
use crate::reader::{Entries, Field, Located};
use crate::units::{Address, Text};
use crate::written::{self, HeaderRules, Route, Service, To};
use crate::{Loaded, bounds};

mod composition;
mod identity;
mod page;
mod provider;
mod redis;

const DEFAULT: &str = "default";

/// Writes out the whole configuration, defaults included, as YAML.
#[must_use]
pub fn effective(loaded: &Loaded) -> String {
    let file = &loaded.written;
    let mut page = Page::new(&loaded.document, &loaded.environment);
    write_threads(&mut page, file);
    match loaded.gateway {
        Some(_) => write_gateway(&mut page, loaded),
        None => page.remark("routes: none, so this is no gateway"),
    }
    provider::write(&mut page, &file.provider);
    page.finish()
}

fn write_gateway(page: &mut Page<'_>, loaded: &Loaded) {
    let file = &loaded.written;
    write_listen(page, file);
    write_log(page, file);
    write_traces(page, file);
    write_limits(page, file);
    write_deadlines(page, file);
    page.scalars("trusted_proxies", &file.trusted_proxies);
    write_services(page, loaded);
    write_routes(page, file);
    composition::write(page, file);
    identity::write(page, file);
}

fn write_listen(page: &mut Page<'_>, file: &written::File) {
    page.head("listen", &file.listen);
    for listener in file.listen.items() {
        page.item(|page| {
            page.required("address", &listener.value.address);
            page.scalar("level", &listener.value.level, Level::Open.as_str());
            page.scalar("h2c", &listener.value.h2c, false);
            write_tls(page, &listener.value.tls);
        });
    }
    if file.listen.items().next().is_none() {
        page.item(|page| {
            page.default("address", bounds::LISTEN_ADDRESS, DEFAULT);
            page.default("level", Level::Open.as_str(), DEFAULT);
            page.default("h2c", false, DEFAULT);
            page.remark("tls: none");
        });
    }
    page.end();

    let absent = written::Admin::default();
    let admin = file.admin.value().unwrap_or(&absent);
    page.head("admin", &file.admin);
    page.scalar("address", &admin.address, bounds::ADMIN_ADDRESS);
    page.scalar("exposed", &admin.exposed, false);
    page.end();
}

fn write_tls(page: &mut Page<'_>, field: &Field<written::Tls>) {
    let Some(tls) = field.value() else {
        page.remark("tls: none");
        return;
    };
    page.head("tls", field);
    page.required("cert", &tls.cert);
    page.required("key", &tls.key);
    if tls.others.items().next().is_none() {
        page.empty_list("others", &tls.others);
    } else {
        page.head("others", &tls.others);
        for other in tls.others.items() {
            page.item(|page| {
                page.required("cert", &other.value.cert);
                page.required("key", &other.value.key);
            });
        }
        page.end();
    }
    page.end();
}

fn write_threads(page: &mut Page<'_>, file: &written::File) {
    match file.threads.is_absent() {
        true => page.default("threads", page.cores(), "default: one for each core"),
        false => page.required("threads", &file.threads),
    }
}

fn write_log(page: &mut Page<'_>, file: &written::File) {
    let absent = written::Log::default();
    page.head("log", &file.log);
    page.scalar(
        "access",
        &file.log.value().unwrap_or(&absent).access,
        "stdout",
    );
    page.end();
}

fn write_traces(page: &mut Page<'_>, file: &written::File) {
    match file.traces.value() {
        Some(traces) => {
            page.head("traces", &file.traces);
            page.required("collector", &traces.collector);
            page.scalar("sample", &traces.sample, bounds::SAMPLE.default);
            page.end();
        }
        None => page.remark("traces: none"),
    }
}

fn write_limits(page: &mut Page<'_>, file: &written::File) {
    let absent = written::Limits::default();
    let limits = file.limits.value().unwrap_or(&absent);
    page.head("limits", &file.limits);
    page.scalar(
        "connections",
        &limits.connections,
        bounds::CONNECTIONS.default,
    );
    page.scalar("streams", &limits.streams, bounds::STREAMS.default);
    page.scalar("head", &limits.head, bounds::HEAD.default);
    page.scalar("target", &limits.target, bounds::TARGET.default);
    page.scalar("fields", &limits.fields, bounds::FIELDS.default);
    page.scalar("body", &limits.body, bounds::BODY.default);
    page.end();
}

fn write_deadlines(page: &mut Page<'_>, file: &written::File) {
    let absent = written::Deadlines::default();
    let deadlines = file.deadlines.value().unwrap_or(&absent);
    page.head("deadlines", &file.deadlines);
    page.scalar("handshake", &deadlines.handshake, bounds::HANDSHAKE.default);
    page.scalar("head", &deadlines.head, bounds::HEAD_DEADLINE.default);
    page.scalar("idle", &deadlines.idle, bounds::IDLE.default);
    page.scalar("stall", &deadlines.stall, bounds::STALL.default);
    page.scalar("websocket", &deadlines.websocket, bounds::WEBSOCKET.default);
    page.scalar("lame_duck", &deadlines.lame_duck, bounds::LAME_DUCK.default);
    page.scalar("drain", &deadlines.drain, bounds::DRAIN.default);
    page.end();
}

fn write_services(page: &mut Page<'_>, loaded: &Loaded) {
    let file = &loaded.written;
    let mut used: HashSet<&str> = file
        .routes
        .items()
        .filter_map(|route| route.value.to.value())
        .flat_map(services_of)
        .collect();
    used.extend(composition::services(loaded));
    page.head("services", &file.services);
    for (name, service) in file.services.entries() {
        let Some(service) = service.value() else {
            continue;
        };
        let remark = if used.contains(name.value.as_str()) {
            ""
        } else {
            "; no route leads here"
        };
        page.head_of(name.node, remark);
        write_service(page, service);
        page.end();
    }
    page.end();
}

fn write_service(page: &mut Page<'_>, service: &Service) {
    page.head("endpoints", &service.endpoints);
    for endpoint in service.endpoints.items() {
        let Located {
            value: Address(_),
            node,
        } = endpoint;
        page.scalar_item(*node);
    }
    page.end();
    page.scalar("protocol", &service.protocol, "h1");
    page.scalar("timeout", &service.timeout, bounds::TIMEOUT.default);
    let connect_timeout = bounds::CONNECT_TIMEOUT.default;
    match (&service.connect_timeout, service.timeout.given()) {
        (Field::Absent, Some(whole)) if whole.value < connect_timeout => {
            page.copy(
                "connect_timeout",
                whole.node,
                "default: no longer than the whole",
            );
        }
        (given, _) => page.scalar("connect_timeout", given, connect_timeout),
    }
    page.scalar(
        "idle_timeout",
        &service.idle_timeout,
        bounds::IDLE_TIMEOUT.default,
    );
    page.scalar(
        "max_in_flight",
        &service.max_in_flight,
        bounds::IN_FLIGHT.default,
    );
    match service.probe.value() {
        Some(probe) => {
            page.head("probe", &service.probe);
            page.required("path", &probe.path);
            page.scalar("every", &probe.every, bounds::PROBE_EVERY.default);
            page.end();
        }
        None => page.remark("probe: none"),
    }
    page.scalar("breaker", &service.breaker, true);
    page.scalar("credential", &service.credential, "caller");
}

fn write_routes(page: &mut Page<'_>, file: &written::File) {
    page.head("routes", &file.routes);
    for route in file.routes.items() {
        page.item(|page| write_route(page, file, &route.value));
    }
    page.end();
}

fn write_route(page: &mut Page<'_>, file: &written::File, route: &Route) {
    match (route.name.given(), route.matches.given()) {
        (None, Some(matches)) => page.copy("name", matches.node, "default: the text of `match`"),
        (_, _) => page.required("name", &route.name),
    }
    page.required("match", &route.matches);
    page.required("host", &route.host);
    write_fields(page, "headers", &route.headers);
    write_fields(page, "query", &route.query);
    page.scalar("level", &route.level, Level::Open.as_str());
    match route.class.is_absent() {
        true => page.remark("class: GET, HEAD and OPTIONS read, all others write"),
        false => page.required("class", &route.class),
    }
    identity::write_admission(page, route);
    write_to(page, &route.to);
    page.required("compose", &route.compose);
    page.required("strip", &route.strip);
    page.required("add", &route.add);
    match route.compose.value().is_some_and(|compose| compose.0) {
        true => page.remark("timeout: the budget of the endpoint"),
        false => write_call(page, file, route),
    }
    match route.upgrade.is_absent() {
        true => page.remark("upgrade: never"),
        false => page.required("upgrade", &route.upgrade),
    }
    page.required("deprecated", &route.deprecated);
    page.required("sunset", &route.sunset);
    write_rules(page, "request_headers", &route.request_headers);
    write_rules(page, "response_headers", &route.response_headers);
}

/// What a route that leads to a service says of the way there.
fn write_call(page: &mut Page<'_>, file: &written::File, route: &Route) {
    write_body(page, file, route);
    match route.timeout.is_absent() {
        true => page.remark("timeout: that of the service"),
        false => page.required("timeout", &route.timeout),
    }
}

fn services_of(to: &To) -> Vec<&str> {
    match to {
        To::One(name) => vec![&name.0],
        To::Shares(shares) => shares.iter().map(|(name, _)| name.value.as_str()).collect(),
    }
}

fn write_to(page: &mut Page<'_>, to: &Field<To>) {
    let Some(To::Shares(shares)) = to.value() else {
        page.required("to", to);
        return;
    };
    page.head("to", to);
    for (name, weight) in shares.iter() {
        if let Some(weight) = weight.given() {
            page.entry(name.node, weight.node);
        }
    }
    page.end();
}

fn write_body(page: &mut Page<'_>, file: &written::File, route: &Route) {
    let general = file.limits.value().and_then(|limits| limits.body.given());
    let body_max = general.map_or(bounds::BODY.default, |body| body.value);
    let of_class = class::body_max(route.class.value().map(|class| class.0), body_max);
    match (&route.body, general) {
        (Field::Absent, _) if of_class != body_max => {
            page.default("body", of_class, "default of its class");
        }
        (Field::Absent, Some(body)) => page.copy("body", body.node, "limits.body"),
        (_, _) => page.scalar("body", &route.body, bounds::BODY.default),
    }
}

fn write_rules(page: &mut Page<'_>, key: &str, rules: &Field<HeaderRules>) {
    let Some(given) = rules.value() else { return };
    let is_empty = given.remove.items().next().is_none()
        && [&given.set, &given.add]
            .iter()
            .all(|fields| fields.entries().next().is_none());
    if is_empty {
        return;
    }
    page.head(key, rules);
    if given.remove.items().next().is_some() {
        page.head("remove", &given.remove);
        for name in given.remove.items() {
            page.scalar_item(name.node);
        }
        page.end();
    }
    write_fields(page, "set", &given.set);
    write_fields(page, "add", &given.add);
    page.end();
}

fn write_fields(page: &mut Page<'_>, key: &str, fields: &Field<Entries<Text>>) {
    if fields.entries().next().is_none() {
        return;
    }
    page.head(key, fields);
    for (name, value) in fields.entries() {
        if let Some(value) = value.given() {
            page.entry(name.node, value.node);
        }
    }
    page.end();
}
