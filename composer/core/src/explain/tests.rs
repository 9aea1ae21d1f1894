use super::*;
use crate::sample;

#[test]
fn a_plan_is_told_with_every_call_and_what_it_may_cost() {
    let plan = sample::plan(&sample::history());
    let told = explain(&plan, &plan.endpoints[0]);
    let expected = "\
GET /members/{memberId}/transfer-history

  round 1
    step history        GET remittance /remittances?member={memberId}&cursor={query.cursor?}
                        within 1s, required; fetched for every request
    step balance        GET money /members/{memberId}/balance
                        within 1s, else null; fetched for every request

  round 2
    lookup member       receiverId of each of transfers (at most 500)
                        GET membership /members?ids={keys}
                        0 to 5 calls, each of 100 keys and 4096 bytes at most; kept for all callers for 10m, absent ones 30s, while fetched anew 30s, if it cannot be fetched 1h

  no call
    lookup bank         bankCode of each of transfers (at most 500)
                        GET banking /banks?changedSince={lastModified}
                        a table, asked for changes every 1m, read whole every 1h

  calls  at worst 7 of 20 allowed, 2 once everything is known; 1002 one by one
  time   1s for all of it
  rows   500 of transfers, past it 422
";
    assert_eq!(told, expected, "{told}");
}

#[test]
fn what_is_shared_with_other_composers_is_told() {
    let mut declaration = sample::history();
    declaration.lookups[0].second_level_place = Some(crate::declaration::Place::default());
    let plan = sample::plan(&declaration);
    let told = explain(&plan, &plan.endpoints[0]);
    let expected = "if it cannot be fetched 1h; asked for in the second level first\n";
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_duration_has_the_largest_unit_that_leaves_nothing_over() {
    let cases = [
        (0, "0ms"),
        (150, "150ms"),
        (1_000, "1s"),
        (1_500, "1500ms"),
        (90_000, "90s"),
        (600_000, "10m"),
        (3_600_000, "1h"),
        (172_800_000, "2d"),
    ];
    for (milliseconds, expected) in cases {
        assert_eq!(duration(Duration::from_millis(milliseconds)), expected);
    }
}
