use super::*;
use crate::keys::Key;

/// A call whose slots are the values of these names.
fn call(text: &str, known: &[&str]) -> Call {
    let template = parse(text).unwrap();
    let place = |name: &str| known.iter().position(|known| *known == name).unwrap();
    let piece = |part: &Part| match part {
        Part::Literal(text) => Piece::Literal(text.as_str().into()),
        Part::Slot(slot) => Piece::Insert(match slot.bare_name().unwrap() {
            "keys" => Insert::Keys,
            "versions" => Insert::Versions,
            "lastModified" => Insert::LastModified,
            name => Insert::Value {
                value: Value::Param(place(name)),
                is_optional: slot.is_optional,
            },
        }),
    };
    Call {
        service: ServiceId(0),
        path: template.path.iter().map(piece).collect(),
        query: template
            .query
            .iter()
            .map(|parts| Pair {
                pieces: parts.iter().map(piece).collect(),
            })
            .collect(),
    }
}

#[test]
fn a_value_stays_one_value_of_the_target() {
    let template = "GET s /a/{x}/b?fixed=1&x=pre-{x}&y={y?}";
    #[rustfmt::skip]
    let cases = [
        (Some("7"),      Some("z"),   Ok("/a/7/b?fixed=1&x=pre-7&y=z")),
        (Some("7"),      None,        Ok("/a/7/b?fixed=1&x=pre-7")),
        (Some("7"),      Some(""),    Ok("/a/7/b?fixed=1&x=pre-7&y=")),
        (Some("a/b"),    None,        Ok("/a/a%2Fb/b?fixed=1&x=pre-a%2Fb")),
        (Some("a?b#c"),  None,        Ok("/a/a%3Fb%23c/b?fixed=1&x=pre-a%3Fb%23c")),
        (Some("a&b=c"),  None,        Ok("/a/a%26b%3Dc/b?fixed=1&x=pre-a%26b%3Dc")),
        (Some("%2e"),    None,        Ok("/a/%252e/b?fixed=1&x=pre-%252e")),
        (Some("é \r\n"), None,        Ok("/a/%C3%A9%20%0D%0A/b?fixed=1&x=pre-%C3%A9%20%0D%0A")),
        (Some("a.b~-_"), None,        Ok("/a/a.b~-_/b?fixed=1&x=pre-a.b~-_")),
        (Some(""),       None,        Err(Unfit::Unusable)),
        (Some("."),      None,        Err(Unfit::Unusable)),
        (Some(".."),     None,        Err(Unfit::Unusable)),
        (None,           Some("z"),   Err(Unfit::Missing)),
    ];
    let call = call(template, &["x", "y"]);
    for (x, y, expected) in cases {
        let find = |value: &Value| {
            let is_x = *value == Value::Param(0);
            Ok(if is_x { x } else { y }.map(Cow::Borrowed))
        };
        assert_eq!(
            call.target(find),
            expected.map(str::to_owned),
            "{x:?} {y:?}"
        );
    }
}

#[test]
fn a_value_cannot_turn_a_thing_into_all_things() {
    let target = |text: &str, value: &'static str| {
        call(text, &["x"]).target(|_| Ok(Some(Cow::Borrowed(value))))
    };
    assert_eq!(target("GET s /members/{x}", ""), Err(Unfit::Unusable));
    assert_eq!(target("GET s /members/{x}", ".."), Err(Unfit::Unusable));
    assert_eq!(target("GET s /members/{x}/", ""), Err(Unfit::Unusable));
    assert_eq!(target("GET s /members/{x}/", "7").unwrap(), "/members/7/");
    assert_eq!(target("GET s /members/m{x}", "").unwrap(), "/members/m");
    assert_eq!(target("GET s /members/?x={x}", "").unwrap(), "/members/?x=");
    assert_eq!(target("GET s /?x={x}", "").unwrap(), "/?x=");
}

#[test]
fn a_value_ends_at_the_cap_and_not_one_past_it() {
    let call = call("GET s /a?x={x}", &["x"]);
    let target = |length: usize| call.target(|_| Ok(Some(Cow::Owned("v".repeat(length)))));
    assert!(target(VALUE_BYTES_MAX).is_ok());
    assert_eq!(target(VALUE_BYTES_MAX + 1), Err(Unfit::TooLong));
}

#[test]
fn a_query_without_its_first_parameter_is_still_one() {
    let call = call("GET s /a?x={x?}&y={y?}", &["x", "y"]);
    let target = |present: usize| {
        call.target(|value| Ok((*value == Value::Param(present)).then_some(Cow::Borrowed("1"))))
    };
    assert_eq!(target(0).unwrap(), "/a?x=1");
    assert_eq!(target(1).unwrap(), "/a?y=1");
    assert_eq!(target(2).unwrap(), "/a");
}

#[test]
fn keys_and_versions_stand_side_by_side() {
    let call = call("GET s /members?ids={keys}&versions={versions}", &[]);
    let want = |key: &str, version: Option<&str>| Wanted {
        key: Key::parse(key).unwrap(),
        version: version.map(Into::into),
    };
    let wanted = [
        want("7", Some("3")),
        want("a/b", None),
        want("9", Some("\"x\"")),
    ];
    assert_eq!(
        call.batch_target(&wanted),
        "/members?ids=7,a%2Fb,9&versions=3,,%22x%22"
    );
    assert_eq!(call.batch_target(&wanted[..1]), "/members?ids=7&versions=3");
}

#[test]
fn a_table_is_asked_for_everything_or_for_changes() {
    let call = call("GET s /banks?changedSince={lastModified}&all=1", &[]);
    let date = "Sat, 28 Nov 2026 14:00:00 GMT";
    assert_eq!(call.table_target(None), "/banks?all=1");
    assert_eq!(
        call.table_target(Some(date)),
        "/banks?changedSince=Sat%2C%2028%20Nov%202026%2014%3A00%3A00%20GMT&all=1"
    );
}

#[test]
fn a_call_that_is_misspelt_is_pointed_at() {
    #[rustfmt::skip]
    let cases = [
        ("",                        0, "expected `GET`"),
        ("POST s /a",               0, "expected `GET`"),
        ("get s /a",                0, "expected `GET`"),
        ("GET",                     3, "expected the name of a service"),
        ("GET /a",                  4, "expected the name of a service"),
        ("GET s",                   5, "expected a path"),
        ("GET s a",                 6, "expected a path"),
        ("GET s http://x/a",        6, "expected a path"),
        ("GET s /a b",              9, "expected nothing more"),
        ("GET s /a//b",             6, "this path has more than one spelling"),
        ("GET s /a/../b",           6, "this path has more than one spelling"),
        ("GET s /./a",              6, "this path has more than one spelling"),
        ("GET s /a#b",              8, "this cannot stand in a target"),
        ("GET s /a\\b",             8, "this cannot stand in a target"),
        ("GET s /ä",                7, "this cannot stand in a target"),
        ("GET s /a}",               8, "this cannot stand in a target"),
        ("GET s /{a",               7, "this is never closed"),
        ("GET s /{}",               8, "expected a name"),
        ("GET s /{a..b}",          10, "expected a name"),
        ("GET s /{a?}",             9, "a path has no optional parts"),
        ("GET s /a?x=1&&y=2",       6, "a parameter is empty"),
        ("GET s /a?",               6, "a parameter is empty"),
        ("GET s /a?x={m(a.b}",     17, "expected `)`"),
    ];
    for (text, at, message) in cases {
        let misspelt = parse(text).unwrap_err();
        assert_eq!(
            (misspelt.span.start, &*misspelt.message),
            (at, message),
            "{text}"
        );
    }
}

#[test]
fn a_target_may_end_in_a_slash_or_be_one() {
    for text in [
        "GET s /",
        "GET s /a/",
        "GET  s   /a?b=c?d",
        "GET s /a?b={x.y?}&c",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}
