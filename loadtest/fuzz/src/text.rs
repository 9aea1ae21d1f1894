//! What operators and services write: the configuration file, and JSON that is passed on in parts.

use bytes::Bytes;
use composer_core::json::{Json, Unsound};
use serde::de::IgnoredAny;
use tollgate_config::{Environment, compile};

use crate::Target;

pub(crate) const TARGETS: [(&str, Target); 2] = [("config", config), ("json", json)];

/// A broken file is told about in words, whatever it holds.
fn config(bytes: &[u8]) -> bool {
    let environment = Environment::of([], 2)
        .in_folder("/nowhere".as_ref())
        .at(1_800_000_000);
    match compile("fuzz.yaml", bytes, &environment) {
        Ok(_) => true,
        Err(problems) => {
            assert!(!problems.to_string().is_empty());
            false
        }
    }
}

/// Sound is what another reader calls sound, but for depth.
fn json(bytes: &[u8]) -> bool {
    let ours = Json::parse(&Bytes::copy_from_slice(bytes));
    let theirs = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    match ours {
        Ok(json) => {
            assert!(theirs, "only we read this");
            assert_eq!(json.bytes().as_ref(), bytes.trim_ascii());
            walk(&json);
            true
        }
        Err(Unsound::TooDeep) => false,
        Err(_) => {
            assert!(
                !theirs || str::from_utf8(bytes).is_err(),
                "only another reads this"
            );
            false
        }
    }
}

fn walk(json: &Json) {
    let mut left = vec![json.value()];
    while let Some(value) = left.pop() {
        assert!(value.bytes().as_ptr() >= json.bytes().as_ptr());
        assert_eq!(Json::parse(json.share(value).bytes()).is_ok(), true);
        left.extend(value.items().into_iter().flatten());
    }
}
