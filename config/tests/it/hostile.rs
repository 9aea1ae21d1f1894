//! No bytes make the loader panic, hang or answer without a place.

use proptest::prelude::*;
use tollgate_config::{DEFAULT, Environment, compile};

use crate::load::load_text;

/// Loads, or refuses with a place inside the file.
fn check(bytes: &[u8]) {
    let environment = Environment::of([("A", "1"), ("B", "127.0.0.1:9")], 2);
    let Err(problems) = compile("f", bytes, &environment) else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\n').count();
    assert!(!problems.is_empty());
    for problem in problems.iter() {
        let at = problem.at.as_ref().unwrap();
        assert!((1..=lines).contains(&at.line()), "{problem}\nin {text:?}");
        let line = text
            .strip_prefix('\u{feff}')
            .unwrap_or(&text)
            .split('\n')
            .nth(at.line() - 1)
            .unwrap();
        assert!(
            (1..=line.chars().count() + 1).contains(&at.column()),
            "{problem}\nin {text:?}"
        );
    }
    let rendered = problems.to_string();
    assert!(rendered.len() < 64 * 1024, "{} bytes", rendered.len());
    let is_safe = |c: char| c == '\n' || !c.is_control();
    assert!(rendered.chars().all(is_safe), "{rendered:?}");
}

/// A file that has a bit of everything.
const FULL: &str = r#"
listen: [{ address: 127.0.0.1:0, h2c: true }]
admin: { address: "[::1]:0", exposed: false }
threads: 2
log: { access: ./a.log }
traces: { collector: 127.0.0.1:4318, sample: 1% }
limits: { connections: 10, streams: 10, head: 4KiB, target: 1KiB, fields: 10, body: 1MiB }
deadlines: { head: 1s, idle: 1m, stall: 30s, lame_duck: 0s, drain: 5s }
trusted_proxies: &nets [10.0.0.0/8, "::1"]
services:
  web: &web
    endpoints: ["127.0.0.1:1", "${B:-127.0.0.1:2}"]
    timeout: ${A}s
  api: *web
provider:
  listen: 127.0.0.1:0
  issuer: http://127.0.0.1
  redis: { url: "redis://:${A}@127.0.0.1" }
  tenants: [bank]
  clients: { shop: { secret_file: s, grants: [client_credentials], lifetimes: machine, tenant: bank } }
  users: { a: { password_file: p } }
routes:
  - name: "é and 名"
    match: GET,PUT /a/{id}/{rest*}
    host: '*.example.com'
    headers: { X-A: "\u0031" }
    to: web
    strip: /a
    add: /v1
    request_headers: { set: { X-B: |- 
        block }, remove: [X-C] }
"#;

/// Text that means something to YAML or to us.
#[rustfmt::skip]
const PIECES: [&str; 40] = [
    "\n", " ", "  ", "\t", ":", ": ", "- ", "-", "?", "? ", "[", "]", "{", "}", ",", "#", " #",
    "&a ", "*a", "!", "!!str ", "|", ">", "|-\n", "'", "\"", "%", "@", "`", "\\", "---\n", "...\n",
    "<<: ", "~", "${", "}", "$${A}", "\u{feff}", "\r", "\u{85}",
];

fn edit() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let piece = prop_oneof![
        prop::sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        Just(String::new()),
    ];
    (any::<prop::sample::Index>(), 0..12usize, piece)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn bytes_at_random_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn yaml_at_random_is_answered(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(PIECES.as_slice()),
                prop::sample::select(["a", "routes", "services", "match", "to", "1", "é"].as_slice()),
            ],
            0..60,
        ),
    ) {
        check(pieces.concat().as_bytes());
    }

    #[test]
    fn a_file_edited_at_random_is_answered(
        is_default in any::<bool>(),
        edits in prop::collection::vec(edit(), 1..6),
    ) {
        let mut text: Vec<char> = if is_default { DEFAULT } else { FULL }.chars().collect();
        for (place, removed, inserted) in edits {
            let start = place.index(text.len() + 1);
            let end = (start + removed).min(text.len());
            text.splice(start..end, inserted.chars());
        }
        check(text.into_iter().collect::<String>().as_bytes());
    }

    #[test]
    fn bytes_replaced_at_random_are_answered(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        check(&bytes);
    }
}

#[test]
fn the_file_that_is_edited_loads_before() {
    let environment = Environment::of([("A", "1"), ("B", "127.0.0.1:9")], 2);
    if let Err(problems) = compile("f", FULL.as_bytes(), &environment) {
        panic!("{problems}");
    }
}

#[test]
fn a_file_cut_anywhere_is_answered() {
    for text in [DEFAULT, FULL] {
        for end in 0..=text.len() {
            check(&text.as_bytes()[..end]);
        }
    }
}

#[test]
fn an_alias_bomb_is_refused_where_it_goes_off() {
    let mut text = String::from("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        text += &format!("k{level}: &a{level} [{aliases}]\n");
    }
    let problems = load_text(&text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems}");
    assert_eq!(problems[0].message, "the file is too large");
    assert_eq!(problems[0].at.as_ref().unwrap().line(), 6);
}

#[test]
fn an_alias_bomb_in_depth_is_refused() {
    let mut text = String::from("k0: &a0 [x]\n");
    for level in 1..200 {
        let before = level - 1;
        text += &format!("k{level}: &a{level} [*a{before}]\n");
    }
    let problems = load_text(&text).unwrap_err();
    assert_eq!(problems[0].message, "lists and maps are nested too deeply");
}

#[test]
fn nesting_is_refused_before_it_is_followed() {
    for open in ["[", "{a: ", "- ", "? ", "&a [", "!t ["] {
        check(open.repeat(100_000).as_bytes());
        check(format!("routes: {}", open.repeat(1_000)).as_bytes());
    }
}

#[test]
fn problems_without_number_are_counted_and_not_kept() {
    let text: String = (0..5_000).map(|key| format!("x{key}: 1\n")).collect();
    let problems = load_text(&text).unwrap_err();
    assert_eq!(problems.len(), 200);
    let rendered = problems.to_string();
    assert_eq!(rendered.matches(": unknown key").count(), 50);
    assert!(
        rendered.ends_with("and 4951 more: 5001 problems"),
        "{rendered}"
    );
}

#[test]
fn problems_on_one_long_line_are_not_each_as_long() {
    let text = format!("services: {{ {} }}", "a, ".repeat(100_000));
    check(text.as_bytes());
}
