//! Client and upstream together, with nobody in between: what one does the other must notice.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::closed::Limits;
use crate::faults::{Conduct, FaultProxy, Mishap, Plan, Way};

use super::*;

const SEED: u64 = 11;
const PATIENCE: Duration = Duration::from_secs(20);

fn client(upstream: &Upstream) -> Client {
    Client {
        target: upstream.addresses()[0],
        connections: 4,
        pipeline: 1,
        limits: Limits::default(),
    }
}

/// A few requests that all carry this deed.
fn told(deed: Deed) -> Vec<Entry> {
    let mix = Mix {
        body_bytes_max: 2048,
        answer_bytes_max: 2048,
        deeds: vec![(1, deed)],
        ..Mix::new(SEED, "a", 20)
    };
    mix.entries()
}

async fn verdict_on(entries: Vec<Entry>, limits: Limits) -> (Verdict, Vec<Heard>) {
    let upstream = Upstream::start(1, Habit::default()).await.unwrap();
    let client = Client {
        limits,
        ..client(&upstream)
    };
    let sent = client.start(entries).finish().await;
    let heard = upstream.finish().await;
    (compare(&sent, &heard), heard)
}

#[tokio::test]
async fn a_whole_mix_is_answered_and_both_books_agree() {
    let mix = Mix {
        body_bytes_max: 64 * 1024,
        ..Mix::new(SEED, "a", 300)
    };
    let (verdict, _) = verdict_on(mix.entries(), Limits::default()).await;
    assert!(verdict.is_empty() && verdict.is_all_success(), "{verdict}");
    assert_eq!((verdict.sent(), verdict.heard), (300, 300));
}

#[tokio::test]
async fn requests_that_are_sent_at_once_get_their_own_answers_in_order() {
    let upstream = Upstream::start(1, Habit::default()).await.unwrap();
    let client = Client {
        connections: 2,
        pipeline: 5,
        ..client(&upstream)
    };
    let mix = Mix {
        body_bytes_max: 32 * 1024,
        ..Mix::new(SEED, "a", 104)
    };
    let sent = client.start(mix.entries()).finish().await;
    let verdict = compare(&sent, &upstream.finish().await);
    assert!(verdict.is_empty() && verdict.is_all_success(), "{verdict}");
    assert_eq!((verdict.sent(), verdict.heard), (104, 104));
}

#[tokio::test]
async fn those_behind_one_that_failed_are_not_answered() {
    let upstream = Upstream::start(1, Habit::default()).await.unwrap();
    let client = Client {
        connections: 1,
        pipeline: 5,
        ..client(&upstream)
    };
    let mut entries: Vec<_> = told(Deed::Answer).into_iter().take(5).collect();
    entries[2].deed = Some(Deed::Half);
    let sent = client.start(entries).finish().await;
    let fates = sent.iter().map(|line| match &line.fate {
        Fate::Answered(answered) => answered.status.to_string(),
        Fate::Broken(fault, _) => fault.to_string(),
        Fate::NotSent(_) => "not sent".to_owned(),
    });
    let fates: Vec<_> = fates.collect();
    let expected = ["200", "200", "truncated", "unanswered", "unanswered"];
    assert_eq!(fates, expected);
}

#[tokio::test]
async fn each_deed_is_done_and_looks_to_the_client_as_it_should() {
    let delay = Deed::Delay(Duration::from_millis(1));
    let cases: [(Deed, Option<u16>, Option<Fault>); 7] = [
        (Deed::Answer, Some(200), None),
        (delay, Some(200), None),
        (Deed::Fail(503), Some(503), None),
        (Deed::CloseIdle, Some(200), None),
        (Deed::Close, None, Some(Fault::Unanswered)),
        (Deed::Reset, None, Some(Fault::Unanswered)),
        (Deed::Half, None, Some(Fault::Truncated)),
    ];
    for (deed, status, fault) in cases {
        // One after another: a connection that ends while the next request is on it is no news here.
        let (mut answers, mut faults) = (0, 0);
        for entry in told(deed) {
            let (verdict, heard) = verdict_on(vec![entry], Limits::default()).await;
            assert!(verdict.is_empty(), "{deed}: {verdict}");
            assert_eq!(heard.len(), 1, "{deed}");
            let line = heard.first().unwrap();
            assert_eq!((&line.state, line.deed), (&State::Whole, Some(deed)));
            answers += status.map_or(0, |status| verdict.status(status));
            faults += fault.map_or(0, |fault| verdict.broken(fault));
        }
        assert_eq!(answers + faults, 20, "{deed}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_a_mix_up() {
    let (verdict, _) = verdict_on(told(Deed::Twice), Limits::default()).await;
    let kinds: Vec<_> = verdict.violations.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [Kind::MixedUp; 20], "{verdict}");
}

#[tokio::test]
async fn a_hanging_upstream_is_a_timeout_that_it_heard() {
    let limits = Limits {
        answer: Duration::from_millis(50),
        ..Limits::default()
    };
    let entries = told(Deed::Hang).into_iter().take(4).collect();
    let (verdict, heard) = verdict_on(entries, limits).await;
    assert_eq!(
        (verdict.broken(Fault::Timeout), heard.len()),
        (4, 4),
        "{verdict}"
    );
}

#[tokio::test]
async fn an_early_reset_cuts_a_body_and_is_written_down() {
    let upstream = Upstream::start(1, Habit::default()).await.unwrap();
    let mut stream = TcpStream::connect(upstream.addresses()[0]).await.unwrap();
    let head = format!(
        "POST /a HTTP/1.1\r\nHost: h\r\n{ID}: 1\r\n{DEED}: reset-early\r\nContent-Length: 9\r\n\r\nabc"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let reset = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    let heard = upstream.finish().await;
    let [line] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert_eq!((line.id.as_deref(), &line.state), (Some("1"), &State::Cut));
}

#[tokio::test]
async fn what_arrives_in_part_is_in_the_book_with_its_id() {
    let cases = [
        (
            format!("POST /a HTTP/1.1\r\nHost: h\r\n{ID}: 1\r\nContent-"),
            Some("1"),
            0,
        ),
        (format!("POST /a HTTP/1.1\r\nHost: h\r\n{ID}: 1"), None, 0),
        (
            format!("POST /a HTTP/1.1\r\nHost: h\r\n{ID}: 1\r\nContent-Length: 9\r\n\r\nabc"),
            Some("1"),
            3,
        ),
    ];
    for (text, id, bytes) in cases {
        let upstream = Upstream::start(1, Habit::default()).await.unwrap();
        let mut stream = TcpStream::connect(upstream.addresses()[0]).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        let heard = upstream.finish().await;
        let [line] = heard.as_slice() else {
            panic!("{text:?}: {heard:?}");
        };
        assert_eq!(
            (line.id.as_deref(), line.body.bytes),
            (id, bytes),
            "{text:?}"
        );
        assert_eq!(line.state, State::Cut, "{text:?}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_in_the_book() {
    let cases = [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{ID}: 1\r\n{DEED}: dance\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{ID}: 1\r\n{ANSWER}: long\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: h\r\n{ID}: 1\r\n{ANSWER}: length=1048577\r\n\r\n"),
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n".to_owned(),
    ];
    for text in cases {
        let upstream = Upstream::start(1, Habit::default()).await.unwrap();
        let mut stream = TcpStream::connect(upstream.addresses()[0]).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{text:?}: {answer}");
        let heard = upstream.finish().await;
        let is_told =
            matches!(heard.as_slice(), [line] if matches!(line.state, State::Malformed(_)));
        assert!(is_told, "{text:?}: {heard:?}");
    }
}

#[tokio::test]
async fn a_habit_depends_on_the_id_and_not_on_the_order() {
    let habit = || Habit {
        seed: SEED,
        deeds: vec![(1, Deed::Answer), (1, Deed::Fail(503))],
    };
    let mix = Mix {
        body_bytes_max: 16,
        answer_bytes_max: 16,
        ..Mix::new(SEED, "a", 60)
    };
    let mut fates = Vec::new();
    for is_reversed in [false, true] {
        let upstream = Upstream::start(1, habit()).await.unwrap();
        let mut entries = mix.entries();
        if is_reversed {
            entries.reverse();
        }
        let mut sent = client(&upstream).start(entries).finish().await;
        sent.sort_by(|a, b| a.entry.id.cmp(&b.entry.id));
        let statuses = sent.iter().map(|sent| sent.fate.status());
        fates.push(statuses.collect::<Vec<_>>());
    }
    assert_eq!(fates[0], fates[1]);
    assert!(fates[0].contains(&Some(200)) && fates[0].contains(&Some(503)));
}

#[tokio::test]
async fn a_redirected_client_goes_on_at_the_other_address() {
    let upstream = Upstream::start(2, Habit::default()).await.unwrap();
    let client = Client {
        connections: 1,
        ..client(&upstream)
    };
    let sending = client.start(told(Deed::CloseIdle));
    sending.ended(5, PATIENCE).await.unwrap();
    sending.redirect(upstream.addresses()[1]);
    let sent = sending.finish().await;
    let heard = upstream.finish().await;
    let endpoints: Vec<_> = heard.iter().map(|line| line.endpoint).collect();
    assert!(endpoints.is_sorted(), "{endpoints:?}");
    assert!(
        endpoints.contains(&0) && endpoints.contains(&1),
        "{endpoints:?}"
    );
    assert!(compare(&sent, &heard).is_empty());
}

/// What between the two books tampers must be found, or the ledger proves nothing.
#[tokio::test]
async fn who_tampers_on_the_way_is_found_out() {
    let garbage = Mishap::Replace(b"tampered".to_vec());
    let cases = [
        (
            Conduct {
                up: Way::mishap(2000, garbage.clone()),
                ..Conduct::default()
            },
            Kind::Altered,
        ),
        (
            Conduct {
                down: Way::mishap(2000, garbage),
                ..Conduct::default()
            },
            Kind::MixedUp,
        ),
    ];
    for (conduct, kind) in cases {
        let upstream = Upstream::start(1, Habit::default()).await.unwrap();
        let target = upstream.addresses()[0];
        let proxy = FaultProxy::start(target, Plan::Always(conduct))
            .await
            .unwrap();
        let parcel = Parcel {
            framing: Framing::Length,
            bytes: 4000,
        };
        let entry = Entry {
            id: "1".into(),
            method: Method::Post,
            path: "/a".into(),
            body: Some(parcel),
            answer: parcel,
            deed: None,
        };
        let client = Client {
            target: proxy.address(),
            ..client(&upstream)
        };
        let sent = client.start(vec![entry]).finish().await;
        let verdict = compare(&sent, &upstream.finish().await);
        let kinds: Vec<_> = verdict.violations.iter().map(|found| found.kind).collect();
        assert_eq!(kinds, [kind], "{verdict}");
    }
}
