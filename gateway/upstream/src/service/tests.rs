use std::net::{Ipv4Addr, SocketAddr};

use proptest::prelude::*;

use crate::breaker::{OPEN_FIRST, PROBES};
use crate::call::Fault;
use crate::policy::{Protocol, Timeouts};

use super::*;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

pub(crate) fn policy(endpoints: u16) -> Policy {
    let endpoints = (0..endpoints).map(|n| SocketAddr::from((Ipv4Addr::LOCALHOST, 9000 + n)));
    Policy {
        name: Arc::from("s"),
        endpoints: endpoints.collect(),
        protocol: Protocol::default(),
        timeouts: Timeouts::default(),
        probe: None,
        in_flight_max: 100,
        has_breaker: true,
    }
}

pub(crate) fn limit(now: Instant) -> TimeLimit {
    TimeLimit {
        began: now,
        timeout: TIMEOUT,
    }
}

fn service(endpoints: u16) -> (Arc<Service>, Instant) {
    let now = start();
    (Service::new(policy(endpoints), now), now)
}

#[test]
fn the_less_busy_of_two_choices_is_taken() {
    let (service, now) = service(2);
    let first_then_second = 0xffff_ffff_0000_0000;
    let busy = service.pick(&[1], now, 0).unwrap();
    assert_eq!(busy.place(), 0);

    let place = |random| service.pick(&[], now, random).unwrap().place();
    assert_eq!(place(first_then_second), 1);
    drop(busy);
    assert_eq!(place(first_then_second), 0);
}

#[test]
fn an_endpoint_is_tried_once_and_then_no_more() {
    let (service, now) = service(3);
    let mut tried = Vec::new();
    for _ in 0..3 {
        tried.push(service.pick(&tried, now, u64::MAX).unwrap().place());
    }
    tried.sort_unstable();
    assert_eq!(tried, [0, 1, 2]);
    assert!(service.pick(&tried, now, 0).is_none());
}

#[test]
fn endpoints_that_are_ejected_or_unhealthy_come_last() {
    let (service, now) = service(4);
    let picked = |tried: &[usize]| -> Vec<usize> {
        let randoms = (0..64).map(|n: u64| n << 58 | n << 26);
        let picks = randoms.map(|random| service.pick(tried, now, random).unwrap().place());
        let mut places: Vec<_> = picks.collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    assert_eq!(picked(&[]), [0, 1, 2, 3]);
    for _ in 0..5 {
        service.ejection.fail(0, now);
    }
    assert_eq!(picked(&[]), [1, 2, 3]);
    (0..3).for_each(|_| {
        service.endpoints()[1].note_probe(false);
    });
    assert_eq!(picked(&[]), [2, 3]);
    assert_eq!(picked(&[2]), [3]);
    assert_eq!(picked(&[2, 3]), [0, 1]);

    for endpoint in service.endpoints() {
        (0..3).for_each(|_| {
            endpoint.note_probe(false);
        });
    }
    assert_eq!(picked(&[]), [0, 1, 2, 3]);
}

#[test]
fn a_saturated_service_takes_another_call_when_one_is_over() {
    let now = start();
    let few = Policy {
        in_flight_max: 2,
        ..policy(1)
    };
    let service = Service::new(few, now);
    let first = service.admit(limit(now), now).unwrap();
    let _second = service.admit(limit(now), now).unwrap();
    assert_eq!(
        service.admit(limit(now), now).unwrap_err(),
        Refusal::Saturated
    );
    drop(first);
    assert!(service.admit(limit(now), now).is_ok());
}

#[test]
fn a_refused_probe_of_the_breaker_leaves_room_for_another() {
    let now = start();
    let one = Policy {
        in_flight_max: 1,
        ..policy(1)
    };
    let service = Service::new(one, now);
    for _ in 0..20 {
        let mut call = service.admit(limit(now), now).unwrap();
        call.failed(Fault::Broken, now, 0);
    }
    let later = now + Duration::from_secs(5);
    let probe = service.admit(limit(later), later).unwrap();
    for _ in 0..10 {
        let refused = service.admit(limit(later), later).unwrap_err();
        assert_eq!(refused, Refusal::Saturated);
    }
    drop(probe);
    assert!(service.admit(limit(later), later).is_ok());
}

/// So ends a call whose client left, whether an endpoint was picked by then or not.
#[test]
fn a_call_that_is_called_off_leaves_its_probe_to_another() {
    let (service, now) = service(1);
    for _ in 0..20 {
        let mut call = service.admit(limit(now), now).unwrap();
        call.failed(Fault::Broken, now, 0);
    }
    let later = now + OPEN_FIRST;
    for is_picked in [true, false, true] {
        let calls = (0..PROBES).map(|_| service.admit(limit(later), later).unwrap());
        let mut calls: Vec<_> = calls.collect();
        assert!(service.admit(limit(later), later).is_err());
        for call in calls.iter_mut().filter(|_| is_picked) {
            assert!(call.pick(later, 0).is_some());
        }
    }
    assert_eq!(service.breaker_state(), BreakerState::HalfOpen);
}

#[test]
fn a_service_may_be_without_a_breaker() {
    let now = start();
    let without = Policy {
        has_breaker: false,
        ..policy(1)
    };
    let service = Service::new(without, now);
    for _ in 0..100 {
        let mut call = service.admit(limit(now), now).unwrap();
        call.failed(Fault::Broken, now, 0);
    }
    assert_eq!(service.breaker_state(), BreakerState::Closed);
}

proptest! {
    #[test]
    fn every_endpoint_that_is_left_can_be_picked(count in 1_u16..9, random: u64) {
        let (service, now) = service(count);
        let place = service.pick(&[], now, random).unwrap().place();
        prop_assert!(place < usize::from(count));
        let tried: Vec<_> = (0..usize::from(count)).filter(|other| *other != place).collect();
        prop_assert_eq!(service.pick(&tried, now, random).unwrap().place(), place);
    }

    /// Calls that end in any way and any order leave nothing behind.
    #[test]
    fn what_a_call_holds_comes_back(
        steps in prop::collection::vec((any::<u64>(), 0_u8..5), 1..200)
    ) {
        let (service, now) = service(3);
        let mut calls = Vec::new();
        for (random, step) in steps {
            calls.extend(service.admit(limit(now), now));
            let at = usize::try_from(random % 7).unwrap() % calls.len().max(1);
            let Some(call) = calls.get_mut(at) else { continue };
            match step {
                0 => drop(call.pick(now, random)),
                1 => drop(call.may_retry(Fault::Unreachable, false, now)),
                2 => call.answered(503, now, random),
                3 => call.failed(Fault::Broken, now, random),
                _ => drop(calls.swap_remove(at)),
            }
            prop_assert_eq!(service.in_flight.load(Ordering::Relaxed), calls.len());
            let attempts: usize = service.endpoints().iter().map(|e| e.in_flight()).sum();
            prop_assert!(attempts <= calls.len());
        }
        calls.clear();
        prop_assert_eq!(service.in_flight.load(Ordering::Relaxed), 0);
        prop_assert!(service.endpoints().iter().all(|e| e.in_flight() == 0));
    }
}

#[test]
fn batches_that_fail_are_no_reason_against_single_calls_nor_the_other_way_round() {
    for (failing, other) in [(Kind::Batch, Kind::Single), (Kind::Single, Kind::Batch)] {
        let (service, now) = service(1);
        for _ in 0..20 {
            let mut call = service.admit_kind(failing, limit(now), now).unwrap();
            call.failed(Fault::Broken, now, 0);
            let mut call = service.admit_kind(other, limit(now), now).unwrap();
            assert!(call.pick(now, 0).is_some());
            call.answered(200, now, 0);
        }
        let refused = service.admit_kind(failing, limit(now), now).unwrap_err();
        assert!(
            matches!(refused, Refusal::BreakerOpen { .. }),
            "{refused:?}"
        );
        assert!(service.admit_kind(other, limit(now), now).is_ok());
        assert_eq!(service.breaker_state(), BreakerState::Open);
    }
}
