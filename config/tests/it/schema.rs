//! The schema that editors use is the one the types make, and says something of every key.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tollgate_config::schema;

#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tollgate.schema.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, format!("{:#}\n", schema())).unwrap();
    }
    let committed: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(committed, schema(), "run this test with UPDATE_EXPECT=1");
}

#[test]
fn the_schema_is_draft_2020_12_and_closed() {
    let schema = schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["additionalProperties"], false);
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        assert_eq!(definition["additionalProperties"], false, "{name}");
    }
}

#[test]
fn every_key_is_described() {
    let schema = schema();
    let mut count = 0;
    let definitions = schema["$defs"].as_object().unwrap().values();
    for definition in definitions.chain([&schema]) {
        for (key, property) in definition["properties"].as_object().unwrap() {
            let description = property["description"].as_str().unwrap_or_default();
            assert!(description.len() > 10, "{key}: {property}");
            count += 1;
        }
    }
    assert!(count > 40, "only {count} keys");
}
