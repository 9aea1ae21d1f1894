//! Who vouches for callers, and what a route wants of them.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use gateway_core::admission::{Accept, Admission, Forbidden, Issuer as Choice};
use gateway_core::caller::Rights;
use idp_token::external::jwt::{Kind, Signature};
use idp_token::external::{ClaimName, Policy};
use idp_token::lease::Tolerance;
use idp_token::value::Algorithm;
use tollgate_config::{Idp, Issuer, Proof, RedisAddress};

use crate::certificates;
use crate::load::{gateway_of, load_text, load_text_in};

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
    let plain = ["require: {}", "require:", "require: {}, class: read"];
    for keys in plain.into_iter().chain(["require: {}, staleness: strict"]) {
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

/// Three issuers, and a route for one of them.
fn with_other_issuers() -> String {
    format!(
        "{SERVICES}issuers:
  partner: {{ issuer: \"https://p.example/\", jwks: \"http://127.0.0.1:3/k?a\", audience: [pay] }}
  secured:
    issuer: https://s.example
    jwks: https://s.example/keys
    ca_file: tls/partner-ca.pem
    audience: [pay]
    algorithms: [EdDSA]
    typ: JWT
    roles_claim: /realm_access/roles
    forward: true
  legacy:
    issuer: urn:legacy
    introspection: http://10.0.0.7/i
    unencrypted: true
    client_id: t
    secret_file: ./s
    audience: [a, b]
    max_age: 30s
routes: [{{ match: GET /a, to: web, require: {{}}, issuer: legacy }}]"
    )
}

#[test]
fn another_issuer_has_a_name_and_is_taken_by_a_policy() {
    let folder = certificates::folder();
    let loaded = load_text_in(folder.path(), &with_other_issuers());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    let gateway = gateway_of(&loaded);
    assert!(gateway.idp.is_none() && loaded.warnings.is_empty());
    let admission = gateway.routes.routes()[0].admission.clone().unwrap();
    assert_eq!(admission.issuer, Choice::Foreign("legacy".into()));
    assert!(admission.identity_headers, "nothing else tells who asks");

    let [partner, secured, legacy] = gateway.issuers.as_slice() else {
        panic!("{:?}", gateway.issuers);
    };
    let names = [partner, secured, legacy].map(|issuer| (&*issuer.name, issuer.forwards));
    let expected = [("partner", false), ("secured", true), ("legacy", false)];
    assert_eq!(names, expected);
    let policy = |issuer: &str, audience: &[&str], roles: &str, max_age| Policy {
        issuer: issuer.to_owned(),
        audience: audience.iter().map(ToString::to_string).collect(),
        roles: ClaimName::parse(roles).unwrap(),
        max_age: Duration::from_secs(max_age),
    };
    let expected = [
        policy("https://p.example/", &["pay"], "roles", 60),
        policy("https://s.example", &["pay"], "/realm_access/roles", 60),
        policy("urn:legacy", &["a", "b"], "roles", 30),
    ];
    let policies = [partner, secured, legacy].map(|issuer| issuer.policy.clone());
    assert_eq!(policies, expected);
}

#[test]
fn another_issuer_is_proved_by_its_keys_or_asked() {
    let folder = certificates::folder();
    let loaded = load_text_in(folder.path(), &with_other_issuers());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
    let [partner, secured, legacy] = gateway_of(&loaded).issuers.as_slice() else {
        panic!("{:?}", gateway_of(&loaded).issuers);
    };
    let by_keys = |issuer: &Issuer| match &issuer.proof {
        Proof::Keys { at, signature } => {
            let is_secured = at.roots.is_some();
            (at.to_string(), is_secured, signature.clone())
        }
        Proof::Introspection { .. } => panic!("{issuer:?}"),
    };
    let signature = |algorithm, kind| Signature {
        algorithms: vec![algorithm],
        kind,
    };
    let expected = signature(Algorithm::Es256, Kind::AccessToken);
    assert_eq!(
        by_keys(partner),
        ("http://127.0.0.1:3/k?a".to_owned(), false, expected)
    );
    let expected = signature(Algorithm::EdDsa, Kind::Jwt);
    assert_eq!(
        by_keys(secured),
        ("https://s.example/keys".to_owned(), true, expected)
    );
    let Proof::Introspection {
        at,
        client_id,
        secret,
    } = &legacy.proof
    else {
        panic!("{legacy:?}");
    };
    assert_eq!(at.to_string(), "http://10.0.0.7/i");
    assert_eq!((&**client_id, secret.expose()), ("t", "s3cr3t"));
    assert!(!format!("{legacy:?}").contains("s3cr3t"));
    let files = loaded.files;
    assert!(!files.have_changed());
    std::fs::write(folder.path().join("s"), "another").unwrap();
    assert!(files.have_changed(), "a new secret is taken over");
}

#[test]
fn what_another_issuer_could_do_harm_with_is_warned_of() {
    let warnings = |issuer: &str, route: &str| {
        let text = format!(
            "{SERVICES}issuers: {{ p: {{ issuer: a, jwks: \"http://127.0.0.1:3/\", audience: [pay]{issuer} }} }}
routes: [{{ match: POST /a, to: web, require: {{}}, issuer: p{route} }}]"
        );
        let loaded = load_text(&text).unwrap_or_else(|problems| panic!("{problems}"));
        let warnings = loaded.warnings.iter().map(ToString::to_string);
        warnings.collect::<Vec<_>>().join("\n")
    };
    let age = "a token that was taken back could move money for 61s";
    let silence = "the service is told nothing of who asks";
    #[rustfmt::skip]
    let cases = [
        ("",                 "",                                             None),
        ("",                 ", class: transfer",                            None),
        (", max_age: 60s",   ", class: transfer",                            None),
        (", max_age: 61s",   ", class: transfer",                            Some(age)),
        (", max_age: 61s",   ", class: write",                               None),
        ("",                 ", identity_headers: true",                     None),
        ("",                 ", identity_headers: false",                    Some(silence)),
        (", forward: true",  ", identity_headers: false",                    None),
        (", forward: false", ", identity_headers: false",                    Some(silence)),
    ];
    for (issuer, route, expected) in cases {
        let found = warnings(issuer, route);
        match expected {
            None => assert_eq!(found, "", "{issuer} {route}"),
            Some(text) => assert!(found.contains(text), "{issuer} {route}: {found}"),
        }
    }
}
