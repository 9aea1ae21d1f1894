//! A person is renamed or deleted, or takes back what a client may do in their name.

use idp_token::session::SessionId;

use super::process::Process;
use super::world::{
    ADA, EVE, SECRET, VERIFIER, World, asking, basic, client_id, parameter, person, query,
    tenant_id,
};
use crate::admin::{Order, OrderError, carry_out};
use crate::audit::{Act, Event};
use crate::authorize::{ConsentAnswer, Outcome, Person};
use crate::change::{Kind as ChangeKind, Target};
use crate::decision::Decision;
use crate::id::{LoginId, UserId, Username};
use crate::login::Verdict;
use crate::record::{Cause, Standing};
use crate::refusal::Refusal;
use crate::store::{Key, Kind};
use crate::token::{self, Issued};
use crate::withdraw::{SESSIONS_MAX, Withdrawal, withdraw};

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn ordered(world: &World, order: &Order) -> Decision<Result<(), OrderError>> {
    let now = world.now();
    world.run(|view, _| carry_out(view, order, "root", now))
}

fn is_there(world: &World, key: Key) -> bool {
    world.store.read_now(&[key]).remove(0).is_some()
}

#[test]
fn a_person_who_is_renamed_stays_signed_in_and_goes_by_the_new_name_alone() {
    let world = World::new();
    let begun = world.begin();
    let renamed = ordered(&world, &Order::RenameUser(ADA, name("countess")));
    assert_eq!(renamed.answer, Ok(()));
    assert!(renamed.transaction.changes().is_empty());
    let event = Event::Administered(Act::UserRenamed);
    assert_eq!(renamed.audit.unwrap().event, event);
    assert!(world.is_active(begun.access_token.as_str()));
    assert!(world.sign_in("countess", Verdict::Matches).is_ok());
    assert!(world.sign_in("ada", Verdict::Matches).is_err());
    assert!(!is_there(
        &world,
        Key::Username(tenant_id("bank"), name("ada"))
    ));

    let again = ordered(&world, &Order::RenameUser(ADA, name("COUNTESS")));
    assert!(again.answer.is_ok() && again.transaction.is_empty());
    assert!(world.sign_in("countess", Verdict::Matches).is_ok());
}

#[test]
fn nobody_is_given_the_name_of_somebody_else_and_nobody_who_is_unknown_is_renamed() {
    let world = World::new();
    let bob = crate::admin::NewUser {
        id: UserId([5; 16]),
        tenant: tenant_id("bank"),
        name: name("bob"),
        password: crate::record::PasswordHash("x".to_owned()),
        roles: Vec::new(),
    };
    world.order(Order::CreateUser(bob));
    let cases = [
        (Order::RenameUser(ADA, name("bob")), Err(OrderError::Taken)),
        (
            Order::RenameUser(UserId([6; 16]), name("x")),
            Err(OrderError::Unknown),
        ),
        (
            Order::DeleteUser(UserId([6; 16]), Vec::new()),
            Err(OrderError::Unknown),
        ),
        // The names of another tenant are free.
        (Order::RenameUser(EVE, name("bob")), Ok(())),
    ];
    for (order, expected) in cases {
        let made = ordered(&world, &order);
        assert_eq!(made.answer, expected, "{order:?}");
        assert_eq!(made.transaction.is_empty(), expected.is_err());
    }
}

#[test]
fn a_person_who_is_deleted_is_nobody_and_all_of_theirs_is_over() {
    let world = World::new();
    let begun = world.begin();
    let login = world.login();
    let allowed = allow_partner(&world, login);
    let kept = [Key::Consent(ADA, client_id("partner")), Key::User(ADA)];
    assert!(kept.iter().all(|key| is_there(&world, key.clone())));
    assert!(world.sign_in("ada", Verdict::Differs).is_err());

    let order = Order::DeleteUser(ADA, vec![client_id("partner"), client_id("web")]);
    let deleted = ordered(&world, &order);
    assert_eq!(deleted.answer, Ok(()));
    let event = Event::Administered(Act::UserDeleted);
    assert_eq!(deleted.audit.unwrap().event, event);
    let changes = deleted.transaction.changes();
    let told: Vec<_> = changes.iter().map(|it| (&it.target, it.kind)).collect();
    assert_eq!(
        told,
        [(&Target::Subject(ADA.to_string()), ChangeKind::Ended)]
    );

    for issued in [&begun, &allowed] {
        assert!(!world.is_active(issued.access_token.as_str()));
    }
    for kind in [Kind::Consent, Kind::Lockout] {
        assert!(world.stored(kind).is_empty(), "{kind:?}");
    }
    assert_eq!(world.stored(Kind::User).len(), 1);
    assert_eq!(world.stored(Kind::Username).len(), 1);
    assert!(world.sign_in("ada", Verdict::Matches).is_err());
    let outcome = world.authorize(&query(&[]), person(login));
    assert!(matches!(outcome, Outcome::SignIn(_)), "{outcome:?}");
    assert!(world.sign_in("eve", Verdict::Matches).is_ok());
}

const OF_PARTNER: [(&str, &str); 2] = [
    ("client_id", "partner"),
    ("redirect_uri", "https://partner.example/cb?from=bank"),
];

/// A code of `partner`, which the person allowed.
fn partners_code(world: &World, login: LoginId) -> String {
    let asked = Person {
        answer: Some(ConsentAnswer::Allow),
        ..person(login)
    };
    let Outcome::Redirect(to) = world.authorize(&query(&OF_PARTNER), asked) else {
        panic!("no code");
    };
    parameter(to.as_str(), "code").unwrap()
}

fn partners_redemption(code: &str) -> String {
    let uri = "https%3A%2F%2Fpartner.example%2Fcb%3Ffrom%3Dbank";
    format!("grant_type=authorization_code&redirect_uri={uri}&code_verifier={VERIFIER}&code={code}")
}

fn redeem_partners(world: &World, code: &str) -> Result<Issued, Refusal> {
    let secret = format!("partner:{SECRET}");
    world.ask_as(Some(&secret), &partners_redemption(code))
}

fn allow_partner(world: &World, login: LoginId) -> Issued {
    redeem_partners(world, &partners_code(world, login)).unwrap()
}

fn withdrawn(
    world: &World,
    sessions: &[SessionId],
    actor: Option<&str>,
) -> Decision<Vec<SessionId>> {
    let asked = Withdrawal {
        user: ADA,
        client: client_id("partner"),
        sessions: sessions.to_vec(),
        actor: actor.map(str::to_owned),
    };
    let now = world.now();
    world.run(|view, _| withdraw(view, &asked, now))
}

#[test]
fn what_was_allowed_is_withdrawn_with_all_that_came_of_it() {
    let world = World::new();
    let login = world.login();
    let kept = world.redeem(&world.code(login)).unwrap().session;
    let theirs = allow_partner(&world, login).session;
    let code = partners_code(&world, login);
    let unknown = SessionId([9; 16]);

    let decided = withdrawn(&world, &[kept, theirs, unknown], None);
    assert_eq!(decided.answer, [theirs]);
    let entry = decided.audit.unwrap();
    assert_eq!(entry.event, Event::ConsentWithdrawn);
    assert_eq!((entry.about.user, entry.about.actor), (Some(ADA), None));
    assert!(world.is_over(theirs) && !world.is_over(kept));
    assert!(world.stored(Kind::Consent).is_empty());
    let refused = redeem_partners(&world, &code).err();
    assert_eq!(refused, Some(Refusal::InvalidGrant), "issued before");
    let outcome = world.authorize(&query(&OF_PARTNER), person(login));
    assert!(matches!(outcome, Outcome::Consent { .. }), "asked anew");

    let again = withdrawn(&world, &[kept, theirs], None);
    assert!(again.transaction.is_empty() && again.audit.is_none());
}

/// It decided on a consent that was still there, and is not committed any more.
#[test]
fn a_code_that_is_redeemed_while_consent_is_withdrawn_begins_nothing() {
    let world = World::new();
    let code = partners_code(&world, world.login());
    let field = basic(&format!("partner:{SECRET}"));
    let body = partners_redemption(&code);
    let now = world.now();
    let mut redeeming = Process::new(&world, |view, random| {
        let asking = asking(Some(&field), &body);
        token::grant(view, &world.provider, &asking, now, random)
    });
    redeeming.decide();
    assert!(!withdrawn(&world, &[], None).transaction.is_empty());
    while !redeeming.is_done() {
        redeeming.step();
    }
    let refused = redeeming.answer.unwrap().err();
    assert_eq!(refused, Some(Refusal::InvalidGrant));
    assert!(world.live_sessions().is_empty());
}

#[test]
fn an_administrator_withdraws_in_their_own_name() {
    let world = World::new();
    let theirs = allow_partner(&world, world.login()).session;
    let decided = withdrawn(&world, &[theirs], Some("root"));
    let actor = decided.audit.unwrap().about.actor;
    assert_eq!(actor.as_deref(), Some("root"));
    let now = world.now();
    let over = Standing::Over {
        at: now,
        cause: Cause::Administrator,
    };
    assert_eq!(world.session(theirs).standing, over);
}

#[test]
fn so_many_sessions_end_with_one_withdrawal() {
    let world = World::new();
    let theirs = allow_partner(&world, world.login()).session;
    let mut sessions = vec![SessionId([9; 16]); SESSIONS_MAX];
    sessions.push(theirs);
    assert!(withdrawn(&world, &sessions, None).answer.is_empty());
    sessions.remove(0);
    assert_eq!(withdrawn(&world, &sessions, None).answer, [theirs]);
}

#[test]
fn a_withdrawal_leaves_the_sessions_of_others_alone() {
    let world = World::new();
    let theirs = allow_partner(&world, world.login()).session;
    let of_another = Withdrawal {
        user: EVE,
        client: client_id("partner"),
        sessions: vec![theirs],
        actor: None,
    };
    let now = world.now();
    let decided = world.run(|view, _| withdraw(view, &of_another, now));
    assert!(decided.answer.is_empty() && !world.is_over(theirs));
}

#[test]
fn a_code_for_more_than_is_allowed_by_now_is_refused() {
    let world = World::new();
    let login = world.login();
    let code = partners_code(&world, login);
    assert!(!withdrawn(&world, &[], None).transaction.is_empty());
    let narrower = query(&[OF_PARTNER[0], OF_PARTNER[1], ("scope", "openid")]);
    let allowing = Person {
        answer: Some(ConsentAnswer::Allow),
        ..person(login)
    };
    let outcome = world.authorize(&narrower, allowing);
    assert!(matches!(outcome, Outcome::Redirect(_)), "{outcome:?}");
    let refused = redeem_partners(&world, &code).err();
    assert_eq!(refused, Some(Refusal::InvalidGrant));
}
