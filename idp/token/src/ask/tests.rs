use std::time::Duration;

use crate::digest::{TokenDigest, TokenName};
use crate::epoch::{Epochs, Seq};
use crate::filter::{FilterKey, FilterKeyId, FilterKeys};
use crate::reference::{AbsoluteEnd, ReferenceError, ReferenceToken};
use crate::seal::{NONCE_BYTES, SealKey};
use crate::session::{Session, SessionId, StoredValueToken};
use crate::time::UnixSeconds;

use super::keys::{KEYS_BYTES_MAX, ToldKey, ToldKeys};
use super::report::{GatewayId, LEASE_MAX, REPORT_BYTES_MAX, Reading, Report};
use super::resolve::*;
use super::uses::{USES_MAX, Use, read_uses, write_uses};
use super::*;

const SESSION: SessionId = SessionId([0xab; 16]);
const ONE: TokenDigest = TokenDigest::from_bytes([1; 16]);
const TWO: TokenDigest = TokenDigest::from_bytes([2; 16]);

fn question(digest: TokenDigest, purpose: Purpose) -> Question {
    let end = AbsoluteEnd::new(UnixSeconds(u32::MAX.into())).unwrap();
    let key = SealKey::from_bytes([7; 32], TokenName { digest, end });
    Question { key, purpose }
}

fn questions() -> [Question; 2] {
    [question(ONE, Purpose::Use), question(TWO, Purpose::Renew)]
}

fn active(key: &SealKey) -> Answer {
    let sealed = key.seal("a value token", [9; NONCE_BYTES]).unwrap();
    let record = Session {
        id: SESSION,
        subject: "ann".to_owned(),
        client_id: "app".to_owned(),
        tenant: "acme".to_owned(),
        scope: "pay".to_owned(),
        roles: vec!["payer".to_owned()],
        amr: Vec::new(),
        auth_time: None,
        began_at: UnixSeconds(1000),
        ends_at: UnixSeconds(9000),
        idle: Some(Duration::from_secs(900)),
        written_seq: Seq(42),
        value_token: Some(StoredValueToken {
            sealed,
            renews_at: UnixSeconds(1480),
            expires_at: UnixSeconds(1600),
        }),
    };
    let epochs = Epochs {
        session: Seq(1),
        subject: Seq(2),
        client: Seq(3),
        tenant: Seq(4),
        global: Seq(5),
    };
    Answer::Active(Box::new(Active {
        record,
        epochs,
        expires_at: UnixSeconds(2000),
    }))
}

const ASKED: &str = concat!(
    r#"{"v":1,"ask":[{"digest":"AQEBAQEBAQEBAQEBAQEBAQ","end":4294967295,"#,
    r#""key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","for":"use"},"#,
    r#"{"digest":"AgICAgICAgICAgICAgICAg","end":4294967295,"#,
    r#""key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","for":"renew"}]}"#
);

#[test]
fn questions_never_change_their_spelling() {
    assert_eq!(write_questions(&questions()).as_str(), ASKED);
    let read = read_questions(ASKED.as_bytes()).unwrap();
    assert_eq!(write_questions(&read).as_str(), ASKED);
    // The key that was sent opens what is sealed with it.
    let sealed = read[0].key.seal("value", [1; NONCE_BYTES]).unwrap();
    let opened = questions()[0].key.open(&sealed).unwrap();
    assert_eq!(opened.as_str(), "value");
}

#[test]
fn a_question_shows_nothing_of_its_key() {
    let shown = format!("{:?}", questions());
    assert!(
        !shown.contains("BwcH") && !shown.contains("7, 7"),
        "{shown}"
    );
}

#[test]
fn a_question_that_is_not_well_formed_is_refused_with_its_place() {
    let change = |from: &str, to: &str| {
        assert!(ASKED.contains(from), "{from}");
        ASKED.replacen(from, to, 1)
    };
    let item = |at, fault| MessageError::Item {
        at,
        source: ItemError::Member(fault),
    };
    let second = |from: &str, to: &str| {
        let (first, last) = ASKED.split_once("},").unwrap();
        assert!(last.contains(from), "{from}");
        format!("{first}}},{}", last.replacen(from, to, 1))
    };
    #[rustfmt::skip]
    let cases = [
        (change(r#""v":1"#, r#""v":2"#),      MessageError::UnknownVersion(2)),
        (change(r#""v":1"#, r#""v":1,"a":1"#), MemberError::Unknown.into()),
        (change(r#""v":1"#, r#""v":1,"v":1"#), MessageError::Syntax),
        (r#"{"v":1,"ask":[]}"#.to_owned(),     MessageError::Count(0)),
        (r#"{"v":1,"ask":{}}"#.to_owned(),     MemberError::Kind("ask").into()),
        (r#"{"v":1}"#.to_owned(),              MemberError::Missing("ask").into()),
        (r#"{"v":1,"ask":[7]}"#.to_owned(),    MessageError::Item { at: 0, source: ItemError::Kind }),
        (change("use", "fun"),                 item(0, MemberError::Value("for"))),
        (second("renew", "fun"),               item(1, MemberError::Value("for"))),
        (second("4294967295", "4294967296"),   item(1, MemberError::Value("end"))),
        (second(r#""end":4294967295,"#, ""),   item(1, MemberError::Missing("end"))),
        (second("Ag\"", "Ah\""),               item(1, MemberError::Value("digest"))),
        (second("AgIC", ""),                   item(1, MemberError::Value("digest"))),
        (second("AgIC", "AgICAgIC"),           item(1, MemberError::Value("digest"))),
        (second("Bwc\"", "Bwc=\""),            item(1, MemberError::Value("key"))),
        (second("BwcHB", "Bw+HB"),             item(1, MemberError::Value("key"))),
        (second(r#""key""#, r#""kez""#),       item(1, MemberError::Unknown)),
        (second(r#","for":"renew""#, ""),      item(1, MemberError::Missing("for"))),
        (" ".repeat(QUESTIONS_BYTES_MAX + 1),  MessageError::TooLong),
    ];
    for (text, expected) in cases {
        let found = read_questions(text.as_bytes());
        assert_eq!(found.err(), Some(expected), "{text}");
    }
}

#[test]
fn as_many_questions_as_may_be_asked_fit_and_no_more() {
    let asked = |count| {
        let all: Vec<_> = (0..count).map(|_| question(ONE, Purpose::Check)).collect();
        read_questions(write_questions(&all).as_bytes()).map(|read| read.len())
    };
    assert_eq!(asked(QUESTIONS_MAX), Ok(QUESTIONS_MAX));
    assert_eq!(
        asked(QUESTIONS_MAX + 1),
        Err(MessageError::Count(QUESTIONS_MAX + 1))
    );
}

#[test]
fn answers_are_read_as_they_were_written() {
    let [question, _] = questions();
    let told = [Answer::Inactive, active(&question.key)];
    let text = write_answers([(TWO, &told[0]), (ONE, &told[1])]);
    let start = concat!(
        r#"{"v":1,"told":[{"digest":"AgICAgICAgICAgICAgICAg","active":false},"#,
        r#"{"digest":"AQEBAQEBAQEBAQEBAQEBAQ","active":true,"record":{"v":1,"sid":"ab"#
    );
    let end = concat!(
        r#""epochs":{"session":1,"subject":2,"client":3,"tenant":4,"global":5},"#,
        r#""expires":2000}]}"#
    );
    assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    assert!(!text.contains("a value token"));
    let read = read_answers(text.as_bytes(), &[TWO, ONE]).unwrap();
    assert_eq!(read, told);
    let Answer::Active(active) = &read[1] else {
        panic!("active");
    };
    let sealed = &active.record.value_token.as_ref().unwrap().sealed;
    let opened = question.key.open(sealed).unwrap();
    assert_eq!(opened.as_str(), "a value token");
}

/// An answer that gets to another question would be somebody else's session.
#[test]
fn an_answer_to_another_question_is_refused() {
    let told = [Answer::Inactive, active(&questions()[0].key)];
    let text = write_answers([(TWO, &told[0]), (ONE, &told[1])]);
    let foreign = |at| MessageError::Item {
        at,
        source: ItemError::Foreign,
    };
    let cases: [(&[TokenDigest], MessageError); 5] = [
        (&[ONE, TWO], foreign(0)),
        (&[TWO, TWO], foreign(1)),
        (&[TWO], MessageError::Count(2)),
        (&[TWO, ONE, ONE], MessageError::Count(2)),
        (&[], MessageError::Count(2)),
    ];
    for (asked, expected) in cases {
        assert_eq!(read_answers(text.as_bytes(), asked), Err(expected));
    }
}

#[test]
fn an_answer_that_may_mean_something_else_is_refused() {
    let text = write_answers([(ONE, &active(&questions()[0].key))]);
    let no = r#"{"v":1,"told":[{"digest":"AQEBAQEBAQEBAQEBAQEBAQ","active":false}]}"#;
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let item = |source| MessageError::Item { at: 0, source };
    let member = |fault| item(ItemError::Member(fault));
    let record = |fault| item(ItemError::Record(fault));
    #[rustfmt::skip]
    let cases = [
        (change("true", "false"),                      member(MemberError::Unknown)),
        (change("true", "1"),                          member(MemberError::Kind("active"))),
        (change(r#""record":{"v":1"#, r#""record":{"v":2"#), record(RecordError::UnknownVersion(2))),
        (change(r#""sub":"ann","#, ""),                record(MemberError::Missing("sub").into())),
        (change(r#","tenant":4"#, ""),                 member(MemberError::Missing("tenant"))),
        (change(r#""tenant":4"#, r#""tenant":4,"planet":4"#), member(MemberError::Unknown)),
        (change(r#","expires":2000}"#, "}"),           member(MemberError::Missing("expires"))),
        (no.replace("false", "true"),                  member(MemberError::Missing("record"))),
        (no.replace("false", r#"false,"why":1"#),      member(MemberError::Unknown)),
        (no.replace(r#","active":false"#, ""),         member(MemberError::Missing("active"))),
        (no.replace(r#""v":1"#, r#""v":3"#),           MessageError::UnknownVersion(3)),
    ];
    for (text, expected) in cases {
        let found = read_answers(text.as_bytes(), &[ONE]);
        assert_eq!(found, Err(expected), "{text}");
    }
}

#[test]
fn uses_are_read_as_they_were_written_and_bounded() {
    let one = Use {
        session: SESSION,
        age: Duration::from_secs(1000),
    };
    let text = write_uses(&[one]);
    let spelled = r#"{"v":1,"uses":[{"sid":"abababababababababababababababab","age":1000}]}"#;
    assert_eq!(text, spelled);
    assert_eq!(read_uses(text.as_bytes()), Ok(vec![one]));
    assert_eq!(read_uses(write_uses(&[]).as_bytes()), Ok(Vec::new()));

    let last = Use {
        age: Duration::from_secs(u64::MAX),
        ..one
    };
    let read = |count| read_uses(write_uses(&vec![last; count]).as_bytes());
    assert!(read(USES_MAX).is_ok());
    assert_eq!(read(USES_MAX + 1), Err(MessageError::Count(USES_MAX + 1)));

    let item = |fault| {
        let source = ItemError::Member(fault);
        Err(MessageError::Item { at: 0, source })
    };
    for (from, to, expected) in [
        ("abab", "ABAB", item(MemberError::Value("sid"))),
        ("1000", "-1", item(MemberError::Kind("age"))),
        (r#""age""#, r#""at""#, item(MemberError::Unknown)),
    ] {
        let found = read_uses(spelled.replacen(from, to, 1).as_bytes());
        assert_eq!(found, expected, "{to}");
    }
}

#[test]
fn a_report_is_read_as_it_was_written_and_its_lease_is_bounded() {
    let report = Report {
        gateway: GatewayId([0xcd; 16]),
        lease: Duration::from_secs(1),
        applied: Seq(u64::MAX),
        reading: Reading::Redis,
    };
    let text = report.write();
    let spelled = concat!(
        r#"{"v":1,"gateway":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","lease_ms":1000,"#,
        r#""applied":18446744073709551615,"reading":"redis"}"#
    );
    assert_eq!(text, spelled);
    assert!(text.len() <= REPORT_BYTES_MAX);
    assert_eq!(Report::read(text.as_bytes()), Ok(report.clone()));
    let over_http = Report {
        reading: Reading::Provider,
        lease: LEASE_MAX,
        ..report
    };
    assert_eq!(Report::read(over_http.write().as_bytes()), Ok(over_http));

    for (from, to, fault) in [
        ("1000", "0", MemberError::Value("lease_ms")),
        ("1000", "60001", MemberError::Value("lease_ms")),
        ("redis", "tea", MemberError::Value("reading")),
        ("cdcd", "CDCD", MemberError::Value("gateway")),
        ("applied", "applies", MemberError::Unknown),
    ] {
        let found = Report::read(spelled.replacen(from, to, 1).as_bytes());
        assert_eq!(found, Err(fault.into()), "{to}");
    }
}

fn told_key(id: u8) -> ToldKey {
    ToldKey {
        id: FilterKeyId::new(id).unwrap(),
        secret: [id; 32].into(),
    }
}

const TOLD_KEYS: &str = concat!(
    r#"{"v":1,"keys":[{"id":1,"secret":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"},"#,
    r#"{"id":2,"secret":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"}]}"#
);

#[test]
fn told_keys_never_change_their_spelling_and_tell_which_one_tags() {
    let keys = ToldKeys::new(told_key(1), Some(told_key(2))).unwrap();
    assert_eq!(keys.write().as_str(), TOLD_KEYS);
    assert_eq!(ToldKeys::read(TOLD_KEYS.as_bytes()).as_ref(), Ok(&keys));
    let one = ToldKeys::new(told_key(15), None).unwrap();
    assert_eq!(ToldKeys::read(one.write().as_bytes()), Ok(one));
    assert!(ToldKeys::new(told_key(1), Some(told_key(1))).is_err());

    let ready = keys.filter_keys();
    assert_eq!(ready.tagging_id().get(), 1);
    for (id, expected) in [(1, None), (2, None), (3, Some(ReferenceError::UnknownKey))] {
        let key = FilterKey::new(FilterKeyId::new(id).unwrap(), &[id; 32]);
        let end = AbsoluteEnd::new(UnixSeconds(2000)).unwrap();
        let token = ReferenceToken::mint(&FilterKeys::new(key), 0, end, [7; 16]);
        let text = token.spell();
        let read = ReferenceToken::parse(text.as_str().as_bytes(), &ready, UnixSeconds(1000));
        assert_eq!(read.err(), expected, "{id}");
    }
}

#[test]
fn told_keys_show_nothing_of_their_secrets() {
    let shown = format!("{:?}", ToldKeys::new(told_key(1), Some(told_key(2))));
    assert!(!shown.contains("AQE") && !shown.contains("1, 1"), "{shown}");
}

#[test]
fn told_keys_that_are_not_one_or_two_of_different_ids_are_refused() {
    let item = |at, fault| MessageError::Item {
        at,
        source: ItemError::Member(fault),
    };
    let key = r#"{"id":2,"secret":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"}"#;
    #[rustfmt::skip]
    let cases = [
        (r#""v":1"#, r#""v":2"#,         MessageError::UnknownVersion(2)),
        (r#""v":1"#, r#""v":1,"a":1"#,   MemberError::Unknown.into()),
        (r#""id":2"#, r#""id":1"#,       item(1, MemberError::Value("id"))),
        (r#""id":2"#, r#""id":16"#,      item(1, MemberError::Value("id"))),
        (r#""id":1"#, r#""id":256"#,     item(0, MemberError::Value("id"))),
        (r#""id":1"#, r#""id":"1""#,     item(0, MemberError::Kind("id"))),
        (r#""id":1"#, r#""id":1,"a":1"#, item(0, MemberError::Unknown)),
        ("AQE\"", "AQF\"",               item(0, MemberError::Value("secret"))),
        ("AQE\"", "AQE=\"",              item(0, MemberError::Value("secret"))),
        ("AQEB", "",                     item(0, MemberError::Value("secret"))),
        ("AgIC", "AgICAgIC",             item(1, MemberError::Value("secret"))),
        (key, "7",                       MessageError::Item { at: 1, source: ItemError::Kind }),
    ];
    for (from, to, expected) in cases {
        assert!(TOLD_KEYS.contains(from), "{from}");
        let text = TOLD_KEYS.replacen(from, to, 1);
        assert_eq!(ToldKeys::read(text.as_bytes()), Err(expected), "{text}");
    }
    let three = TOLD_KEYS.replacen("]}", &format!(",{}]}}", key.replace('2', "3")), 1);
    let too_long = format!("{TOLD_KEYS}{}", " ".repeat(KEYS_BYTES_MAX));
    let just_fits = format!("{TOLD_KEYS:KEYS_BYTES_MAX$}");
    for (text, expected) in [
        (r#"{"v":1,"keys":[]}"#, MessageError::Count(0)),
        (&three, MessageError::Count(3)),
        (&too_long[..=KEYS_BYTES_MAX], MessageError::TooLong),
    ] {
        assert_eq!(ToldKeys::read(text.as_bytes()), Err(expected), "{text}");
    }
    assert!(ToldKeys::read(just_fits.as_bytes()).is_ok());
}
