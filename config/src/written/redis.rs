//! Redis as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::reader::{Field, Long};
use crate::units::{RedisUrl, Text};

/// Redis, with its password in a file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename = "`redis`")]
#[schemars(rename = "Redis", extend("required" = ["url"]))]
pub(crate) struct Redis {
    /// `redis://address:port/database`, or `unix:///path` for a socket. A user may stand in it, a
    /// password only as a variable.
    pub(crate) url: Field<RedisUrl>,
    /// A file that holds nothing but the password.
    #[schemars(extend("type" = "string", "examples" = ["./data/redis.password"]))]
    pub(crate) password_file: Field<Text>,
}

impl Long for Redis {
    const KIND: &'static str = "`redis`";
    const KEYS: &'static [&'static str] = &["url", "password_file"];
    const EXPECTED: &'static str = "a URL such as `redis://127.0.0.1:6379`, or a map with `url`";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::provider::Lifetimes;

    fn keys<L: Long + JsonSchema>() -> Vec<String> {
        let schema = L::json_schema(&mut schemars::SchemaGenerator::default());
        let properties = schema.get("properties").and_then(|it| it.as_object());
        properties.unwrap().keys().cloned().collect()
    }

    #[test]
    fn what_stands_in_for_a_word_has_the_keys_it_says_it_has() {
        let sorted = |keys: &[&str]| {
            let mut keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
            keys.sort();
            keys
        };
        let (mut redis, mut lifetimes) = (keys::<Redis>(), keys::<Lifetimes>());
        redis.sort();
        lifetimes.sort();
        assert_eq!(redis, sorted(Redis::KEYS));
        assert_eq!(lifetimes, sorted(Lifetimes::KEYS));
    }
}
