use super::*;
use crate::sample::{self, json};

fn wanted(keys: &[(&str, Option<&str>)]) -> Vec<Wanted> {
    let want = |(key, version): &(&str, Option<&str>)| Wanted {
        key: Key::parse(key).unwrap(),
        version: version.map(Into::into),
    };
    keys.iter().map(want).collect()
}

fn lookup() -> Lookup {
    let mut declaration = sample::history();
    declaration.lookups[0].version = Some("version".into());
    crate::compile(&declaration).unwrap().lookups.remove(0)
}

fn brought(body: &str, keys: &[(&str, Option<&str>)]) -> (Vec<String>, Odd) {
    let brought = of_batch(&json(body), &lookup(), &wanted(keys)).unwrap();
    let shown = brought.records.iter().map(|(key, fetched)| {
        let fetched = match fetched {
            Fetched::Record(record) => {
                let text = std::str::from_utf8(record.json.bytes()).unwrap();
                format!("{text} v{}", record.version.as_deref().unwrap_or_default())
            }
            Fetched::Unchanged => "unchanged".to_owned(),
            Fetched::Absent => "absent".to_owned(),
        };
        format!("{}: {fetched}", key.as_str())
    });
    (shown.collect(), brought.odd)
}

#[test]
fn a_record_belongs_to_its_key_wherever_it_stands() {
    let body = r#"[{"memberId":"9","version":2},{"x":1,"memberId":7},{"memberId":"007"}]"#;
    let keys = [("7", None), ("007", None), ("8", None), ("9", None)];
    let (shown, odd) = brought(body, &keys);
    assert_eq!(
        shown,
        [
            r#"7: {"x":1,"memberId":7} v"#,
            r#"007: {"memberId":"007"} v"#,
            "8: absent",
            r#"9: {"memberId":"9","version":2} v2"#,
        ]
    );
    assert_eq!(odd, Odd::default());
}

#[test]
fn what_nobody_asked_for_is_dropped_and_counted() {
    let body = r#"[{"memberId":1},{"memberId":7,"a":1},{"memberId":7,"a":2},{"a":3},5,null,
                   {"memberId":null},{"memberId":true},{"memberId":2,"memberId":8}]"#;
    let (shown, odd) = brought(body, &[("7", None), ("8", None)]);
    assert_eq!(
        shown,
        [
            r#"7: {"memberId":7,"a":2} v"#,
            r#"8: {"memberId":2,"memberId":8} v"#
        ]
    );
    assert_eq!(
        odd,
        Odd {
            unasked: 1,
            keyless: 5,
            repeated: 1,
            duplicates: 1,
        }
    );
}

#[test]
fn unchanged_is_believed_only_of_what_is_held() {
    let body = r#"[{"memberId":7,"version":3,"unchanged":true},{"memberId":8,"unchanged":true},
                   {"memberId":9,"version":"a,b","unchanged":false}]"#;
    let keys = [("7", Some("3")), ("8", None), ("9", Some("1"))];
    let (shown, _) = brought(body, &keys);
    assert_eq!(
        shown,
        [
            "7: unchanged",
            r#"8: {"memberId":8,"unchanged":true} v"#,
            r#"9: {"memberId":9,"version":"a,b","unchanged":false} v"#,
        ]
    );
}

#[test]
fn a_version_that_cannot_be_sent_back_is_none() {
    let longest = format!("\"{}\"", "v".repeat(128));
    let too_long = format!("\"{}\"", "v".repeat(129));
    #[rustfmt::skip]
    let cases = [
        ("3",                    Some("3")),
        ("\"W/\\\"a b\\\"\"",  Some("W/\"a b\"")),
        (&*longest,              Some(longest.trim_matches('"'))),
        (&*too_long,             None),
        ("\"\"",                 None),
        ("\"a,b\"",              None),
        ("\"a\\u002cb\"",       None),
        ("null",                 None),
        ("{}",                   None),
    ];
    for (version, expected) in cases {
        let body = json(&format!("[{{\"memberId\":7,\"version\":{version}}}]"));
        let mut brought = of_batch(&body, &lookup(), &wanted(&[("7", None)])).unwrap();
        let (key, fetched) = brought.records.remove(0);
        let Fetched::Record(record) = fetched else {
            panic!("{version}: {fetched:?}");
        };
        assert_eq!(record.version.as_deref(), expected, "{version}");
        // The same where it was kept.
        let kept = of_key(record.json, &lookup(), &key).unwrap();
        assert_eq!(kept.version.as_deref(), expected, "{version}");
    }
}

#[test]
fn an_answer_without_its_array_is_no_answer() {
    let lookup = lookup();
    for body in ["{}", "null", "7", "\"[]\"", "{\"items\":[]}"] {
        assert_eq!(
            of_batch(&json(body), &lookup, &[]).unwrap_err(),
            NoArray,
            "{body}"
        );
        assert_eq!(
            of_table(&json(body), &lookup).unwrap_err(),
            NoArray,
            "{body}"
        );
    }
    let mut declaration = sample::history();
    declaration.lookups[0].items = Some("data.items".into());
    let lookup = crate::compile(&declaration).unwrap().lookups.remove(0);
    let body = json(r#"{"data":{"items":[{"memberId":7}]}}"#);
    let found = of_batch(&body, &lookup, &wanted(&[("7", None)])).unwrap();
    assert!(matches!(found.records[0].1, Fetched::Record(_)));
    assert!(of_batch(&json("[]"), &lookup, &[]).is_err());
}

#[test]
fn a_table_tells_what_is_there_and_what_is_gone() {
    let lookup = sample::plan(&sample::history());
    let body = r#"[{"bankCode":"A","name":"x"},{"bankCode":"B","deleted":true},
                   {"bankCode":"C","deleted":false},{"name":"y"}]"#;
    let changes = of_table(&json(body), &lookup.lookups[1]).unwrap();
    let shown: Vec<_> = changes
        .rows
        .iter()
        .map(|(key, row)| (key.as_str(), row.is_some()))
        .collect();
    assert_eq!(shown, [("A", true), ("B", false), ("C", true)]);
    assert_eq!(changes.odd.keyless, 1);
}
