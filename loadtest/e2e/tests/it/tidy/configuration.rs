//! Is every key of the configuration file shown in a file that is shipped, and read by the compiler?
//!
//! The keys are those of the schema, which is made from the types the file is read into. A key that
//! no example shows will not be found by whoever needs it; one that is not compiled does nothing.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tollgate_config::Environment;

use super::Finding;
use super::source::words;

/// Keys whose field has another name, since theirs is a word of the language.
const FIELDS: &[(&str, &str)] = &[("match", "matches"), ("else", "otherwise")];
const SCHEMA: &str = "config/tollgate.schema.json";

/// Every name of a property, wherever it stands in the schema.
pub(super) fn keys(schema: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut left = vec![schema];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(object) => {
                let properties = object.get("properties").and_then(Value::as_object);
                keys.extend(properties.into_iter().flat_map(|it| it.keys().cloned()));
                left.extend(object.values());
            }
            Value::Array(values) => left.extend(values),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    keys
}

/// `files` are the shipped files; a comment shows nothing, since nothing holds it to be right.
pub(super) fn check_shown(keys: &BTreeSet<String>, files: &[String]) -> Vec<Finding> {
    let is_shown = |key: &String| files.iter().any(|file| file.lines().any(|l| shows(l, key)));
    let hidden = keys.iter().filter(|key| !is_shown(key));
    let finding = |key| Finding::new(SCHEMA, 1, format!("no shipped file shows the key `{key}`"));
    hidden.map(finding).collect()
}

fn shows(line: &str, key: &str) -> bool {
    let code = line.split(" #").next().unwrap_or(line);
    let code = if code.trim_start().starts_with('#') {
        ""
    } else {
        code
    };
    let mut found = code.match_indices(key).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| " {".contains(c)) && code[at + key.len()..].starts_with(':')
    });
    found.next().is_some()
}

/// `sources` are those that turn what is written into what the gateway runs on.
pub(super) fn check_read(keys: &BTreeSet<String>, sources: &[String]) -> Vec<Finding> {
    let is_read = |key: &String| {
        let renamed = FIELDS.iter().find(|(named, _)| named == key);
        let field = renamed.map_or(key.as_str(), |(_, field)| field);
        let is_field = |source: &str, at: usize| source[..at].ends_with('.');
        let mut read = sources
            .iter()
            .filter(|source| words(source).any(|(at, word)| word == field && is_field(source, at)));
        read.next().is_some()
    };
    let ignored = keys.iter().filter(|key| !is_read(key));
    let finding = |key| Finding::new(SCHEMA, 1, format!("the key `{key}` is never compiled"));
    ignored.map(finding).collect()
}

/// What a shipped file is refused for; the variable that one of them asks for is set, and the
/// certificates that another names lie in `folder`.
pub(super) fn check_loads(path: &str, text: &str, folder: &Path) -> Vec<Finding> {
    let environment = Environment::of([("MONEY_ADDRESS", "127.0.0.1:8093")], 2);
    let environment = environment.in_folder(folder);
    let loaded = tollgate_config::compile(path, text.as_bytes(), &environment);
    let refused = loaded.err().into_iter();
    let finding = |problems: tollgate_config::Problems| Finding::new(path, 1, problems.to_string());
    refused.map(finding).collect()
}

#[test]
fn a_key_is_found_wherever_it_stands_in_the_schema() {
    let schema = json!({
        "properties": { "a": { "anyOf": [{ "properties": { "b": true } }] } },
        "$defs": { "C": { "items": { "properties": { "c": {} } } } },
        "title": "properties",
    });
    assert_eq!(keys(&schema), ["a", "b", "c"].map(str::to_owned).into());
}

#[test]
fn a_key_that_no_file_shows_is_found() {
    let keys = BTreeSet::from(["body".to_owned()]);
    #[rustfmt::skip]
    let cases = [
        ("body: 1MiB", 0),
        ("  body: 1MiB # past it 413", 0),
        ("  - { match: /a, body: 1MiB }", 0),
        ("  - {body: 1MiB}", 0),
        ("# body: 1MiB", 1),
        ("a: b # body: 1MiB", 1),
        ("somebody: 1MiB", 1),
        ("body_bytes: 1", 1),
        ("match: body", 1),
    ];
    for (line, count) in cases {
        assert_eq!(
            check_shown(&keys, &[line.to_owned()]).len(),
            count,
            "{line}"
        );
    }
}

#[test]
fn a_key_that_is_never_compiled_is_found() {
    let keys = BTreeSet::from(["match".to_owned()]);
    let cases = [
        ("let path = route.matches.value();", 0),
        ("let matches = 1;", 1),
        ("route.matches_of()", 1),
    ];
    for (code, count) in cases {
        assert_eq!(check_read(&keys, &[code.to_owned()]).len(), count, "{code}");
    }
}

#[test]
fn a_file_that_is_refused_is_found() {
    let good =
        "services: { s: { endpoints: [\"127.0.0.1:1\"] } }\nroutes: [{ match: /a, to: s }]\n";
    let nowhere = Path::new("");
    assert_eq!(check_loads("a.yaml", good, nowhere), []);
    let bad = good.replace("to: s", "to: t");
    assert_eq!(check_loads("a.yaml", &bad, nowhere).len(), 1);
}
