use proptest::prelude::*;

use super::*;

const SESSION: SessionId = SessionId([0xab; 16]);

fn change(target: Target) -> Change {
    Change {
        seq: Seq(7),
        target,
        kind: Kind::Ended,
        at: UnixSeconds(1000),
        until: Some(UnixSeconds(9000)),
    }
}

fn beat(number: u64, seq: u64) -> Entry {
    let seq = Seq(seq);
    Entry::Beat(Beat { number, seq })
}

#[test]
fn an_entry_never_changes_its_spelling() {
    let session = concat!(
        r#"{"v":1,"seq":7,"on":"session","id":"abababababababababababababababab","#,
        r#""kind":"ended","at":1000,"until":9000}"#
    );
    let for_ever = Change {
        kind: Kind::Changed,
        until: None,
        ..change(Target::Realm)
    };
    let named = |on: &str| {
        format!(r#"{{"v":1,"seq":7,"on":"{on}","id":"ann","kind":"ended","at":1000,"until":9000}}"#)
    };
    let ann = || "ann".to_owned();
    let cases = [
        (
            Entry::Change(change(Target::Session(SESSION))),
            session.to_owned(),
        ),
        (
            Entry::Change(change(Target::Subject(ann()))),
            named("subject"),
        ),
        (
            Entry::Change(change(Target::Client(ann()))),
            named("client"),
        ),
        (
            Entry::Change(change(Target::Tenant(ann()))),
            named("tenant"),
        ),
        (
            Entry::Change(for_ever),
            r#"{"v":1,"seq":7,"on":"realm","kind":"changed","at":1000}"#.to_owned(),
        ),
        (
            beat(u64::MAX, 7),
            r#"{"v":1,"beat":18446744073709551615,"seq":7}"#.to_owned(),
        ),
    ];
    for (entry, text) in cases {
        assert_eq!(entry.write(), text);
        assert_eq!(Entry::read(text.as_bytes()), Ok(entry));
    }
}

#[test]
fn a_line_that_may_mean_something_else_is_not_read() {
    let good = Entry::Change(change(Target::Subject("ann".to_owned()))).write();
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let member = LineError::Member;
    let long = "a".repeat(NAME_BYTES_MAX + 1);
    #[rustfmt::skip]
    let cases = [
        (change(r#""v":1"#, r#""v":2"#),                  LineError::UnknownVersion(2)),
        (change(r#""v":1"#, r#""v":2,"news":1"#),         LineError::UnknownVersion(2)),
        (change(r#""v":1,"#, ""),                         member(MemberError::Missing("v"))),
        (change(r#""v":1"#, r#""v":1,"news":1"#),         member(MemberError::Unknown)),
        (change(r#""v":1"#, r#""v":1,"v":1"#),            LineError::Syntax),
        (change(r#""seq":7"#, r#""seq":0"#),              member(MemberError::Value("seq"))),
        (change(r#""seq":7"#, r#""seq":-7"#),             member(MemberError::Kind("seq"))),
        (change("subject", "planet"),                     member(MemberError::Value("on"))),
        (change("subject", "realm"),                      member(MemberError::Value("id"))),
        (change("subject", "session"),                    member(MemberError::Value("id"))),
        (change(r#""ann""#, r#""""#),                     member(MemberError::Value("id"))),
        (change(r#""ann""#, "null"),                      member(MemberError::Kind("id"))),
        (change("ann", &long),                            member(MemberError::Value("id"))),
        (change("ended", "mended"),                       member(MemberError::Value("kind"))),
        (change(r#","at":1000"#, ""),                     member(MemberError::Missing("at"))),
        (change("9000", "null"),                          member(MemberError::Kind("until"))),
        (change(r#""seq":7"#, r#""seq":7,"beat":1"#),     member(MemberError::Unknown)),
        (r#"{"v":1,"beat":1}"#.to_owned(),                member(MemberError::Missing("seq"))),
        (r#"{"v":1,"beat":1,"seq":0,"a":1}"#.to_owned(),  member(MemberError::Unknown)),
        (format!("{good}{good}"),                         LineError::Syntax),
        (format!("{good}{}", " ".repeat(LINE_BYTES_MAX)), LineError::TooLong),
        (String::new(),                                   LineError::Syntax),
    ];
    for (text, expected) in cases {
        assert_eq!(Entry::read(text.as_bytes()), Err(expected), "{text}");
    }
}

#[test]
fn an_answer_is_read_as_a_whole_or_not_at_all() {
    let hello = Hello {
        run: 77,
        first: Seq(3),
        next: Seq(8),
        has_more: false,
    };
    let entries = vec![Entry::Change(change(Target::Realm)), beat(78, 7)];
    let page = Page { hello, entries };
    let text = page.write();
    assert!(text.starts_with("{\"v\":1,\"run\":77,\"first\":3,\"next\":8,\"more\":false}\n"));
    assert_eq!(Page::read(text.as_bytes()), Ok(page));

    for at in 0..text.len() {
        let cut = Page::read(&text.as_bytes()[..at]);
        // What ends with a line might have been all of it: a beat that is missing proves nothing.
        assert_eq!(
            cut.is_ok(),
            at > 0 && text.as_bytes()[at - 1] == b'\n',
            "{at}"
        );
    }
    let line = |line, source| Err(PageError::Line { line, source });
    let member = LineError::Member;
    let swapped = text.replace(r#""first":3"#, r#""first":9"#);
    let cases = [
        (swapped, line(1, member(MemberError::Value("first")))),
        (
            text.replace("false", "0"),
            line(1, member(MemberError::Kind("more"))),
        ),
        (
            text.replace(r#","more":false"#, ""),
            line(1, member(MemberError::Missing("more"))),
        ),
        (format!("{text}\n"), line(4, LineError::Syntax)),
        (
            format!("{text}{text}"),
            line(4, member(MemberError::Unknown)),
        ),
        ("\n".to_owned(), line(1, LineError::Syntax)),
        (text.replace('\n', "\r\n\n"), line(2, LineError::Syntax)),
    ];
    for (text, expected) in cases {
        assert_eq!(Page::read(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn an_answer_is_bounded_in_lines_and_in_bytes() {
    let hello = Hello {
        run: 1,
        first: Seq(1),
        next: Seq(1),
        has_more: false,
    };
    let page = |count| Page {
        hello,
        entries: vec![beat(1, 0); count],
    };
    assert!(Page::read(page(LINES_MAX - 1).write().as_bytes()).is_ok());
    let too_long = Err(PageError::TooLong);
    assert_eq!(Page::read(page(LINES_MAX).write().as_bytes()), too_long);
    assert_eq!(Page::read(&vec![b'\n'; PAGE_BYTES_MAX + 1]), too_long);
}

#[test]
fn reading_goes_on_only_where_nothing_is_missing() {
    let hello = Hello {
        run: 1,
        first: Seq(3),
        next: Seq(8),
        has_more: false,
    };
    let forgotten = Err(Gap::Forgotten { first: Seq(3) });
    let ahead = Err(Gap::Ahead { next: Seq(8) });
    let cases = [
        (0, forgotten),
        (1, forgotten),
        (2, Ok(())),
        (7, Ok(())),
        (8, ahead),
    ];
    for (known, expected) in cases {
        assert_eq!(hello.check(Seq(known)), expected, "{known}");
    }
}

#[test]
fn where_a_reader_stands_has_one_spelling() {
    let after = |seq, beat| After {
        seq: Seq(seq),
        beat,
    };
    for (at, text) in [
        (after(0, None), "0"),
        (after(7, Some(0)), "7.0"),
        (
            after(u64::MAX, Some(u64::MAX)),
            "18446744073709551615.18446744073709551615",
        ),
    ] {
        assert_eq!(at.write(), text);
        assert_eq!(After::parse(text), Some(at));
    }
    for text in [
        "",
        ".",
        "7.",
        ".7",
        "07",
        "+7",
        "7.07",
        "7.1.1",
        "-1",
        " 7",
        "18446744073709551616",
    ] {
        assert_eq!(After::parse(text), None, "{text}");
    }
}

#[test]
fn a_run_leaves_room_to_count() {
    assert_eq!(run_of([0xff; 8]), u64::MAX / 2);
    assert_eq!(run_of([0; 8]), 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        (seq, at, until) in (1..u64::MAX, any::<u64>(), any::<Option<u64>>()),
        name in "\\PC{1,60}",
        (which, is_end) in (0..5, any::<bool>()),
    ) {
        let target = match which {
            0 => Target::Session(SESSION),
            1 => Target::Subject(name),
            2 => Target::Client(name),
            3 => Target::Tenant(name),
            _ => Target::Realm,
        };
        let entry = Entry::Change(Change {
            seq: Seq(seq),
            target,
            kind: if is_end { Kind::Ended } else { Kind::Changed },
            at: UnixSeconds(at),
            until: until.map(UnixSeconds),
        });
        let text = entry.write();
        prop_assert!(text.len() < LINE_BYTES_MAX && !text.contains('\n'));
        prop_assert_eq!(Entry::read(text.as_bytes()), Ok(entry));
    }
}
