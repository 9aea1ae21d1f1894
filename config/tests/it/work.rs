//! Large files take work in proportion to their size. How long that is, is measured elsewhere; a
//! test that takes minutes where it took moments is noticed without a clock.

use std::fmt::Write;

use crate::load::{gateway_of, load_text};

/// A file like that of a large platform: `count` routes to a tenth as many services.
fn platform(count: usize) -> String {
    let mut text = String::from("services:\n");
    for service in 0..count.div_ceil(10) {
        let port = 1 + service % 60_000;
        writeln!(
            text,
            "  service-{service}: {{ endpoints: [\"10.0.0.1:{port}\", \"10.0.0.2:{port}\"] }}"
        )
        .unwrap();
    }
    text.push_str("routes:\n");
    for route in 0..count {
        let service = route / 10;
        writeln!(
            text,
            "  - match: GET /service-{service}/things-{route}/{{id}}\n    to: service-{service}\n    \
             strip: /service-{service}\n    timeout: 5s\n    request_headers: {{ set: {{ X-Route: \"{route}\" }} }}",
        )
        .unwrap();
    }
    text
}

#[test]
fn five_thousand_routes_load() {
    let loaded = load_text(&platform(5_000)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(gateway_of(&loaded).routes.routes().len(), 5_000);
    assert_eq!(gateway_of(&loaded).services.len(), 500);
}

/// Many routes to one service, each on a line of its own.
fn many(routes: impl Iterator<Item = String>) -> String {
    let services = "services: { web: { endpoints: [\"127.0.0.1:1\"] } }\nroutes:\n";
    services.to_owned() + &routes.collect::<String>()
}

#[test]
fn as_many_routes_as_allowed_load_and_one_more_do_not() {
    let route = |number: usize| format!("  - {{ match: /{number}, to: web }}\n");
    let loaded = load_text(&many((0..20_000).map(route))).unwrap();
    assert_eq!(gateway_of(&loaded).routes.routes().len(), 20_000);

    let problems = load_text(&many((0..20_001).map(route))).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems}");
    assert_eq!(problems[0].message, "expected at most 20,000 routes");
    assert_eq!(problems[0].at.as_ref().unwrap().note(), "there are 20,001");
}

#[test]
fn routes_that_are_all_the_same_are_refused_without_squaring_them() {
    let route = |_: usize| "  - { match: /a, to: web }\n".to_owned();
    let problems = load_text(&many((0..20_000).map(route))).unwrap_err();
    assert!(
        problems
            .to_string()
            .ends_with("and 19949 more: 19999 problems")
    );
}

#[test]
fn routes_that_lead_nowhere_are_all_counted_and_some_advised() {
    let text = platform(5_000).replace("to: service-", "to: servise-");
    let problems = load_text(&text).unwrap_err();
    assert_eq!(
        problems[0].at.as_ref().unwrap().note(),
        "did you mean `service-0`?"
    );
    assert!(
        problems
            .to_string()
            .ends_with("and 4950 more: 5000 problems")
    );
}
