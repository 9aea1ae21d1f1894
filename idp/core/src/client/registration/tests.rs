use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::client::{Consents, Introspects, Lifetimes, SecretDigest};
use crate::id::{ClientId, Generation, TenantId};
use crate::record::{RECORD_BYTES_MAX, Record};
use crate::scope::{SCOPE_BYTES_MAX, SCOPES_MAX, Scopes};

fn client() -> Client {
    Client {
        id: ClientId::parse("web").unwrap(),
        tenant: TenantId::parse("bank").unwrap(),
        secrets: Secrets::Public,
        redirect_uris: vec!["https://a.example/cb".to_owned()],
        logout_uris: Vec::new(),
        backchannel_logout_uri: None,
        grants: BTreeSet::from([Grant::AuthorizationCode, Grant::RefreshToken]),
        scopes: Scopes::default(),
        roles: Vec::new(),
        audience: Vec::new(),
        consents: Consents::Asked,
        introspects: Introspects::Own,
        lifetimes: Lifetimes::PAYMENT,
        is_enabled: true,
        generation: Generation::default(),
    }
}

fn with(change: impl FnOnce(&mut Client)) -> Result<(), ClientProblem> {
    let mut client = client();
    change(&mut client);
    client.check()
}

fn lifetimes(access: u64, idle: u64, absolute: u64) -> Result<(), ClientProblem> {
    with(|client| {
        client.lifetimes = Lifetimes {
            access: Duration::from_secs(access),
            idle: Some(Duration::from_secs(idle)),
            absolute: Duration::from_secs(absolute),
        };
    })
}

#[test]
fn a_client_is_registered_only_if_its_grants_fit_what_it_is() {
    let secret = SecretDigest::from_bytes([1; 32]);
    assert_eq!(client().check(), Ok(()));
    let found = with(|client| client.redirect_uris.clear());
    assert_eq!(found, Err(ClientProblem::NoRedirectUri));
    let found = with(|client| client.grants = BTreeSet::from([Grant::RefreshToken]));
    assert_eq!(found, Err(ClientProblem::RefreshAlone));
    let found = with(|client| client.grants = BTreeSet::from([Grant::ClientCredentials]));
    assert_eq!(found, Err(ClientProblem::PublicMachine));
    let found = with(|client| client.secrets = Secrets::Confidential(Vec::new()));
    assert_eq!(found, Err(ClientProblem::NoSecret));
    let found = with(|client| client.secrets = Secrets::Confidential(vec![secret]));
    assert_eq!(found, Ok(()));
}

#[test]
fn lifetimes_are_in_their_order_and_never_zero() {
    assert_eq!(lifetimes(10, 10, 10), Ok(()));
    let day = 24 * 60 * 60;
    assert_eq!(lifetimes(day, day, 9 * day), Ok(()));
    let cases = [
        (0, 1, 1),
        (1, 0, 1),
        (2, 1, 1),
        (1, 2, 1),
        (day + 1, day, 9 * day),
    ];
    for (access, idle, absolute) in cases {
        let found = lifetimes(access, idle, absolute);
        assert_eq!(
            found,
            Err(ClientProblem::Lifetimes),
            "{access} {idle} {absolute}"
        );
    }
}

#[test]
fn a_client_is_told_of_a_logout_over_https_or_on_this_machine() {
    let cases = [
        ("https://a.example/out?from=id", true),
        ("http://127.0.0.1:9/out", true),
        ("http://[::1]/out", true),
        ("http://localhost/out", true),
        ("http://a.example/out", false),
        ("https://ann@a.example/out", false),
        ("https://a.example/out#here", false),
        ("com.example.app:/out", false),
        ("ftp://a.example/out", false),
        ("/out", false),
    ];
    for (uri, is_sound) in cases {
        let found = with(|client| client.backchannel_logout_uri = Some(uri.to_owned()));
        let expected = if is_sound {
            Ok(())
        } else {
            Err(ClientProblem::BackchannelLogoutUri)
        };
        assert_eq!(found, expected, "{uri}");
    }
}

#[test]
fn each_list_of_a_client_has_an_end_and_the_largest_fits_into_a_record() {
    let texts = |count: usize, bytes: usize| vec!["r".repeat(bytes); count];
    let uris = |count: usize, bytes: usize| {
        let uri = format!("https://a.example/{}", "a".repeat(bytes - 18));
        vec![uri; count]
    };
    let names: Vec<_> = (0..SCOPES_MAX)
        .map(|at| format!("{at:0>SCOPE_BYTES_MAX$}"))
        .collect();
    let largest = Client {
        redirect_uris: uris(URIS_MAX, URI_BYTES_MAX),
        logout_uris: uris(URIS_MAX, URI_BYTES_MAX),
        backchannel_logout_uri: uris(1, URI_BYTES_MAX).pop(),
        roles: texts(ROLES_MAX, ROLE_BYTES_MAX),
        audience: texts(AUDIENCE_MAX, AUDIENCE_BYTES_MAX),
        scopes: Scopes::of(names.iter().map(String::as_str)).unwrap(),
        secrets: Secrets::Confidential(vec![SecretDigest::from_bytes([1; 32]); SECRETS_MAX]),
        ..client()
    };
    assert_eq!(largest.check(), Ok(()));
    assert!(Record::Client(largest).encode().len() <= RECORD_BYTES_MAX);

    let too_much: [fn(&mut Client); 10] = [
        |client| client.redirect_uris = vec!["https://a.example/".to_owned(); URIS_MAX + 1],
        |client| client.logout_uris = vec!["https://a.example/".to_owned(); URIS_MAX + 1],
        |client| {
            client.redirect_uris = vec![format!("https://a.example/{}", "a".repeat(URI_BYTES_MAX))]
        },
        |client| {
            let uri = format!("https://a.example/{}", "a".repeat(URI_BYTES_MAX));
            client.backchannel_logout_uri = Some(uri);
        },
        |client| client.roles = vec!["r".to_owned(); ROLES_MAX + 1],
        |client| client.roles = vec!["r".repeat(ROLE_BYTES_MAX + 1)],
        |client| client.roles = vec![String::new()],
        |client| client.audience = vec!["a".to_owned(); AUDIENCE_MAX + 1],
        |client| client.audience = vec!["a".repeat(AUDIENCE_BYTES_MAX + 1)],
        |client| {
            let secrets = vec![SecretDigest::from_bytes([1; 32]); SECRETS_MAX + 1];
            client.secrets = Secrets::Confidential(secrets);
        },
    ];
    for (change, at) in too_much.into_iter().zip(0..) {
        assert_eq!(with(change), Err(ClientProblem::TooLong), "{at}");
    }
}
