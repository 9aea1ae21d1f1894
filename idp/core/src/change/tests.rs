use std::time::Duration;

use idp_token::filter::FilterKeyId;
use idp_token::value::Algorithm;
use zeroize::Zeroizing;

use super::*;
use crate::id::{Generation, UserId, Username};
use crate::keyring::{FilterRing, FilterSecret, Held, KeySecret, PrivateKey, Retired, SigningKeys};
use crate::record::{Cause, Generations, PasswordHash};
use crate::scope::Scopes;

const NOW: UnixSeconds = UnixSeconds(100);

fn session() -> Session {
    Session {
        id: SessionId([1; 16]),
        user: Some(UserId([2; 16])),
        login: None,
        client: ClientId::parse("web").unwrap(),
        tenant: TenantId::parse("bank").unwrap(),
        scopes: Scopes::default(),
        amr: Vec::new(),
        auth_time: None,
        began_at: UnixSeconds(0),
        ends_at: UnixSeconds(1000),
        idle: Some(Duration::from_secs(60)),
        generations: Generations::default(),
        standing: Standing::Live,
    }
}

fn over() -> Session {
    let cause = Cause::Revoked;
    Session {
        standing: Standing::Over { at: NOW, cause },
        ..session()
    }
}

fn user() -> User {
    User {
        id: UserId([2; 16]),
        tenant: TenantId::parse("bank").unwrap(),
        name: Username::parse("ada").unwrap(),
        password: PasswordHash("x".to_owned()),
        roles: vec!["a".to_owned()],
        is_enabled: true,
        generation: Generation(1),
    }
}

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::parse("bank").unwrap(),
        is_enabled: true,
        generation: Generation(1),
    }
}

fn kind(before: &Option<Record>, after: &Option<Record>) -> Option<Kind> {
    announce(before.as_ref(), after.as_ref(), NOW).map(|change| change.kind)
}

#[test]
fn what_a_write_takes_away_from_a_session_is_announced_once() {
    let some = |session: Session| Some(Record::Session(session));
    let narrowed = Session {
        ends_at: UnixSeconds(500),
        ..session()
    };
    let expired = Session {
        ends_at: NOW,
        ..session()
    };
    #[rustfmt::skip]
    let cases = [
        (None,            some(session()),  None),
        (some(session()), some(session()),  None),
        (some(session()), some(narrowed),   Some(Kind::Changed)),
        (some(session()), some(over()),     Some(Kind::Ended)),
        (some(session()), None,             Some(Kind::Ended)),
        (some(over()),    some(over()),     None),
        (some(over()),    None,             None),
        (some(expired),   None,             None),
    ];
    for (before, after, expected) in cases {
        assert_eq!(kind(&before, &after), expected, "{before:?} {after:?}");
    }
}

#[test]
fn what_a_write_takes_away_from_an_owner_is_announced() {
    let of = |user: User| Some(Record::User(user));
    let with = |change: fn(&mut User)| {
        let mut user = user();
        change(&mut user);
        of(user)
    };
    let disabled = || with(|user| user.is_enabled = false);
    #[rustfmt::skip]
    let cases = [
        (None,       of(user()),                                       None),
        (of(user()), of(user()),                                       None),
        (of(user()), with(|user| user.password.0.clear()),             None),
        (of(user()), with(|user| user.roles.clear()),                  Some(Kind::Changed)),
        (of(user()), with(|user| user.generation = Generation(2)),     Some(Kind::Ended)),
        (of(user()), disabled(),                                       Some(Kind::Ended)),
        (disabled(), of(user()),                                       Some(Kind::Changed)),
        (of(user()), None,                                             Some(Kind::Ended)),
    ];
    for (before, after, expected) in cases {
        assert_eq!(kind(&before, &after), expected, "{before:?} {after:?}");
    }

    let of = |tenant: Tenant| Some(Record::Tenant(tenant));
    let raised = Tenant {
        generation: Generation(2),
        ..tenant()
    };
    let disabled = Tenant {
        is_enabled: false,
        ..tenant()
    };
    assert_eq!(kind(&of(tenant()), &of(tenant())), None);
    assert_eq!(kind(&of(tenant()), &of(raised)), Some(Kind::Ended));
    assert_eq!(kind(&of(tenant()), &of(disabled)), Some(Kind::Ended));
    assert_eq!(kind(&of(tenant()), &None), Some(Kind::Ended));
}

/// There is no record of the realm before everything is ended for the first time.
#[test]
fn the_first_end_of_everything_is_announced_too() {
    let realm = |generation| {
        let generation = Generation(generation);
        Some(Record::Realm(Realm { generation }))
    };
    assert_eq!(kind(&None, &realm(1)), Some(Kind::Ended));
    assert_eq!(kind(&realm(1), &realm(2)), Some(Kind::Ended));
    assert_eq!(kind(&realm(1), &realm(1)), None);
}

#[test]
fn a_change_of_a_session_need_not_be_remembered_past_its_end() {
    let change = announce(
        Some(&Record::Session(session())),
        Some(&Record::Session(over())),
        NOW,
    );
    let expected = Change {
        target: Target::Session(SessionId([1; 16])),
        kind: Kind::Ended,
        at: NOW,
        until: Some(UnixSeconds(1000)),
    };
    assert_eq!(change, Some(expected));
}

fn signing_key(byte: u8) -> PrivateKey {
    PrivateKey::stored(Algorithm::Es256, Zeroizing::new(vec![byte]))
}

/// The key that signs, the next one, and one that signed until lately.
fn keyring(active: u8, next: u8, retired: Option<u8>) -> Option<Record> {
    let held = |byte| Held {
        key: signing_key(byte),
        since: NOW,
    };
    let retired = retired.map(|byte| Retired {
        key: signing_key(byte),
        until: UnixSeconds(NOW.0 + 1),
    });
    let secret = KeySecret::new([0; 32]);
    Some(Record::Keyring(Box::new(Keyring {
        signing: SigningKeys {
            active: held(active),
            next: held(next),
            retired: retired.into_iter().collect(),
        },
        filter: FilterRing {
            tagging: FilterSecret {
                id: FilterKeyId::FIRST,
                secret: secret.clone(),
            },
            other: None,
        },
        refresh: secret.clone(),
        client_secrets: secret,
        dummy_password: PasswordHash(String::new()),
        partition: 0,
    })))
}

#[test]
fn a_signing_key_that_is_dropped_before_its_time_is_announced() {
    let before = keyring(1, 2, Some(3));
    #[rustfmt::skip]
    let cases = [
        (keyring(1, 2, Some(3)), None),
        (keyring(2, 1, Some(3)), None),
        (keyring(1, 2, None),    Some(Kind::Changed)),
        (keyring(1, 9, Some(3)), Some(Kind::Changed)),
        (keyring(9, 2, Some(3)), Some(Kind::Changed)),
        (None,                   Some(Kind::Changed)),
    ];
    for (after, expected) in cases {
        assert_eq!(kind(&before, &after), expected, "{after:?}");
    }
    assert_eq!(kind(&None, &before), None);
    let over = UnixSeconds(NOW.0 + 1);
    let change = announce(before.as_ref(), keyring(1, 2, None).as_ref(), over);
    assert_eq!(change, None, "its time was over");
}
