use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::json::{BODY_BYTES, Json};

const WANTED: [&str; 3] = ["a", "ab", "b"];

/// Of which rows are made.
#[derive(Clone, Copy)]
struct Parts {
    names: &'static [&'static str],
    values: &'static [&'static str],
    whites: &'static [&'static str],
}

/// Nothing that may stand in a body is missing.
const ANY: Parts = Parts {
    names: &["a", "ab", "b", "c", "\\u0061", "a\\n", "ab "],
    values: &[
        "1",
        "10.00",
        "null",
        "true",
        "\"\"",
        "\"a\\\"b\"",
        "{}",
        "{\"a\":[1,{\"b\":2}]}",
        "[ ]",
        "\"\\\\\"",
        "\",\\\"ab\\\":1\"",
        "[\"}\"]",
    ],
    whites: &["", "", "", " ", "\n\t"],
};

/// Without escapes and control characters, and mostly strings.
const PLAIN: Parts = Parts {
    names: &["a", "ab", "b", "the name of a member that is long"],
    values: &[
        "\"\"",
        "\"x\"",
        "\"seven !\"",
        "\"eight  !\"",
        "\"2024-12-30T23:58:56Z\"",
        "\",'a':\"",
        "\"}]\"",
        "7",
        "[\"x\"]",
    ],
    whites: &["", "", "", " "],
};

/// Rows as services send them: mostly alike, until one is not.
fn rows() -> impl Strategy<Value = String> {
    prop_oneof![rows_of(ANY), rows_of(PLAIN)]
}

fn rows_of(parts: Parts) -> impl Strategy<Value = String> {
    let name = prop::sample::select(parts.names);
    let value = prop::sample::select(parts.values);
    let white = prop::sample::select(parts.whites);
    let member = (
        white.clone(),
        name,
        white.clone(),
        white.clone(),
        value,
        white.clone(),
    )
        .prop_map(|(a, name, b, c, value, d)| format!("{a}\"{name}\"{b}:{c}{value}{d}"));
    let row = (prop::collection::vec(member, 0..5), white.clone()).prop_map(|(members, white)| {
        match members.is_empty() {
            true => format!("{{{white}}}"),
            false => format!("{{{}}}", members.join(",")),
        }
    });
    let odd = prop::sample::select(vec!["7", "null", "[{\"a\":1}]", "\"{\""]);
    let run = (
        prop_oneof![9 => row, 1 => odd.prop_map(str::to_owned)],
        1..4_usize,
    );
    let run = run.prop_map(|(row, times)| vec![row; times]);
    (prop::collection::vec(run, 0..6), white).prop_map(|(runs, white)| {
        let rows = runs.concat();
        format!("[{white}{}]", rows.join(&format!("{white},{white}")))
    })
}

/// What stands in a place; nothing where there is none.
fn part(json: &Json, place: Option<Place>) -> &[u8] {
    let part = place.and_then(|place| json.part(place.range()));
    part.map_or(&[], Value::bytes)
}

proptest! {
    #[test]
    fn a_row_is_read_as_it_would_be_alone(text in rows(), is_inner in any::<bool>()) {
        let text = if is_inner { format!(" {{\"a\":1,\"items\" : {text} }} ") } else { text };
        let body = Bytes::from(text.clone());
        let path = if is_inner { vec![Name::new("items")] } else { Vec::new() };
        let names = WANTED.map(Name::new);
        for json in [Json::parse(&body).unwrap(), Json::parse_rows(&body).unwrap()] {
            let array = json.follow(&path, &mut 0).unwrap();
            let (mut ours, mut theirs) = (0, 0);
            let mut selection = json.select(array, &names).unwrap();
            let mut slots = Vec::new();
            let mut alone = Vec::new();
            for item in array.items().unwrap() {
                prop_assert_eq!(selection.next(&mut slots, &mut ours), Some(item.kind()), "{}", text);
                alone.extend(names.each_ref().map(|name| item.member(name, &mut theirs)));
            }
            prop_assert_eq!(selection.next(&mut slots, &mut ours), None);
            let slots = slots.iter().map(|slot| slot.and_then(|place| json.part(place.range())));
            prop_assert_eq!(slots.collect::<Vec<_>>(), alone, "{}", text);
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }

    #[test]
    fn rows_are_judged_as_anything_else_is(
        text in rows(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"{}[],:\"\\0-.eEtfn \n\x01\xff".to_vec()),
    ) {
        for text in [text.clone(), format!("{{\"items\":{text}}}")] {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let bytes = Bytes::from(bytes);
            let (plain, rows) = (Json::parse(&bytes), Json::parse_rows(&bytes));
            prop_assert_eq!(plain, rows, "{:?}", bytes);
        }
    }

    #[test]
    fn a_member_is_where_it_was_noted(text in rows()) {
        let json = Json::parse(&Bytes::from(text)).unwrap();
        let paths = [vec!["a"], vec!["ab"], vec!["b"], vec!["a", "a"], vec!["b", "a"], vec![]];
        for item in json.value().items().unwrap() {
            let padded = [b" ", item.bytes(), b"\n"].concat();
            let whole = Json::parse(&Bytes::from(padded)).unwrap();
            let record = item.to_record();
            prop_assert_eq!(&record, &whole);
            for path in &paths {
                let path: Vec<_> = path.iter().map(|name| Name::new(*name)).collect();
                let (mut here, mut noted, mut kept) = (0, 0, 0);
                let expected = item.follow(&path, &mut here);
                prop_assert_eq!(whole.follow(&path, &mut noted), expected);
                prop_assert_eq!(record.follow(&path, &mut kept), expected);
                prop_assert_eq!((noted, kept), (here, here));
            }
        }
    }
}

#[test]
fn members_are_noted_up_to_a_limit_and_found_past_it() {
    for count in [63, 64, 65] {
        let members = (0..count).map(|place| format!("\"m{place}\":{place}"));
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        let length = text.len();
        let json = Json::parse(&Bytes::from(text)).unwrap();
        assert_eq!(json.memory() > BODY_BYTES + length, count <= 64, "{count}");
        for place in [0, count - 1] {
            let found = json.follow(&[Name::new(format!("m{place}"))], &mut 0);
            assert_eq!(found.unwrap().bytes(), place.to_string().as_bytes());
        }
        assert!(json.follow(&[Name::new("m")], &mut 0).is_none());
    }
}

#[test]
fn rows_past_what_is_compared_are_read_all_the_same() {
    let row = |end: &str| {
        let members = (0..100).map(|place| format!("\"m{place}\":{place}"));
        format!("{{{}{end}}}", members.collect::<Vec<_>>().join(","))
    };
    let text = format!("[{},{}]", row(""), row(",\"last\":true"));
    let json = Json::parse_rows(&Bytes::from(text)).unwrap();
    let names = [Name::new("m99"), Name::new("last")];
    let mut selection = json.select(json.value(), &names).unwrap();
    for expected in [["99", ""], ["99", "true"]] {
        let mut slots = Vec::new();
        assert_eq!(selection.next(&mut slots, &mut 0), Some(Kind::Object));
        let found = slots.iter().map(|slot| part(&json, *slot));
        assert_eq!(found.collect::<Vec<_>>(), expected.map(str::as_bytes));
    }
}

#[test]
fn rows_are_noted_up_to_a_limit_and_read_past_it() {
    // As many rows as there may be, or members of them all together.
    #[rustfmt::skip]
    let cases = [
        ("{\"a\":7}",                 65_536, true),
        ("{\"a\":7}",                 65_537, false),
        ("{\"b\":1,\"a\":7}",         32_768, true),
        ("{\"b\":1,\"a\":7}",         32_769, false),
        ("{\"b\":\"\",\"a\":7}",      32_769, false),
        ("{\"b\":1,\"c\":1,\"a\":7}", 21_846, false),
    ];
    for (row, count, is_noted) in cases {
        let text = format!("[{}]", vec![row; count].join(","));
        let length = text.len();
        let json = Json::parse_rows(&Bytes::from(text)).unwrap();
        let takes_more = json.memory() > BODY_BYTES + length;
        assert_eq!(takes_more, is_noted, "{row} {count}");
        let names = [Name::new("a")];
        let mut selection = json.select(json.value(), &names).unwrap();
        let mut slots = Vec::new();
        while selection.next(&mut slots, &mut 0).is_some() {}
        assert_eq!(slots.len(), count);
        for slot in slots {
            assert_eq!(part(&json, slot), b"7");
        }
    }
}

#[test]
fn rows_are_as_deep_as_anything_else() {
    for (open, close) in [("[{\"a\":", "}]"), ("{\"b\":[{\"a\":", "}]}")] {
        let levels = open.matches(['[', '{']).count();
        for depth in [crate::json::DEPTH_MAX, crate::json::DEPTH_MAX + 1] {
            let inner = depth - levels;
            let nested = format!("{open}{}{}{close}", "[".repeat(inner), "]".repeat(inner));
            let bytes = Bytes::from(nested);
            assert_eq!(Json::parse(&bytes), Json::parse_rows(&bytes));
            assert_eq!(
                Json::parse_rows(&bytes).is_ok(),
                depth == crate::json::DEPTH_MAX
            );
        }
    }
}

/// A first row of a few bytes promises many, and nothing but one long text comes.
#[test]
fn room_is_made_for_what_is_expected_up_to_a_bound() {
    for first in ["{\"a\":1}", "{\"a\":1,\"b\":2,\"c\":3}", "{}", "1"] {
        let text = format!("[{first},\"{}\"]", "x".repeat(8 << 20));
        let length = text.len();
        let json = Json::parse_rows(&Bytes::from(text)).unwrap();
        let noted = json.memory() - BODY_BYTES - length;
        assert!(noted < 512 << 10, "{first}: {noted}");
    }
}
