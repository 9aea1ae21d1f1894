//! The effective configuration is complete, says where it came from, and loads to the same gateway.

use std::fs;

use composer_core::plan::Otherwise;
use tollgate_config::{DEFAULT, Environment, Gateway, Loaded, compile, effective};

use crate::certificates;
use crate::load::{examples, load_text_in};

/// Everything a gateway runs with, as text that two gateways can be compared by.
fn shown(gateway: &Gateway) -> String {
    let Gateway { routes, .. } = gateway;
    let rest = Gateway {
        routes: gateway_core::routes::RouteTable::default(),
        ..gateway.clone()
    };
    format!("{rest:#?}\n{:#?}", routes.routes())
}

#[test]
fn what_is_effective_loads_to_the_same_gateway() {
    let examples = examples()
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap());
    let texts = examples.chain([DEFAULT.to_owned(), EVERYTHING.to_owned()]);
    let certificates = certificates::folder();
    let load_text = |text: &str| load_text_in(certificates.path(), text);
    for text in texts {
        let first = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let written = effective(&first);
        let second = load_text(&written).unwrap_or_else(|problems| panic!("{problems}\n{written}"));
        let [before, after] = [&first, &second].map(|it| it.gateway.as_ref().map(shown));
        assert_eq!(before, after, "{written}");
        assert_eq!(first.provider, second.provider, "{written}");
        let [before, after] = [&first, &second].map(|it| format!("{:#?}", it.composer));
        assert_eq!(before, after, "{written}");
        let [before, after] = [&first, &second].map(stand_ins);
        assert_eq!(before, after, "{written}");
    }
}

/// What stands in for steps, of which a plan does not show the text.
fn stand_ins(loaded: &Loaded) -> Vec<String> {
    let plan = loaded
        .composer
        .iter()
        .flat_map(|composer| &composer.plan.endpoints);
    let steps = plan.flat_map(|endpoint| &endpoint.steps);
    let shown = steps.map(|step| match &step.otherwise {
        Otherwise::Fail => "fail".to_owned(),
        Otherwise::Value(json) => String::from_utf8_lossy(json.bytes()).into_owned(),
    });
    shown.collect()
}

/// Values that need care when they are written out.
const EVERYTHING: &str = r##"
listen:
  - { address: "[::1]:0", level: private, h2c: true }
  - address: "[::1]:0"
    tls:
      cert: tls/shop.example.crt
      key: "${NOWHERE:-tls}/shop.example.key"
      others: [{ cert: tls/tenants.crt, key: tls/tenants.key }]
trusted_proxies: ["::1", 10.0.0.0/8]
limits: { streams: 7, body: 2MiB }
traces: { collector: "[::1]:4318", sample: 0.05% }
services:
  "on": { endpoints: ["${MONEY_ADDRESS}"], probe: { path: "/ok?a=\"b\"" } }
  unused: { endpoints: ["127.0.0.1:9"] }
  composed: { endpoints: ["127.0.0.1:10"] }
  unsent: { endpoints: ["127.0.0.1:11"], credential: none }
routes:
  - name: "# not a comment: 'really' \"so\""
    match: /{rest*}
    host: "*.example.com"
    headers: { X-A: "null", X-B: "", X-C: "a: b", X-D: "- x", X-E: "$${HOME}", X-F: "\\" }
    query: { "a b": "c: d", e: "" }
    class: transfer
    deprecated: 2026-01-31
    sunset: ${LAST_DAY:-2026-12-31}
    to: "on"
    request_headers: { set: {}, remove: ["!a"] }
    response_headers: { set: { X-G: "{}" }, add: { X-H: "x # y" } }
  - match: GET /own
    to: "on"
    require: { scopes: ["a:b#c", openid], roles: ["it's", "null"] }
    accept: any
    staleness: tolerant
    identity_headers: true
  - { match: GET /known, to: "on", require: {}, server_timing: true }
  - { match: GET /theirs, to: "on", require: { roles: [] }, issuer: partner }
  - { match: GET /asked, to: "on", require: , issuer: "${LEGACY:-legacy}" }
  - { match: "GET /things/{id}", compose: true }
lookups:
  "member":
    get_many: GET composed /members?ids={keys}&versions={versions}
    key: "$id"
    items: a.b
    version: etag
    batch: { url: 1KiB }
    cache: { missing: 1m, size: "${SIZE:-1MiB}", shared: true, shared_despite_auth: true, second_level: true }
  bank: { table: "GET unsent /banks?since={lastModified}", key: "7", deleted: "@gone" }
second_level: { redis: "redis://127.0.0.1/${CACHE_DATABASE:-3}", timeout: 5ms }
endpoints:
  - "GET /things/{id}":
      max_calls: 9
      steps:
        one: { call: "GET composed /a%20b/{id}?q={query.q?}", timeout: 10ms, else: { a: [1, "", {}], b: , c: '"7"' } }
        two: { call: "GET composed /two", cache: { ttl: 2s } }
      answer:
        "a: b": one.a
        "null": { "'x'": member(id).name, y: { z: bank(one.code) } }
        rows: { each: one.rows, max: 7, truncate: true, keep: ["1", b], join: { "x y": "member(b).name" } }
  - GET /empty: { steps: {}, answer: { id: query.id } }
idp:
  lease: 700ms
  grace: ${GRACE:-5m}
  audience: [pay, "a: b"]
  cache: { size: 5MiB }
issuers:
  partner:
    issuer: "https://login.partner.example/"
    jwks: "https://${JWKS:-login.partner.example:8443}/jwks?a=b"
    ca_file: tls/partner-ca.pem
    audience: [pay]
    algorithms: [EdDSA, RS256]
    typ: JWT
    roles_claim: /realm_access/roles
    max_age: 90s
    forward: true
  legacy:
    issuer: "urn:legacy"
    introspection: http://10.0.0.7
    unencrypted: true
    client_id: "a:b"
    secret_file: ./data/legacy secret
    audience: ["1.10"]
  nobody: { issuer: a, jwks: "http://[::1]/", audience: [a] }
provider:
  listen: "[::1]:0"
  issuer: "${ISSUER:-http://login.example.com}"
  internal: 0.0.0.0:0
  exposed: [internal]
  unencrypted: true
  store: { path: "idp: it's.redb", cache: 2MiB }
  audit_log: stderr
  signing: { algorithm: EdDSA, rotate: 90d }
  login: { idle: 1h, absolute: 5d }
  redis: { url: "redis://idp:${REDIS_PASSWORD:-}@127.0.0.1/3" }
  passwords: { at_once: 1 }
  tenants: [bank, "1.10"]
  clients:
    "on":
      public: true
      tenant: bank
      redirect_uris: ["https://a.example/cb?a=b", "com.example.app:/cb"]
      logout_uris: ["https://a.example/"]
      backchannel_logout_uri: http://127.0.0.1:9/out
      grants: [authorization_code, refresh_token]
      scopes: [openid, "a:b#c"]
      audience: [pay]
      consent: implied
      lifetimes: { access: 5m, absolute: 10d }
    api:
      secret_file: ./data/api secret
      grants: [client_credentials]
      roles: ["it's", "- x"]
      introspects: tenant
      enabled: false
    asks: { secret_file: asks, grants: [], lifetimes: payment }
  users:
    "Ada@Example.org": { password_file: ./data/ada, roles: [member, "null"], tenant: "1.10" }
    bob: { password_file: ./data/bob, enabled: false }
"##;

fn everything() -> String {
    let certificates = certificates::folder();
    effective(&load_text_in(certificates.path(), EVERYTHING).unwrap())
}

#[test]
fn every_line_says_where_it_came_from() {
    let text = "threads: 3\nservices:\n  web:\n    endpoints: [\"${ADDRESS}\"]\n    timeout: \
                ${TIMEOUT:-5s}\nroutes:\n  - match: GET /a\n    to: web\n";
    let environment = Environment::of([("ADDRESS", "10.9.8.7:654")], 2);
    let loaded = compile("my.yaml", text.as_bytes(), &environment).unwrap();
    let page = effective(&loaded);
    #[rustfmt::skip]
    let expected = [
        ("threads: 3",                  "my.yaml:1"),
        ("exposed: false",              "default"),
        ("access: stdout",              "default"),
        ("idle: 60s",                   "default"),
        ("- \"${ADDRESS}\"",            "${ADDRESS} from the environment, my.yaml:4"),
        ("timeout: \"${TIMEOUT:-5s}\"", "${TIMEOUT} is not set, my.yaml:5"),
        ("- name: GET /a",              "default: the text of `match`"),
        ("match: GET /a",               "my.yaml:7"),
    ];
    for (line, origin) in expected {
        let found = page.lines().find(|found| {
            found
                .trim_start()
                .replace('"', "")
                .starts_with(&line.replace('"', ""))
        });
        let found = found.unwrap_or_else(|| panic!("no `{line}` in\n{page}"));
        assert_eq!(found.split_once("  # ").unwrap().1, origin, "{found}");
    }
    assert!(!page.contains("10.9.8.7"), "{page}");
}

#[test]
fn every_key_is_shown_or_has_nothing_to_show() {
    let page = everything();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let schema = tollgate_config::schema();
    let mut all = keys(&schema);
    for definition in schema["$defs"].as_object().unwrap().values() {
        all.extend(keys(definition));
    }
    // Left out in the file above: a route changes nothing by not having them.
    all.retain(|key| !["strip", "add"].contains(&key.as_str()));
    for key in all {
        assert!(
            page.contains(&format!("{key}:")),
            "`{key}` is missing from\n{page}"
        );
    }
}

#[test]
fn a_service_that_no_route_leads_to_is_pointed_out() {
    let page = everything();
    let unused = page.lines().find(|line| line.contains("unused:")).unwrap();
    assert!(unused.ends_with("; no route leads here"), "{unused}");
    assert_eq!(page.matches("no route leads here").count(), 1);
    let unused = page.lines().find(|line| line.contains("nobody:")).unwrap();
    assert!(unused.ends_with("; no route trusts it"), "{unused}");
    assert_eq!(page.matches("no route trusts it").count(), 1);
}

#[test]
fn an_idp_elsewhere_is_effective_as_it_is_written() {
    let text = "idp: { issuer: \"https://login.example.com\", listen: \"10.0.0.7:1\", internal: \
                \"10.0.0.7:2\", unencrypted: true, key_file: gateway.key, redis: { url: \
                \"redis://127.0.0.1\" } }\nservices: { web: { endpoints: [\"127.0.0.1:9\"] } }\n\
                routes: [{ match: /a, to: web, require: {} }]";
    let first = compile("a.yaml", text.as_bytes(), &Environment::of([], 2)).unwrap();
    let page = effective(&first);
    let second = compile("b.yaml", page.as_bytes(), &Environment::of([], 2)).unwrap();
    let idp = |loaded: &Loaded| loaded.gateway.as_ref().unwrap().idp.clone();
    assert_eq!(idp(&first), idp(&second), "{page}");
    assert!(idp(&first).unwrap().redis.is_some(), "{page}");
}
