use crate::log::{Kind, LineError};
use crate::session::SessionId;

use super::*;

const DIGEST: TokenDigest = TokenDigest::from_bytes([1; 16]);

fn record(written_seq: u64) -> Session {
    Session {
        id: SessionId([0xab; 16]),
        subject: "ann".to_owned(),
        client_id: "app".to_owned(),
        tenant: "acme".to_owned(),
        scope: "pay".to_owned(),
        roles: Vec::new(),
        amr: Vec::new(),
        auth_time: None,
        began_at: UnixSeconds(1000),
        ends_at: UnixSeconds(9000),
        idle: None,
        written_seq: Seq(written_seq),
        value_token: None,
    }
}

fn change(seq: u64, target: Target, until: Option<u64>) -> Change {
    Change {
        seq: Seq(seq),
        target,
        kind: Kind::Ended,
        at: UnixSeconds(1000),
        until: until.map(UnixSeconds),
    }
}

#[test]
fn changes_are_published_with_their_epochs_onto_the_one_before() {
    let id = SessionId([0xab; 16]);
    let changes = [
        change(7, Target::Session(id), Some(9000)),
        change(8, Target::Subject("ann".to_owned()), None),
        change(9, Target::Realm, None),
    ];
    let call = publish(Seq(6), &changes).unwrap();
    assert_eq!(call.keys, [EPOCHS_KEY, LOG_KEY]);
    let entry = |at: usize| Entry::Change(changes[at].clone()).write();
    #[rustfmt::skip]
    let expected = [
        "6", "9", "16384",
        "7", "s:abababababababababababababababab", "7:9000", &entry(0),
        "8", "u:ann", "8", &entry(1),
        "9", "g", "9", &entry(2),
    ];
    assert_eq!(call.arguments, expected);
    assert_eq!(publish(Seq(6), &[]), None);
}

#[test]
fn a_record_is_kept_until_its_token_or_its_session_is_over() {
    let kept = |expires_at, now| {
        let call = store(
            DIGEST,
            &record(7),
            UnixSeconds(expires_at),
            UnixSeconds(now),
        )?;
        Some(call.arguments[2].clone())
    };
    assert_eq!(kept(2000, 1000).as_deref(), Some("1000"));
    assert_eq!(kept(99_000, 1000).as_deref(), Some("8000"));
    assert_eq!(kept(2000, 1999).as_deref(), Some("1"));
    assert_eq!(kept(2000, 2000), None);
    assert_eq!(kept(2000, 3000), None);
}

#[test]
fn a_record_that_is_there_proves_a_use_within_the_idle_time() {
    let idle = Session {
        idle: Some(Duration::from_secs(900)),
        ..record(7)
    };
    let kept = |expires_at| {
        let call = store(DIGEST, &idle, UnixSeconds(expires_at), UnixSeconds(1000))?;
        Some(call.arguments[2].clone())
    };
    assert_eq!(kept(99_000).as_deref(), Some("900"));
    assert_eq!(kept(1899).as_deref(), Some("899"));
    assert_eq!(kept(1000), None);
}

/// What `find.lua` gives, with some places changed.
fn reply(changed: &[(usize, Option<&str>)]) -> Vec<Option<String>> {
    let mut reply = vec![Some("9".to_owned())];
    reply.resize(6, None);
    reply.push(Some(record(7).write()));
    for (at, value) in changed {
        reply[*at] = value.map(str::to_owned);
    }
    reply
}

#[test]
fn a_record_is_believed_only_if_nothing_newer_is_known() {
    let behind = Err(Unknown::Behind { position: Seq(9) });
    let good = Ok(record(7));
    assert_eq!(read_found(&reply(&[]), Seq(9)), good);
    assert_eq!(read_found(&reply(&[]), Seq(10)), behind);
    for at in 1..6 {
        for (epoch, expected) in [
            ("7", good.clone()),
            ("7:9000", good.clone()),
            ("6", good.clone()),
            ("8", Err(Unknown::Void)),
            ("8:9000", Err(Unknown::Void)),
            ("", Err(Unknown::Reply)),
            ("-1", Err(Unknown::Reply)),
            ("x", Err(Unknown::Reply)),
        ] {
            let reply = reply(&[(at, Some(epoch))]);
            assert_eq!(read_found(&reply, Seq(9)), expected, "{at} {epoch}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_unknown_and_never_bad() {
    let version = RecordError::UnknownVersion(2);
    let newer = record(7).write().replace(r#""v":1"#, r#""v":2"#);
    #[rustfmt::skip]
    let cases = [
        (Vec::new(),                     Unknown::Absent),
        (vec![Some("9".to_owned())],     Unknown::Reply),
        (reply(&[(0, None)]),            Unknown::NoPosition),
        (reply(&[(0, Some("9x"))]),      Unknown::Reply),
        (reply(&[(6, None)]),            Unknown::Reply),
        (reply(&[(6, Some("{}"))]),      Unknown::Record(crate::json::MemberError::Missing("v").into())),
        (reply(&[(6, Some(&newer))]),    Unknown::Record(version)),
    ];
    for (reply, expected) in cases {
        assert_eq!(read_found(&reply, Seq(9)), Err(expected), "{reply:?}");
    }
}

#[test]
fn a_reader_begins_where_it_stopped_and_never_in_what_it_has_not_read() {
    let id = |seq, count| StreamId {
        seq: Seq(seq),
        count,
    };
    let cases = [
        (None, 0, Start::After(id(0, 0))),
        (None, 7, Start::After(id(6, u64::MAX))),
        (Some(id(7, 3)), 7, Start::After(id(7, 3))),
        (Some(id(9, 0)), 7, Start::After(id(7, u64::MAX))),
        (Some(id(6, 50)), 7, Start::Behind),
    ];
    for (end, known, expected) in cases {
        assert_eq!(start(end, Seq(known)), expected, "{end:?} {known}");
    }
}

#[test]
fn an_entry_lies_under_its_own_number() {
    let entry = Entry::Beat(Beat {
        number: 78,
        seq: Seq(7),
    });
    let text = entry.write();
    let id = StreamId {
        seq: Seq(7),
        count: 3,
    };
    assert_eq!(id.to_string(), "7-3");
    assert_eq!(read_entry("7-3", text.as_bytes()), Ok((id, entry)));
    let moved = StreamId { seq: Seq(8), ..id };
    let syntax = StreamError::Entry(id, LineError::Syntax);
    for (id, text, expected) in [
        ("8-3", text.as_str(), StreamError::Moved(moved)),
        ("7-3", "", syntax),
        ("7", &text, StreamError::Id),
        ("07-3", &text, StreamError::Id),
        ("7-", &text, StreamError::Id),
    ] {
        assert_eq!(read_entry(id, text.as_bytes()), Err(expected), "{id}");
    }
}
