//! May a route be guarded as it says?
//!
//! A guard that guards nothing is worse than none, since somebody relies on it. So what has no effect
//! is refused: a word about tokens on a route that asks for none, a caller that nobody can vouch for.

use std::time::Duration;

use gateway_core::admission::{Accept, Admission, Issuer, Requirement};
use gateway_core::route::Class;
use http::header::AUTHORIZATION;
use idp_token::lease::Tolerance;

use super::texts::{ROLES, SCOPES};
use crate::bounds;
use crate::document::NodeId;
use crate::nearest;
use crate::problem::shown;
use crate::reader::{Field, Located, Reading};
use crate::units::{Flag, Staleness, Text};
use crate::written::{self, File, HeaderRules, Route};

mod others;

/// Who could vouch for the callers of a route.
pub(super) struct Vouching<'a> {
    /// Whether there is an identity provider, or may be.
    has_idp: bool,
    /// Whether it is said for whom value tokens must be meant.
    has_audience: bool,
    grace: Duration,
    issuers: Vec<(&'a str, Option<&'a written::Issuer>)>,
    are_issuers_lost: bool,
}

impl<'a> Vouching<'a> {
    pub(super) fn of(file: &'a File) -> Self {
        let idp = file.idp.value();
        let grace = idp.and_then(|idp| idp.grace.value());
        let audience = idp.map(|idp| &idp.audience);
        let issuers = file.issuers.entries();
        Self {
            has_idp: !file.idp.is_absent(),
            has_audience: audience.is_none_or(|it| it.count().is_none_or(|(_, count)| count > 0))
                && !audience.is_some_and(Field::is_absent),
            grace: grace.unwrap_or(&bounds::GRACE.default).duration(),
            issuers: issuers
                .map(|(name, issuer)| (name.value.as_str(), issuer.value()))
                .collect(),
            are_issuers_lost: matches!(file.issuers, Field::Broken),
        }
    }

    fn find(&self, name: &str) -> Option<Option<&'a written::Issuer>> {
        let found = self.issuers.iter().find(|(known, _)| *known == name);
        found.map(|(_, issuer)| *issuer)
    }
}

pub(super) fn compile(
    route: &Route,
    vouching: &Vouching<'_>,
    reading: Reading<'_>,
) -> Option<Admission> {
    let require = match &route.require {
        Field::Absent => {
            refuse_idle_keys(route, reading);
            return None;
        }
        Field::Broken => return None,
        Field::Given(require) => require,
    };
    let scopes = SCOPES.take(&require.value.scopes, reading);
    let roles = ROLES.take(&require.value.roles, reading);
    let issuer = compile_issuer(route, require.node, vouching, reading);
    let is_others = issuer != Issuer::Own;
    if is_others {
        refuse_keys_of_own(route, reading);
        others::check(route, vouching, reading);
    }
    check_rules(&route.request_headers, require.node, reading);
    let is_set = |field: &Field<Flag>, default| field.value().map_or(default, |flag| flag.0);
    Some(Admission {
        require: Requirement::new(scopes, roles),
        accept: compile_accept(route, vouching, reading),
        issuer,
        tolerance: compile_tolerance(route, vouching, reading),
        // Another issuer has no token that a service could read.
        identity_headers: is_set(&route.identity_headers, is_others),
        server_timing: is_set(&route.server_timing, false),
    })
}

fn refuse_idle_keys(route: &Route, reading: Reading<'_>) {
    let keys = [
        ("accept", node(&route.accept)),
        ("issuer", node(&route.issuer)),
        ("staleness", node(&route.staleness)),
        ("identity_headers", node(&route.identity_headers)),
        ("server_timing", node(&route.server_timing)),
    ];
    for (key, node) in keys {
        if let Some(node) = node {
            let message = format!("`{key}` has no effect on a route that asks for no caller");
            let note = "add `require: {}` to ask for one, with `scopes` and `roles` as needed";
            reading.report.add(reading.find(node, message).note(note));
        }
    }
}

fn node<T>(field: &Field<T>) -> Option<NodeId> {
    field.given().map(|given| given.node)
}

/// Of two guards one is enough, and it has to be there.
fn compile_issuer(
    route: &Route,
    require: NodeId,
    vouching: &Vouching<'_>,
    reading: Reading<'_>,
) -> Issuer {
    let Located { value: name, node } = match &route.issuer {
        Field::Given(name) => name,
        Field::Broken => return Issuer::Own,
        Field::Absent => {
            if !vouching.has_idp {
                let message = "nobody vouches for the callers of this route";
                let note = "add `idp: {}` beside a `provider`, or an `issuer` out of `issuers`";
                reading
                    .report
                    .add(reading.find(require, message).note(note));
            }
            return Issuer::Own;
        }
    };
    if vouching.find(&name.0).is_none() && !vouching.are_issuers_lost {
        let written = shown(reading.document.text(*node));
        let finding = reading.find(*node, format!("there is no issuer `{written}`"));
        let note = reading.note_on(*node, issuers_instead(name, vouching));
        reading.report.add(finding.note(note));
    }
    Issuer::Foreign(name.0.as_str().into())
}

fn issuers_instead(name: &Text, vouching: &Vouching<'_>) -> String {
    match nearest::find(&name.0, vouching.issuers.iter().map(|(name, _)| *name)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if vouching.issuers.is_empty() => {
            "add it under `issuers`, or leave `issuer` out for the one of `idp`".to_owned()
        }
        None => "it is not under `issuers`".to_owned(),
    }
}

/// What is said of our own tokens and of how far they may be trusted.
fn refuse_keys_of_own(route: &Route, reading: Reading<'_>) {
    if let Some(accept) = route.accept.given() {
        let message = "`accept` is about tokens of `idp`, and this route takes another's";
        let note = "leave it out: `issuers` says what its tokens are";
        reading
            .report
            .add(reading.find(accept.node, message).note(note));
    }
    if let Some(staleness) = route.staleness.given() {
        let message = "nobody tells when another issuer takes a token back";
        let note = "leave it out: what is known of its tokens is as old as its `max_age` at most";
        reading
            .report
            .add(reading.find(staleness.node, message).note(note));
    }
}

fn compile_accept(route: &Route, vouching: &Vouching<'_>, reading: Reading<'_>) -> Accept {
    let Some(given) = route.accept.given() else {
        return Accept::default();
    };
    let accept = given.value.0;
    if accept.takes_value() && vouching.has_idp && !vouching.has_audience {
        let message = "a value token that was made for somebody else would be taken here";
        let note = "say for whom they must be meant: `idp: { audience: [pay] }`";
        reading
            .report
            .add(reading.find(given.node, message).note(note));
    }
    accept
}

fn compile_tolerance(route: &Route, vouching: &Vouching<'_>, reading: Reading<'_>) -> Tolerance {
    let Some(given) = route.staleness.given() else {
        return Tolerance::Strict;
    };
    match given.value {
        Staleness::Strict => return Tolerance::Strict,
        Staleness::Tolerant => {}
    }
    if let Some(class) = route.class.given()
        && class.value.0 == Class::Transfer
    {
        let message = "a route that moves money cannot be tolerant";
        let finding = reading.find(given.node, message);
        let finding = finding.note("a token that was taken back could move money until then");
        let span = reading.span(class.node);
        reading.report.add(finding.other(span, "the class"));
    }
    Tolerance::Tolerant {
        grace: vouching.grace,
    }
}

/// What a service reads in `Authorization` is the gateway's to write here.
fn check_rules(rules: &Field<HeaderRules>, require: NodeId, reading: Reading<'_>) {
    let Some(rules) = rules.value() else {
        return;
    };
    let is_it = |name: &str| name.eq_ignore_ascii_case(AUTHORIZATION.as_str());
    let keys = rules.set.entries().chain(rules.add.entries());
    let named = keys
        .filter(|(name, _)| is_it(&name.value))
        .map(|(name, _)| name.node);
    let removed = rules.remove.items().filter(|name| is_it(&name.value.0));
    for node in named.chain(removed.map(|name| name.node)) {
        let message = "on this route `Authorization` belongs to the gateway";
        let finding = reading.find(node, message);
        let finding = finding.note("with it the service is told who asks, so no rule may touch it");
        let require = reading.span(require);
        reading
            .report
            .add(finding.other(require, "it asks for a caller"));
    }
}
