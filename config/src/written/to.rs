//! Where a route leads: one service, or several with weights.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::bounds;
use crate::reader::Entries;
use crate::units::{Count, Text};

#[derive(Debug)]
pub(crate) enum To {
    One(Text),
    Shares(Entries<Count>),
}

impl<'de> Deserialize<'de> for To {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ToVisitor)
    }
}

struct ToVisitor;

impl<'de> Visitor<'de> for ToVisitor {
    type Value = To;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a service, or several with weights")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<To, E> {
        Ok(To::One(Text(text.to_owned())))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<To, A::Error> {
        Entries::deserialize(MapAccessDeserializer::new(map)).map(To::Shares)
    }
}

impl JsonSchema for To {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "To".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut weight = generator.subschema_for::<Count>();
        weight.insert("minimum".to_owned(), bounds::WEIGHT.least.0.into());
        weight.insert("maximum".to_owned(), bounds::WEIGHT.most.0.into());
        schemars::json_schema!({
            "type": ["string", "object"],
            "additionalProperties": weight,
            "minProperties": 2,
            "examples": ["money", { "money": 95, "money-next": 5 }],
        })
    }
}
