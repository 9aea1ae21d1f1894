//! The section of the identity provider: its defaults, what is written, and files without a gateway.

use std::path::Path;
use std::time::Duration;

use idp_core::provider::LoginLifetimes;
use idp_token::value::Algorithm;
use tollgate_config::{AuditLog, Environment, Loaded, Problems, Provider, compile};

use crate::load::load_text;

fn load_in(folder: &str, text: &str) -> Result<Loaded, Problems> {
    let environment = Environment::of([], 2).in_folder(Path::new(folder));
    compile("tollgate.yaml", text.as_bytes(), &environment)
}

fn provider(text: &str) -> Provider {
    match load_in("/etc/tollgate", text) {
        Ok(loaded) => loaded.provider.unwrap(),
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn a_provider_takes_its_defaults_and_stays_on_this_machine() {
    let provider = provider("provider: {}");
    assert_eq!(provider.issuer, "http://127.0.0.1:8081");
    assert_eq!(provider.listen, "127.0.0.1:8081".parse().unwrap());
    assert_eq!(provider.internal, "127.0.0.1:8082".parse().unwrap());
    assert_eq!(provider.threads, 2);
    let store = &provider.store;
    let folder = Path::new("/etc/tollgate/data");
    assert_eq!(store.path, folder.join("idp.redb"));
    assert_eq!(store.key_file, folder.join("idp.key"));
    assert_eq!(store.cache_bytes_max, 24 * 1024 * 1024);
    assert_eq!(store.disk_free_bytes_min, 64 * 1024 * 1024);
    assert_eq!(provider.admin_key_file, folder.join("admin.key"));
    assert_eq!(provider.gateway_key_file, folder.join("gateway.key"));
    assert_eq!(provider.audit_log, AuditLog::File(folder.join("audit.log")));
    assert_eq!(provider.signing.algorithm, Algorithm::Es256);
    let days = |count: u64| Duration::from_secs(count * 24 * 60 * 60);
    assert_eq!(provider.signing.rotate, days(30));
    assert_eq!(provider.login, LoginLifetimes::PAYMENT);
    assert_eq!(provider.passwords_at_once, 2);
    assert_eq!(provider.redis, None);
    let tenants: Vec<_> = provider.tenants.iter().map(|it| it.as_str()).collect();
    assert_eq!(tenants, ["default"]);
    assert!(provider.clients.is_empty() && provider.users.is_empty());
}

#[test]
fn keys_lie_beside_the_store_wherever_that_is() {
    #[rustfmt::skip]
    let cases = [
        ("",      "idp.redb",        "idp.key"),
        ("",      "./idp.redb",      "idp.key"),
        ("",      "/var/idp.redb",   "/var/idp.key"),
        ("/etc",  "idp.redb",        "/etc/idp.key"),
        ("/etc",  "../var/idp.redb", "/etc/../var/idp.key"),
        ("/etc",  "/var/idp.redb",   "/var/idp.key"),
    ];
    for (folder, path, expected) in cases {
        let text = format!("provider: {{ store: {{ path: {path} }} }}");
        let loaded = load_in(folder, &text).unwrap();
        let store = loaded.provider.unwrap().store;
        assert_eq!(store.key_file, Path::new(expected), "{folder} {path}");
    }
}

#[test]
fn the_issuer_is_the_address_of_a_provider_on_this_machine() {
    #[rustfmt::skip]
    let cases = [
        ("listen: 127.0.0.1:9",  "http://127.0.0.1:9"),
        ("listen: localhost:9",  "http://127.0.0.1:9"),
        ("listen: \"[::1]:9\"",  "http://[::1]:9"),
        ("listen: 0.0.0.0:9, exposed: [listen], issuer: https://a.example", "https://a.example"),
        ("issuer: http://a.example:9/b, unencrypted: true", "http://a.example:9/b"),
    ];
    for (keys, expected) in cases {
        assert_eq!(
            provider(&format!("provider: {{ {keys} }}")).issuer,
            expected,
            "{keys}"
        );
    }
}

#[test]
fn a_file_may_speak_of_a_gateway_of_a_provider_or_of_both() {
    let gateway = "services: { web: { endpoints: [\"127.0.0.1:1\"] } }\n\
                   routes: [{ match: /a, to: web }]\n";
    let provider = "provider: {}\n";
    let both = format!("{gateway}{provider}");
    let cases = [
        (gateway, true, false),
        (provider, false, true),
        (both.as_str(), true, true),
    ];
    for (text, is_gateway, is_provider) in cases {
        let loaded = load_text(text).unwrap();
        assert_eq!(loaded.require_gateway().is_ok(), is_gateway, "{text}");
        assert_eq!(loaded.require_provider().is_ok(), is_provider, "{text}");
    }
}

#[test]
fn a_role_that_the_file_does_not_speak_of_says_what_to_add() {
    let loaded = load_text("provider: {}\n").unwrap();
    let problems = loaded.require_gateway().unwrap_err().to_string();
    assert!(problems.contains("needs at least one route"), "{problems}");

    let gateway = "services: { web: { endpoints: [\"127.0.0.1:1\"] } }\n\
                   routes: [{ match: /a, to: web }]\n";
    let loaded = load_text(gateway).unwrap();
    let problems = loaded.require_provider().unwrap_err().to_string();
    assert!(problems.contains("add `provider: {}`"), "{problems}");
}
