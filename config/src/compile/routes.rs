//! Routes: each by itself, then all of them together.

use std::collections::{HashMap, HashSet};

use gateway_core::host::HostPattern;
use gateway_core::level::Level;
use gateway_core::route::{Destination, Matches, Route};
use gateway_core::routes::{Conflict, RouteTable};
use gateway_core::share::Shares;

use super::{
    Missing, admission, check_count, class, composed, gateway_key, header, lifetime, matching,
    query, reach, rewrite, upgrade,
};
use crate::bounds;
use crate::document::NodeId;
use crate::nearest;
use crate::problem::shown;
use crate::reader::{Entries, Field, Located, Reading};
use crate::report::Finding;
use crate::units::{Count, Size, Text};
use crate::written::{self, To};

const NAME_LEN_MAX: usize = 200;

/// Names that are looked through for the one that was meant.
const SUGGESTED_FROM_MAX: usize = 1_000;

/// To whoever has no route.
pub(crate) const ADVICE: &str = "add `routes: [{ match: \"/{rest*}\", to: my-service }]`";

/// What a route is compiled against.
struct Routing<'a> {
    reading: Reading<'a>,
    /// Every name under `services` in the order of the file, whether or not it stands for a service
    /// that is in order.
    names: Vec<&'a str>,
    services: HashSet<&'a str>,
    /// The services that speak HTTP/2, and where they say so.
    multiplexed: HashMap<&'a str, NodeId>,
    /// Whether `services` could not be read, so that nobody knows what is under it.
    are_services_lost: bool,
    composed: composed::Endpoints<'a>,
    body_max: Size,
    /// The innermost level of any listener, where it is known.
    innermost: Option<Level>,
    /// Who could vouch for callers.
    vouching: admission::Vouching<'a>,
}

pub(super) fn compile(file: &written::File, body_max: Size, reading: Reading<'_>) -> RouteTable {
    check_presence(file, reading);
    check_count(file.routes.count(), bounds::ROUTES_MAX, "routes", reading);
    let names: Vec<&str> = file
        .services
        .entries()
        .map(|(key, _)| key.value.as_str())
        .collect();
    let routing = Routing {
        reading,
        services: names.iter().copied().collect(),
        names,
        multiplexed: upgrade::multiplexed(file),
        are_services_lost: matches!(file.services, Field::Broken),
        composed: composed::Endpoints::of(file),
        body_max,
        innermost: reach::innermost(file),
        vouching: admission::Vouching::of(file),
    };

    let mut places = Vec::new();
    let mut routes = Vec::new();
    let mut names = Names::new(reading);
    for written in file.routes.items().take(bounds::ROUTES_MAX) {
        names.check(&written.value);
        if let Some(route) = routing.compile(written) {
            places.push(
                written
                    .value
                    .matches
                    .given()
                    .map_or(written.node, |text| text.node),
            );
            routes.push(route);
        }
    }
    let (table, conflicts) = match RouteTable::compile(routes) {
        Ok(table) => (table, Vec::new()),
        Err(conflicts) => (RouteTable::default(), conflicts),
    };
    let in_conflict = report_conflicts(&conflicts, &places, reading);
    names.report_unnamed(&in_conflict);
    table
}

fn check_presence(file: &written::File, reading: Reading<'_>) {
    // A composer by itself has endpoints and leads nobody anywhere.
    let is_composer = !file.endpoints.is_absent();
    let span = match &file.routes {
        _ if is_composer && file.routes.items().next().is_none() => return,
        Field::Broken => return,
        Field::Given(given) if !given.value.is_empty() => return,
        Field::Given(given) => reading.span(given.node),
        Field::Absent if reading.document.has_lost_keys(reading.document.root()) => return,
        Field::Absent => 0..0,
    };
    let finding = Finding::at(span, "a gateway needs at least one route");
    let note = match gateway_key(file) {
        Some(key) if !file.provider.is_absent() => {
            format!("`{key}` is for a gateway: leave it out, or {ADVICE}")
        }
        Some(_) | None => ADVICE.to_owned(),
    };
    reading.report.add(finding.note(note));
}

/// Reports every conflict and returns the places of the routes that came second.
fn report_conflicts(
    conflicts: &[Conflict],
    places: &[NodeId],
    reading: Reading<'_>,
) -> HashSet<NodeId> {
    let mut reported = HashSet::new();
    for conflict in conflicts {
        let (first, second) = (places.get(conflict.first), places.get(conflict.second));
        if let (Some(&first), Some(&second)) = (first, second)
            && reported.insert(second)
        {
            let finding = reading
                .find(second, "two routes take the same requests")
                .note("neither is more specific: change the method, path, host, headers or query of one");
            reading
                .report
                .add(finding.other(reading.span(first), "the other route"));
        }
    }
    reported
}

impl<'a> Routing<'a> {
    fn compile(&self, written: &Located<written::Route>) -> Option<Route> {
        let Located { value: route, node } = written;
        let reading = self.reading;
        let matches = self.compile_matches(route, *node);
        let to = self.compile_to(route, *node);
        let rewrite = rewrite::compile(route, matches.as_ref().map(|m| &m.path), reading);
        let request_fields = header::compile_rules(&route.request_headers, reading);
        let mut response_fields = header::compile_rules(&route.response_headers, reading);
        lifetime::compile(route, &mut response_fields, reading);
        let level = reach::compile(route, self.innermost, reading);
        let class = class::compile(route, matches.as_ref().map(|m| &m.methods), reading);
        let admission = admission::compile(route, &self.vouching, reading);
        let body = bounds::BODY.as_range().find(&route.body, reading);
        let timeout = bounds::TIMEOUT.as_range().find(&route.timeout, reading);
        let may_upgrade = upgrade::compile(route, matches.as_ref().map(|m| &m.methods), reading);
        upgrade::check_services(route, to.as_ref(), &self.multiplexed, reading);
        let matches = matches?;
        let name = route.name.value().or(route.matches.value())?;
        Some(Route {
            name: name.0.as_str().into(),
            level,
            matches,
            class,
            admission,
            to: to?,
            rewrite,
            request_fields,
            response_fields,
            body_bytes_max: body
                .unwrap_or_else(|| class::body_max(class, self.body_max))
                .get(),
            timeout: timeout.map(|time| time.duration()),
            may_upgrade,
        })
    }

    fn compile_matches(&self, route: &written::Route, node: NodeId) -> Option<Matches> {
        let missing = Missing {
            key: "match",
            example: "match: GET /members/{id}",
        };
        let text = missing.check(&route.matches, node, self.reading);
        let matched = text.and_then(|text| matching::parse(text, self.reading));
        let host = match &route.host {
            Field::Absent => Some(HostPattern::Any),
            Field::Broken => None,
            Field::Given(text) => matching::parse_host(text, self.reading),
        };
        let conditions = header::compile_conditions(&route.headers, self.reading);
        let query = query::compile(&route.query, self.reading);
        let (methods, path) = matched?;
        Some(Matches {
            host: host?,
            methods,
            path,
            conditions,
            query,
        })
    }

    fn compile_to(&self, route: &written::Route, node: NodeId) -> Option<Destination> {
        match route.compose.given() {
            Some(compose) if compose.value.0 => {
                let endpoint = composed::compile(route, compose.node, &self.composed, self.reading);
                endpoint.map(Destination::Composed)
            }
            Some(_) | None => self
                .compile_services(route, node)
                .map(Destination::Services),
        }
    }

    fn compile_services(&self, route: &written::Route, node: NodeId) -> Option<Shares> {
        let missing = Missing {
            key: "to",
            example: "to: <the name of a service>",
        };
        let to = missing.check(&route.to, node, self.reading)?;
        match &to.value {
            To::One(Text(name)) => {
                let note = || self.reading.note_on(to.node, self.services_instead(name));
                self.is_service(name, to.node, note)
                    .then(|| Shares::one(name.as_str().into()))
            }
            To::Shares(shares) => self.compile_shares(shares, to.node),
        }
    }

    fn compile_shares(&self, shares: &Entries<Count>, node: NodeId) -> Option<Shares> {
        let reading = self.reading;
        check_count(
            Some((node, shares.len())),
            bounds::SHARES_MAX,
            "services",
            reading,
        );
        if shares.len() < 2 {
            let finding = reading.find(node, "expected at least two services");
            reading.report.add(finding.note("for one, write its name"));
        }
        let mut weighed = Vec::new();
        for (name, weight) in shares.iter().take(bounds::SHARES_MAX) {
            let text = name.value.as_str();
            let is_known = self.is_service(text, name.node, || self.services_instead(text));
            let weight = bounds::WEIGHT.find(weight, reading);
            if let (true, Some(weight)) = (is_known, weight) {
                weighed.push((text.into(), weight.0));
            }
        }
        Shares::new(weighed)
    }

    /// Whether there is such a service; reports one that there is not.
    fn is_service(&self, name: &str, node: NodeId, note: impl FnOnce() -> String) -> bool {
        let is_known = self.services.contains(name);
        if !is_known && !self.are_services_lost {
            let name_shown = shown(self.reading.document.text(node));
            let message = format!("there is no service `{name_shown}`");
            let finding = self.reading.find(node, message).note(note());
            self.reading.report.add(finding);
        }
        is_known
    }

    fn services_instead(&self, name: &str) -> String {
        if self.reading.report.is_full() {
            return String::new();
        }
        let known = &self.names;
        match nearest::find(name, known.iter().copied().take(SUGGESTED_FROM_MAX)) {
            Some(name) => format!("did you mean `{name}`?"),
            None if known.is_empty() => {
                "add it: `services: { name: { endpoints: [\"127.0.0.1:8081\"] } }`".to_owned()
            }
            None if known.len() > 10 => "it is not under `services`".to_owned(),
            None => format!("services are: {}", known.join(", ")),
        }
    }
}

/// Names are labels: two routes with one name could not be told apart in logs and metrics.
struct Names<'a> {
    reading: Reading<'a>,
    taken: HashMap<&'a str, NodeId>,
    /// Routes that rely on their default where it is taken, and where it is.
    unnamed: Vec<(NodeId, NodeId)>,
}

impl<'a> Names<'a> {
    fn new(reading: Reading<'a>) -> Self {
        Self {
            reading,
            taken: HashMap::new(),
            unnamed: Vec::new(),
        }
    }

    fn check(&mut self, route: &'a written::Route) {
        let is_default = route.name.is_absent();
        let name = if is_default {
            &route.matches
        } else {
            &route.name
        };
        let Some(Located {
            value: Text(text),
            node,
        }) = name.given()
        else {
            return;
        };
        if !is_default && !is_label(text) {
            let finding = self
                .reading
                .find(*node, "expected a name of 1 to 200 characters");
            self.reading.report.add(finding.note("on one line"));
            return;
        }
        match self.taken.get(text.as_str()) {
            None => {
                self.taken.insert(text, *node);
            }
            Some(&first) if is_default => self.unnamed.push((*node, first)),
            Some(&first) => {
                let finding = self.reading.find(*node, "two routes cannot share a name");
                let first = self.reading.span(first);
                self.reading
                    .report
                    .add(finding.other(first, "it is already here"));
            }
        }
    }

    /// Reports defaults that are taken, save for routes that are in conflict anyway.
    fn report_unnamed(self, in_conflict: &HashSet<NodeId>) {
        for (node, first) in self
            .unnamed
            .iter()
            .filter(|(node, _)| !in_conflict.contains(node))
        {
            let finding = self
                .reading
                .find(*node, "this route needs a `name`")
                .note("by default it would be called like the other");
            let first = self.reading.span(*first);
            self.reading
                .report
                .add(finding.other(first, "the other route"));
        }
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_LEN_MAX && !text.chars().any(char::is_control)
}
