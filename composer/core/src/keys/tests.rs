use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::call::{Insert, Pair, Piece};
use crate::json::Json;
use crate::plan::ServiceId;

fn value(text: &str) -> Json {
    Json::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// `/members?ids={keys}`, with versions where asked for.
fn call(is_versioned: bool) -> Call {
    let pair = |name: &str, insert| Pair {
        pieces: vec![Piece::Literal(name.into()), Piece::Insert(insert)],
    };
    let mut query = vec![pair("ids=", Insert::Keys)];
    if is_versioned {
        query.push(pair("versions=", Insert::Versions));
    }
    Call {
        service: ServiceId(0),
        path: vec![Piece::Literal("/members".into())],
        query,
    }
}

#[test]
fn a_key_has_one_spelling() {
    let big = "123456789012345678901234567890";
    #[rustfmt::skip]
    let cases = [
        ("7",              Ok(Some("7"))),
        ("\"7\"",          Ok(Some("7"))),
        ("\"\\u0037\"",    Ok(Some("7"))),
        ("\"007\"",        Ok(Some("007"))),
        ("-1",             Ok(Some("-1"))),
        ("7.0",            Ok(Some("7.0"))),
        (big,              Ok(Some(big))),
        ("\"é b\"",        Ok(Some("é b"))),
        ("null",           Ok(None)),
        ("\"\"",           Err(NoKey)),
        ("\"a,b\"",        Err(NoKey)),
        ("\"\\u0000\"",    Err(NoKey)),
        ("\"\\ud800\"",    Err(NoKey)),
        ("true",           Err(NoKey)),
        ("{}",             Err(NoKey)),
        ("[7]",            Err(NoKey)),
    ];
    for (text, expected) in cases {
        let json = value(text);
        let key = Key::of(json.value());
        assert_eq!(
            key.as_ref().map(|key| key.as_ref().map(Key::as_str)),
            expected.as_ref().copied(),
            "{text}"
        );
        // Where it is seen at once it is the same.
        let mut keys = Keys::default();
        if keys.add_plain(json.value()).is_some() {
            assert_eq!(Ok(keys.after(0).first().cloned()), key, "{text}");
        }
    }
}

#[test]
fn a_key_that_is_seen_at_once_is_the_one_that_takes_reading() {
    let mut keys = Keys::default();
    let mut places = Vec::new();
    for text in [
        "\"a\"",
        "7",
        "\"7\"",
        "\"a\\\\\"",
        "\"\\u0061\"",
        "\"b\"",
        "\"\\u0037\"",
    ] {
        let json = value(text);
        let place = keys.add_plain(json.value());
        let read = text_of(json.value()).unwrap().unwrap();
        assert_eq!(place.is_some(), !text.contains('\\'), "{text}");
        places.push(keys.add(&read).unwrap());
        assert!(
            place.is_none_or(|place| Some(&place) == places.last()),
            "{text}"
        );
    }
    assert_eq!(places, [0, 1, 1, 2, 0, 3, 1]);
    for length in 1..60 {
        let text = format!("\"{}\"", "x".repeat(length));
        let found = keys.add_plain(value(&text).value());
        assert_eq!(found.is_some(), length <= 22, "{length}");
    }
}

#[test]
fn a_key_ends_at_the_cap_and_not_one_past_it() {
    assert!(Key::parse(&"k".repeat(KEY_BYTES_MAX)).is_ok());
    assert_eq!(Key::parse(&"k".repeat(KEY_BYTES_MAX + 1)), Err(NoKey));
}

#[test]
fn what_is_asked_for_twice_is_asked_once() {
    let mut keys = Keys::default();
    let places: Vec<_> = ["7", "9", "7", "007", "9"]
        .iter()
        .map(|it| keys.add(it).unwrap())
        .collect();
    assert_eq!(places, [0, 1, 0, 2, 1]);
    let texts: Vec<_> = keys.after(1).iter().map(Key::as_str).collect();
    assert_eq!(texts, ["9", "007"]);
}

fn wanted(keys: &[&str]) -> Vec<Wanted> {
    keys.iter()
        .map(|key| Key::parse(key).unwrap().into())
        .collect()
}

fn sizes(chunks: &Chunks) -> Vec<usize> {
    chunks.chunks.iter().map(Vec::len).collect()
}

#[test]
fn a_chunk_is_full_at_its_count_and_not_one_past_it() {
    let keys: Vec<String> = (0..201).map(|key: u32| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let max = ChunkMax {
        keys: 100,
        url_bytes: 4_096,
    };
    for (count, expected) in [
        (0, vec![]),
        (1, vec![1]),
        (100, vec![100]),
        (101, vec![100, 1]),
        (200, vec![100, 100]),
        (201, vec![100, 100, 1]),
    ] {
        let split = chunks(&call(false), wanted(&keys[..count]), max);
        assert_eq!(
            (sizes(&split), split.too_long.len()),
            (expected, 0),
            "{count}"
        );
    }
}

#[test]
fn a_chunk_is_full_at_its_bytes_and_not_one_past_it() {
    let call = call(false);
    // `/members?ids=` and five keys of one byte with commas between them.
    let exactly = "/members?ids=1,2,3,4,5".len();
    let keys = ["1", "2", "3", "4", "5"];
    for (url_bytes, expected) in [
        (exactly, vec![5]),
        (exactly - 1, vec![4, 1]),
        (exactly - 2, vec![4, 1]),
    ] {
        let split = chunks(
            &call,
            wanted(&keys),
            ChunkMax {
                keys: 100,
                url_bytes,
            },
        );
        assert_eq!(sizes(&split), expected, "{url_bytes}");
    }
    // Encoded, a byte takes three.
    let split = chunks(
        &call,
        wanted(&["é"]),
        ChunkMax {
            keys: 100,
            url_bytes: 13 + 6,
        },
    );
    assert_eq!((sizes(&split), split.too_long.len()), (vec![1], 0));
    let split = chunks(
        &call,
        wanted(&["1", "é", "2"]),
        ChunkMax {
            keys: 100,
            url_bytes: 13 + 5,
        },
    );
    assert_eq!(sizes(&split), [2]);
    assert_eq!(split.too_long, [Key::parse("é").unwrap()]);
}

proptest! {
    #[test]
    fn chunks_hold_every_key_once_and_their_targets_fit(
        keys in prop::collection::vec(("[a-zé %]{1,12}", prop::option::of("[0-9a-f\"]{1,6}")), 0..60),
        count in 1..20_usize,
        url_bytes in 13..120_usize,
        is_versioned: bool,
    ) {
        let call = call(is_versioned);
        let wanted: Vec<Wanted> = keys.iter().map(|(key, version)| Wanted {
            key: Key::parse(key).unwrap(),
            version: version.as_deref().map(Into::into),
        }).collect();
        let max = ChunkMax { keys: count, url_bytes };
        let split = chunks(&call, wanted.clone(), max);
        let mut in_order = split.chunks.iter().flatten().peekable();
        for want in &wanted {
            if in_order.peek() == Some(&want) {
                in_order.next();
            } else {
                prop_assert!(split.too_long.contains(&want.key));
                prop_assert!(call.batch_target(std::slice::from_ref(want)).len() > url_bytes);
            }
        }
        prop_assert_eq!(in_order.next(), None);
        for pair in split.chunks.windows(2) {
            let next = &pair[1][..1];
            let longer = [&pair[0][..], next].concat();
            let was_full = longer.len() > count || call.batch_target(&longer).len() > url_bytes;
            prop_assert!(was_full, "a chunk was closed too early");
        }
        for chunk in &split.chunks {
            prop_assert!(!chunk.is_empty() && chunk.len() <= count);
            prop_assert!(call.batch_target(chunk).len() <= url_bytes);
        }
    }
}
