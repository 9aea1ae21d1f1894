//! Books that are in order, and one line for each way in which they are not.

use super::*;
use crate::ledger::{Framing, Method, Parcel};

const BODY: Parcel = Parcel {
    framing: Framing::Length,
    bytes: 9,
};

fn entry(id: &str, method: Method) -> Entry {
    Entry {
        id: id.to_owned(),
        method,
        path: "/a".to_owned(),
        body: (!method.is_read()).then_some(BODY),
        answer: BODY,
        deed: None,
    }
}

fn sent(id: &str, method: Method, fate: Fate) -> Sent {
    Sent {
        entry: entry(id, method),
        fate,
    }
}

fn answered(status: u16, id: Option<&str>, echo: Echo) -> Fate {
    Fate::Answered(Answered {
        status,
        id: id.map(str::to_owned),
        echo,
    })
}

fn well() -> Fate {
    answered(200, Some("1"), Echo::Own)
}

fn refused(status: u16) -> Fate {
    answered(status, None, Echo::Foreign("{".into()))
}

fn heard(id: &str, method: Method) -> Heard {
    Heard {
        id: Some(id.to_owned()),
        method: method.as_str().to_owned(),
        target: "/a".to_owned(),
        endpoint: 0,
        connection: 0,
        body: entry(id, method)
            .body
            .map_or(Digest::EMPTY, |body| Digest::of(&request_body(id, body))),
        state: State::Whole,
        deed: None,
    }
}

fn cut(id: &str, method: Method) -> Heard {
    Heard {
        state: State::Cut,
        ..heard(id, method)
    }
}

fn kinds(sent: &[Sent], heard: &[Heard]) -> Vec<Kind> {
    let verdict = compare(sent, heard);
    verdict.violations.iter().map(|found| found.kind).collect()
}

#[test]
fn books_that_agree_give_an_empty_verdict() {
    use Method::{Get, Post, Put};
    let broken = |fault| Fate::Broken(fault, String::new());
    let cases: Vec<(Sent, Vec<Heard>)> = vec![
        (sent("1", Post, well()), vec![heard("1", Post)]),
        (sent("1", Put, well()), vec![heard("1", Put)]),
        // A read may be tried again, also after it arrived in part.
        (
            sent("1", Get, well()),
            vec![cut("1", Get), heard("1", Get), heard("1", Get)],
        ),
        // The gateway refuses, before or after it asked.
        (sent("1", Post, refused(502)), vec![]),
        (sent("1", Post, refused(504)), vec![heard("1", Post)]),
        (sent("1", Post, refused(502)), vec![cut("1", Post)]),
        // The service itself says no.
        (
            sent("1", Post, answered(503, Some("1"), Echo::Own)),
            vec![heard("1", Post)],
        ),
        (
            sent("1", Post, broken(Fault::Unanswered)),
            vec![heard("1", Post)],
        ),
        (
            sent("1", Post, broken(Fault::Truncated)),
            vec![heard("1", Post)],
        ),
        (sent("1", Post, broken(Fault::Timeout)), vec![]),
        (sent("1", Post, Fate::NotSent(String::new())), vec![]),
        // A request that is not of the ledger, such as a probe.
        (
            sent("1", Post, well()),
            vec![
                heard("1", Post),
                Heard {
                    id: None,
                    ..heard("2", Get)
                },
            ],
        ),
    ];
    for (sent, heard) in cases {
        let verdict = compare(std::slice::from_ref(&sent), &heard);
        assert!(verdict.is_empty(), "{sent:?} {heard:?}\n{verdict}");
    }
}

fn assert_found(cases: Vec<(Sent, Vec<Heard>, Kind)>) {
    for (sent, heard, kind) in cases {
        let found = kinds(std::slice::from_ref(&sent), &heard);
        assert_eq!(found, [kind], "{sent:?} {heard:?}");
    }
}

#[test]
fn what_must_not_be_heard_is_found_and_called_by_its_name() {
    use Method::{Get, Post, Put};
    let once = || heard("1", Post);
    let other_body = Heard {
        body: Digest::of(b"other"),
        ..once()
    };
    let other_path = Heard {
        target: "/b".into(),
        ..once()
    };
    let other_method = Heard {
        method: "POST".into(),
        ..heard("1", Get)
    };
    let not_sent = Fate::NotSent("refused".into());
    let garbled = Heard {
        id: None,
        state: State::Malformed("the request line is \"x\"".into()),
        ..heard("", Post)
    };
    #[rustfmt::skip]
    assert_found(vec![
        (sent("1", Post, well()), vec![once(), once()], Kind::Repeated),
        (sent("1", Put, refused(502)), vec![heard("1", Put); 2], Kind::Repeated),
        // A service may act on a part of it.
        (sent("1", Post, well()), vec![cut("1", Post), once()], Kind::Repeated),
        (sent("1", Get, well()), vec![heard("1", Get); 4], Kind::Repeated),
        (sent("1", Post, well()), vec![], Kind::Lost),
        (sent("1", Post, well()), vec![cut("1", Post)], Kind::Lost),
        (sent("1", Post, well()), vec![once(), heard("3", Post)], Kind::Invented),
        (sent("1", Post, not_sent), vec![once()], Kind::Invented),
        (sent("1", Post, well()), vec![other_body], Kind::Altered),
        (sent("1", Post, well()), vec![other_path], Kind::Altered),
        (sent("1", Get, well()), vec![other_method], Kind::Altered),
        (sent("1", Post, well()), vec![once(), garbled], Kind::Garbled),
    ]);
}

#[test]
fn what_must_not_be_answered_is_found_and_called_by_its_name() {
    use Method::Post;
    let foreign = || Echo::Foreign("2".into());
    let short = Echo::Short {
        bytes: 4,
        expected: 11,
    };
    let surplus = Fate::Broken(Fault::Malformed, "surplus".into());
    let cases = [
        (answered(200, Some("2"), Echo::Own), Kind::MixedUp),
        (answered(503, Some("2"), foreign()), Kind::MixedUp),
        (answered(200, Some("1"), foreign()), Kind::MixedUp),
        (answered(503, Some("1"), foreign()), Kind::MixedUp),
        (answered(200, None, Echo::Own), Kind::MixedUp),
        (surplus, Kind::MixedUp),
        (answered(200, Some("1"), short), Kind::Short),
    ];
    let of_one = |(fate, kind)| (sent("1", Post, fate), vec![heard("1", Post)], kind);
    assert_found(cases.map(of_one).into());
}

#[test]
fn a_verdict_counts_every_fate_and_says_where_to_look() {
    let sent = [
        sent("1", Method::Post, well()),
        sent("2", Method::Post, refused(502)),
        sent(
            "3",
            Method::Post,
            Fate::Broken(Fault::Truncated, String::new()),
        ),
        sent("4", Method::Post, Fate::NotSent(String::new())),
    ];
    let again = Heard {
        endpoint: 1,
        connection: 7,
        ..cut("1", Method::Post)
    };
    let verdict = compare(&sent, &[heard("1", Method::Post), again]);
    assert_eq!(
        (verdict.sent(), verdict.heard, verdict.heard_again),
        (4, 2, 1)
    );
    assert_eq!(
        (verdict.status(502), verdict.broken(Fault::Truncated)),
        (1, 1)
    );
    assert!(!verdict.is_all_success());
    let digest = Digest::of(&request_body("1", BODY));
    let expected = format!(
        "4 requests: answers {{200: 1, 502: 1}}, 1 truncated, 1 not sent; 2 heard, 1 of them again; \
         1 repeated\n\
         repeated: POST /a (id 1): heard 2 times, at most 1 allowed\n    \
         at endpoint 0 connection 0 (whole, {digest})\n    \
         at endpoint 1 connection 7 (cut, {digest})"
    );
    assert_eq!(verdict.to_string(), expected);
}

#[test]
fn a_verdict_on_many_violations_stays_readable() {
    let sent: Vec<_> = (0..40)
        .map(|id| {
            let id = id.to_string();
            sent(&id, Method::Get, answered(200, Some(&id), Echo::Own))
        })
        .collect();
    let text = compare(&sent, &[]).to_string();
    assert_eq!(text.lines().count(), 14, "{text}");
    assert!(text.ends_with("… and 28 more"), "{text}");
}
