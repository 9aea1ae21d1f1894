use proptest::prelude::*;

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_000);

fn at(seconds: u64) -> UnixSeconds {
    UnixSeconds(seconds)
}

const KNOWN: Remembered = Remembered {
    ends_at: UnixSeconds(2_000),
    is_idle: false,
    value_expires_at: Some(UnixSeconds(1_500)),
};

/// Whether a refusal counts as a trial, and whether it is remembered.
#[test]
fn what_nobody_honest_shows_is_a_trial_and_what_stays_bad_is_remembered() {
    use idp_token::reference::ReferenceError;
    #[rustfmt::skip]
    let cases: [(Invalid, bool, bool); 20] = [
        (ValueTokenError::Jws(JwsError::Signature).into(),  true,  true),
        (ValueTokenError::Jws(JwsError::UnknownKey).into(), false, false),
        (ValueTokenError::Jws(JwsError::Base64).into(),     false, false),
        (ValueTokenError::NotYet.into(),                    true,  false),
        (ValueTokenError::Times.into(),                     true,  false),
        (ValueTokenError::Expired.into(),                   false, true),
        (ValueTokenError::Audience.into(),                  false, true),
        (Unacceptable::Jws(JwsError::Signature).into(),     true,  true),
        (Unacceptable::Jws(JwsError::UnknownKey).into(),    false, false),
        (Unacceptable::Algorithm.into(),                    false, false),
        (Unacceptable::NotYet.into(),                       true,  false),
        (Unacceptable::Times.into(),                        true,  false),
        (Unacceptable::Expired.into(),                      false, true),
        (Unacceptable::Purpose.into(),                      false, true),
        (Invalid::Inactive,                                 true,  true),
        (Invalid::Ended,                                    false, false),
        (Invalid::Over(Over::Idle),                         false, false),
        (Invalid::Kind,                                     false, false),
        (Invalid::Audience,                                 false, false),
        (ReferenceError::Tag.into(),                        false, false),
    ];
    for (invalid, is_trial, stays_so) in cases {
        assert_eq!(invalid.was_a_trial(), is_trial, "{invalid:?}");
        assert_eq!(invalid.stays_so(), stays_so, "{invalid:?}");
    }
}

/// What a gateway can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Redis {
    Up,
    Down,
    /// Flushed, or started empty.
    Empty,
}

/// How long ago it heard that nothing is unpublished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    WithinLease,
    WithinGrace,
    PastGrace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Known,
    Unknown,
    /// Known, but a change was published since.
    Void,
    /// Known, but not used here for long.
    Idle,
    /// Known, but what the service would be shown has expired.
    Spent,
    /// Known, and a change was published that ended its session.
    Killed,
    /// Known, and past its end.
    Over,
}

/// How a request ends, and who was asked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Served; nobody was asked.
    Cache,
    /// The same past the lease.
    Marked,
    /// Served on the word of the copy.
    Copy,
    /// Served on the word of the identity provider.
    Asked,
    /// 401; nobody was asked.
    Refused,
    /// 503.
    Stale,
    Unreachable,
}

/// `idp_is_up`, Redis, and how old the last proof is.
type World = (bool, Redis, Age);

fn trust(age: Age, is_tolerant: bool) -> Trust {
    match (age, is_tolerant) {
        (Age::WithinLease, _) => Trust::Fresh,
        (Age::WithinGrace, true) => Trust::Grace,
        (Age::WithinGrace, false) | (Age::PastGrace, _) => Trust::Ask,
    }
}

fn decide(token: Token, trust: Trust) -> Decision {
    let known = match token {
        Token::Unknown => None,
        Token::Known | Token::Void | Token::Killed => Some(KNOWN),
        Token::Idle => Some(Remembered {
            is_idle: true,
            ..KNOWN
        }),
        Token::Spent => Some(Remembered {
            value_expires_at: Some(NOW),
            ..KNOWN
        }),
        Token::Over => Some(Remembered {
            ends_at: NOW,
            ..KNOWN
        }),
    };
    let holds = !matches!(token, Token::Void | Token::Killed);
    judge(known.as_ref(), holds, || token == Token::Killed, trust, NOW)
}

/// A gateway in this world, whose sources say of every token that it is good.
fn play((idp_is_up, redis, age): World, is_tolerant: bool, token: Token) -> End {
    let ask = |gap: Gap| match (idp_is_up, gap.unanswered()) {
        (true, _) => End::Asked,
        (false, Unknown::Stale) => End::Stale,
        (false, Unknown::Unreachable) => End::Unreachable,
        (false, Unknown::Overloaded) => unreachable!("nothing was asked too often"),
    };
    match decide(token, trust(age, is_tolerant)) {
        Decision::Serve(Proof::Fresh) => End::Cache,
        Decision::Serve(Proof::Grace) => End::Marked,
        Decision::Refuse(_) => End::Refused,
        Decision::Refetch(_) if redis == Redis::Up => End::Copy,
        Decision::Refetch(gap) | Decision::Ask(gap) => ask(gap),
    }
}

/// The failure table: a line per world, a column each for a known token on a strict and on a tolerant
/// route, and one for a token of which nothing is known, where routes are all the same.
#[rustfmt::skip]
const TABLE: [(World, [End; 3]); 18] = {
    use Age::{PastGrace, WithinGrace, WithinLease};
    use End::{Asked, Cache, Copy, Marked, Stale, Unreachable};
    use Redis::{Down, Empty, Up};
    [
        ((true,  Up,    WithinLease), [Cache, Cache,  Copy]),
        ((true,  Up,    WithinGrace), [Asked, Marked, Asked]),
        ((true,  Up,    PastGrace),   [Asked, Asked,  Asked]),
        ((true,  Down,  WithinLease), [Cache, Cache,  Asked]),
        ((true,  Down,  WithinGrace), [Asked, Marked, Asked]),
        ((true,  Down,  PastGrace),   [Asked, Asked,  Asked]),
        ((true,  Empty, WithinLease), [Cache, Cache,  Asked]),
        ((true,  Empty, WithinGrace), [Asked, Marked, Asked]),
        ((true,  Empty, PastGrace),   [Asked, Asked,  Asked]),
        ((false, Up,    WithinLease), [Cache, Cache,  Copy]),
        ((false, Up,    WithinGrace), [Stale, Marked, Unreachable]),
        ((false, Up,    PastGrace),   [Stale, Stale,  Unreachable]),
        ((false, Down,  WithinLease), [Cache, Cache,  Unreachable]),
        ((false, Down,  WithinGrace), [Stale, Marked, Unreachable]),
        ((false, Down,  PastGrace),   [Stale, Stale,  Unreachable]),
        ((false, Empty, WithinLease), [Cache, Cache,  Unreachable]),
        ((false, Empty, WithinGrace), [Stale, Marked, Unreachable]),
        ((false, Empty, PastGrace),   [Stale, Stale,  Unreachable]),
    ]
};

#[test]
fn whatever_fails_a_request_ends_as_the_failure_table_says() {
    for (world, [strict, tolerant, unknown]) in TABLE {
        for is_tolerant in [false, true] {
            let known = if is_tolerant { tolerant } else { strict };
            #[rustfmt::skip]
            let columns = [
                (Token::Known,   known),
                (Token::Unknown, unknown),
                (Token::Void,    unknown),
                (Token::Idle,    unknown),
                (Token::Spent,   unknown),
                (Token::Killed,  End::Refused),
                (Token::Over,    End::Refused),
            ];
            for (token, expected) in columns {
                let end = play(world, is_tolerant, token);
                assert_eq!(end, expected, "{world:?} tolerant {is_tolerant} {token:?}");
            }
        }
    }
}

#[test]
fn the_table_has_every_world_once() {
    let mut worlds: Vec<_> = TABLE
        .iter()
        .map(|(world, _)| format!("{world:?}"))
        .collect();
    worlds.sort();
    worlds.dedup();
    assert_eq!(worlds.len(), 2 * 3 * 3);
}

#[test]
fn a_gap_is_named_by_the_first_thing_that_is_wrong() {
    #[rustfmt::skip]
    let cases = [
        (Token::Known,   Trust::Fresh, Decision::Serve(Proof::Fresh)),
        (Token::Known,   Trust::Grace, Decision::Serve(Proof::Grace)),
        (Token::Known,   Trust::Ask,   Decision::Ask(Gap::Stale)),
        (Token::Unknown, Trust::Fresh, Decision::Refetch(Gap::Unknown)),
        (Token::Unknown, Trust::Grace, Decision::Ask(Gap::Unknown)),
        (Token::Unknown, Trust::Ask,   Decision::Ask(Gap::Unknown)),
        (Token::Void,    Trust::Fresh, Decision::Refetch(Gap::Void)),
        (Token::Void,    Trust::Grace, Decision::Ask(Gap::Void)),
        (Token::Idle,    Trust::Fresh, Decision::Refetch(Gap::Idle)),
        (Token::Idle,    Trust::Ask,   Decision::Ask(Gap::Idle)),
        (Token::Spent,   Trust::Fresh, Decision::Refetch(Gap::Spent)),
        (Token::Killed,  Trust::Ask,   Decision::Refuse(Invalid::Ended)),
        (Token::Over,    Trust::Ask,   Decision::Refuse(Invalid::Over(Over::Ended))),
    ];
    for (token, trust, expected) in cases {
        assert_eq!(decide(token, trust), expected, "{token:?} {trust:?}");
    }
}

#[test]
fn every_end_is_met_at_its_very_second() {
    let of = |remembered: Remembered, now: UnixSeconds| {
        judge(Some(&remembered), true, || false, Trust::Fresh, now)
    };
    let served = Decision::Serve(Proof::Fresh);
    let only = |ends_at, is_idle, value_expires_at| Remembered {
        ends_at,
        is_idle,
        value_expires_at,
    };
    #[rustfmt::skip]
    let cases = [
        (only(at(10), false, None),          9,  served),
        (only(at(10), false, None),          10, Decision::Refuse(Invalid::Over(Over::Ended))),
        (only(at(99), true, None),           10, Decision::Refetch(Gap::Idle)),
        (only(at(99), false, Some(at(10))),  9,  served),
        (only(at(99), false, Some(at(10))),  10, Decision::Refetch(Gap::Spent)),
        (only(at(10), true, Some(at(10))),   10, Decision::Refuse(Invalid::Over(Over::Ended))),
        (only(at(99), true, Some(at(10))),   10, Decision::Refetch(Gap::Idle)),
    ];
    for (remembered, now, expected) in cases {
        assert_eq!(of(remembered, at(now)), expected, "{remembered:?} at {now}");
    }
}

#[test]
fn the_list_of_ends_is_asked_only_where_the_fence_says_no() {
    let mut was_asked = false;
    let ask = || {
        was_asked = true;
        true
    };
    let decision = judge(Some(&KNOWN), true, ask, Trust::Fresh, NOW);
    assert_eq!(
        (decision, was_asked),
        (Decision::Serve(Proof::Fresh), false)
    );
}

proptest! {
    /// Tenet one: never a pass without proof, and never a refusal without one.
    #[test]
    fn nothing_passes_or_is_refused_without_proof(
        known in prop::option::of((0_u64..20, any::<bool>(), prop::option::of(0_u64..20))),
        (holds, was_ended) in (any::<bool>(), any::<bool>()),
        trust in prop::sample::select(vec![Trust::Fresh, Trust::Grace, Trust::Ask]),
        now in 0_u64..20,
    ) {
        let known = known.map(|(ends, is_idle, expires)| Remembered {
            ends_at: at(ends),
            is_idle,
            value_expires_at: expires.map(at),
        });
        let decision = judge(known.as_ref(), holds, || was_ended, trust, at(now));
        let is_past = |end: Option<UnixSeconds>| end.is_some_and(|end| end <= at(now));
        match decision {
            Decision::Serve(proof) => {
                let known = known.unwrap();
                prop_assert!(holds && trust != Trust::Ask);
                prop_assert_eq!(proof == Proof::Fresh, trust == Trust::Fresh);
                prop_assert!(!is_past(Some(known.ends_at)));
                prop_assert!(!known.is_idle && !is_past(known.value_expires_at));
            }
            Decision::Refuse(_) => {
                let known = known.unwrap();
                prop_assert!(is_past(Some(known.ends_at)) || (!holds && was_ended));
            }
            // A copy is asked only while the lease vouches for it.
            Decision::Refetch(_) => prop_assert_eq!(trust, Trust::Fresh),
            Decision::Ask(gap) => {
                prop_assert!(trust != Trust::Fresh);
                prop_assert_eq!(gap == Gap::Stale, gap.unanswered() == Unknown::Stale);
            }
        }
    }
}
