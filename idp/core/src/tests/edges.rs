//! Rules at their edges: the last value that is taken and the first that is not, what is done by hand,
//! and what is left undone because nobody would notice.

use std::time::Duration;

use idp_token::ask::uses::{USES_MAX, Use};
use idp_token::refresh::Standing;
use idp_token::session::SessionId;
use idp_token::time::UnixSeconds;

use crate::admin::{Order, OrderError};
use crate::authorize::{ConsentAnswer, Outcome, Person};
use crate::client::{Client, Grant};
use crate::id::{LoginId, UserId};
use crate::introspect::Answer;
use crate::record::{Consent, Record};
use crate::refusal::Refusal;
use crate::scope::Scopes;
use crate::store::{Kind, RowId, Transaction, Write};
use crate::token::{self, ByHand, Issued, issue_by_hand};
use crate::upkeep::{note_uses, sweep};
use crate::view::{Need, View};

use super::world::{
    ADA, EVE, NOBODY, World, asking, client_id, parameter, person, query, refresh_of, renewal,
    scopes, tenant_id,
};

const PARTNER: [(&str, &str); 2] = [
    ("client_id", "partner"),
    ("redirect_uri", "https://partner.example/cb?from=bank"),
];

/// What becomes of a request: a page of ours, somebody who is asked, or what its client is told.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Page(refusal) => format!("page {refusal:?}"),
        Outcome::SignIn(_) => "sign in".to_owned(),
        Outcome::Consent(..) => "consent".to_owned(),
        Outcome::Redirect(to) => {
            let error = parameter(to.as_str(), "error");
            error.unwrap_or_else(|| "code".to_owned())
        }
    }
}

fn allowing(login: LoginId) -> Person {
    Person {
        answer: Some(ConsentAnswer::Allow),
        ..person(login)
    }
}

fn consents(world: &World) -> Vec<Consent> {
    let stored = world.stored(Kind::Consent).into_iter();
    let consents = stored.filter_map(|stored| {
        let Record::Consent(consent) = stored.record else {
            return None;
        };
        Some(consent)
    });
    consents.collect()
}

#[test]
fn a_request_is_taken_up_to_its_edges_and_no_further() {
    let world = World::new();
    let login = world.login();
    let (long, too_long) = ("x".repeat(1024), "x".repeat(1025));
    #[rustfmt::skip]
    let cases = [
        ("state",         long.as_str(),     "code"),
        ("state",         too_long.as_str(), "page InvalidRequest"),
        ("nonce",         &long,             "code"),
        ("nonce",         &too_long,         "invalid_request"),
        ("max_age",       "999999999",       "code"),
        ("max_age",       "9999999999",      "invalid_request"),
        ("max_age",       "-1",              "invalid_request"),
        ("max_age",       "1.0",             "invalid_request"),
        ("response_mode", "query",           "code"),
        ("response_mode", "form_post",       "invalid_request"),
        ("prompt",        "none",            "code"),
        ("prompt",        "login",           "sign in"),
        ("prompt",        "login consent",   "sign in"),
        ("prompt",        "none login",      "invalid_request"),
        ("prompt",        "none consent",    "invalid_request"),
        ("prompt",        "login  consent",  "invalid_request"),
        ("prompt",        "create",          "invalid_request"),
    ];
    for (name, value, expected) in cases {
        let outcome = world.authorize(&query(&[(name, value)]), person(login));
        assert_eq!(told(&outcome), expected, "{name}={value}");
    }
}

#[test]
fn a_client_of_a_disabled_tenant_is_no_client_and_nothing_is_sent_anywhere() {
    let world = World::new();
    assert_eq!(told(&world.authorize(&query(&[]), NOBODY)), "sign in");
    world.order(Order::SetTenant {
        id: tenant_id("bank"),
        is_enabled: false,
    });
    let outcome = world.authorize(&query(&[]), NOBODY);
    assert!(matches!(outcome, Outcome::Page(Refusal::InvalidClient)));
}

#[test]
fn a_client_that_may_not_have_codes_is_told_so() {
    let world = World::new();
    let client = Client {
        grants: [Grant::ClientCredentials].into(),
        ..world.client("partner")
    };
    world.order(Order::SetClient(Box::new(client)));
    let outcome = world.authorize(&query(&PARTNER), person(world.login()));
    assert_eq!(told(&outcome), "unauthorized_client");
}

#[test]
fn a_client_may_have_its_person_asked_again_for_what_they_allowed() {
    let world = World::new();
    let login = world.login();
    world.authorize(&query(&PARTNER), allowing(login));
    let known = query(&PARTNER);
    assert_eq!(told(&world.authorize(&known, person(login))), "code");
    let anew = query(&[PARTNER[0], PARTNER[1], ("prompt", "consent")]);
    assert_eq!(told(&world.authorize(&anew, person(login))), "consent");
}

#[test]
fn a_consent_says_when_it_was_last_given() {
    let world = World::new();
    let login = world.login();
    world.authorize(&query(&PARTNER), allowing(login));
    let first = consents(&world);
    assert_eq!(first[0].given_at, world.now());
    world.pass(60);
    let wider = query(&[PARTNER[0], PARTNER[1], ("scope", "money.write")]);
    world.authorize(&wider, allowing(login));
    let [last] = consents(&world).try_into().unwrap();
    assert_eq!(last.given_at, world.now());
    assert_eq!(last.scopes, scopes("money.read money.write openid"));
}

#[test]
fn nobody_allows_what_nobody_was_asked_about() {
    let world = World::new();
    let outcome = world.authorize(&query(&[]), allowing(world.login()));
    assert_eq!(told(&outcome), "code");
    assert_eq!(consents(&world), []);
}

#[test]
fn whoever_had_everything_ended_must_sign_in_again() {
    let world = World::new();
    let login = world.login();
    world.order(Order::EndUser(ADA));
    assert_eq!(
        told(&world.authorize(&query(&[]), person(login))),
        "sign in"
    );
}

/// The person stays signed in; only what the client was given is over.
#[test]
fn a_code_is_void_once_everything_of_its_client_was_ended() {
    let world = World::new();
    let code = world.code(world.login());
    world.order(Order::EndClient(client_id("web")));
    assert_eq!(world.redeem(&code).err(), Some(Refusal::InvalidGrant));
    let after = world.code(world.login());
    assert!(world.redeem(&after).is_ok());
}

#[test]
fn a_redeemed_code_is_remembered_for_as_long_as_what_it_began_may_live() {
    let world = World::new();
    let code = world.code(world.login());
    let begun = world.redeem(&code).unwrap();
    let tidy = |world: &World| {
        let page = world.stored(Kind::Code);
        world.commit(&sweep(&page, world.now())).unwrap();
        world.stored(Kind::Code).len()
    };
    let left = world.session(begun.session).ends_at.0 - world.now().0;
    world.pass(left - 1);
    assert_eq!(tidy(&world), 1);
    assert_eq!(world.redeem(&code).err(), Some(Refusal::InvalidGrant));
    assert!(world.is_over(begun.session));
    world.pass(1);
    assert_eq!(tidy(&world), 0);
}

#[test]
fn introspection_tells_no_scope_that_the_client_has_lost() {
    let world = World::new();
    let begun = world.begin();
    let told = || match world.introspect("service", begun.access_token.as_str()) {
        Ok(Answer::Active(active)) => active.scopes,
        other => panic!("{other:?}"),
    };
    assert_eq!(told(), scopes("money.read openid"));
    let client = Client {
        scopes: scopes("openid"),
        ..world.client("web")
    };
    world.order(Order::SetClient(Box::new(client)));
    assert_eq!(told(), scopes("openid"));
}

fn by_hand(
    world: &World,
    client: &str,
    user: Option<UserId>,
    wanted: Option<Scopes>,
) -> Result<Issued, OrderError> {
    let wanted = ByHand {
        client: client_id(client),
        user,
        scopes: wanted,
    };
    let now = world.now();
    let issued = world
        .run(|view, random| issue_by_hand(view, &world.provider, (&wanted, "root"), now, random));
    issued.answer
}

#[test]
fn a_token_is_issued_by_hand_within_what_its_client_and_its_person_may_have() {
    let world = World::new();
    let own = by_hand(&world, "robot", None, None).unwrap();
    assert_eq!(own.scopes, scopes("money.read money.write"));
    let hers = by_hand(&world, "web", Some(ADA), Some(scopes("money.read"))).unwrap();
    assert_eq!(world.session(hers.session).user, Some(ADA));
    assert!(world.is_active(hers.access_token.as_str()));

    let refused = |client, user, wanted| by_hand(&world, client, user, wanted).err();
    let none = None;
    assert_eq!(refused("nobody", none, None), Some(OrderError::Unknown));
    let wider = Some(scopes("money.read admin"));
    assert_eq!(refused("web", none, wider), Some(OrderError::Scopes));
    let of_another_tenant = Some(EVE);
    let disabled = Some(OrderError::Disabled);
    assert_eq!(refused("web", of_another_tenant, None), disabled);
    let stranger = Some(UserId([9; 16]));
    assert_eq!(refused("web", stranger, None), disabled);
    world.order(Order::DisableUser(ADA));
    assert_eq!(refused("web", Some(ADA), None), disabled);
    let client = Client {
        is_enabled: false,
        ..world.client("robot")
    };
    world.order(Order::SetClient(Box::new(client)));
    assert_eq!(refused("robot", none, None), disabled);
}

#[test]
fn a_family_that_was_killed_is_dead_itself_and_not_only_its_session() {
    let world = World::new();
    let first = world.begin();
    let second = world.refresh(&refresh_of(&first)).unwrap();
    world.refresh(&refresh_of(&second)).unwrap();
    world.pass(60);
    assert!(world.refresh(&refresh_of(&first)).is_err());
    let stored = world.stored(Kind::Refresh).remove(0);
    let Record::Refresh(family) = stored.record else {
        panic!("no family");
    };
    assert_eq!(family.family.standing, Standing::Killed);
}

/// Many repeat at once, and would only be in each other's way.
#[test]
fn a_repeat_writes_nothing_of_its_family() {
    let world = World::new();
    let first = world.begin();
    world.refresh(&refresh_of(&first)).unwrap();
    let (body, now) = (renewal(&refresh_of(&first)), world.now());
    let repeated = world
        .run(|view, random| token::grant(view, &world.provider, &asking(None, &body), now, random));
    assert!(repeated.answer.is_ok());
    assert!(repeated.transaction.must_survive());
    let writes = repeated.transaction.writes().iter();
    let mut records = writes.filter_map(|write| match write {
        Write::Put(record) => Some(record),
        Write::Remove(_) | Write::Raise(_) => None,
    });
    assert!(records.all(|record| !matches!(**record, Record::Refresh(_))));
}

fn used(session: SessionId, seconds_ago: u64) -> Use {
    let age = Duration::from_secs(seconds_ago);
    Use { session, age }
}

#[test]
fn a_use_from_before_a_session_began_takes_nothing_from_its_time() {
    let world = World::new();
    let begun = world.begin();
    let now = world.now();
    let uses = [used(begun.session, 100_000)];
    let noted = world.run(|view, _| note_uses(view, &uses, now));
    assert!(!noted.transaction.is_empty() && !noted.transaction.must_survive());
    world.pass(1);
    assert!(world.is_active(begun.access_token.as_str()));
}

#[test]
fn uses_are_taken_up_to_their_limit_and_only_of_sessions_that_go_on() {
    let world = World::new();
    let many: Vec<_> = (0..=USES_MAX as u128)
        .map(|number| used(SessionId(number.to_be_bytes()), 0))
        .collect();
    let Err(Need(keys)) = note_uses(&View::default(), &many, world.now()) else {
        panic!("nothing is known of them yet");
    };
    assert_eq!(keys.len(), USES_MAX);

    let begun = world.begin();
    let uses = [used(begun.session, 0)];
    let ends_at = world.session(begun.session).ends_at;
    for (now, is_noted) in [(UnixSeconds(ends_at.0 - 1), true), (ends_at, false)] {
        let noted = world.see(|view| note_uses(view, &uses, now));
        assert_eq!(!noted.transaction.is_empty(), is_noted, "{now:?}");
    }
}

#[test]
fn a_transaction_expects_each_key_once_and_says_whether_it_must_survive() {
    let world = World::new();
    world.begin();
    let login = world.stored(Kind::Login).remove(0).record;
    let key = login.key();
    let mut view = View::default();
    view.add(vec![key.clone()], world.store.read_now(&[key]));
    let mut transaction = Transaction::of(&view);
    assert_eq!(transaction.expectations().len(), 1);
    transaction.put(&view, login, world.now());
    assert_eq!(transaction.expectations().len(), 1);

    let mut settling = Transaction::blank();
    assert!(settling.is_empty() && !settling.must_survive());
    settling.settle(RowId(1));
    assert!(!settling.is_empty() && settling.must_survive());
}
