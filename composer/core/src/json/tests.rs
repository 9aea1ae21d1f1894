use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Json, Unsound> {
    Json::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn json_is_read_to_the_letter() {
    #[rustfmt::skip]
    let sound = [
        "null", "true", "false", "0", "-0", "10.00", "1E+2", "1e-2", "1e2", "-1.5e+07", "\"\"",
        "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\ud83d\\ude00\"", "\"\\ud800\"",
        "\"\u{7f}é😀\"", "[]", "[ ]", "{}", "{ }", "[1,2]", "[ 1 , 2 ]", "{\"a\":1}",
        " {\t\"a\" :\n[ { } ]\r} ", "{\"\":0}", "{\"a\":1,\"a\":2}",
        "123456789012345678901234567890123456789012345678901234567890.5",
    ];
    for text in sound {
        let json = parse(text).unwrap();
        assert_eq!(json.bytes(), text.trim().as_bytes(), "{text}");
    }
    #[rustfmt::skip]
    let broken = [
        "", " ", "nul", "nulll", "True", "NaN", "Infinity", "-", "+1", "01", "-01", "1.", ".5",
        "1.e2", "1e", "1e+", "0x10", "1_000", "\"", "\"a", "'a'", "\"\\x\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\n\"", "\"\u{1f}\"", "\"\\\"", "[", "]", "[1", "[1,", "[1,]", "[,1]",
        "[1 2]", "[1,,2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":}", "{\"a\":1", "{\"a\":1,}",
        "{,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}", "1 2", "[1]]",
        "/**/1", "1//", "\u{feff}1", "\u{a0}1", "\u{b}1", "[1}", "{\"a\":1]",
    ];
    for text in broken {
        assert!(matches!(parse(text), Err(Unsound::Broken(_))), "{text}");
    }
}

#[test]
fn the_byte_that_breaks_a_body_is_told_with_what_stands_before_it() {
    for (text, at) in [
        ("nul", 0),
        (" \n\tnul", 3),
        ("  [1,}", 5),
        (" {\"a\":1} x", 9),
        ("  ", 2),
    ] {
        assert_eq!(parse(text), Err(Unsound::Broken(at)), "{text:?}");
        let rows = Json::parse_rows(&Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(rows, Err(Unsound::Broken(at)), "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_no_json() {
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc3\"",
        b"\"\xed\xa0\x80\"",
        b"\xff",
        b"\"\xc0\xaf\"",
    ] {
        assert_eq!(
            Json::parse(&Bytes::copy_from_slice(bytes)),
            Err(Unsound::NotText)
        );
    }
}

#[test]
fn nesting_ends_at_the_cap_and_not_one_past_it() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}0{}", open.repeat(depth), close.repeat(depth));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert_eq!(parse(&nested(DEPTH_MAX + 1)), Err(Unsound::TooDeep));
        assert_eq!(parse(&open.repeat(1_000_000)), Err(Unsound::TooDeep));
    }
}

#[test]
fn the_last_of_several_members_counts_and_the_others_are_counted() {
    let json = parse(r#"{"a":1,"b":2,"a":3,"\u0061":4,"A":5}"#).unwrap();
    let names = ["a", "b", "c"].map(Name::new);
    let mut duplicates = 0;
    let text = |value: Option<Value<'_>>| value.map(|it| it.bytes().to_vec());
    assert_eq!(
        text(json.value().member(&names[0], &mut duplicates)),
        Some(b"4".to_vec())
    );
    assert_eq!(duplicates, 2);

    let slots = select(json.value(), &names, &mut duplicates);
    let slots: Vec<_> = slots.into_iter().map(text).collect();
    assert_eq!(slots, [Some(b"4".to_vec()), Some(b"2".to_vec()), None]);
    assert_eq!(duplicates, 4);
}

#[test]
fn a_path_leads_through_objects_alone() {
    let json = parse(r#"{"a":{"b":{"c":7}},"l":[{"c":8}],"s":"c","n":null}"#).unwrap();
    #[rustfmt::skip]
    let cases = [
        ("a.b.c", Some("7")),
        ("a.b",   Some(r#"{"c":7}"#)),
        ("n",     Some("null")),
        ("a.c",   None),
        ("l.c",   None),
        ("s.c",   None),
        ("n.c",   None),
    ];
    for (path, expected) in cases {
        let path: Vec<Name> = path.split('.').map(Name::new).collect();
        let found = json.value().follow(&path, &mut 0);
        assert_eq!(
            found.map(Value::bytes),
            expected.map(str::as_bytes),
            "{path:?}"
        );
    }
}

#[test]
fn a_scalar_says_what_it_says_without_escapes() {
    #[rustfmt::skip]
    let cases = [
        ("\"a\"",                  Some("a")),
        ("\"\\u0061\\n\\/\\\"\"",  Some("a\n/\"")),
        ("\"\\ud83d\\ude00\"",     Some("😀")),
        ("\"\\ud83d\"",            None),
        ("\"\\ud83dx\"",           None),
        ("\"\\ude00\"",            None),
        ("\"\\ud83d\\u0041\"",     None),
        ("12345678901234567890123", Some("12345678901234567890123")),
        ("1E+2",                   Some("1E+2")),
        ("true",                   Some("true")),
        ("null",                   None),
        ("{}",                     None),
        ("[]",                     None),
    ];
    for (text, expected) in cases {
        let json = parse(text).unwrap();
        assert_eq!(json.value().text().as_deref(), expected, "{text}");
    }
}

#[test]
fn a_shared_part_is_of_the_same_bytes_and_a_strange_one_is_copied() {
    let (json, other) = (parse("[1,{\"a\":2}]").unwrap(), parse("[3]").unwrap());
    let item = json.value().items().unwrap().nth(1).unwrap();
    assert_eq!(json.share(item).bytes(), &b"{\"a\":2}"[..]);
    assert_eq!(json.share(item).bytes().as_ptr(), item.bytes().as_ptr());
    assert_eq!(other.share(item).bytes(), &b"{\"a\":2}"[..]);
}

/// A number in one of the spellings that a reader of numbers would not give back.
fn spelling(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut text = String::new();
    if draw(3) == 0 {
        text.push('-');
    }
    match draw(4) {
        0 => text.push('0'),
        1 => write!(text, "{}", u64::MAX - draw(1_000)).unwrap(),
        _ => {
            write!(text, "{}", 1 + draw(9)).unwrap();
            (0..draw(40)).for_each(|_| write!(text, "{}", draw(10)).unwrap());
        }
    }
    if draw(2) == 0 {
        text.push('.');
        (0..=draw(40)).for_each(|_| write!(text, "{}", draw(10)).unwrap());
    }
    if draw(3) == 0 {
        text.push(if draw(2) == 0 { 'e' } else { 'E' });
        text.push_str(["", "+", "-"][usize::try_from(draw(3)).unwrap()]);
        (0..=draw(3)).for_each(|_| write!(text, "{}", draw(10)).unwrap());
    }
    text
}

#[test]
fn a_hundred_thousand_numbers_come_out_as_they_came_in() {
    let known = [
        "10.00",
        "1E+2",
        "18446744073709551615",
        "9007199254740993",
        "-0",
        "0e0",
        "1e-999",
    ];
    let made = (0..100_000).map(spelling);
    let numbers: Vec<String> = known
        .iter()
        .map(|it| (*it).to_owned())
        .chain(made)
        .collect();
    let list = parse(&format!("[{}]", numbers.join(" , "))).unwrap();
    let items = list.value().items().unwrap();
    assert!(
        items
            .map(Value::bytes)
            .eq(numbers.iter().map(String::as_bytes))
    );

    let mut members = String::from("{");
    for (place, number) in numbers.iter().take(1_000).enumerate() {
        write!(
            members,
            "{}\"n{place}\":{number}",
            if place > 0 { "," } else { "" }
        )
        .unwrap();
    }
    members.push('}');
    let object = parse(&members).unwrap();
    for (place, number) in numbers.iter().take(1_000).enumerate() {
        let found = object
            .value()
            .member(&Name::new(format!("n{place}")), &mut 0);
        assert_eq!(found.unwrap().bytes(), number.as_bytes());
    }
}

/// Trees of JSON, written with any white space.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<u64>()
            .prop_map(spelling)
            .prop_filter("too large for another reader", |number| {
                serde_json::from_str::<serde_json::Value>(number).is_ok()
            }),
        ".{0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let white = "[ \n\t\r]{0,2}";
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let item = (white, inner.clone(), white).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
        let name = ".{0,4}".prop_map(|text| serde_json::to_string(&text).unwrap());
        let member = (name, white, item.clone()).prop_map(|(a, b, c)| format!("{a}{b}:{c}"));
        prop_oneof![
            prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..4)
                .prop_map(|items| format!("{{{}}}", items.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_sound_is_what_another_reader_takes(text in any_json()) {
        let json = parse(&text).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ours: serde_json::Value = serde_json::from_slice(json.bytes()).unwrap();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn what_is_broken_is_what_another_reader_refuses(
        text in any_json(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"{}[],:\"\\0-.eEtfn \n\x01\xff".to_vec()),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let ours = Json::parse(&Bytes::from(bytes.clone()));
        // It does not build numbers, so that none is too large for it.
        let theirs: Result<&serde_json::value::RawValue, _> = serde_json::from_slice(&bytes);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
    }

    #[test]
    fn members_and_items_are_those_another_reader_finds(text in any_json()) {
        let json = parse(&text).unwrap();
        check_same(json.value(), &serde_json::from_str(&text).unwrap());
    }
}

/// The members of an object as a list of it alone shows them.
fn select<'a>(value: Value<'a>, names: &[Name], duplicates: &mut u64) -> Vec<Option<Value<'a>>> {
    let list = format!("[{}]", std::str::from_utf8(value.bytes()).unwrap());
    let list = parse(&list).unwrap();
    let mut slots = Vec::new();
    let mut items = list.select(list.value(), names).unwrap();
    let kind = items.next(&mut slots, duplicates);
    assert_eq!(kind, Some(Kind::Object));
    assert_eq!(items.next(&mut Vec::new(), duplicates), None);
    let found = slots.into_iter().map(|slot| slot.map(Place::range));
    let found = found.map(|slot| slot.map(|it| &value.bytes()[it.start - 1..it.end - 1]));
    found.map(|slot| slot.map(Value)).collect()
}

fn check_same(ours: Value<'_>, theirs: &serde_json::Value) {
    match theirs {
        serde_json::Value::Array(items) => {
            let ours: Vec<_> = ours.items().unwrap().collect();
            assert_eq!(ours.len(), items.len());
            ours.into_iter()
                .zip(items)
                .for_each(|(ours, theirs)| check_same(ours, theirs));
        }
        serde_json::Value::Object(members) => {
            let names: Vec<Name> = members.keys().map(|it| Name::new(it.as_str())).collect();
            let slots = select(ours, &names, &mut 0);
            for (slot, (name, theirs)) in slots.iter().zip(members) {
                check_same(slot.unwrap(), theirs);
                let one = ours.member(&Name::new(name.as_str()), &mut 0).unwrap();
                assert_eq!(Some(one), *slot);
            }
        }
        serde_json::Value::String(text) => assert_eq!(ours.text().as_deref(), Some(text.as_str())),
        serde_json::Value::Null => assert!(ours.is_null()),
        serde_json::Value::Bool(is_true) => assert_eq!(ours.is_true(), *is_true),
        serde_json::Value::Number(_) => assert_eq!(ours.kind(), Kind::Number),
    }
}

#[test]
fn a_body_is_as_long_as_places_can_be_told_and_no_longer() {
    assert_eq!(check_length(u32::MAX as usize), Ok(()));
    assert_eq!(check_length(u32::MAX as usize + 1), Err(Unsound::TooLong));
}

#[test]
fn a_string_ends_where_it_ends_wherever_words_begin() {
    for before in 0..20 {
        for (special, is_sound) in [
            ("\\n", true),
            ("\\\"", true),
            ("\u{1f}", false),
            ("é\u{7f}!#[]", true),
            ("#\u{a2}!", true),
        ] {
            for after in 0..20 {
                let text = format!(
                    "[\"{}{special}{}\",1]",
                    "x".repeat(before),
                    "y".repeat(after)
                );
                let parsed = parse(&text);
                assert_eq!(parsed.is_ok(), is_sound, "{text}");
                let Ok(json) = parsed else { continue };
                let items: Vec<_> = json.value().items().unwrap().collect();
                assert_eq!(items.len(), 2, "{text}");
                assert_eq!(items[0].bytes(), &text.as_bytes()[1..text.len() - 3]);
            }
        }
    }
    let all_but_the_end = |len: usize| format!("\"{}", "x".repeat(len));
    for len in 0..20 {
        let text = all_but_the_end(len);
        assert_eq!(parse(&text), Err(Unsound::Broken(text.len())));
    }
}
