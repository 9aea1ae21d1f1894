//! Does a session live as long as it should, say what it should, and end when it should?

use std::time::Duration;

use idp_token::ask::uses::Use;
use idp_token::digest::TokenName;
use idp_token::epoch::{Epochs, Seq};
use idp_token::reference::AbsoluteEnd;
use idp_token::time::UnixSeconds;
use idp_token::value::Claims;
use proptest::prelude::*;

use crate::admin::{Order, OrderError};
use crate::audit::Event;
use crate::authorize::{Outcome, Person};
use crate::change::{Kind as ChangeKind, Target};
use crate::client::{Client, Lifetimes};
use crate::decision::Decision;
use crate::login::Verdict;
use crate::record::{LockoutId, Published, Record};
use crate::refusal::Refusal;
use crate::relay;
use crate::resolve::{self, Active, Resolved, resolve_value};
use crate::store::{Kind, Owner, Range};
use crate::token::SESSIONS_PER_LOGIN_MAX;
use crate::upkeep;
use crate::userinfo::userinfo;
use crate::view::View;

use super::world::*;

fn active(resolved: Resolved) -> Box<Active> {
    match resolved {
        Resolved::Active(active) => active,
        Resolved::Inactive => panic!("inactive"),
    }
}

fn publish(world: &World) -> Vec<Published> {
    let rows = world.store.outbox_now(relay::ROWS_MAX);
    let now = world.now();
    world.run(|view, _| relay::publish(view, &rows, now)).answer
}

fn note(world: &World, uses: &[Use]) {
    let now = world.now();
    let _: Decision<()> = world.run(|view, _| upkeep::note_uses(view, uses, now));
}

/// What a value token of this session says stays good until something of it is not so any more.
#[test]
fn a_value_token_is_good_while_it_says_what_would_be_signed_today() {
    let world = World::new();
    publish(&world);
    let issued = world.begin();
    let claims = active(world.resolve(issued.access_token.as_str())).claims;
    let judge = |claims: &Claims| {
        let now = world.now();
        world.see(|view| resolve_value(view, claims, now))
    };
    let found = active(judge(&claims));
    assert_eq!(found.record.id, issued.session);
    assert_eq!(found.record.tenant, "bank");
    assert_eq!(found.expires_at, claims.expires_at);

    type Change = fn(&mut Claims);
    let changes: [(&str, Change); 7] = [
        ("another session", |it| it.session = Some("0".repeat(32))),
        ("no session", |it| it.session = None),
        ("another subject", |it| it.subject = "eve".to_owned()),
        ("another client", |it| it.client_id = "robot".to_owned()),
        ("more scopes", |it| it.scope += " more"),
        ("other roles", |it| it.roles.push("admin".to_owned())),
        ("another audience", |it| it.audience.push("x".to_owned())),
    ];
    for (name, change) in changes {
        let mut changed = claims.clone();
        change(&mut changed);
        assert_eq!(judge(&changed), Resolved::Inactive, "{name}");
    }
    world
        .revoke(&format!(
            "token={}&client_id=web",
            issued.access_token.as_str()
        ))
        .unwrap();
    assert_eq!(judge(&claims), Resolved::Inactive);
}

#[test]
fn a_token_says_who_asks_through_what_and_with_which_rights() {
    let world = World::new();
    publish(&world);
    let issued = world.begin();
    assert_eq!(issued.expires_in, Lifetimes::PAYMENT.access);
    let id_token = issued.id_token.as_ref().unwrap();
    assert_eq!(id_token.nonce.as_deref(), Some("n-0S6"));
    assert_eq!(id_token.subject, ADA.to_string());

    let found = active(world.resolve(issued.access_token.as_str()));
    let record = &found.record;
    assert_eq!(record.id, issued.session);
    assert_eq!(record.subject, ADA.to_string());
    assert_eq!(
        (record.client_id.as_str(), record.tenant.as_str()),
        ("web", "bank")
    );
    assert_eq!(record.scope, "money.read openid");
    assert_eq!(record.roles, ["teller"]);
    assert_eq!(record.amr, ["pwd"]);
    assert_eq!(record.auth_time, Some(UnixSeconds(START)));
    assert_eq!(record.ends_at, UnixSeconds(START + 12 * 3600));

    let claims = &found.claims;
    assert_eq!(claims.issuer, "https://id.example");
    assert_eq!(claims.audience, ["https://money.example"]);
    assert_eq!(claims.session, Some(issued.session.to_string()));
    assert_eq!(claims.expires_at, UnixSeconds(START + 600));
    assert_eq!(claims.roles, record.roles);
}

fn signed_bytes(claims: &Claims) -> usize {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
    use idp_token::value::{Algorithm, SigningKey};

    let random = aws_lc_rs::rand::SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = SigningKey::from_pkcs8(Algorithm::Es256, der.as_ref()).unwrap();
    key.sign(claims).unwrap().len()
}

/// The largest record that a rule can make is one that gateways read.
#[test]
fn a_session_with_all_that_it_may_have_still_fits_where_gateways_look() {
    let world = World::new();
    let names: Vec<_> = (0..crate::scope::SCOPES_MAX)
        .map(|at| format!("{at:0>0$}", crate::scope::SCOPE_BYTES_MAX))
        .collect();
    let scopes = crate::scope::Scopes::of(names.iter().map(String::as_str)).unwrap();
    let roles = vec!["r".repeat(crate::client::ROLE_BYTES_MAX); crate::client::ROLES_MAX];
    world.order(Order::SetClient(Box::new(Client {
        scopes: scopes.clone(),
        roles,
        audience: vec!["a".repeat(128); 4],
        ..world.client("robot")
    })));
    let robot = format!("robot:{SECRET}");
    let issued = world
        .ask_as(Some(&robot), "grant_type=client_credentials")
        .unwrap();
    assert_eq!(issued.scopes, scopes);
    let found = active(world.resolve(issued.access_token.as_str()));

    let with_rsa = signed_bytes(&found.claims) + 700;
    assert!(with_rsa <= idp_token::value::TOKEN_BYTES_MAX, "{with_rsa}");
    let nonce_and_tag = 28;
    let record = idp_token::session::Session {
        value_token: Some(idp_token::session::StoredValueToken {
            sealed: idp_token::seal::Sealed::from_bytes(vec![0xff; with_rsa + nonce_and_tag]),
            renews_at: found.claims.renews_at(),
            expires_at: found.claims.expires_at,
        }),
        ..found.record
    };
    let written = record.write();
    assert!(
        written.len() <= idp_token::session::RECORD_BYTES_MAX,
        "{}",
        written.len()
    );
    assert_eq!(
        idp_token::session::Session::read(written.as_bytes()),
        Ok(record)
    );
}

#[test]
fn a_machine_acts_for_itself_with_its_own_roles() {
    let world = World::new();
    let robot = format!("robot:{SECRET}");
    let issued = world
        .ask_as(
            Some(&robot),
            "grant_type=client_credentials&scope=money.read",
        )
        .unwrap();
    assert!(issued.refresh_token.is_none() && issued.id_token.is_none());
    let found = active(world.resolve(issued.access_token.as_str()));
    assert_eq!(found.record.subject, "robot");
    assert_eq!(found.record.roles, ["settler"]);
    assert_eq!(found.record.scope, "money.read");
    assert_eq!(found.record.auth_time, None);

    let other = world
        .ask_as(Some(&robot), "grant_type=client_credentials")
        .unwrap();
    world.order(Order::EndSession(issued.session));
    assert!(matches!(
        world.resolve(issued.access_token.as_str()),
        Resolved::Inactive
    ));
    active(world.resolve(other.access_token.as_str()));
}

#[test]
fn a_token_of_a_machine_is_all_there_is_of_its_session() {
    let world = World::new();
    // Its sessions could last for longer than a token does.
    let lifetimes = Lifetimes {
        absolute: Lifetimes::MACHINE.access * 2,
        ..Lifetimes::MACHINE
    };
    world.order(Order::SetClient(Box::new(Client {
        lifetimes,
        ..world.client("robot")
    })));
    let robot = format!("robot:{SECRET}");
    let body = "grant_type=client_credentials&scope=money.read";
    let issued = world.ask_as(Some(&robot), body).unwrap();
    assert_eq!(issued.expires_in, lifetimes.access);
    let token = issued.access_token.as_str();
    let name = world.name(token);
    assert_eq!(world.stored(Kind::Access).len(), 0);
    let session = world.session(issued.session);
    assert_eq!(session.id, name.session());
    assert_eq!(session.scopes, scopes("money.read"));
    assert_eq!(session.ends_at, world.now().after(issued.expires_in));
    assert_eq!(session.ends_at, name.end.get());

    let found = active(world.resolve(token));
    assert_eq!(found.expires_at, session.ends_at);
    // Nothing else that it might be asked by leads to it.
    let later = AbsoluteEnd::new(UnixSeconds(name.end.get().0 + 1)).unwrap();
    let elsewhere = TokenName { end: later, ..name };
    let rule = |view: &View| resolve::resolve(view, &world.provider, elsewhere, world.now());
    assert!(matches!(world.see(rule), Resolved::Inactive));

    world.pass(issued.expires_in.as_secs() - 1);
    active(world.resolve(token));
    world.pass(1);
    assert!(matches!(world.resolve(token), Resolved::Inactive));
}

#[test]
fn roles_and_scopes_that_are_taken_away_are_gone_from_what_is_resolved_next() {
    let world = World::new();
    let issued = world.begin();
    let token = issued.access_token.as_str();
    world.order(Order::SetRoles(ADA, vec!["auditor".to_owned()]));
    world.order(Order::SetClient(Box::new(Client {
        scopes: scopes("money.read"),
        ..world.client("web")
    })));
    let found = active(world.resolve(token));
    assert_eq!(found.record.roles, ["auditor"]);
    assert_eq!(found.record.scope, "money.read");
    let refreshed = world.refresh(&refresh_of(&issued)).unwrap();
    assert_eq!(refreshed.scopes, scopes("money.read"));
    let changes: Vec<_> = publish(&world).into_iter().map(|it| it.change).collect();
    let told: Vec<_> = changes.iter().map(|it| (&it.target, it.kind)).collect();
    let expected = [
        (&Target::Subject(ADA.to_string()), ChangeKind::Changed),
        (&Target::Client(client_id("web")), ChangeKind::Changed),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_session_ends_after_its_absolute_life_however_busy_it_is() {
    let world = World::new();
    let begun = world.begin();
    let mut token = refresh_of(&begun);
    for _ in 0..12 * 6 - 1 {
        world.pass(600);
        let issued = world.refresh(&token).unwrap();
        let rest = START + 12 * 3600 - world.now().0;
        assert!(issued.expires_in.as_secs() <= rest);
        token = refresh_of(&issued);
    }
    world.pass(600);
    assert_eq!(world.refresh(&token).err(), Some(Refusal::InvalidGrant));
}

#[test]
fn a_session_that_is_not_used_for_its_idle_time_is_over() {
    let world = World::new();
    let (idle, used) = (world.begin(), world.begin());
    world.pass(14 * 60);
    let age = Duration::ZERO;
    note(
        &world,
        &[Use {
            session: used.session,
            age,
        }],
    );
    world.pass(60);
    assert_eq!(
        world.refresh(&refresh_of(&idle)).err(),
        Some(Refusal::InvalidGrant)
    );
    assert!(world.refresh(&refresh_of(&used)).is_ok());
}

#[test]
fn a_use_that_is_reported_keeps_nothing_alive_that_has_ended_or_is_unknown() {
    let world = World::new();
    let begun = world.begin();
    let ended = world.begin();
    world.order(Order::EndSession(ended.session));
    let unknown = idp_token::session::SessionId([9; 16]);
    let uses = [begun.session, ended.session, unknown].map(|session| Use {
        session,
        age: Duration::ZERO,
    });
    note(&world, &uses);
    let noted: Vec<_> = world
        .stored(Kind::LastUse)
        .into_iter()
        .map(|it| it.record)
        .collect();
    let [Record::LastUse(last)] = noted.as_slice() else {
        panic!("{noted:?}");
    };
    assert_eq!((last.session, last.at), (begun.session, UnixSeconds(START)));
}

proptest! {
    #[test]
    fn uses_may_be_reported_in_any_order_and_any_number_of_times(
        ages in prop::collection::vec(0..1000_u64, 1..20),
    ) {
        let world = World::new();
        let session = world.begin().session;
        world.pass(2000);
        for age in &ages {
            note(&world, &[Use { session, age: Duration::from_secs(*age) }]);
        }
        let last = world.see(|view| view.last_use(session));
        prop_assert_eq!(last, ages.iter().min().map(|age| UnixSeconds(START + 2000 - age)));
    }
}

#[test]
fn everything_of_an_owner_is_ended_by_one_write_and_one_row() {
    let robot = format!("robot:{SECRET}");
    let ended = |order: Order| {
        let world = World::new();
        publish(&world);
        let ada = [world.begin(), world.begin()];
        let machine = world
            .ask_as(Some(&robot), "grant_type=client_credentials")
            .unwrap();
        world.order(order);
        let told: Vec<_> = publish(&world).into_iter().map(|it| it.change).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind, ChangeKind::Ended);
        let is_over = |token: &str| matches!(world.resolve(token), Resolved::Inactive);
        let of_ada = ada.each_ref().map(|it| is_over(it.access_token.as_str()));
        assert_eq!(of_ada[0], of_ada[1]);
        (
            told[0].target.clone(),
            of_ada[0],
            is_over(machine.access_token.as_str()),
        )
    };
    let subject = Target::Subject(ADA.to_string());
    let cases = [
        (Order::EndUser(ADA), (subject.clone(), true, false)),
        (Order::DisableUser(ADA), (subject.clone(), true, false)),
        (
            Order::SetPassword(ADA, crate::record::PasswordHash("new".to_owned())),
            (subject, true, false),
        ),
        (
            Order::EndClient(client_id("robot")),
            (Target::Client(client_id("robot")), false, true),
        ),
        (
            Order::EndTenant(tenant_id("bank")),
            (Target::Tenant(tenant_id("bank")), true, true),
        ),
        (Order::EndAll, (Target::Realm, true, true)),
    ];
    for (order, expected) in cases {
        assert_eq!(ended(order.clone()), expected, "{order:?}");
    }
}

/// What is answered, and whether nothing was written.
fn ordered(world: &World, order: &Order) -> (Result<(), OrderError>, bool) {
    let now = world.now();
    let made = world.run(|view, _| crate::admin::carry_out(view, order, "root", now));
    (made.answer, made.transaction.is_empty())
}

#[test]
fn an_order_that_is_repeated_writes_nothing() {
    let world = World::new();
    let session = world.begin().session;
    for repeated in [
        Order::EndSession(session),
        Order::DisableUser(ADA),
        Order::SetRoles(ADA, vec!["a".to_owned()]),
        Order::SetTenant {
            id: tenant_id("bank"),
            is_enabled: false,
        },
    ] {
        assert_eq!(ordered(&world, &repeated), (Ok(()), false), "{repeated:?}");
        assert_eq!(ordered(&world, &repeated), (Ok(()), true), "{repeated:?}");
    }
}

#[test]
fn an_order_that_cannot_be_carried_out_writes_nothing() {
    let world = World::new();
    let new = crate::admin::NewUser {
        id: crate::id::UserId([5; 16]),
        tenant: tenant_id("bank"),
        name: crate::id::Username::parse("ADA").unwrap(),
        password: crate::record::PasswordHash("x".to_owned()),
        roles: Vec::new(),
    };
    let of_id = crate::admin::NewUser {
        id: ADA,
        name: crate::id::Username::parse("bob").unwrap(),
        ..new.clone()
    };
    let moved = Client {
        tenant: tenant_id("other"),
        ..world.client("web")
    };
    let role = "r".repeat(crate::client::ROLE_BYTES_MAX + 1);
    let long = "x".repeat(crate::admin::PASSWORD_HASH_BYTES_MAX + 1);
    let long = crate::record::PasswordHash(long);
    let unhashed = crate::admin::NewUser {
        name: crate::id::Username::parse("bob").unwrap(),
        password: long.clone(),
        ..new.clone()
    };
    let cases = [
        (Order::CreateUser(unhashed), OrderError::Password),
        (Order::CreateUser(new), OrderError::Taken),
        (Order::CreateUser(of_id), OrderError::Taken),
        (
            Order::EndUser(crate::id::UserId([6; 16])),
            OrderError::Unknown,
        ),
        (Order::EndClient(client_id("nobody")), OrderError::Unknown),
        (Order::EndTenant(tenant_id("nowhere")), OrderError::Unknown),
        (Order::SetRoles(ADA, vec![role]), OrderError::Roles),
        (Order::SetRoles(ADA, vec![String::new()]), OrderError::Roles),
        (Order::SetPassword(ADA, long), OrderError::Password),
        (Order::SetClient(Box::new(moved)), OrderError::Moved),
    ];
    for (refused, expected) in cases {
        assert_eq!(
            ordered(&world, &refused),
            (Err(expected), true),
            "{refused:?}"
        );
    }
}

#[test]
fn whose_token_it_is_is_told_to_those_who_may_know_only() {
    let world = World::new();
    let issued = world.begin();
    let ask = |token: &str| world.see(|view| userinfo(view, &world.provider, token, world.now()));
    let told = ask(issued.access_token.as_str()).unwrap();
    assert_eq!((told.subject, told.name.as_str()), (ADA, "ada"));

    let narrow = format!("{}&scope=money.read", renewal(&refresh_of(&issued)));
    let narrow = world.ask(&narrow).unwrap();
    let robot = format!("robot:{SECRET}");
    let machine = world
        .ask_as(Some(&robot), "grant_type=client_credentials")
        .unwrap();
    for token in [narrow.access_token, machine.access_token] {
        assert_eq!(ask(token.as_str()), Err(Refusal::InsufficientScope));
    }
    for token in ["x", &refresh_of(&issued)] {
        assert_eq!(ask(token), Err(Refusal::InvalidToken));
    }
    world.order(Order::EndUser(ADA));
    let ended = ask(issued.access_token.as_str());
    assert_eq!(ended, Err(Refusal::InvalidToken));
}

#[test]
fn a_login_is_enough_for_the_next_client_until_it_is_idle_or_asked_anew() {
    let world = World::new();
    let login = world.login();
    let asks =
        |query: &str, person: Person| matches!(world.authorize(query, person), Outcome::SignIn(_));
    assert!(!asks(&query(&[]), person(login)));
    let anew = query(&[("prompt", "login")]);
    assert!(asks(&anew, person(login)));
    let just_signed_in = Person {
        has_just_signed_in: true,
        ..person(login)
    };
    assert!(!asks(&anew, just_signed_in));
    world.pass(60);
    assert!(asks(&query(&[("max_age", "59")]), person(login)));
    assert!(!asks(&query(&[("max_age", "0")]), just_signed_in));
    assert!(!asks(&query(&[("max_age", "60")]), person(login)));
    world.pass(14 * 60 + 59);
    assert!(
        !asks(&query(&[]), person(login)),
        "it was used a moment ago"
    );
    world.pass(15 * 60);
    assert!(asks(&query(&[]), person(login)));
    assert!(asks(&query(&[]), NOBODY));
}

#[test]
fn a_token_that_is_past_its_end_is_not_resolved_though_its_session_lives() {
    let world = World::new();
    let issued = world.begin();
    world.pass(599);
    active(world.resolve(issued.access_token.as_str()));
    world.pass(1);
    assert!(!world.live_sessions().is_empty());
    let late = world.resolve(issued.access_token.as_str());
    assert_eq!(late, Resolved::Inactive);
}

#[test]
fn a_login_ends_after_its_absolute_life_however_busy_it_is() {
    let world = World::new();
    let login = world.login();
    for _ in 1..12 * 6 {
        world.pass(600);
        world.code(login);
    }
    world.pass(600);
    let outcome = world.authorize(&query(&[]), person(login));
    assert!(matches!(outcome, Outcome::SignIn(_)), "{outcome:?}");
}

#[test]
fn a_login_begins_so_many_sessions_and_then_ends_its_oldest() {
    let world = World::new();
    let login = world.login();
    let begin = || world.redeem(&world.code(login)).unwrap().session;
    let sessions: Vec<_> = (0..=SESSIONS_PER_LOGIN_MAX).map(|_| begin()).collect();
    let over: Vec<_> = sessions.iter().filter(|id| world.is_over(**id)).collect();
    assert_eq!(over, [&sessions[0]]);
}

#[test]
fn sessions_are_listed_by_whose_they_are() {
    let world = World::new();
    let of_ada = world.begin().session;
    let robot = format!("robot:{SECRET}");
    let of_robot = world
        .ask_as(Some(&robot), "grant_type=client_credentials")
        .unwrap()
        .session;
    let listed = |owner: Owner| -> Vec<_> {
        let found = world.store.scan_now(&Range::sessions_of(&owner), None, 9);
        let sessions = found.into_iter().map(|stored| {
            let Record::SessionOf(of) = stored.record else {
                panic!("a session of somebody");
            };
            of.session
        });
        sessions.collect()
    };
    assert_eq!(listed(Owner::User(ADA)), [of_ada]);
    assert_eq!(listed(Owner::User(EVE)), []);
    assert_eq!(listed(Owner::Client(client_id("web"))), [of_ada]);
    assert_eq!(listed(Owner::Client(client_id("robot"))), [of_robot]);
}

#[test]
fn changes_are_numbered_in_their_order_and_become_the_epochs_of_their_targets() {
    let world = World::new();
    let issued = world.begin();
    let token = issued.access_token.as_str();
    let before = active(world.resolve(token));
    assert_eq!(before.record.written_seq, Seq::NONE);
    assert_eq!(before.epochs, Epochs::default());

    let other = world.begin();
    world.order(Order::EndSession(other.session));
    world.order(Order::SetRoles(ADA, Vec::new()));
    assert_eq!(world.store.outbox_now(9).len(), 2);
    let published = publish(&world);
    let seqs: Vec<_> = published.iter().map(|it| it.seq).collect();
    assert_eq!(seqs, [Seq(1), Seq(2)]);
    assert!(world.store.outbox_now(9).is_empty());
    assert!(publish(&world).is_empty());

    let after = active(world.resolve(token));
    assert_eq!(after.record.written_seq, Seq(2));
    assert_eq!(
        after.epochs,
        Epochs {
            subject: Seq(2),
            ..Epochs::default()
        }
    );
    assert!(after.epochs.admit(after.record.written_seq));
    assert!(
        !after.epochs.admit(before.record.written_seq),
        "it is older than a change"
    );
    world.order(Order::EndAll);
    assert_eq!(publish(&world)[0].seq, Seq(3));
    assert_eq!(world.stored(Kind::Published).len(), 3);
}

/// Two relays, which there should never be, do not give a number twice.
#[test]
fn of_two_relays_one_conflicts() {
    let world = World::new();
    world.order(Order::EndAll);
    let rows = world.store.outbox_now(9);
    let now = world.now();
    let decide = || {
        world
            .see(|view| relay::publish(view, &rows, now))
            .transaction
    };
    let (first, second) = (decide(), decide());
    assert!(world.commit(&first).is_ok());
    assert!(world.commit(&second).is_err());
}

#[test]
fn what_nothing_asks_for_any_more_is_swept_and_nothing_else_and_nobody_is_told() {
    let world = World::new();
    let begun = world.begin();
    assert!(world.sign_in("nobody", Verdict::Differs).is_err());
    world.order(Order::EndAll);
    publish(&world);
    let sweep = || {
        for kind in Kind::FORGOTTEN {
            let transaction = upkeep::sweep(&world.stored(kind), world.now());
            assert!(transaction.changes().is_empty());
            assert!(world.commit(&transaction).is_ok());
        }
    };
    sweep();
    assert_eq!(world.stored(Kind::Session).len(), 1);
    assert_eq!(world.stored(Kind::Access).len(), 1);
    world.pass(12 * 3600);
    sweep();
    for kind in ALL_KINDS {
        let is_kept = matches!(
            kind,
            Kind::Realm
                | Kind::Tenant
                | Kind::Client
                | Kind::User
                | Kind::Username
                | Kind::Relay
                | Kind::Epoch
        );
        assert_eq!(!world.stored(kind).is_empty(), is_kept, "{kind:?}");
    }
    assert!(world.refresh(&refresh_of(&begun)).is_err());
}

/// A record that was written meanwhile is not swept away.
#[test]
fn a_sweep_removes_only_what_it_saw() {
    let world = World::new();
    let strangers = || world.stored(Kind::Lockout);
    assert!(world.sign_in("nobody", Verdict::Differs).is_err());
    world.pass(30 * 60);
    let stale = upkeep::sweep(&strangers(), world.now());
    assert!(world.sign_in("nobody", Verdict::Differs).is_err());
    assert!(world.commit(&stale).is_err());
    assert!(matches!(
        strangers().as_slice(),
        [stored] if matches!(&stored.record, Record::Lockout(it) if matches!(it.id, LockoutId::Stranger(_)))
    ));
}

#[test]
fn what_happened_is_told_to_the_audit_log_without_a_token() {
    let world = World::new();
    let begun = world.begin();
    let old = refresh_of(&begun);
    let next = world.refresh(&old).unwrap();
    world.pass(11);
    let now = world.now();
    let body = renewal(&old);
    let asking = asking(None, &body);
    let reused =
        world.run(|view, random| crate::token::grant(view, &world.provider, &asking, now, random));
    let entry = reused.audit.unwrap();
    assert_eq!(entry.event, Event::RefreshReused);
    assert_eq!(entry.event.as_str(), "refresh_reused");
    assert_eq!(entry.about.session, Some(begun.session));
    assert_eq!(entry.about.user, Some(ADA));
    let shown = format!("{entry:?}");
    assert!(!shown.contains("tg_"), "{shown} {}", refresh_of(&next));
}

/// Whoever runs rules may give them anything: nothing but a decision comes out.
#[test]
fn no_request_however_malformed_panics() {
    let world = World::new();
    world.begin();
    let now = world.now();
    let texts: [&[u8]; 9] = [
        b"",
        b"&&&===",
        b"%",
        b"\xff\xfe",
        b"grant_type=refresh_token&client_id=web&refresh_token=tg_rt_",
        b"grant_type=authorization_code&client_id=web&code=tg_ac_%00",
        b"client_id=web&token=%00",
        b"client_id=web&redirect_uri=&state=%",
        b"a=1&a=1",
    ];
    for text in texts {
        for field in [
            None,
            Some(text),
            Some(b"Basic ".as_slice()),
            Some(b"Basic %%%"),
        ] {
            let asking = crate::token::Asking::read(field, text);
            let _: Decision<_> = world.run(|view, random| {
                crate::token::grant(view, &world.provider, &asking, now, random)
            });
            let _: Decision<_> = world
                .run(|view, _| crate::introspect::introspect(view, &world.provider, &asking, now));
            let _: Decision<_> =
                world.run(|view, _| crate::revoke::revoke(view, &world.provider, &asking, now));
        }
        let _: Decision<_> = world.run(|view, random| {
            crate::authorize::authorize(view, &world.provider, (text, NOBODY), now, random)
        });
    }
}
