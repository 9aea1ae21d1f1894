use proptest::prelude::*;

use super::*;

fn session() -> Session {
    Session {
        id: SessionId([0xab; 16]),
        subject: "ann".to_owned(),
        client_id: "app".to_owned(),
        tenant: "acme".to_owned(),
        scope: "pay read".to_owned(),
        roles: vec!["payer".to_owned()],
        amr: vec!["pwd".to_owned()],
        auth_time: Some(UnixSeconds(1000)),
        began_at: UnixSeconds(1000),
        ends_at: UnixSeconds(9000),
        idle: Some(Duration::from_secs(900)),
        written_seq: Seq(42),
        value_token: Some(StoredValueToken {
            sealed: Sealed::from_bytes(vec![1, 2, 3]),
            renews_at: UnixSeconds(1480),
            expires_at: UnixSeconds(1600),
        }),
    }
}

const WRITTEN: &str = concat!(
    r#"{"v":1,"sid":"abababababababababababababababab","sub":"ann","client":"app","#,
    r#""tenant":"acme","scope":"pay read","roles":["payer"],"amr":["pwd"],"auth":1000,"#,
    r#""began":1000,"ends":9000,"idle":900,"seq":42,"value":"AQID","renews":1480,"expires":1600}"#
);

#[test]
fn a_record_never_changes_its_spelling() {
    assert_eq!(session().write(), WRITTEN);
    assert_eq!(Session::read(WRITTEN.as_bytes()), Ok(session()));
}

#[test]
fn a_record_that_may_mean_something_else_is_unknown() {
    let change = |from: &str, to: &str| {
        assert!(WRITTEN.contains(from), "{from}");
        WRITTEN.replace(from, to)
    };
    let member = RecordError::Member;
    #[rustfmt::skip]
    let cases = [
        (change(r#""v":1"#, r#""v":2"#),                      RecordError::UnknownVersion(2)),
        (change(r#""v":1"#, r#""v":2,"news":1"#),             RecordError::UnknownVersion(2)),
        (change(r#""v":1"#, r#""v":"1""#),                    member(MemberError::Kind("v"))),
        (change(r#""v":1,"#, ""),                             member(MemberError::Missing("v"))),
        (change(r#""v":1"#, r#""v":1,"news":1"#),             member(MemberError::Unknown)),
        (change(r#""v":1"#, r#""v":1,"v":1"#),                RecordError::Syntax),
        (change(r#""sub":"ann","#, ""),                       member(MemberError::Missing("sub"))),
        (change(r#""sub":"ann""#, r#""sub":null"#),           member(MemberError::Kind("sub"))),
        (change("abab", "ABAB"),                              member(MemberError::Value("sid"))),
        (change(r#""ends":9000"#, r#""ends":9e3"#),           member(MemberError::Kind("ends"))),
        (change(r#""ends":9000"#, r#""ends":-1"#),            member(MemberError::Kind("ends"))),
        (change(r#""idle":900"#, r#""idle":"900""#),          member(MemberError::Kind("idle"))),
        (change(r#"["payer"]"#, r#"["payer",1]"#),            member(MemberError::Kind("roles"))),
        (change(r#""value":"AQID""#, r#""value":"AQI=""#),    member(MemberError::Value("value"))),
        (change(r#""value":"AQID","#, ""),                    member(MemberError::Value("renews"))),
        (change(r#","expires":1600"#, ""),                    member(MemberError::Missing("expires"))),
        (WRITTEN[..200].to_owned(),                           RecordError::Syntax),
        (format!("{WRITTEN}{WRITTEN}"),                       RecordError::Syntax),
        (format!("{WRITTEN}{}", " ".repeat(RECORD_BYTES_MAX)), RecordError::TooLong),
    ];
    for (text, expected) in cases {
        assert_eq!(Session::read(text.as_bytes()), Err(expected), "{text}");
    }
    let longest = format!("{WRITTEN}{}", " ".repeat(RECORD_BYTES_MAX - WRITTEN.len()));
    assert_eq!(Session::read(longest.as_bytes()), Ok(session()));
}

#[test]
fn a_session_id_has_one_spelling() {
    let id = SessionId([0x0a; 16]);
    let text = "0a".repeat(16);
    assert_eq!(id.to_string(), text);
    let cases = [
        (text.clone(), Some(id)),
        (text.to_uppercase(), None),
        (text[1..].to_owned(), None),
        (format!("+{}", &text[1..]), None),
        (format!("{text}0"), None),
        (String::new(), None),
    ];
    for (text, expected) in cases {
        assert_eq!(SessionId::parse(&text), expected, "{text}");
    }
}

#[test]
fn a_session_is_over_at_its_end_and_when_it_idled() {
    let session = session();
    let forever = Session {
        idle: None,
        ..session.clone()
    };
    #[rustfmt::skip]
    let cases = [
        (&session, 8000, 8899, Ok(())),
        (&session, 8000, 8900, Err(Over::Idle)),
        (&session, 8999, 9000, Err(Over::Ended)),
        (&session, 8000, 9000, Err(Over::Ended)),
        (&session, 8000, 7000, Ok(())),
        (&forever,    0, 8999, Ok(())),
        (&forever,    0, 9000, Err(Over::Ended)),
    ];
    for (session, last_use, now, expected) in cases {
        let found = session.check(UnixSeconds(last_use), UnixSeconds(now));
        assert_eq!(found, expected, "used at {last_use}, now {now}");
    }
}

#[test]
fn activity_is_reported_every_sixtieth_of_the_idle_time_but_not_more_often_than_in_5_s() {
    let report = |idle: Option<u64>| {
        let idle = idle.map(Duration::from_secs);
        Session { idle, ..session() }.report_after()
    };
    assert_eq!(report(Some(900)), Some(Duration::from_secs(15)));
    assert_eq!(report(Some(60)), Some(Duration::from_secs(5)));
    assert_eq!(report(None), None);
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(
        subject in ".*", scope in ".*", roles in prop::collection::vec(".*", 0..4),
        times in any::<[u64; 4]>(), idle in any::<Option<u64>>(), sealed in any::<Option<Vec<u8>>>(),
    ) {
        let [auth, began, ends, seq] = times;
        let written = Session {
            subject,
            scope,
            roles,
            auth_time: Some(UnixSeconds(auth)),
            began_at: UnixSeconds(began),
            ends_at: UnixSeconds(ends),
            idle: idle.map(Duration::from_secs),
            written_seq: Seq(seq),
            value_token: sealed.map(|bytes| StoredValueToken {
                sealed: Sealed::from_bytes(bytes),
                renews_at: UnixSeconds(auth),
                expires_at: UnixSeconds(ends),
            }),
            ..session()
        };
        prop_assert_eq!(Session::read(written.write().as_bytes()), Ok(written));
    }
}
