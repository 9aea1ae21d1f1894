use std::time::Duration;

use super::*;
use crate::declaration::Declaration;
use crate::freshness::Control;
use crate::plan::ListId;
use crate::sample::{self, json};
use crate::{Answer, answer};

const SENT: Provenance = Provenance {
    reuse: Reuse::NEVER,
    tally: Tally {
        hits: 0,
        stale: 0,
        second_level: 0,
        fetched: 1,
        unchanged: 0,
        shared: 0,
        failed: 0,
        calls: 1,
    },
};

fn begin(declaration: &Declaration, query: &str) -> Composition {
    let plan = sample::plan(declaration);
    Composition::begin(plan, EndpointId(0), &["7"], Some(query)).unwrap()
}

fn body(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn rows_and_errors(answer: &Answer) -> (&str, &str) {
    body(answer).split_once("\"_errors\":").unwrap()
}

fn keys(task: &Task) -> Vec<&str> {
    match task {
        Task::Find { keys, .. } => keys.iter().map(Key::as_str).collect(),
        Task::Step { .. } => panic!("{task:?}"),
    }
}

fn answered(composition: &mut Composition, step: usize, text: &str) {
    composition.settle(StepId(step), Outcome::Answered(json(text)), SENT);
}

fn find(composition: &mut Composition, lookup: usize, found: &[(&str, Found)]) {
    let found = found
        .iter()
        .map(|(key, found)| (Key::parse(key).unwrap(), found.clone()));
    composition.found(LookupId(lookup), found, SENT);
}

fn record(text: &str) -> Found {
    Found::Record(json(text))
}

const HISTORY: &str = r#"{"next":"c2","items":[
    {"remittanceId":"r1","amount":10.00,"receiverId":"8","bankCode":"A","secret":1},
    {"remittanceId":"r2","amount":1E+2,"receiverId":9,"bankCode":"B"},
    {"remittanceId":"r3","receiverId":"8","bankCode":null},
    {"remittanceId":"r4","amount":0.10,"receiverId":{},"bankCode":"A"}]}"#;

#[test]
fn steps_begin_at_once_and_lookups_when_their_keys_are_there() {
    let mut composition = begin(&sample::history(), "cursor=a%26b");
    let tasks = composition.tasks();
    assert_eq!(
        tasks,
        [
            Task::Step {
                step: StepId(0),
                target: "/remittances?member=7&cursor=a%26b".to_owned()
            },
            Task::Step {
                step: StepId(1),
                target: "/members/7/balance".to_owned()
            },
        ]
    );
    assert!(composition.tasks().is_empty(), "nothing begins twice");
    answered(&mut composition, 0, HISTORY);
    let tasks = composition.tasks();
    assert_eq!(
        tasks.iter().map(keys).collect::<Vec<_>>(),
        [vec!["8", "9"], vec!["A", "B"]]
    );
    assert!(!composition.is_done());

    find(&mut composition, 0, &[("9", record(r#"{"name":"Nine"}"#))]);
    find(&mut composition, 0, &[("8", record(r#"{"name":"Eight"}"#))]);
    find(
        &mut composition,
        1,
        &[("A", record(r#"{"name":null}"#)), ("B", Found::Absent)],
    );
    assert!(!composition.is_done());
    answered(
        &mut composition,
        1,
        r#"{"amount": 12345678901234567890.50 }"#,
    );
    assert!(composition.is_done() && composition.tasks().is_empty());

    let answer = composition.answer().unwrap();
    assert_eq!(
        body(&answer),
        concat!(
            r#"{"cursor":"c2","balance":12345678901234567890.50,"transfers":["#,
            r#"{"remittanceId":"r1","amount":10.00,"receiverName":"Eight","bankName":null},"#,
            r#"{"remittanceId":"r2","amount":1E+2,"receiverName":"Nine","bankName":null},"#,
            r#"{"remittanceId":"r3","receiverName":"Eight","bankName":null},"#,
            r#"{"remittanceId":"r4","amount":0.10,"receiverName":null,"bankName":null}],"#,
            r#""_errors":[{"source":"member","in":"transfers","rows":"3","cause":"key","stale":false}]}"#,
        )
    );
    assert_eq!(answer.composition_status, "partial;calls=5;naive=8");
    assert_eq!(answer.cache_control, "no-store");
}

#[test]
fn a_failed_chunk_fails_its_own_rows_and_no_others() {
    let mut composition = begin(&sample::history(), "");
    composition.tasks();
    answered(&mut composition, 0, HISTORY);
    answered(&mut composition, 1, "{}");
    composition.tasks();
    find(&mut composition, 0, &[("8", Found::Failed(Cause::Timeout))]);
    find(
        &mut composition,
        0,
        &[(
            "9",
            Found::Stale(json(r#"{"name":"Nine"}"#), Cause::Unavailable),
        )],
    );
    find(
        &mut composition,
        1,
        &[("A", Found::Absent), ("B", Found::Absent)],
    );
    let answer = composition.answer().unwrap();
    let (_, errors) = rows_and_errors(&answer);
    assert_eq!(
        errors,
        concat!(
            r#"[{"source":"member","in":"transfers","rows":"0,2","cause":"timeout","stale":false},"#,
            r#"{"source":"member","in":"transfers","rows":"1","cause":"unavailable","stale":true},"#,
            r#"{"source":"member","in":"transfers","rows":"3","cause":"key","stale":false}]}"#,
        )
    );
    assert!(body(&answer).contains(r#""receiverName":"Nine""#));
}

#[test]
fn what_is_old_and_what_is_missing_are_told_apart_where_the_cause_is_the_same() {
    let mut composition = begin(&sample::history(), "");
    composition.tasks();
    answered(
        &mut composition,
        0,
        r#"{"items":[{"receiverId":8},{"receiverId":9},{"receiverId":8}]}"#,
    );
    answered(&mut composition, 1, "{}");
    composition.tasks();
    let old = Found::Stale(json(r#"{"name":"Eight"}"#), Cause::Timeout);
    let found = [("8", old), ("9", Found::Failed(Cause::Timeout))];
    find(&mut composition, 0, &found);
    let answer = composition.answer().unwrap();
    let (_, errors) = rows_and_errors(&answer);
    assert_eq!(
        errors,
        concat!(
            r#"[{"source":"member","in":"transfers","rows":"0,2","cause":"timeout","stale":true},"#,
            r#"{"source":"member","in":"transfers","rows":"1","cause":"timeout","stale":false}]}"#,
        )
    );
}

#[test]
fn what_stands_in_for_a_step_is_always_told() {
    let mut composition = begin(&sample::history(), "");
    composition.tasks();
    answered(&mut composition, 0, r#"{"items":[]}"#);
    composition.settle(StepId(1), Outcome::Failed(Cause::Unreachable), SENT);
    let answer = composition.answer().unwrap();
    let expected = concat!(
        r#"{"cursor":null,"balance":null,"transfers":[],"#,
        r#""_errors":[{"source":"balance","cause":"unreachable","stale":false}]}"#,
    );
    assert_eq!(body(&answer), expected);
}

#[test]
fn without_a_required_step_there_is_no_answer() {
    let cases = [
        (Cause::Timeout, 504),
        (Cause::Deadline, 504),
        (Cause::Unavailable, 503),
        (Cause::Unreachable, 502),
        (Cause::Status(http::StatusCode::NOT_FOUND), 404),
        (Cause::Status(http::StatusCode::FORBIDDEN), 403),
        (Cause::Status(http::StatusCode::UNAUTHORIZED), 502),
        (Cause::Status(http::StatusCode::INTERNAL_SERVER_ERROR), 502),
    ];
    for (cause, status) in cases {
        let mut composition = begin(&sample::history(), "");
        composition.tasks();
        composition.settle(StepId(0), Outcome::Failed(cause), SENT);
        assert!(composition.is_done() && composition.tasks().is_empty());
        assert_eq!(
            composition.answer().unwrap_err().status(),
            status,
            "{cause}"
        );
    }
    for body in [r#"{"items":7}"#, "[]", "{}"] {
        let mut composition = begin(&sample::history(), "");
        composition.tasks();
        answered(&mut composition, 0, body);
        let cause = Cause::Shape;
        let step = StepId(0);
        assert_eq!(
            composition.answer().unwrap_err(),
            Refused::Step { step, cause }
        );
    }
}

#[test]
fn rows_end_at_the_cap_and_not_one_past_it() {
    let items = |count: usize| format!("{{\"items\":[{}]}}", vec!["{}"; count].join(","));
    for (count, is_cut, expected) in [(500, false, true), (501, false, false), (501, true, true)] {
        let mut declaration = sample::history();
        if let crate::declaration::Target::Rows(rows) = &mut declaration.endpoints[0].answer[2].1 {
            rows.is_cut = is_cut;
        }
        let mut composition = begin(&declaration, "");
        composition.tasks();
        answered(&mut composition, 1, "null");
        answered(&mut composition, 0, &items(count));
        composition.tasks();
        let is_refused = composition.refused() == Some(&Refused::TooManyRows { rows_max: 500 });
        assert_eq!(is_refused, !expected);
        if expected {
            assert_eq!(composition.list(ListId(0)).unwrap().count, 500);
            let answer = composition.answer().unwrap();
            let is_told = body(&answer).ends_with(r#"],"truncated":true}"#);
            assert_eq!(is_told, count > 500);
            assert!(!answer.is_partial, "what was cut as declared is no error");
        }
    }
}

#[test]
fn giving_up_fails_all_that_is_missing_and_nothing_else() {
    let mut declaration = sample::history();
    declaration.endpoints[0].steps.push(sample::step(
        "last",
        "GET money /members/{balance.memberId}/limits",
        Some("null"),
    ));
    let last = ("last".into(), sample::value("last.limit"));
    declaration.endpoints[0].answer.push(last);
    let mut composition = begin(&declaration, "");
    composition.tasks();
    answered(&mut composition, 0, HISTORY);
    composition.tasks();
    find(&mut composition, 0, &[("8", record(r#"{"name":"Eight"}"#))]);
    composition.give_up(Cause::Deadline);
    assert!(composition.is_done() && composition.tasks().is_empty());
    let answer = composition.answer().unwrap();
    let (rows, errors) = rows_and_errors(&answer);
    assert!(rows.contains(r#""receiverName":"Eight""#));
    assert_eq!(
        errors,
        concat!(
            r#"[{"source":"balance","cause":"deadline","stale":false},"#,
            r#"{"source":"last","cause":"input","stale":false},"#,
            r#"{"source":"bank","in":"transfers","rows":"0-1,3","cause":"deadline","stale":false},"#,
            r#"{"source":"member","in":"transfers","rows":"1","cause":"deadline","stale":false},"#,
            r#"{"source":"member","in":"transfers","rows":"3","cause":"key","stale":false}]}"#,
        )
    );
}

#[test]
fn a_key_out_of_an_old_record_makes_an_old_value() {
    let mut declaration = sample::history();
    if let crate::declaration::Target::Rows(rows) = &mut declaration.endpoints[0].answer[2].1 {
        rows.join = vec![(
            "bankName".into(),
            "bank(member(receiverId).bankCode).name".into(),
        )];
    }
    let mut composition = begin(&declaration, "");
    composition.tasks();
    answered(&mut composition, 1, "null");
    answered(
        &mut composition,
        0,
        r#"{"items":[{"receiverId":8},{"receiverId":9}]}"#,
    );
    assert_eq!(keys(&composition.tasks()[0]), ["8", "9"]);
    let old = Found::Stale(json(r#"{"bankCode":"A"}"#), Cause::Timeout);
    find(
        &mut composition,
        0,
        &[("8", old), ("9", record(r#"{"bankCode":"A"}"#))],
    );
    assert_eq!(keys(&composition.tasks()[0]), ["A"]);
    find(&mut composition, 1, &[("A", record(r#"{"name":"Alpha"}"#))]);
    let answer = composition.answer().unwrap();
    assert!(body(&answer).contains(concat!(
        r#"[{"bankName":"Alpha"},{"bankName":"Alpha"}],"_errors":"#,
        r#"[{"source":"member","in":"transfers","rows":"0","cause":"timeout","stale":true}]"#
    )));
}

#[test]
fn an_answer_may_be_used_again_as_the_strictest_of_its_parts() {
    let part = |is_public, seconds| {
        let control = Control {
            public: is_public,
            ..Control::default()
        };
        Reuse::of(&control, Duration::from_secs(seconds))
    };
    let (long, short, own) = (part(true, 60), part(true, 9), part(false, 60));
    #[rustfmt::skip]
    let cases = [
        // Of the first step, of the second, of members; and whether one of them is missing.
        ([long, long, long],         false, "public, max-age=60"),
        ([short, long, long],        false, "public, max-age=9"),
        ([long, short, long],        false, "public, max-age=9"),
        ([long, long, short],        false, "public, max-age=9"),
        ([own, long, long],          false, "private, max-age=60"),
        ([long, own, long],          false, "private, max-age=60"),
        ([long, long, own],          false, "private, max-age=60"),
        ([own, short, long],         false, "private, max-age=9"),
        ([long, Reuse::NEVER, long], false, "no-store"),
        ([long, long, long],         true,  "no-store"),
    ];
    for (reuse, is_missing, expected) in cases {
        let [history, balance, member] = reuse.map(|reuse| Provenance { reuse, ..SENT });
        let mut composition = begin(&sample::history(), "");
        composition.tasks();
        let body = json(r#"{"items":[{"receiverId":8}]}"#);
        composition.settle(StepId(0), Outcome::Answered(body), history);
        let outcome = match is_missing {
            true => Outcome::Failed(Cause::Timeout),
            false => Outcome::Answered(json("{}")),
        };
        composition.settle(StepId(1), outcome, balance);
        composition.tasks();
        let key = Key::parse("8").unwrap();
        composition.found(LookupId(0), [(key, Found::Absent)], member);
        let answer = composition.answer().unwrap();
        assert_eq!(answer.is_partial, is_missing);
        assert_eq!(answer.cache_control, expected);
    }
}

#[test]
fn a_composed_answer_is_known_by_its_tag() {
    let tag = answer::etag(7);
    assert_eq!(tag, "\"00000000000000000000000000000007\"");
    #[rustfmt::skip]
    let cases = [
        (tag.clone(),                  true),
        (format!("W/{tag}"),           true),
        (format!("\"a\", {tag}"),      true),
        (format!("\"a,b\" ,W/{tag}"),  true),
        ("*".to_owned(),               true),
        ("\"7\"".to_owned(),           false),
        (tag.replace('"', ""),         false),
        (format!("x, {tag}"),          false),
        (String::new(),                false),
    ];
    for (line, expected) in cases {
        let fields =
            http::HeaderMap::from_iter([(http::header::IF_NONE_MATCH, line.parse().unwrap())]);
        assert_eq!(answer::is_known(&tag, &fields), expected, "{line}");
    }
    assert!(!answer::is_known(&tag, &http::HeaderMap::new()));
    let lines = ["\"a\"", "\"b\", \"c\"", &tag].map(|line| line.parse().unwrap());
    let mut fields = http::HeaderMap::new();
    for (line, expected) in lines.into_iter().zip([false, false, true]) {
        fields.append(http::header::IF_NONE_MATCH, line);
        assert_eq!(answer::is_known(&tag, &fields), expected, "{fields:?}");
    }
}

#[test]
fn a_request_that_says_too_little_is_refused_before_any_call() {
    let mut declaration = sample::history();
    declaration.endpoints[0].steps[0].call = "GET remittance /r?cursor={query.cursor}".into();
    let plan = sample::plan(&declaration);
    let begin = |params: &[&str], query| {
        let begun = Composition::begin(Arc::clone(&plan), EndpointId(0), params, query);
        begun
            .map(|_| ())
            .map_err(|refused| refused.status().as_u16())
    };
    assert_eq!(begin(&["7"], Some("cursor=1")), Ok(()));
    assert_eq!(begin(&["7"], None), Err(400));
    assert_eq!(begin(&["7"], Some("cursor=1&cursor=2")), Err(400));
    assert_eq!(begin(&["%ff"], Some("cursor=1")), Err(400));
    assert_eq!(begin(&[""], Some("cursor=1")), Err(400));
    assert_eq!(begin(&["7", "8"], Some("cursor=1")), Err(404));
}
