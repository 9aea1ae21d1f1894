//! Whatever runs beside what, in whichever order: do the laws hold?
//!
//! Not threads, which show a few orders of many: every shuffle of two rules, and random ones of
//! many. The law that no session ends in silence is checked at each commit (`world`).

use idp_token::session::SessionId;
use proptest::prelude::*;

use crate::admin::{self, Order};
use crate::login::{self, Claimant, Verdict};
use crate::refusal::Refusal;
use crate::revoke;
use crate::store::Key;
use crate::token::{self, Issued};
use crate::view::View;

use super::process::{Process, run_all, shuffles};
use super::world::*;

type Tokens = Result<(String, String, SessionId), Refusal>;

fn tokens(issued: Result<Issued, Refusal>) -> Tokens {
    issued.map(|issued| {
        let access = issued.access_token.as_str().to_owned();
        (access, refresh_of(&issued), issued.session)
    })
}

/// A request to the token endpoint of which only the tokens matter.
fn asker<'w>(world: &'w World, body: String) -> Process<'w, Tokens> {
    let now = world.now();
    Process::new(world, move |view, random| {
        let asking = asking(None, &body);
        let decided = token::grant(view, &world.provider, &asking, now, random)?;
        Ok(crate::decision::Decision {
            answer: tokens(decided.answer),
            transaction: decided.transaction,
            audit: decided.audit,
        })
    })
}

/// Something that ends sessions and gives no tokens.
fn ender<'w>(world: &'w World, order: Order) -> Process<'w, Tokens> {
    let now = world.now();
    Process::new(world, move |view, _| {
        let decided = admin::carry_out(view, &order, "root", now)?;
        Ok(crate::decision::Decision {
            answer: Err(Refusal::InvalidGrant),
            transaction: decided.transaction,
            audit: None,
        })
    })
}

fn revoker<'w>(world: &'w World, token: String) -> Process<'w, Tokens> {
    let now = world.now();
    Process::new(world, move |view, _| {
        let body = format!("client_id=web&token={token}");
        let decided = revoke::revoke(view, &world.provider, &asking(None, &body), now)?;
        Ok(crate::decision::Decision {
            answer: Err(Refusal::InvalidGrant),
            transaction: decided.transaction,
            audit: None,
        })
    })
}

fn answers(processes: Vec<Process<'_, Tokens>>) -> Vec<Tokens> {
    processes.into_iter().map(|it| it.answer.unwrap()).collect()
}

fn counter(world: &World, token: &str) -> u32 {
    let presented = idp_token::refresh::PresentedRefresh::parse(token.as_bytes()).unwrap();
    let found = world
        .store
        .read_now(&[Key::Refresh(presented.family())])
        .remove(0);
    let crate::record::Record::Refresh(refresh) = found.unwrap().record else {
        panic!("a family");
    };
    refresh.family.current
}

/// All get the one successor, nobody is logged out.
fn assert_one_successor(world: &World, first: &str, answers: &[Tokens]) {
    let successors: Vec<_> = answers
        .iter()
        .map(|answer| &answer.as_ref().unwrap().1)
        .collect();
    assert!(successors.iter().all(|it| *it == successors[0]));
    assert_ne!(*successors[0], first);
    assert_eq!(counter(world, first), 1);
    for answer in answers {
        let (access, _, session) = answer.as_ref().unwrap();
        assert!(world.is_active(access) && !world.is_over(*session));
    }
}

#[test]
fn two_refreshes_in_any_order_get_one_successor() {
    for schedule in shuffles(6) {
        let world = World::one_of_many();
        let first = refresh_of(&world.begin());
        let mut both: Vec<_> = (0..2).map(|_| asker(&world, renewal(&first))).collect();
        run_all(&mut both, &schedule);
        assert_one_successor(&world, &first, &answers(both));
    }
}

#[test]
fn sixty_four_refreshes_of_each_of_many_families_kill_none() {
    let world = World::one_of_many();
    for family in 0..20_usize {
        let first = refresh_of(&world.begin());
        let mut all: Vec<_> = (0..64).map(|_| asker(&world, renewal(&first))).collect();
        // All read at once, then commit in an order of their own.
        let schedule: Vec<_> = (0..64 * 6)
            .map(|step| (step * (2 * family + 1)) % 64)
            .collect();
        run_all(&mut all, &schedule);
        assert_one_successor(&world, &first, &answers(all));
        world.order(Order::EndAll);
        world.pass(1);
    }
}

#[test]
fn a_session_that_is_ended_while_it_is_refreshed_is_over_in_any_order() {
    for (kind, schedule) in (0..4).flat_map(|kind| shuffles(6).map(move |it| (kind, it))) {
        let world = World::one_of_many();
        let begun = world.begin();
        let first = refresh_of(&begun);
        let end = match kind {
            0 => ender(&world, Order::EndSession(begun.session)),
            1 => ender(&world, Order::EndUser(ADA)),
            2 => ender(&world, Order::EndAll),
            _ => revoker(&world, first.clone()),
        };
        let mut both = vec![asker(&world, renewal(&first)), end];
        run_all(&mut both, &schedule);
        for (access, refresh, _) in answers(both).into_iter().flatten() {
            assert!(!world.is_active(&access), "{kind} {schedule:?}");
            assert_eq!(world.refresh(&refresh).err(), Some(Refusal::InvalidGrant));
        }
        assert!(world.live_sessions().is_empty(), "{kind} {schedule:?}");
    }
}

/// What was read is not only read: it must still hold when a token is handed out.
#[test]
fn a_token_is_never_handed_out_on_what_was_so_a_moment_ago() {
    let ends = |session| {
        [
            Order::EndSession(session),
            Order::EndUser(ADA),
            Order::EndClient(client_id("web")),
            Order::EndTenant(tenant_id("bank")),
            Order::EndAll,
        ]
    };
    for at in 0..5 {
        let world = World::one_of_many();
        let begun = world.begin();
        let code = world.code(begun_login(&world, &begun));
        let mut refresh = asker(&world, renewal(&refresh_of(&begun)));
        let mut redemption = asker(&world, redemption(&code));
        refresh.decide();
        redemption.decide();
        let order = ends(begun.session)[at].clone();
        world.order(&order);
        let mut both = vec![refresh, redemption];
        run_all(&mut both, &[]);
        let [refreshed, redeemed] = <[Tokens; 2]>::try_from(answers(both)).unwrap();
        assert_eq!(refreshed, Err(Refusal::InvalidGrant), "{order:?}");
        // Another session of the person is no business of the code.
        let is_of_another = matches!(order, Order::EndSession(_));
        assert_eq!(redeemed.is_ok(), is_of_another, "{order:?}");
    }
}

#[test]
fn a_right_password_is_refused_if_ten_wrong_ones_came_in_between() {
    let world = World::one_of_many();
    let claimant = Claimant {
        tenant: tenant_id("bank"),
        name: crate::id::Username::parse("ada"),
    };
    let challenge = world.see(|view| login::ask(view, &world.provider, &claimant));
    let now = world.now();
    let mut right = Process::new(&world, |view: &View, random| {
        let presented = (&challenge, Verdict::Matches);
        login::sign_in(view, &world.provider, presented, now, random)
    });
    right.decide();
    for _ in 0..login::FAILURES_MAX {
        assert!(world.sign_in("ada", Verdict::Differs).is_err());
    }
    let mut alone = [right];
    run_all(&mut alone, &[]);
    assert!(matches!(alone[0].answer, Some(Err(_))));
}

fn begun_login(world: &World, begun: &Issued) -> crate::id::LoginId {
    world.session(begun.session).login.unwrap()
}

#[test]
fn of_two_who_redeem_a_code_at_once_at_most_one_does_and_then_it_is_ended() {
    for schedule in shuffles(6) {
        let world = World::one_of_many();
        let code = world.code(world.login());
        let mut both: Vec<_> = (0..2).map(|_| asker(&world, redemption(&code))).collect();
        run_all(&mut both, &schedule);
        let redeemed: Vec<_> = answers(both).into_iter().flatten().collect();
        assert_eq!(redeemed.len(), 1, "{schedule:?}");
        assert!(world.live_sessions().is_empty(), "{schedule:?}");
    }
}

#[test]
fn a_code_that_is_redeemed_while_its_person_is_ended_leaves_no_session() {
    for schedule in shuffles(6) {
        let world = World::one_of_many();
        let code = world.code(world.login());
        let end = ender(&world, Order::DisableUser(ADA));
        let mut both = vec![asker(&world, redemption(&code)), end];
        run_all(&mut both, &schedule);
        assert!(world.live_sessions().is_empty(), "{schedule:?}");
    }
}

#[test]
fn an_old_token_beside_a_good_one_ends_the_session_in_any_order() {
    for schedule in shuffles(6) {
        let world = World::one_of_many();
        let begun = world.begin();
        let old = refresh_of(&begun);
        let next = refresh_of(&world.refresh(&old).unwrap());
        world.pass(11);
        let mut both = vec![asker(&world, renewal(&next)), asker(&world, renewal(&old))];
        run_all(&mut both, &schedule);
        assert!(answers(both)[1].is_err());
        assert!(world.is_over(begun.session), "{schedule:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn many_refreshes_in_a_random_order_get_one_successor(
        count in 3..12_usize, schedule in prop::collection::vec(0..100_usize, 0..200),
    ) {
        let world = World::one_of_many();
        let first = refresh_of(&world.begin());
        let mut all: Vec<_> = (0..count).map(|_| asker(&world, renewal(&first))).collect();
        run_all(&mut all, &schedule);
        assert_one_successor(&world, &first, &answers(all));
    }

    #[test]
    fn one_thief_among_many_refreshes_ends_the_session(
        count in 2..8_usize, schedule in prop::collection::vec(0..100_usize, 0..200),
    ) {
        let world = World::one_of_many();
        let begun = world.begin();
        let old = refresh_of(&begun);
        let next = refresh_of(&world.refresh(&old).unwrap());
        world.pass(11);
        let mut all: Vec<_> = (0..count).map(|_| asker(&world, renewal(&next))).collect();
        all.push(asker(&world, renewal(&old)));
        run_all(&mut all, &schedule);
        prop_assert!(world.is_over(begun.session));
        for (access, refresh, _) in answers(all).into_iter().flatten() {
            prop_assert!(!world.is_active(&access));
            prop_assert!(world.refresh(&refresh).is_err());
        }
    }

    #[test]
    fn guesses_at_once_get_no_more_tries_than_one_after_the_other(
        right in 0..30_usize, schedule in prop::collection::vec(0..100_usize, 0..200),
    ) {
        let world = World::one_of_many();
        let claimant = Claimant {
            tenant: tenant_id("bank"),
            name: crate::id::Username::parse("ada"),
        };
        let challenge = world.see(|view| login::ask(view, &world.provider, &claimant));
        let now = world.now();
        let mut all: Vec<_> = (0..30)
            .map(|guess| {
                let (world, challenge) = (&world, &challenge);
                let verdict = if guess == right { Verdict::Matches } else { Verdict::Differs };
                Process::new(world, move |view: &View, random| {
                    login::sign_in(view, &world.provider, (challenge, verdict), now, random)
                })
            })
            .collect();
        run_all(&mut all, &schedule);
        let failed = world.stored(crate::store::Kind::Lockout);
        let let_in = all.iter().filter(|it| matches!(it.answer, Some(Ok(_)))).count();
        prop_assert!(let_in <= 1);
        let crate::record::Record::Lockout(lockout) = &failed[0].record else {
            panic!("a lockout");
        };
        prop_assert_eq!(lockout.failures, login::FAILURES_MAX);
        prop_assert!(world.sign_in("ada", Verdict::Matches).is_err());
    }
}
