//! What should be seen to on a route that takes the tokens of another issuer?

use gateway_core::route::Class;

use super::Vouching;
use crate::bounds;
use crate::reader::{Field, Located, Reading};
use crate::units::Text;
use crate::written::{Issuer, Route};

pub(super) fn check(route: &Route, vouching: &Vouching<'_>, reading: Reading<'_>) {
    let Some(name) = route.issuer.given() else {
        return;
    };
    if let Some(issuer) = vouching.find(&name.value.0).flatten() {
        warn_of_age(route, (name, issuer), reading);
        warn_of_silence(route, issuer, reading);
    }
}

/// What is taken back at another issuer goes on here for a while, and so does its money.
fn warn_of_age(route: &Route, (name, issuer): (&Located<Text>, &Issuer), reading: Reading<'_>) {
    let is_transfer = |class: &&Located<crate::units::Class>| class.value.0 == Class::Transfer;
    let Some(class) = route.class.given().filter(is_transfer) else {
        return;
    };
    let default = bounds::MAX_AGE.default;
    let max_age = *issuer.max_age.value().unwrap_or(&default);
    if max_age <= bounds::TRANSFER_MAX_AGE {
        return;
    }
    let message = format!("a token that was taken back could move money for {max_age}");
    let finding = reading.find(name.node, message);
    let finding = finding.note(format!(
        "lower the `max_age` of this issuer to {} or less",
        bounds::TRANSFER_MAX_AGE
    ));
    let span = reading.span(class.node);
    reading.report.warn(finding.other(span, "the class"));
}

/// A service that hears nothing of who asks can only take everybody for the same.
fn warn_of_silence(route: &Route, issuer: &Issuer, reading: Reading<'_>) {
    let is_forwarded = match &issuer.forward {
        Field::Absent => false,
        Field::Broken => true,
        Field::Given(flag) => flag.value.0,
    };
    let headers = route.identity_headers.given();
    let Some(headers) = headers.filter(|headers| !headers.value.0 && !is_forwarded) else {
        return;
    };
    let message = "the service is told nothing of who asks";
    let finding = reading.find(headers.node, message);
    let note = "leave it out, or show the service the client's token: `forward: true`";
    reading.report.warn(finding.note(note));
}
