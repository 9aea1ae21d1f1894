//! May a connection become something else on a route?

use gateway_core::route::{Class, Methods};
use http::Method;

use crate::reader::Reading;
use crate::written::Route;

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
