//! The section of the identity provider: its defaults, what is written, and files without a gateway.

use std::path::Path;
use std::time::Duration;

use idp_core::client::{Consents, Grant, Introspects, Lifetimes, SecretDigest, Secrets};
use idp_core::provider::LoginLifetimes;
use idp_token::value::Algorithm;
use tollgate_config::{
    AuditLog, Environment, Loaded, Problems, Provider, RedisAddress, compile, effective,
};

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
    assert_eq!(store.cache_bytes_max, 16 * 1024 * 1024);
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

const SEEDED: &str = r#"
provider:
  tenants: [bank]
  clients:
    shop:
      secret_file: ./data/shop.secret
      grants: [refresh_token, authorization_code]
      redirect_uris: ["https://shop.example/cb"]
      logout_uris: ["https://shop.example/"]
      backchannel_logout_uri: https://shop.example/out
      scopes: [openid, money.read]
      roles: [shop]
      audience: [pay]
      consent: implied
      introspects: tenant
      tenant: bank
      enabled: false
    phone: { public: true, grants: [], lifetimes: { access: 5m, absolute: 1h } }
  users:
    Alice: { password_file: /run/alice, roles: [member], tenant: bank, enabled: false }
    bob: { password_file: bob }
"#;

#[test]
fn clients_are_registered_as_they_are_written() {
    let provider = provider(SEEDED);
    let [shop, phone] = provider.clients.as_slice() else {
        panic!("{:?}", provider.clients);
    };
    let secret = Path::new("/etc/tollgate/data/shop.secret");
    assert_eq!(shop.secret_file.as_deref(), Some(secret));
    let out = shop.backchannel_logout_uri.as_deref();
    assert_eq!(out, Some("https://shop.example/out"));
    let digest = SecretDigest::from_bytes([7; 32]);
    let client = shop.client(Some(digest.clone()));
    assert_eq!(client.check(), Ok(()));
    assert_eq!(client.backchannel_logout_uri.as_deref(), out);
    assert_eq!(
        (client.id.as_str(), client.tenant.as_str()),
        ("shop", "bank")
    );
    assert_eq!(client.secrets, Secrets::Confidential(vec![digest]));
    let grants = [Grant::AuthorizationCode, Grant::RefreshToken];
    assert_eq!(client.grants, grants.into());
    assert_eq!(client.redirect_uris, ["https://shop.example/cb"]);
    assert_eq!(client.logout_uris, ["https://shop.example/"]);
    assert_eq!(client.scopes.to_string(), "money.read openid");
    assert_eq!(
        (client.roles[0].as_str(), client.audience[0].as_str()),
        ("shop", "pay")
    );
    assert_eq!(client.consents, Consents::Implied);
    assert_eq!(client.introspects, Introspects::Tenant);
    assert_eq!(client.lifetimes, Lifetimes::PAYMENT);
    assert!(!client.is_enabled);

    assert_eq!(
        (phone.tenant.as_str(), &phone.secret_file),
        ("default", &None)
    );
    let client = phone.client(None);
    assert_eq!(client.secrets, Secrets::Public);
    assert_eq!(client.consents, Consents::Asked);
    assert_eq!(client.introspects, Introspects::Own);
    assert!(client.is_enabled);
    let minutes = |count: u64| Duration::from_secs(count * 60);
    let lifetimes = Lifetimes {
        access: minutes(5),
        idle: None,
        absolute: minutes(60),
    };
    assert_eq!(client.lifetimes, lifetimes);
}

#[test]
fn people_are_registered_as_they_are_written() {
    let provider = provider(SEEDED);
    let [alice, bob] = provider.users.as_slice() else {
        panic!("{:?}", provider.users);
    };
    assert_eq!(
        (alice.name.as_str(), alice.tenant.as_str()),
        ("alice", "bank")
    );
    assert_eq!(alice.password_file, Path::new("/run/alice"));
    assert_eq!(
        (alice.roles.as_slice(), alice.is_enabled),
        (&["member".to_owned()][..], false)
    );
    assert_eq!((bob.name.as_str(), bob.tenant.as_str()), ("bob", "default"));
    assert_eq!(bob.password_file, Path::new("/etc/tollgate/bob"));
    assert!(bob.roles.is_empty() && bob.is_enabled);
    let tenants: Vec<_> = provider.tenants.iter().map(|it| it.as_str()).collect();
    assert_eq!(tenants, ["default", "bank"]);
}

#[test]
fn lifetimes_are_those_of_what_a_client_does_unless_it_says_otherwise() {
    #[rustfmt::skip]
    let cases = [
        ("grants: []",                                               Lifetimes::MACHINE),
        ("grants: [client_credentials]",                             Lifetimes::MACHINE),
        ("grants: [client_credentials], lifetimes: payment",         Lifetimes::PAYMENT),
        ("grants: [authorization_code]",                             Lifetimes::PAYMENT),
        ("grants: [authorization_code, client_credentials]",         Lifetimes::PAYMENT),
        ("grants: [authorization_code], lifetimes: machine",         Lifetimes::MACHINE),
    ];
    for (keys, expected) in cases {
        let text = format!(
            "provider: {{ clients: {{ a: {{ secret_file: a, {keys}, \
             redirect_uris: [\"https://a.example\"] }} }} }}"
        );
        assert_eq!(provider(&text).clients[0].lifetimes, expected, "{keys}");
    }
}

#[test]
fn a_password_of_redis_comes_from_a_variable_or_a_file_and_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("redis.password"), "hunter2\n").unwrap();
    let environment = Environment::of(
        [("PW", "hunter2"), ("URL", "redis://:hunter2@127.0.0.1")],
        2,
    )
    .in_folder(folder.path());
    let cases = [
        "\"redis://:${PW}@127.0.0.1\"",
        "\"redis://:${PW:-}@127.0.0.1\"",
        "${URL}",
        "{ url: \"${URL}\" }",
        "{ url: redis://127.0.0.1, password_file: redis.password }",
    ];
    for redis in cases {
        let text = format!("provider:\n  redis: {redis}\n");
        let loaded = compile("tollgate.yaml", text.as_bytes(), &environment);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        let redis = loaded.provider.as_ref().unwrap().redis.as_ref().unwrap();
        assert_eq!(
            redis.at,
            RedisAddress::Tcp("127.0.0.1:6379".parse().unwrap())
        );
        assert_eq!(
            redis.password.as_ref().unwrap().as_str(),
            "hunter2",
            "{text}"
        );
        let shown = format!("{:?}{}", loaded.provider, effective(&loaded));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn every_key_that_changes_is_one_that_holds_from_the_next_start_on() {
    let whole = "threads: 2\nprovider: { KEYS }";
    let of = |keys: &str| provider(&whole.replace("KEYS", keys));
    #[rustfmt::skip]
    let cases = [
        ("",                                             vec![]),
        ("issuer: https://a.example",                    vec!["provider.issuer"]),
        ("listen: 127.0.0.1:1",                          vec!["provider.issuer", "provider.listen"]),
        ("internal: 127.0.0.1:1",                        vec!["provider.internal"]),
        ("store: { cache: 2MiB }",                       vec!["provider.store"]),
        ("redis: redis://127.0.0.1",                     vec!["provider.redis"]),
        ("signing: { rotate: 1d }",                      vec!["provider.signing"]),
        ("admin_key_file: a",                            vec!["provider.admin_key_file"]),
        ("gateway_key_file: a",                          vec!["provider.gateway_key_file"]),
        ("audit_log: stderr",                            vec!["provider.audit_log"]),
        ("ca_file: a",                                   vec!["provider.ca_file"]),
        ("login: { idle: 1m }",                          vec!["provider.login"]),
        ("passwords: { at_once: 1 }",                    vec!["provider.passwords"]),
        ("tenants: [a]",                                 vec!["provider.tenants"]),
        ("clients: { a: { public: true, grants: [] } }", vec!["provider.clients"]),
        ("users: { a: { password_file: a } }",           vec!["provider.users"]),
    ];
    let before = of("");
    for (keys, expected) in cases {
        let after = of(keys);
        let found = Provider::differences(Some(&before), Some(&after));
        assert_eq!(found, expected, "{keys}");
    }
    assert_eq!(Provider::differences(None, Some(&before)), ["provider"]);
    assert_eq!(Provider::differences(Some(&before), None), ["provider"]);
    assert_eq!(Provider::differences(None, None), [""; 0]);
}
