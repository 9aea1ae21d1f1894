//! Who vouches for callers, and what a route wants of them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use gateway_core::admission::{Accept, Admission, Forbidden, Issuer as Choice};
use gateway_core::caller::Rights;
use idp_token::lease::Tolerance;
use idp_token::value::Algorithm;
use tollgate_config::{Idp, Proof, RedisAddress};

use crate::load::{gateway_of, load_text};

const SERVICES: &str = "services: { web: { endpoints: [\"127.0.0.1:1\"] } }\n";

/// The guard of one route with these keys, beside a provider.
fn admission(keys: &str, others: &str) -> Option<Admission> {
    let text = format!(
        "{SERVICES}{others}\nroutes: [{{ match: GET /a, to: web{} {keys} }}]",
        if keys.is_empty() { "" } else { "," }
    );
    let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
    gateway_of(&loaded).routes.routes()[0].admission.clone()
}

fn idp(others: &str) -> Idp {
    let text = format!("{SERVICES}{others}\nroutes: [{{ match: GET /a, to: web, require: {{}} }}]");
    let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
    gateway_of(&loaded).idp.clone().unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_route_asks_nobody_unless_it_says_so_and_is_strict_unless_it_says_otherwise() {
    let own = "provider: {}\nidp: { audience: [pay], grace: 5m }";
    assert_eq!(admission("", own), None);
    for keys in ["require: {}", "require:", "require: {}, class: read"] {
        let admission = admission(keys, own).unwrap();
        assert_eq!(admission.accept, Accept::Reference, "{keys}");
        assert_eq!(admission.issuer, Choice::Own, "{keys}");
        assert_eq!(admission.tolerance, Tolerance::Strict, "{keys}");
        assert!(
            !admission.identity_headers && !admission.server_timing,
            "{keys}"
        );
        assert_eq!(
            admission.require.check(&Rights::default()),
            Ok(()),
            "{keys}"
        );
    }
    let all = "require: { scopes: [a, b], roles: [x, y] }, accept: any, staleness: tolerant, \
               identity_headers: true, server_timing: true";
    let admission = admission(all, own).unwrap();
    assert_eq!(admission.accept, Accept::Any);
    let grace = Duration::from_secs(300);
    assert_eq!(admission.tolerance, Tolerance::Tolerant { grace });
    assert!(admission.identity_headers && admission.server_timing);
    let check = |scope: &str, role: &str| {
        let rights = Rights::new("c", "t", scope, &[role.to_owned()]);
        admission.require.check(&rights)
    };
    assert_eq!(check("b a", "y"), Ok(()));
    assert_eq!(check("b a", "z"), Err(Forbidden::Role));
    let required = "a b".into();
    assert_eq!(check("a", "y"), Err(Forbidden::Scope { required }));
}

#[test]
fn everything_of_an_idp_is_taken_from_the_provider_beside_it() {
    let found = idp("provider: { redis: \"redis://127.0.0.1:7/3\" }\nidp: {}");
    let expected = Idp {
        issuer: "http://127.0.0.1:8081".to_owned(),
        listen: address("127.0.0.1:8081"),
        internal: address("127.0.0.1:8082"),
        key_file: "data/gateway.key".into(),
        lease: Duration::from_secs(1),
        grace: Duration::from_secs(60),
        redis: found.redis.clone(),
        audience: Vec::new(),
        cache_bytes: 64 << 20,
    };
    assert_eq!(found, expected);
    let redis = found.redis.unwrap();
    assert_eq!(redis.at, RedisAddress::Tcp(address("127.0.0.1:7")));
    assert_eq!(redis.database, 3);

    let found = idp(
        "provider: { listen: 127.0.0.1:0, internal: 0.0.0.0:9, exposed: [internal], issuer: \
         \"https://a.example\", gateway_key_file: k }\nidp: { issuer: \"https://a.example\" }",
    );
    assert_eq!(found.issuer, "https://a.example");
    assert_eq!(found.listen, address("127.0.0.1:0"));
    assert_eq!(found.internal, address("127.0.0.1:9"));
    assert_eq!(found.key_file, Path::new("k"));
    assert_eq!(found.redis, None);
}

#[test]
fn what_is_written_of_an_idp_is_what_runs() {
    let found = idp(
        "idp: { issuer: \"http://[::1]:81/a\", internal: \"[::1]:82\", key_file: ./g.key, lease: \
         60s, grace: 60s, redis: { url: \"unix:///r\" }, audience: [pay, bank], cache: { size: \
         1MiB } }",
    );
    let expected = Idp {
        issuer: "http://[::1]:81/a".to_owned(),
        listen: address("[::1]:81"),
        internal: address("[::1]:82"),
        key_file: "g.key".into(),
        lease: Duration::from_secs(60),
        grace: Duration::from_secs(60),
        redis: found.redis.clone(),
        audience: vec!["pay".to_owned(), "bank".to_owned()],
        cache_bytes: 1 << 20,
    };
    assert_eq!(found, expected);
    assert_eq!(found.redis.unwrap().at, RedisAddress::Unix("/r".into()));
}

#[test]
fn an_idp_that_is_also_written_out_differs_from_the_provider_where_it_says_so() {
    let found = idp(
        "provider: { redis: \"redis://127.0.0.1:7\" }\nidp: { listen: 127.0.0.1:5, internal: \
         127.0.0.1:6, key_file: x, redis: \"redis://127.0.0.1:8\" }",
    );
    assert_eq!(
        (found.listen, found.internal),
        (address("127.0.0.1:5"), address("127.0.0.1:6"))
    );
    assert_eq!(found.key_file, Path::new("x"));
    let redis = found.redis.unwrap();
    assert_eq!(redis.at, RedisAddress::Tcp(address("127.0.0.1:8")));
}

#[test]
fn another_issuer_is_proved_by_its_keys_or_asked() {
    let text = format!(
        "{SERVICES}issuers:
  partner: {{ issuer: \"https://p.example/\", jwks: \"http://127.0.0.1:3/k?a\", audience: [pay] }}
  legacy:
    issuer: urn:legacy
    introspection: http://10.0.0.7/i
    unencrypted: true
    client_id: t
    secret_file: ./s
    audience: [a, b]
    max_age: 30s
routes: [{{ match: GET /a, to: web, require: {{}}, issuer: legacy }}]"
    );
    let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
    let gateway = gateway_of(&loaded);
    assert!(gateway.idp.is_none());
    let admission = gateway.routes.routes()[0].admission.clone().unwrap();
    assert_eq!(admission.issuer, Choice::Foreign("legacy".into()));

    let [partner, legacy] = gateway.issuers.as_slice() else {
        panic!("{:?}", gateway.issuers);
    };
    assert_eq!(
        (&*partner.name, &*partner.issuer),
        ("partner", "https://p.example/")
    );
    assert_eq!(
        (partner.max_age, &*partner.audience),
        (Duration::from_secs(60), &["pay".to_owned()][..])
    );
    let Proof::Keys { jwks, algorithms } = &partner.proof else {
        panic!("{partner:?}");
    };
    assert_eq!(
        (jwks.address, &*jwks.path),
        (address("127.0.0.1:3"), "/k?a")
    );
    assert_eq!(algorithms, &[Algorithm::Es256]);
    let Proof::Introspection {
        at,
        client_id,
        secret_file,
    } = &legacy.proof
    else {
        panic!("{legacy:?}");
    };
    assert_eq!((at.address, &*at.path), (address("10.0.0.7:80"), "/i"));
    assert_eq!((&**client_id, &**secret_file), ("t", Path::new("s")));
    assert_eq!(legacy.max_age, Duration::from_secs(30));
}
