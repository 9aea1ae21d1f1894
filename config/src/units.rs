//! Scalars as they are written: numbers that carry their unit, addresses, words.
//!
//! Each has one spelling, a sentence on what was expected, and a schema that editors check against.
//! In the schema each may also be filled in from the environment.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::reader::{Scalar, deserialize_scalar};

pub(crate) use address::{Address, Network};
pub(crate) use date::Date;
pub(crate) use location::Location;
pub(crate) use percent::Percent;
pub(crate) use redis::RedisUrl;
pub(crate) use size::Size;
pub(crate) use time::Time;
pub(crate) use word::{
    Accept, Algorithm, Class, Consent, Credential, Exposable, Grant, Introspects, Kind, Level,
    Preset, Protocol, Staleness, Upgrade,
};

mod address;
mod date;
mod location;
mod percent;
mod redis;
mod size;
mod time;
mod word;

/// Any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

/// How many of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub(crate) u32);

impl Scalar for Text {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl Scalar for Flag {
    const EXPECTED: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(Self(true)),
            "false" => Ok(Self(false)),
            _ => Err(match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" | "1" => "write `true`".to_owned(),
                "false" | "no" | "off" | "n" | "0" => "write `false`".to_owned(),
                _ => String::new(),
            }),
        }
    }
}

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(number) = digits(text).and_then(|digits| digits.parse().ok()) {
            return Ok(Self(number));
        }
        let bare = text.replace(['_', ',', '\'', ' '], "");
        Err(match digits(&bare) {
            Some(_) if bare == text => "this is too large".to_owned(),
            Some(number) => format!("write `{number}`"),
            None => "digits only, as in `100`".to_owned(),
        })
    }
}

impl Count {
    pub(crate) fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The text, if it is nothing but digits.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// Splits `10s` into its digits and its unit.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// A pattern that also lets a value through that is filled in from the environment.
pub(crate) fn or_variable(pattern: &str) -> String {
    format!("^({pattern})$|\\$\\{{")
}

fn string_schema(pattern: &str, examples: &[&str]) -> Schema {
    json_schema!({ "type": "string", "pattern": or_variable(pattern), "examples": examples })
}

/// Gives scalars their `Deserialize` and their place in the schema.
macro_rules! scalar {
    ($($scalar:ident => $schema:expr;)+) => {$(
        impl<'de> Deserialize<'de> for $scalar {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_scalar(deserializer)
            }
        }

        impl JsonSchema for $scalar {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($scalar).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )+};
}

scalar! {
    Text => json_schema!({ "type": ["string", "number", "boolean"] });
    Flag => json_schema!({ "type": ["boolean", "string"], "pattern": or_variable("true|false") });
    Count => json_schema!({ "type": ["integer", "string"], "pattern": or_variable("[0-9]+") });
    Time => string_schema("[0-9]+(ms|s|m|h|d)", &["150ms", "10s", "5m", "1h", "30d"]);
    Size => string_schema("[0-9]+(B|KiB|MiB|GiB|TiB)", &["512B", "64KiB", "1MiB"]);
    Address => string_schema(".*:[0-9]{1,5}", &["127.0.0.1:8080", "[::1]:8080", "localhost:8080"]);
    Date => string_schema("[0-9]{4}-[0-9]{2}-[0-9]{2}", &["2026-12-31"]);
    Level => string_schema("open|internal|private", &["open", "internal", "private"]);
    Class => string_schema("read|write|transfer", &["read", "write", "transfer"]);
    Accept => string_schema("reference|value|any", &["reference", "value", "any"]);
    Staleness => string_schema("strict|tolerant", &["strict", "tolerant"]);
    Location => string_schema("https?://[^/?#@]+(/[!-~]*)?", &["https://login.example.com/jwks"]);
    Kind => string_schema("at\\+jwt|JWT", &["at+jwt", "JWT"]);
    Protocol => string_schema("h1|h2", &["h1", "h2"]);
    Credential => string_schema("caller|none", &["caller", "none"]);
    Upgrade => string_schema("websocket", &["websocket"]);
    Algorithm => string_schema("ES256|EdDSA|RS256", &["ES256", "EdDSA", "RS256"]);
    Grant => string_schema(
        "authorization_code|refresh_token|client_credentials",
        &["authorization_code", "refresh_token", "client_credentials"]
    );
    Consent => string_schema("asked|implied", &["asked", "implied"]);
    Introspects => string_schema("own|tenant", &["own", "tenant"]);
    Preset => string_schema("payment|machine", &["payment", "machine"]);
    RedisUrl => string_schema(
        "redis://.*|unix:///.*",
        &["redis://127.0.0.1:6379", "unix:///run/redis/redis.sock"]
    );
    Exposable => string_schema("listen|internal", &["listen", "internal"]);
    Percent => string_schema("[0-9]+([.][0-9]{1,2})?%", &["1%", "25%", "0.05%"]);
    Network => string_schema("[0-9a-fA-F.:]+(/[0-9]{1,3})?", &["10.0.0.0/8", "127.0.0.1"]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        #[rustfmt::skip]
        let cases = [
            ("true",   Ok(Flag(true))),
            ("false",  Ok(Flag(false))),
            ("yes",    Err("write `true`".to_owned())),
            ("Off",    Err("write `false`".to_owned())),
            ("maybe",  Err(String::new())),
        ];
        for (text, expected) in cases {
            assert_eq!(Flag::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_count_is_digits() {
        #[rustfmt::skip]
        let cases = [
            ("0",           Ok(Count(0))),
            ("10000",       Ok(Count(10_000))),
            ("10_000",      Err("write `10000`".to_owned())),
            ("10,000",      Err("write `10000`".to_owned())),
            ("99999999999", Err("this is too large".to_owned())),
            ("-1",          Err("digits only, as in `100`".to_owned())),
            ("1e3",         Err("digits only, as in `100`".to_owned())),
            ("",            Err("digits only, as in `100`".to_owned())),
        ];
        for (text, expected) in cases {
            assert_eq!(Count::parse(text), expected, "{text}");
        }
    }
}
