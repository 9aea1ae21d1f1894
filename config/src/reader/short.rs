//! What is mostly a word and sometimes takes more to say: a scalar, or a map in its place.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::scalar::Scalar;

#[derive(Debug)]
pub(crate) enum Short<S, L> {
    Scalar(S),
    Map(L),
}

/// The map in the place of a scalar.
pub(crate) trait Long: for<'de> Deserialize<'de> {
    /// What it is called where a key of it is not known.
    const KIND: &'static str;
    const KEYS: &'static [&'static str];
    /// Completes "expected ..." where there is neither.
    const EXPECTED: &'static str;
}

impl<'de, S: Scalar, L: Long> Deserialize<'de> for Short<S, L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum(L::KIND, L::KEYS, ShortVisitor(PhantomData))
    }
}

struct ShortVisitor<S, L>(PhantomData<(S, L)>);

impl<'de, S: Scalar, L: Long> Visitor<'de> for ShortVisitor<S, L> {
    type Value = Short<S, L>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(L::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        S::parse(text).map(Short::Scalar).map_err(E::custom)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        L::deserialize(MapAccessDeserializer::new(map)).map(Short::Map)
    }
}

impl<S: JsonSchema, L: JsonSchema> JsonSchema for Short<S, L> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Short_{}", L::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (scalar, map) = (
            generator.subschema_for::<S>(),
            generator.subschema_for::<L>(),
        );
        schemars::json_schema!({ "anyOf": [scalar, map] })
    }
}
