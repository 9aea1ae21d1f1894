use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
fn start() -> Instant {
    Instant::now()
}

/// Notes calls that were let through one after the other.
fn note(breaker: &Arc<Breaker>, went: Went, count: u32, now: Instant) {
    for _ in 0..count {
        let pass = breaker.admit(now).unwrap();
        breaker.note(pass, went, now, 0);
    }
}

fn opened(now: Instant) -> Arc<Breaker> {
    let breaker = Breaker::new(now);
    note(&breaker, Went::Wrong, 20, now);
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn a_breaker_opens_on_enough_calls_of_which_enough_went_badly() {
    use BreakerState::{Closed, Open};
    #[rustfmt::skip]
    let cases = [
        // Calls that went well, slowly, wrong; then the state.
        ([0,   0,  19], Closed),
        ([0,   0,  20], Open),
        ([10,  0,  10], Open),
        ([11,  0,   9], Closed),
        ([101, 0, 100], Closed),
        ([100, 0, 100], Open),
        ([5,  15,   0], Closed),
        ([4,  16,   0], Open),
        ([1,  10,   9], Closed),
    ];
    for ([well, slowly, wrong], expected) in cases {
        let now = start();
        let breaker = Breaker::new(now);
        note(&breaker, Went::Well, well, now);
        note(&breaker, Went::Slowly, slowly, now);
        note(&breaker, Went::Wrong, wrong, now);
        assert_eq!(breaker.state(), expected, "{well} {slowly} {wrong}");
    }
}

#[test]
fn what_is_not_recent_does_not_count() {
    let now = start();
    let breaker = Breaker::new(now);
    note(&breaker, Went::Wrong, 19, now);
    note(&breaker, Went::Wrong, 19, now + Duration::from_secs(10));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn an_open_breaker_says_when_to_come_back() {
    let now = start();
    let breaker = opened(now);
    let later = now + Duration::from_secs(2);
    assert_eq!(breaker.admit(later).unwrap_err(), Duration::from_secs(3));
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(breaker.admit(now + OPEN_FIRST).is_ok());
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
}

#[test]
fn probes_that_all_go_well_close_it_and_one_that_does_not_opens_it() {
    for last in [Went::Well, Went::Slowly, Went::Wrong] {
        let now = start();
        let breaker = opened(now);
        let later = now + OPEN_FIRST;
        note(&breaker, Went::Well, 2, later);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        note(&breaker, last, 1, later);
        if last == Went::Well {
            assert_eq!(breaker.state(), BreakerState::Closed);
            // What was before does not count against it.
            note(&breaker, Went::Wrong, 19, later);
            assert_eq!(breaker.state(), BreakerState::Closed);
        } else {
            assert_eq!(breaker.state(), BreakerState::Open);
            let left = breaker.admit(later).unwrap_err();
            assert_eq!(left, 2 * OPEN_FIRST);
        }
    }
}

#[test]
fn the_wait_doubles_with_a_part_by_chance_and_a_good_spell_forgets() {
    let mut now = start();
    let breaker = opened(now);
    for seconds in [5, 10, 20, 40, 60, 60] {
        let left = breaker.admit(now).unwrap_err();
        let least = Duration::from_secs(seconds);
        assert!(left >= least && left <= least + least / 4, "{left:?}");
        now += left;
        let probe = breaker.admit(now).unwrap();
        breaker.note(probe, Went::Wrong, now, u64::MAX);
    }
    now += breaker.admit(now).unwrap_err();
    note(&breaker, Went::Well, 3, now);
    now += GOOD_SPELL;
    note(&breaker, Went::Wrong, 20, now);
    assert_eq!(breaker.admit(now).unwrap_err(), OPEN_FIRST);
}

#[test]
fn a_call_from_before_it_opened_changes_nothing() {
    let now = start();
    let breaker = Breaker::new(now);
    let early = breaker.admit(now).unwrap();
    note(&breaker, Went::Wrong, 20, now);
    breaker.note(early, Went::Wrong, now + Duration::from_secs(4), 0);
    assert!(breaker.admit(now + OPEN_FIRST).is_ok());
}

#[test]
fn a_probe_that_outlives_its_turn_keeps_its_place_and_says_nothing_of_the_next() {
    let mut now = start();
    let breaker = opened(now);
    now += OPEN_FIRST;
    let mut late = vec![breaker.admit(now).unwrap(), breaker.admit(now).unwrap()];
    note(&breaker, Went::Wrong, 1, now);
    now += 2 * OPEN_FIRST;

    let probe = breaker.admit(now).unwrap();
    assert_eq!(breaker.admit(now).unwrap_err(), PROBES_TAKE);
    breaker.note(late.pop().unwrap(), Went::Wrong, now, 0);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let another = breaker.admit(now).unwrap();
    assert!(breaker.admit(now).is_err());
    drop(late);
    for probe in [probe, another, breaker.admit(now).unwrap()] {
        breaker.note(probe, Went::Well, now, 0);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[derive(Debug, Clone)]
enum Event {
    Admit,
    /// Ends the call at this place of those under way; `None` drops it.
    End(usize, Option<Went>),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let went = prop_oneof![
        Just(None),
        Just(Some(Went::Well)),
        Just(Some(Went::Well)),
        Just(Some(Went::Slowly)),
        Just(Some(Went::Wrong)),
    ];
    let event = prop_oneof![
        4 => Just(Event::Admit),
        4 => (any::<usize>(), went).prop_map(|(place, went)| Event::End(place, went)),
        1 => (0_u64..12_000).prop_map(Event::Pass),
        1 => Just(Event::Pass(2 * 60_000)),
    ];
    prop::collection::vec(event, 1..400)
}

proptest! {
    /// Whatever the order of calls, ends and time, from open on.
    #[test]
    fn no_more_probes_than_permitted_are_ever_under_way(events in events()) {
        let mut now = start();
        let breaker = opened(now);
        let mut under_way = Vec::new();
        for event in events {
            match event {
                Event::Admit => under_way.extend(breaker.admit(now)),
                Event::End(place, went) if !under_way.is_empty() => {
                    let pass = under_way.swap_remove(place % under_way.len());
                    if let Some(went) = went {
                        breaker.note(pass, went, now, place as u64);
                    }
                }
                Event::End(..) => {}
                Event::Pass(millis) => now += Duration::from_millis(millis),
            }
            let probes = under_way.iter().filter(|pass| pass.probe.is_some()).count();
            prop_assert!(probes <= PROBES as usize);
            let circuit = breaker.circuit();
            prop_assert_eq!(circuit.probes_out as usize, probes);
            let of_this_turn = |pass: &&Pass| {
                pass.probe.as_ref().is_some_and(|probe| probe.turn == circuit.turn)
            };
            if let Phase::HalfOpen { went_well, under_way: counted } = circuit.phase {
                prop_assert_eq!(counted as usize, under_way.iter().filter(of_this_turn).count());
                prop_assert!(went_well + counted <= PROBES);
            }
        }
        // Once all are back there is room for all again.
        under_way.clear();
        now += 2 * OPEN_MAX;
        let mut probes = Vec::new();
        if breaker.state() != BreakerState::Closed {
            probes.extend((0..2 * PROBES).filter_map(|_| breaker.admit(now).ok()));
            prop_assert!(!probes.is_empty() && probes.len() <= PROBES as usize);
        }
        drop(probes);
        prop_assert_eq!(breaker.circuit().probes_out, 0);
    }
}
