//! Promise: a token that was taken back is refused by every gateway within milliseconds, and within the
//! lease whatever fails; a good one is never refused; and one that is known costs no look-up.
//!
//! Small counts, in every run of the suite, and the rows of the table of failures that matter most;
//! `./dev soak` and `./dev chaos` take the large ones, and all of them.

use std::time::Duration;

use load::closed::Load;
use load::fleet::{Fleet, FleetSettings, Gateway, Route, Service, Wait};
use load::revocation::{
    Block, Breakage, FloodSettings, Pace, Spell, Turns, count_lookups, end_everywhere, endure,
    flood, measure_lag, recall, take_receipts,
};

use tokio::process::Command;
use tokio::time::Instant;

use crate::stack::binary;

const SEED: u64 = 7;
const LEASE: Duration = Duration::from_secs(1);
/// Long enough for the lease to run out and for the gateways to have looked for another way.
const SPELL: Spell = Spell {
    steady: Duration::from_millis(1500),
    hold: Duration::from_millis(2500),
    lease: LEASE,
};

struct Site {
    service: Service,
    fleet: Fleet,
}

impl Site {
    async fn start(has_redis: bool) -> Self {
        let service = Service::start().await.unwrap();
        let settings = FleetSettings {
            has_redis,
            lease: LEASE,
            ..FleetSettings::breakable(binary().to_owned(), service.address)
        };
        let fleet = Fleet::start(&settings).await.unwrap();
        Self { service, fleet }
    }
}

async fn is_endured(breakage: Breakage, has_redis: bool) {
    let mut site = Site::start(has_redis).await;
    let endured = endure(&mut site.fleet, breakage, SPELL, SEED).await;
    let endured = endured.unwrap();
    assert!(endured.is_right(), "{endured:?}");
    assert_eq!(site.service.seen().leaks, 0);
}

macro_rules! endured {
    ($($name:ident: $breakage:expr, $has_redis:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            is_endured($breakage, $has_redis).await;
        })*
    };
}

endured! {
    nobody_is_let_through_late_or_refused_early_while_nothing_is_broken: Breakage::Nothing, true;
    nobody_is_let_through_late_or_refused_early_while_redis_is_dead: Breakage::RedisKilled, true;
    nobody_is_let_through_late_or_refused_early_while_redis_is_paused: Breakage::RedisPaused, true;
    nobody_is_let_through_late_or_refused_early_once_redis_was_flushed: Breakage::RedisFlushed, true;
    nobody_is_let_through_late_or_refused_early_once_redis_was_replaced: Breakage::RedisReplaced, true;
    nobody_is_let_through_late_or_refused_early_while_redis_is_cut_off: Breakage::RedisCut, true;
    nobody_is_let_through_late_or_refused_early_while_redis_is_slow: Breakage::RedisSlow, true;
    nobody_is_let_through_late_or_refused_early_while_the_relay_is_cut_off: Breakage::RelayCut, true;
    nobody_is_let_through_late_or_refused_early_while_the_relay_is_slow: Breakage::RelaySlow, true;
    nobody_is_let_through_late_or_refused_early_while_the_provider_is_dead: Breakage::IdpKilled, true;
    nobody_is_let_through_late_or_refused_early_while_the_provider_is_paused: Breakage::IdpPaused, true;
    nobody_is_let_through_late_or_refused_early_while_the_provider_is_cut_off: Breakage::IdpCut, true;
    nobody_is_let_through_late_or_refused_early_while_the_provider_is_slow: Breakage::IdpSlow, true;
    nobody_is_let_through_late_or_refused_early_while_both_are_cut_off: Breakage::BothCut, true;
    nobody_is_let_through_late_or_refused_early_while_a_gateway_is_dead: Breakage::GatewayKilled, true;
    nobody_is_let_through_late_or_refused_early_while_a_gateway_is_paused: Breakage::GatewayPaused, true;
    without_redis_too_nobody_is_while_the_provider_is_dead: Breakage::IdpKilled, false;
    without_redis_too_nobody_is_while_the_provider_is_cut_off: Breakage::IdpCut, false;
    nobody_is_let_through_late_or_refused_early_while_the_disk_is_full: Breakage::IdpDiskFull, true;
    nobody_is_let_through_late_or_refused_early_while_a_gateway_can_open_nothing:
        Breakage::GatewayFilesSpent, true;
    nobody_is_let_through_late_or_refused_early_while_the_provider_can_open_nothing:
        Breakage::IdpFilesSpent, true;
    nobody_is_let_through_late_or_refused_early_while_a_gateway_lives_in_the_past:
        Breakage::GatewayClock(-120), true;
    nobody_is_let_through_late_or_refused_early_while_the_provider_lives_in_the_future:
        Breakage::IdpClock(120), true;
}

#[tokio::test]
async fn a_session_that_was_ended_is_refused_by_every_gateway_well_within_the_lease() {
    for has_redis in [true, false] {
        let site = Site::start(has_redis).await;
        let lag = measure_lag(&site.fleet, 100).await.unwrap();
        assert_eq!(lag.revocations, 100);
        assert!(lag.to_refusal.max() <= LEASE, "{has_redis}: {lag:?}");
        assert!(lag.to_refusal.p50() <= LEASE / 5, "{has_redis}: {lag:?}");
    }
}

#[tokio::test]
async fn a_known_token_costs_neither_a_command_of_redis_nor_a_question() {
    let site = Site::start(true).await;
    let lookups = count_lookups(&site.fleet, 20_000, 50).await.unwrap();
    assert!(lookups.tally.is_clean(), "{}", lookups.tally);
    assert!(lookups.revocations > 0);
    assert!(
        lookups.redis_commands <= lookups.commands_allowed,
        "{lookups:?}"
    );
    assert!(lookups.idp_questions <= 200, "{lookups:?}");
    let seen = site.service.seen();
    assert_eq!(seen.vouched, seen.requests, "{seen:?}");
    assert_eq!(seen.leaks, 0);
}

#[tokio::test]
async fn after_a_receipt_no_gateway_goes_by_what_was_before() {
    let site = Site::start(true).await;
    let receipts = take_receipts(&site.fleet, 200, SEED).await.unwrap();
    assert!(receipts.whole > 100 && receipts.pauses > 0, "{receipts:?}");
    assert_eq!(receipts.accepted, 0, "{receipts:?}");
}

#[tokio::test]
async fn signing_somebody_out_everywhere_is_one_change() {
    let site = Site::start(true).await;
    let everywhere = end_everywhere(&site.fleet, 500).await.unwrap();
    assert_eq!(everywhere.changes, 1, "{everywhere:?}");
    assert!(everywhere.to_refusal.max() <= LEASE, "{everywhere:?}");
}

#[tokio::test]
async fn tokens_that_nobody_issued_reach_nothing_behind_the_gateway() {
    let site = Site::start(true).await;
    let pace = Pace {
        requests: 3000,
        per_second: 1000,
    };
    let settings = FloodSettings {
        mass: pace,
        quiet: Duration::ZERO,
        turns: Turns {
            blocks: 2,
            each: Duration::from_millis(300),
            strangers_per_second: 1000,
            good_per_second: 200,
        },
        strangers: 5,
        gives_way: false,
        good_per_second: 200,
        seed: SEED,
    };
    let flood = flood(&site.fleet, settings).await.unwrap();
    let mass = &flood.mass;
    assert_eq!(mass.odd + mass.good_failed, 0, "{mass:?}");
    assert_eq!((mass.lookups, mass.questions), (0, 0), "{mass:?}");
    // Five clients, who are each told three hundred times within ten seconds.
    assert!(mass.good.count() > 0 && mass.limited > 0, "{mass:?}");
    assert_eq!((flood.lookups, flood.questions), (0, 0), "{flood:?}");
    for Block {
        quiet,
        unread,
        forged,
    } in &flood.blocks
    {
        for turn in [quiet, unread, forged] {
            assert_eq!(turn.odd + turn.good_failed, 0, "{turn:?}");
            assert!(turn.good.count() > 0, "{turn:?}");
        }
        assert_eq!(quiet.unauthorized + quiet.limited, 0, "{quiet:?}");
        for turn in [unread, forged] {
            assert!(turn.unauthorized + turn.limited > 0, "{turn:?}");
        }
    }
    assert_eq!(flood.blocks.len(), 2);
    // Connections and their buffers are there already; this is three megabytes of tokens.
    assert!(
        flood.rss_kib_after < flood.rss_kib_before + 1024,
        "{flood:?}"
    );
}

#[tokio::test]
async fn an_operator_is_told_what_each_gateway_would_do_with_a_token() {
    let service = Service::start().await.unwrap();
    let settings = FleetSettings {
        gateways: 2,
        ..FleetSettings::new(binary().to_owned(), service.address)
    };
    let fleet = Fleet::start(&settings).await.unwrap();
    let mut operator = fleet.operator().unwrap();
    let token = operator.issue(None).await.unwrap();
    let request = Gateway::request(Route::Strict, &token.text);
    let tally = Load::new(fleet.gateways[0].address, request).run(1).await;
    assert_eq!(tally.ok, 1);
    let (is_good, said) = inspect_until(&fleet, &token.text, |said| {
        said[1].contains("serve it") && said[2].contains("look it up: nothing is remembered")
    })
    .await;
    assert!(is_good && said[0].contains(&token.session), "{said:?}");
    assert!(said[1].starts_with(&fleet.gateways[0].admin.to_string()));

    let ended = operator.end_session(&token.session, Wait::All).await;
    ended.unwrap();
    let (is_good, said) = inspect_until(&fleet, &token.text, |said| {
        said[1].contains("refuse it: the session was ended")
    })
    .await;
    assert!(!is_good, "{said:?}");
    assert!(
        said.iter().all(|part| !part.contains(&token.text)),
        "{said:?}"
    );
}

/// Inspects until that is said: a gateway without a fresh lease says that it would ask.
async fn inspect_until(
    fleet: &Fleet,
    token: &str,
    is_said: impl Fn(&[String]) -> bool,
) -> (bool, Vec<String>) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (is_good, said) = inspect(fleet, token).await;
        if is_said(&said) {
            return (is_good, said);
        }
        assert!(Instant::now() < until, "{said:?}");
    }
}

/// Whether a token is good, and what is said of it by the provider and each gateway.
async fn inspect(fleet: &Fleet, token: &str) -> (bool, Vec<String>) {
    let mut command = Command::new(binary());
    command.args(["token", "inspect", token]);
    fleet.idp.name_to(command.as_std_mut());
    for gateway in &fleet.gateways {
        command.arg("--gateway").arg(gateway.admin.to_string());
    }
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let parts = said.split("\ngateway ").map(str::to_owned);
    (output.status.success(), parts.collect())
}

#[tokio::test]
async fn whoever_was_packed_away_is_known_again_and_taken_for_nobody_else() {
    let service = Service::start().await.unwrap();
    let settings = FleetSettings {
        gateways: 1,
        // Room for some dozens that are spelled out, and for thousands that are packed.
        cache_mib: Some(1),
        ..FleetSettings::new(binary().to_owned(), service.address)
    };
    let fleet = Fleet::start(&settings).await.unwrap();
    let recalled = recall(&fleet, &service, 500).await.unwrap();
    assert_eq!((recalled.mixed_up, recalled.asked), (0, 0), "{recalled:?}");
    assert_eq!(recalled.requests, 500);
}

#[tokio::test]
async fn what_a_reload_changes_of_the_provider_waits_for_a_restart_and_the_rest_does_not() {
    let service = Service::start().await.unwrap();
    let settings = FleetSettings {
        gateways: 1,
        ..FleetSettings::new(binary().to_owned(), service.address)
    };
    let mut fleet = Fleet::start(&settings).await.unwrap();
    let token = fleet.operator().unwrap().issue(None).await.unwrap();
    let status = async |fleet: &Fleet, path: &str| {
        let mut request = Gateway::request(Route::Strict, &token.text);
        request.paths = vec![path.to_owned()];
        let tally = Load::new(fleet.gateways[0].address, request).run(1).await;
        *tally.by_status.keys().next().unwrap()
    };
    assert_eq!(status(&fleet, "/strict/1").await, 200);
    assert_eq!(status(&fleet, "/later/1").await, 404);

    let gateway = &fleet.gateways[0];
    gateway.rewrite("lease: 1000ms", "lease: 2000ms").unwrap();
    gateway.rewrite("/open/", "/later/").unwrap();
    gateway.member.hang_up();
    let deadline = Instant::now() + Duration::from_secs(10);
    while status(&fleet, "/later/1").await != 200 {
        assert!(
            Instant::now() < deadline,
            "{}",
            fleet.gateways[0].member.said()
        );
        // sleeps: when another process has reloaded has nothing to wait on
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said = fleet.gateways[0].member.said();
    assert!(
        said.contains("from the next start on keys=\"idp\""),
        "{said}"
    );
    assert_eq!(status(&fleet, "/strict/1").await, 200);

    let gateway = &mut fleet.gateways[0].member;
    gateway.stop().await;
    gateway.restart().await.unwrap();
    assert_eq!(status(&fleet, "/strict/1").await, 200);
}
