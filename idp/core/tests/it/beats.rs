//! Can a gateway think that it is up to date when it is not?
//!
//! A relay with its outbox, the log in Redis with a replica that lags, and a gateway, in every order
//! in which their steps can be taken. What decides is the real thing: `Pace` for the relay, `Follower`
//! with `Lease` and `Fence` for the gateway. In no order may a gateway call itself fresh while it
//! lacks a change that is older than the lease, or serve what was remembered before one.
//!
//! The search would be worth nothing if it found nothing. So every rule is broken once, and must be
//! missed.

use search::search;
use world::{Budget, Fault, World};

mod log;
mod reader;
mod relay;
mod search;
mod world;

/// One relay. What it sends may be lost or late, its process may end, and another one begins.
const LOSSES: Budget = Budget {
    commits: 1,
    beats: 3,
    losses: 1,
    restarts: 1,
    ..Budget::NONE
};

/// The log moves to a replica that lacks the last writes, and nobody is told. The gateway looks
/// sessions up, and may be started anew.
const FAILOVER: Budget = Budget {
    commits: 1,
    beats: 3,
    failovers: 1,
    replications: 1,
    fills: 1,
    reader_restarts: 1,
    ..Budget::NONE
};

/// Two relays for as long as it lasts, neither of which knows of the other.
const TWO_RELAYS: Budget = Budget {
    commits: 1,
    beats: 3,
    relays: 1,
    has_slow_looks: true,
    ..Budget::NONE
};

/// Reads that take their time or hold only the first entry; and a look at the outbox
/// for the sake of another log.
const SLOW_READS: Budget = Budget {
    commits: 1,
    beats: 3,
    stray_looks: 1,
    cuts: 1,
    has_slow_reads: true,
    has_slow_looks: true,
    has_slow_answers: true,
    ..Budget::NONE
};

/// A model that has come to do less than it did is noticed by the count of its states.
fn assert_holds(budget: Budget, states_min: usize) {
    let found = search(World::new(budget, Fault::None));
    assert_eq!(found.wrong, None, "{found:?}");
    assert!(found.states > states_min, "{found:?}");
}

fn assert_missed(budget: Budget, fault: Fault) {
    let found = search(World::new(budget, fault));
    assert!(
        found.wrong.is_some(),
        "this rule is needed for nothing: {found:?}"
    );
}

#[test]
fn whatever_is_lost_or_late_a_fresh_gateway_has_seen_it_all() {
    assert_holds(LOSSES, 150_000);
}

#[test]
fn whatever_a_failover_forgets_a_fresh_gateway_has_seen_it_all() {
    assert_holds(FAILOVER, 100_000);
}

#[test]
fn whatever_two_relays_do_a_fresh_gateway_has_seen_it_all() {
    assert_holds(TWO_RELAYS, 200_000);
}

#[test]
fn however_slow_its_reads_a_fresh_gateway_has_seen_it_all() {
    assert_holds(SLOW_READS, 200_000);
}

#[test]
fn the_model_finds_the_fault_when_a_beat_is_sent_without_a_look() {
    assert_missed(LOSSES, Fault::NoLook);
}

#[test]
fn the_model_finds_the_fault_when_a_look_counts_that_began_too_early() {
    assert_missed(SLOW_READS, Fault::EarlyLook);
}

#[test]
fn the_model_finds_the_fault_when_a_beat_vouches_for_its_own_moment() {
    assert_missed(LOSSES, Fault::OwnMoment);
}

#[test]
fn the_model_finds_the_fault_when_a_beat_that_may_arrive_late_is_continued() {
    assert_missed(LOSSES, Fault::LateIsContinued);
}

#[test]
fn the_model_finds_the_fault_when_a_relay_continues_the_beats_of_another() {
    assert_missed(LOSSES, Fault::SameRun);
}

#[test]
fn the_model_finds_the_fault_when_a_gateway_does_not_ask_which_change_a_beat_names() {
    assert_missed(FAILOVER, Fault::BeatWithoutChange);
}

#[test]
fn the_model_finds_the_fault_when_a_look_up_believes_a_log_that_is_behind() {
    assert_missed(FAILOVER, Fault::BehindIsBelieved);
}

#[test]
fn the_model_finds_the_fault_when_an_answer_is_older_than_its_question() {
    assert_missed(SLOW_READS, Fault::StreamedRead);
}

#[test]
fn the_model_finds_the_fault_when_half_a_read_is_taken_for_a_whole_one() {
    assert_missed(SLOW_READS, Fault::CutIsWhole);
}
