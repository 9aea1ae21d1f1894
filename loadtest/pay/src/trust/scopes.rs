//! Which scopes does an endpoint ask for? What is not in the table is not served.

use axum::http::Method;

use crate::service::Service::{self, Banking, Membership, Money, Remittance};

/// One row per endpoint: all of its scopes are needed, and no token where there are none.
///
/// Sending money takes what its steps take, since they are made with the same token: better
/// refused at the door than halfway.
const SCOPES: &[(Service, Method, &str, &[&str])] = &[
    (Membership, Method::GET, "/members", &["members.read"]),
    (Membership, Method::GET, "/members/{id}", &["members.read"]),
    (
        Membership,
        Method::PATCH,
        "/members/{id}",
        &["members.write"],
    ),
    (Membership, Method::GET, "/directory", &[]),
    (Banking, Method::GET, "/banks", &[]),
    (Banking, Method::GET, "/banks/{code}", &[]),
    (
        Banking,
        Method::GET,
        "/members/{id}/accounts",
        &["banking.read"],
    ),
    (Banking, Method::GET, "/payouts/{id}", &["banking.read"]),
    (Banking, Method::PUT, "/payouts/{id}", &["remittance.write"]),
    (
        Banking,
        Method::DELETE,
        "/payouts/{id}",
        &["remittance.write"],
    ),
    (Money, Method::GET, "/members/{id}/balance", &["money.read"]),
    (Money, Method::GET, "/balances", &["money.read"]),
    (Money, Method::POST, "/transfers", &["money.write"]),
    (Money, Method::POST, "/charges", &["money.write"]),
    (Money, Method::POST, "/reversals", &["money.write"]),
    (
        Remittance,
        Method::GET,
        "/remittances",
        &["remittance.read"],
    ),
    (
        Remittance,
        Method::GET,
        "/remittances/{id}",
        &["remittance.read"],
    ),
    (
        Remittance,
        Method::POST,
        "/remittances",
        &["remittance.write", "members.read", "money.write"],
    ),
];

/// The way back of a remittance.
const UNDOING: [(Service, Method, &str); 2] = [
    (Banking, Method::DELETE, "/payouts/{id}"),
    (Money, Method::POST, "/reversals"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing is to be had there that anybody may not see.
    Open,
    Scopes(&'static [&'static str]),
    Nobody,
}

/// What a route asks for; no path is a request that no route takes.
pub(super) fn find(service: Service, method: &Method, path: &str) -> Access {
    if matches!(path, "" | "/healthz") {
        return Access::Open;
    }
    // RFC 9110 section 9.3.2: HEAD is GET without the body.
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let row = SCOPES
        .iter()
        .find(|(of, by, at, _)| (*of, by, *at) == (service, method, path));
    match row {
        Some((.., [])) => Access::Open,
        Some((.., scopes)) => Access::Scopes(scopes),
        None => Access::Nobody,
    }
}

/// The methods of a path, as `Allow` lists them.
pub(super) fn methods(service: Service, path: &str) -> String {
    let rows = SCOPES
        .iter()
        .filter(|(of, _, at, _)| (*of, *at) == (service, path));
    let methods = rows.map(|(_, method, ..)| match method.as_str() {
        "GET" => "GET, HEAD",
        other => other,
    });
    methods.collect::<Vec<_>>().join(", ")
}

pub(super) fn is_undoing(service: Service, method: &Method, path: &str) -> bool {
    UNDOING
        .iter()
        .any(|(of, by, at)| (*of, by, *at) == (service, method, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_its_scopes_and_what_has_no_row_is_not_served() {
        let read = Access::Scopes(&["members.read"]);
        for (service, method, path, access) in [
            (Membership, Method::GET, "/members", read),
            (Membership, Method::HEAD, "/members", read),
            (Membership, Method::DELETE, "/members", Access::Nobody),
            (Money, Method::GET, "/members", Access::Nobody),
            (Money, Method::HEAD, "/charges", Access::Nobody),
            (Membership, Method::GET, "/members/", Access::Nobody),
            (Money, Method::GET, "/healthz", Access::Open),
            (Banking, Method::GET, "/banks", Access::Open),
            (Banking, Method::HEAD, "/banks/{code}", Access::Open),
            (Banking, Method::PUT, "/banks", Access::Nobody),
            (Membership, Method::GET, "/directory", Access::Open),
            (Money, Method::GET, "", Access::Open),
        ] {
            assert_eq!(find(service, &method, path), access, "{method} {path}");
        }
    }

    #[test]
    fn the_way_back_is_two_endpoints_that_are_also_in_the_table() {
        for (service, method, path) in UNDOING {
            assert!(matches!(find(service, &method, path), Access::Scopes(_)));
        }
        assert!(!is_undoing(Money, &Method::POST, "/charges"));
        assert!(!is_undoing(Banking, &Method::PUT, "/payouts/{id}"));
        assert!(!is_undoing(Banking, &Method::GET, "/payouts/{id}"));
    }
}
