//! Routes that share host and path: which comes first, and which two could tie?

use std::cmp::Reverse;

use http::Method;

use crate::route::{FieldCondition, Matches, Methods, Route};

/// Two routes, by their place in the list, that some request would match equally well. A route is
/// `second` at most once, so that a long list of equal routes is not squared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    pub first: usize,
    pub second: usize,
}

/// Brings the routes of one place into the order in which they are tried.
pub(super) fn order(place: &mut [usize], routes: &[Route], conflicts: &mut Vec<Conflict>) {
    for (position, &second) in place.iter().enumerate() {
        let mut before = place.iter().take(position);
        if let Some(&first) = before.find(|&&first| may_tie(&routes[first], &routes[second])) {
            conflicts.push(Conflict { first, second });
        }
    }
    place.sort_by_key(|&index| {
        let matches = &routes[index].matches;
        (rank(&matches.methods), Reverse(matches.conditions_len()))
    });
}

/// `HEAD` is tried on the routes that name it before those that answer it for `GET`.
fn rank(methods: &Methods) -> u8 {
    match methods {
        Methods::Only(methods) if methods.contains(&Method::HEAD) => 0,
        Methods::Only(_) => 1,
        Methods::Any => 2,
    }
}

fn may_tie(a: &Route, b: &Route) -> bool {
    let (a, b) = (&a.matches, &b.matches);
    a.conditions_len() == b.conditions_len()
        && methods_overlap(&a.methods, &b.methods)
        && !contradict(a, b)
}

fn methods_overlap(a: &Methods, b: &Methods) -> bool {
    match (a, b) {
        (Methods::Any, Methods::Any) => true,
        (Methods::Only(a), Methods::Only(b)) => a.iter().any(|method| b.contains(method)),
        (Methods::Any, Methods::Only(_)) | (Methods::Only(_), Methods::Any) => false,
    }
}

/// Whether no request can meet both, since they ask one field or parameter for two values.
fn contradict(a: &Matches, b: &Matches) -> bool {
    let mut fields = a.conditions.iter();
    let mut query = a.query.iter();
    let differs_in =
        |a: &FieldCondition, b: &FieldCondition| a.name == b.name && a.value != b.value;
    fields.any(|a| b.conditions.iter().any(|b| differs_in(a, b)))
        || query.any(|a| {
            b.query
                .iter()
                .any(|b| a.name == b.name && a.value != b.value)
        })
}

pub(super) fn collect_methods(methods: &Methods, into: &mut Vec<Method>) {
    let Methods::Only(methods) = methods else {
        return;
    };
    for method in methods {
        if !into.contains(method) {
            into.push(method.clone());
        }
    }
}
