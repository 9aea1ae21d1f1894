//! Files that load, and files that cannot even be read.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway_core::admission::Requirement;
use gateway_core::head::Head;
use gateway_core::ids::Sampling;
use gateway_core::level::Level;
use gateway_core::route::Destination;
use gateway_core::route::{Class, Route};
use gateway_core::routes::Origin;
use gateway_core::share::Shares;
use gateway_upstream::{Policy, Protocol};
use tollgate_config::{
    AccessLog, DEFAULT, Environment, Gateway, Loaded, Problems, Style, compile, load,
};

use crate::certificates;

pub(crate) fn environment() -> Environment {
    Environment::of([("MONEY_ADDRESS", "127.0.0.1:8093")], 2)
}

pub(crate) fn load_text(text: &str) -> Result<Loaded, Problems> {
    compile("tollgate.yaml", text.as_bytes(), &environment())
}

/// Loads a text that names certificates.
pub(crate) fn load_text_in(folder: &Path, text: &str) -> Result<Loaded, Problems> {
    let environment = environment().in_folder(folder).at(certificates::NOW);
    compile("tollgate.yaml", text.as_bytes(), &environment)
}

pub(crate) fn gateway_of(loaded: &Loaded) -> &Gateway {
    loaded.gateway.as_ref().unwrap()
}

/// Every file that is meant to be copied.
pub(crate) fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn from(level: Level) -> Origin {
    Origin {
        level,
        is_trusted: false,
    }
}

/// The name of the route a request takes and the service it is for.
fn find<'l>(loaded: &'l Loaded, request: &str, fields: &str) -> Option<(&'l str, &'l str)> {
    let text = format!("{request} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let head = Head::parse(text.as_bytes(), &gateway_of(loaded).limits).unwrap();
    let (_, route) = gateway_of(loaded)
        .routes
        .find(&head, from(Level::Private))
        .ok()?;
    Some((&route.name, route.to.services().next()?))
}

#[test]
fn the_default_file_stays_on_loopback_and_leads_to_the_sample_services() {
    let loaded = load_text(DEFAULT).unwrap();
    let gateway = gateway_of(&loaded);
    let [listener] = &*gateway.listen else {
        panic!("{:?}", gateway.listen);
    };
    assert_eq!(listener.address, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(listener.level, Level::Open);
    assert!(listener.tls.is_none() && !listener.h2c);
    assert_eq!(gateway.admin, SocketAddr::from(([127, 0, 0, 1], 9090)));
    for service in &gateway.services {
        assert!(
            service
                .endpoints
                .iter()
                .all(|endpoint| endpoint.ip().is_loopback())
        );
    }
    #[rustfmt::skip]
    let cases = [
        ("GET /members",                Some("membership")),
        ("GET /members/7",              Some("membership")),
        ("PATCH /members/7",            Some("membership")),
        ("GET /members/7/accounts",     Some("banking")),
        ("GET /members/7/balance",      Some("money")),
        ("GET /banks",                  Some("banking")),
        ("GET /banks/0001",             Some("banking")),
        ("POST /banks",                 None),
        ("GET /money/balances",         Some("money")),
        ("POST /money/transfers",       Some("money")),
        ("POST /money/charges",         Some("money")),
        ("DELETE /money/transfers",     None),
        ("GET /remittances",            Some("remittance")),
        ("POST /remittances",           Some("remittance")),
        ("GET /remittances/9",          Some("remittance")),
        ("GET /transfers",              None),
    ];
    for (request, expected) in cases {
        let service = find(&loaded, request, "").map(|(_, service)| service);
        assert_eq!(service, expected, "{request}");
    }
}

#[test]
fn the_default_file_composes_three_reads_for_those_who_may_make_their_calls() {
    let loaded = load_text(DEFAULT).unwrap();
    let gateway = gateway_of(&loaded);
    assert_eq!(gateway.plan.endpoints.len(), 3);
    for (request, calls_of) in [
        (
            "GET /members/7/transfer-history",
            &["remittance.read", "money.read"][..],
        ),
        (
            "GET /members/7/overview",
            &[
                "members.read",
                "banking.read",
                "money.read",
                "remittance.read",
            ],
        ),
        (
            "GET /remittances/7/detail",
            &["remittance.read", "banking.read"],
        ),
    ] {
        let text = format!("{request} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = Head::parse(text.as_bytes(), &gateway.limits).unwrap();
        let (_, route) = gateway.routes.find(&head, from(Level::Open)).unwrap();
        let Destination::Composed(endpoint) = &route.to else {
            panic!("{request} leads to {:?}", route.to);
        };
        assert!(gateway.plan.find(endpoint).is_some(), "{endpoint}");
        let admission = route.admission.as_ref().unwrap();
        let scopes = calls_of.iter().map(|scope| (*scope).to_owned()).collect();
        let required = Requirement::new(scopes, Vec::new());
        assert_eq!(admission.require, required, "{request}");
    }
}

#[test]
fn the_default_file_rewrites_the_paths_of_money() {
    let loaded = load_text(DEFAULT).unwrap();
    let transfer = gateway_of(&loaded)
        .routes
        .routes()
        .iter()
        .find(|r| &*r.name == "transfer")
        .unwrap();
    let mut path = Vec::new();
    transfer.rewrite.apply("/money/transfers", &mut path);
    assert_eq!(path, b"/transfers");
    assert_eq!(transfer.body_bytes_max, 16 * 1024);
    assert_eq!(transfer.timeout, Some(Duration::from_secs(5)));
}

#[test]
fn every_example_loads() {
    let examples = examples();
    assert!(examples.len() >= 6, "{examples:?}");
    let certificates = certificates::folder();
    for path in examples {
        let text = fs::read_to_string(&path).unwrap();
        match load_text_in(certificates.path(), &text) {
            Ok(loaded) => assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings),
            Err(problems) => panic!("{}: {problems}", path.display()),
        }
    }
}

#[test]
fn a_canary_takes_only_the_requests_that_ask_for_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/canary-by-header.yaml");
    let loaded = load(&path, &environment()).unwrap();
    #[rustfmt::skip]
    let cases = [("", "web"), ("X-Canary: 1\r\n", "web-next"), ("X-Canary: 2\r\n", "web")];
    for (fields, expected) in cases {
        let service = find(&loaded, "GET /", fields).map(|(_, service)| service);
        assert_eq!(service, Some(expected), "{fields:?}");
    }
}

#[test]
fn what_is_left_out_takes_its_default() {
    let loaded = load_text(
        "services: { web: { endpoints: [\"127.0.0.1:1\"] } }\nroutes: [{ match: /a, to: web }]",
    )
    .unwrap();
    let gateway = gateway_of(&loaded);
    assert_eq!(gateway.limits, gateway_core::limits::Limits::default());
    assert_eq!(
        gateway.services[0].timeouts,
        gateway_upstream::Timeouts::default()
    );
    let service = &gateway.services[0];
    assert_eq!((service.in_flight_max, service.has_breaker), (4_096, true));
    assert_eq!((&service.probe, service.protocol), (&None, Protocol::H1));
    assert_eq!(gateway.threads, 2);
    assert_eq!(gateway.access_log, AccessLog::Stdout);
    assert_eq!(gateway.traces, None);
    let deadlines = gateway.deadlines;
    #[rustfmt::skip]
    let seconds = [
        deadlines.handshake, deadlines.head, deadlines.idle, deadlines.stall, deadlines.websocket,
        deadlines.lame_duck, deadlines.drain,
    ];
    assert_eq!(
        seconds.map(|deadline| deadline.as_secs()),
        [10, 10, 60, 30, 300, 2, 30]
    );
    let route = &gateway.routes.routes()[0];
    assert!(!route.may_upgrade);
    assert_eq!(
        (&*route.name, route.body_bytes_max, route.timeout),
        ("/a", 1024 * 1024, None)
    );
}

#[test]
fn what_is_written_is_what_runs() {
    let loaded = load_text(
        r#"
        listen: [{ address: "[::1]:0" }, { address: "[::1]:0", level: internal }]
        admin: { address: 0.0.0.0:0, exposed: true }
        threads: 7
        log: { access: ./access.log }
        traces: { collector: localhost:4318, sample: 2.5% }
        limits: { connections: 5, head: 4KiB, target: 2KiB, fields: 9, body: 0B }
        deadlines:
          { handshake: 7s, head: 1s, idle: 2s, stall: 3s, websocket: 5s, lame_duck: 0s, drain: 4s }
        services:
          web:
            endpoints: [localhost:1, "[::1]:2"]
            timeout: 2s
            connect_timeout: 10ms
            idle_timeout: 1m
            protocol: h2
            max_in_flight: 7
            probe: { path: /healthz?deep=1, every: 1s }
            breaker: false
        routes:
          - name: one
            match: PUT,PATCH /a/{id}
            host: "*.example.com"
            headers: { X-A: "1" }
            query: { dry-run: "1" }
            level: internal
            class: transfer
            deprecated: 2026-01-31
            sunset: 2026-12-31
            to: web
            strip: /a
            add: /v1
            timeout: 90s
            request_headers: { remove: [X-B], set: { X-C: c }, add: { X-C: d } }
        "#,
    )
    .unwrap();
    check_process(gateway_of(&loaded));
    check_service(&gateway_of(&loaded).services[0]);
    check_route(&gateway_of(&loaded).routes.routes()[0]);
}

fn check_process(gateway: &Gateway) {
    let levels: Vec<_> = gateway
        .listen
        .iter()
        .map(|listener| listener.level)
        .collect();
    assert_eq!(levels, [Level::Open, Level::Internal]);
    assert_eq!(gateway.admin, "0.0.0.0:0".parse().unwrap());
    assert_eq!(gateway.threads, 7);
    assert_eq!(gateway.access_log, AccessLog::File("./access.log".into()));
    let traces = gateway.traces.unwrap();
    assert_eq!(traces.collector, "127.0.0.1:4318".parse().unwrap());
    assert_eq!(traces.sampling, Sampling::share(250));
    let limits = &gateway.limits;
    assert_eq!((limits.connections_max, limits.head_bytes_max), (5, 4096));
    assert_eq!((limits.target_bytes_max, limits.fields_max), (2048, 9));
    assert_eq!(gateway.deadlines.handshake, Duration::from_secs(7));
    assert_eq!(gateway.deadlines.lame_duck, Duration::ZERO);
    assert_eq!(gateway.deadlines.websocket, Duration::from_secs(5));
    assert_eq!(gateway.deadlines.drain, Duration::from_secs(4));
}

fn check_service(service: &Policy) {
    let endpoints: Vec<String> = service.endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(endpoints, ["127.0.0.1:1", "[::1]:2"]);
    assert_eq!(service.timeouts.connect, Duration::from_millis(10));
    assert_eq!(service.timeouts.idle, Duration::from_secs(60));
    assert_eq!(service.protocol, Protocol::H2);
    assert_eq!((service.in_flight_max, service.has_breaker), (7, false));
    let probe = service.probe.as_ref().unwrap();
    assert_eq!(&*probe.path, "/healthz?deep=1");
    assert_eq!(probe.every, Duration::from_secs(1));
}

fn check_route(route: &Route) {
    assert_eq!((&*route.name, route.body_bytes_max), ("one", 0));
    assert_eq!(route.to, Destination::Services(Shares::one("web".into())));
    assert_eq!(
        (route.rewrite.strip.as_str(), route.rewrite.add.as_str()),
        ("/a", "/v1")
    );
    assert_eq!(route.timeout, Some(Duration::from_secs(90)));
    assert_eq!(
        (route.matches.conditions.len(), route.matches.query.len()),
        (1, 1)
    );
    assert_eq!(
        (route.level, route.class),
        (Level::Internal, Some(Class::Transfer))
    );
    assert_eq!(route.request_fields.remove, ["x-b"]);
    assert_eq!(
        (
            route.request_fields.set.len(),
            route.request_fields.add.len()
        ),
        (1, 1)
    );
    let set = route.response_fields.set.iter();
    let set: Vec<_> = set
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        set,
        [
            ("deprecation", "@1769817600"),
            ("sunset", "Thu, 31 Dec 2026 00:00:00 GMT")
        ]
    );
}

#[test]
fn several_services_share_a_route_by_weight() {
    let loaded = load_text(
        "services: { a: { endpoints: [\"127.0.0.1:1\"] }, b: { endpoints: [\"127.0.0.1:2\"] } }\n\
         routes: [{ match: /a, to: { a: 995, b: \"${B:-5}\" } }]",
    )
    .unwrap();
    let expected = Shares::new(vec![("a".into(), 995), ("b".into(), 5)]);
    assert_eq!(
        Some(&gateway_of(&loaded).routes.routes()[0].to),
        expected.map(Destination::Services).as_ref()
    );
}

#[test]
fn a_transfer_takes_small_bodies_unless_its_route_says_otherwise() {
    let largest = |general: &str, route: &str| {
        let text = format!(
            "{general}\nservices: {{ web: {{ endpoints: [\"127.0.0.1:1\"] }} }}\n\
             routes: [{{ match: POST /a, to: web, {route} }}]"
        );
        gateway_of(&load_text(&text).unwrap()).routes.routes()[0].body_bytes_max
    };
    #[rustfmt::skip]
    let cases = [
        ("",                        "",                              1024 * 1024),
        ("",                        "class: write",                  1024 * 1024),
        ("",                        "class: transfer",               64 * 1024),
        ("limits: { body: 16KiB }", "class: transfer",               16 * 1024),
        ("limits: { body: 16KiB }", "class: transfer, body: 128KiB", 128 * 1024),
    ];
    for (general, route, expected) in cases {
        assert_eq!(largest(general, route), expected, "{general} {route}");
    }
}

#[test]
fn scalars_are_what_their_keys_say_however_they_look() {
    let loaded = load_text(
        "services: { on: { endpoints: [\"127.0.0.1:1\"] } }\n\
         routes: [{ name: 1.10, match: /a, to: on, headers: { X-A: no, X-B: 0x1F } }]",
    )
    .unwrap();
    let route = &gateway_of(&loaded).routes.routes()[0];
    assert_eq!(&*route.name, "1.10");
    assert_eq!(route.to, Destination::Services(Shares::one("on".into())));
    let values: Vec<_> = route
        .matches
        .conditions
        .iter()
        .map(|c| c.value.as_bytes())
        .collect();
    assert_eq!(values, [b"no".as_slice(), b"0x1F"]);
}

#[test]
fn json_is_yaml_too() {
    let text = r#"{"services": {"web": {"endpoints": ["127.0.0.1:1"]}}, "routes": [{"match": "/{rest*}", "to": "web", "timeout": "1s"}]}"#;
    assert!(load_text(text).is_ok());
}

#[test]
fn aliases_repeat_what_they_name() {
    let loaded = load_text(
        "services:\n  a: &a { endpoints: [\"127.0.0.1:1\"], timeout: 3s }\n  b: *a\n\
         routes: [{ match: /a, to: a }, { match: /b, to: b }]",
    )
    .unwrap();
    assert_eq!(
        gateway_of(&loaded).services[1].timeouts.exchange,
        Duration::from_secs(3)
    );
}

#[test]
fn line_ends_and_byte_order_marks_do_not_move_problems() {
    let text = "threads: x\nlog: { access: y }\n";
    let places = |text: &str| -> Vec<(usize, usize)> {
        let problems = load_text(text).unwrap_err();
        problems
            .iter()
            .filter_map(|p| p.at.as_ref())
            .map(|at| (at.line(), at.column()))
            .collect()
    };
    let expected = places(text);
    assert_eq!(expected[1], (1, 10));
    assert_eq!(places(&text.replace('\n', "\r\n")), expected);
    assert_eq!(places(&format!("\u{feff}{text}")), expected);
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere.yaml");
    let problems = load(&missing, &environment()).unwrap_err();
    assert_eq!(problems.len(), 1);
    let text = problems.to_string();
    assert!(text.starts_with(&format!(
        "{}: this file cannot be read: ",
        missing.display()
    )));

    let problems = load(folder.path(), &environment()).unwrap_err();
    assert!(
        problems.to_string().contains("cannot be read"),
        "{problems}"
    );
}

#[test]
fn a_file_that_is_not_utf8_is_refused_where_it_stops_being() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.yaml");
    fs::write(&path, b"# caf\xe9\nthreads: x\n").unwrap();
    let problems = load(&path, &environment()).unwrap_err();
    let found = |message: &str| problems.iter().find(|problem| problem.message == message);
    let at = found("this is not UTF-8 text")
        .and_then(|problem| problem.at.as_ref())
        .unwrap();
    assert_eq!((at.line(), at.column()), (1, 6));
    assert!(found("expected a whole number").is_some(), "{problems}");
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let largest = 16 * 1024 * 1024;
    let text = |len: usize| format!("{DEFAULT}#{}", "x".repeat(len - DEFAULT.len() - 1));
    assert!(load_text(&text(largest)).is_ok());
    let problems = load_text(&text(largest + 1)).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "tollgate.yaml: this file is larger than 16MiB"
    );
}

#[test]
fn colours_change_nothing_but_colours() {
    let problems = load_text("threads: x\n").unwrap_err();
    let mut coloured = problems.render(Style::Colour);
    while let Some(start) = coloured.find('\x1b') {
        let end = start + coloured[start..].find('m').unwrap();
        coloured.replace_range(start..=end, "");
    }
    assert_eq!(coloured, problems.to_string());
}
