//! May a connection become something else on a route?

use std::collections::HashMap;

use gateway_core::route::{Class, Destination, Methods};
use gateway_upstream::Protocol;
use http::Method;

use super::services;
use crate::document::NodeId;
use crate::reader::Reading;
use crate::written::{File, Route};

/// The services that speak HTTP/2, and where they say so.
pub(super) fn multiplexed(file: &File) -> HashMap<&str, NodeId> {
    let services = file.services.entries();
    let multiplexed = services.filter_map(|(name, service)| {
        let service = service.value()?;
        let said = service.protocol.given()?;
        (services::protocol(service) == Protocol::H2).then_some((name.value.as_str(), said.node))
    });
    multiplexed.collect()
}

/// A WebSocket takes a whole connection, and one in HTTP/2 is shared.
pub(super) fn check_services(
    route: &Route,
    to: Option<&Destination>,
    multiplexed: &HashMap<&str, NodeId>,
    reading: Reading<'_>,
) {
    let (Some(upgrade), Some(to)) = (route.upgrade.given(), to) else {
        return;
    };
    if let Some(&said) = to.services().find_map(|name| multiplexed.get(&**name)) {
        let finding = reading.find(
            upgrade.node,
            "this route leads to a service that speaks HTTP/2",
        );
        let finding = finding.note("send the WebSocket to a service with `protocol: h1`");
        reading
            .report
            .add(finding.other(reading.span(said), "it says so"));
    }
}

/// `methods` is absent where the match of the route was refused already.
pub(super) fn compile(route: &Route, methods: Option<&Methods>, reading: Reading<'_>) -> bool {
    let Some(upgrade) = route.upgrade.given() else {
        return false;
    };
    // What is said in a WebSocket is neither counted nor kept from being said twice.
    if let Some(class) = route.class.given()
        && class.value.0 == Class::Transfer
    {
        let finding = reading.find(upgrade.node, "a route that moves money cannot be upgraded");
        let finding = finding.note("give the WebSocket a route of its own");
        let span = reading.span(class.node);
        reading.report.add(finding.other(span, "the class"));
    }
    if let (Some(methods), Some(matches)) = (methods, route.matches.given())
        && !methods.contain(&Method::GET)
    {
        let finding = reading.find(upgrade.node, "this route never sees an upgrade");
        let finding = finding.note("an upgrade comes as GET: add it to `match`");
        let span = reading.span(matches.node);
        reading.report.add(finding.other(span, "the match"));
    }
    true
}
