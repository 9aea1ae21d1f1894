use super::*;
use crate::breaker::BreakerState;
use crate::service::tests::{TIMEOUT, limit, policy, start};

fn service(endpoints: u16) -> (Arc<Service>, Instant) {
    let now = start();
    (Service::new(policy(endpoints), now), now)
}

fn call(service: &Arc<Service>, now: Instant) -> Call {
    service.admit(limit(now), now).unwrap()
}

/// How many attempts a call gets when all fail in this way.
fn attempts(service: &Arc<Service>, fault: Fault, is_read: bool, now: Instant) -> usize {
    let mut call = call(service, now);
    let mut count = 0;
    while call.pick(now, 0).is_some() {
        count += 1;
        if !call.may_retry(fault, is_read, now) {
            break;
        }
    }
    count
}

#[test]
fn a_call_is_tried_again_where_that_cannot_do_harm() {
    use Fault::{Broken, KeptBroke, Refused, Retired, TimedOut, Unreachable};
    #[rustfmt::skip]
    let cases = [
        // Endpoints, how every attempt fails, attempts of a read and of a write.
        (4, Unreachable, 3, 3),
        (2, Unreachable, 2, 2),
        (1, Unreachable, 1, 1),
        (4, Broken,      3, 1),
        (2, Broken,      2, 1),
        (1, Broken,      1, 1),
        (4, KeptBroke,   3, 1),
        (1, KeptBroke,   3, 1),
        (4, Retired,     3, 3),
        (1, Retired,     3, 3),
        (4, Refused,     3, 3),
        (1, Refused,     1, 1),
        (4, TimedOut,    1, 1),
    ];
    for (endpoints, fault, read, write) in cases {
        for (is_read, expected) in [(true, read), (false, write)] {
            let (service, now) = service(endpoints);
            let found = attempts(&service, fault, is_read, now);
            assert_eq!(found, expected, "{endpoints} {fault:?} {is_read}");
        }
    }
}

#[test]
fn a_retry_goes_to_another_endpoint_unless_only_a_connection_was_at_its_end() {
    for fault in [Fault::KeptBroke, Fault::Retired] {
        let (service, now) = service(2);
        let mut call = call(&service, now);
        let first = call.pick(now, 0).unwrap();
        assert!(call.may_retry(fault, true, now));
        assert_eq!(call.pick(now, 0).unwrap().place, first.place);
        assert!(call.may_retry(Fault::Broken, true, now));
        assert_ne!(call.pick(now, 0).unwrap().place, first.place);
    }
}

#[test]
fn retries_draw_on_one_budget_save_the_first_step_to_another_endpoint() {
    let (service, now) = service(4);
    let reads: usize = (0..9)
        .map(|_| attempts(&service, Fault::Broken, true, now))
        .sum();
    assert_eq!(reads, 9 + 3);
    assert_eq!(attempts(&service, Fault::Unreachable, false, now), 2 + 1);
    assert_eq!(attempts(&service, Fault::Unreachable, false, now), 2);
}

#[test]
fn nothing_is_tried_again_when_time_is_up() {
    let (service, now) = service(4);
    let mut call = call(&service, now);
    assert!(call.pick(now, 0).is_some());
    assert!(!call.may_retry(Fault::Broken, true, now + TIMEOUT));
}

/// Runs twenty calls that all go the same way.
fn state_after(each: impl Fn(&mut Call, Instant)) -> (BreakerState, bool) {
    let (service, now) = service(2);
    for _ in 0..20 {
        let mut call = call(&service, now);
        assert!(call.pick(now, 0).is_some());
        each(&mut call, now);
    }
    let is_ejected = !service.is_ready(0, now) || !service.is_ready(1, now);
    (service.breaker_state(), is_ejected)
}

#[test]
fn only_what_is_the_fault_of_the_service_counts_against_it() {
    use BreakerState::{Closed, Open};
    let half = TIMEOUT / 2;
    let less = half - Duration::from_millis(1);
    type Each = Box<dyn Fn(&mut Call, Instant)>;
    #[rustfmt::skip]
    let cases: [(&str, Each, _); 15] = [
        ("answers", Box::new(|call, now| call.answered(200, now, 0)), (Closed, false)),
        ("4xx", Box::new(|call, now| call.answered(429, now, 0)), (Closed, false)),
        ("5xx", Box::new(|call, now| call.answered(500, now, 0)), (Open, true)),
        ("a client that left", Box::new(|_, _| {}), (Closed, false)),
        ("unreachable", Box::new(|call, now| call.failed(Fault::Unreachable, now, 0)), (Open, true)),
        ("no whole answer", Box::new(|call, now| {
            call.answered(200, now, 0);
            call.failed(Fault::Broken, now, 0);
        }), (Open, true)),
        ("kept connections", Box::new(|call, now| call.failed(Fault::KeptBroke, now, 0)), (Open, false)),
        ("at the end of a connection", Box::new(|call, now| call.failed(Fault::Retired, now, 0)), (Open, false)),
        ("refused", Box::new(|call, now| call.failed(Fault::Refused, now, 0)), (Open, true)),
        ("late", Box::new(move |call, now| {
            call.sent(now);
            call.failed(Fault::TimedOut, now + half, 0);
        }), (Open, true)),
        ("a client that sends slowly", Box::new(move |call, now| {
            call.failed(Fault::TimedOut, now + half, 0);
        }), (Closed, false)),
        ("a client that left no time", Box::new(move |call, now| {
            call.sent(now);
            call.failed(Fault::TimedOut, now + less, 0);
        }), (Closed, false)),
        ("a client that reads slowly", Box::new(move |call, now| {
            call.sent(now);
            call.answered(200, now, 0);
            call.failed(Fault::TimedOut, now + half, 0);
        }), (Closed, false)),
        ("slow", Box::new(move |call, now| {
            call.sent(now);
            call.answered(200, now + half, 0);
        }), (Open, false)),
        ("quick enough", Box::new(move |call, now| {
            call.sent(now);
            call.answered(200, now + less, 0);
        }), (Closed, false)),
    ];
    for (what, each, expected) in cases {
        assert_eq!(state_after(each), expected, "{what}");
    }
}

#[test]
fn an_answer_that_failed_twice_over_is_blamed_once() {
    let (service, now) = service(2);
    for _ in 0..10 {
        let mut call = call(&service, now);
        assert!(call.pick(now, 0).is_some());
        call.answered(200, now, 0);
    }
    for _ in 0..9 {
        let mut call = call(&service, now);
        assert!(call.pick(now, 0).is_some());
        call.answered(500, now, 0);
        call.failed(Fault::Broken, now, 0);
    }
    assert_eq!(service.breaker_state(), BreakerState::Closed);
}

#[test]
fn what_a_call_changes_is_told_once() {
    let (service, now) = service(2);
    let mut told = Vec::new();
    for _ in 0..20 {
        let mut call = call(&service, now);
        assert!(call.pick(now, 0).is_some());
        call.answered(500, now, 0);
        told.extend(call.take_news());
        assert!(call.take_news().is_empty());
    }
    let later = now + Duration::from_secs(5);
    for _ in 0..3 {
        let mut call = call(&service, later);
        assert!(call.pick(later, 0).is_some());
        call.answered(200, later, 0);
        told.extend(call.take_news());
    }
    let [ejected, opened, closed] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert!(matches!(ejected, News::Ejected { lasts, .. } if *lasts == Duration::from_secs(1)));
    let lasts = Duration::from_secs(5);
    assert!(matches!(opened, News::Breaker(change) if *change == Change::Opened { lasts }));
    assert!(matches!(closed, News::Breaker(Change::Closed)));
}
