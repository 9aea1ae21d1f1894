//! A value of the file with its place, or the knowledge that there is none.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::document::NodeId;

/// The name by which [`Field`] asks the reader for its place; no other type has it.
pub(super) const NAME: &str = "$field";

/// What a key of the file holds.
#[derive(Debug, Clone, Default)]
pub(crate) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there and its problem is reported; nobody needs to complain again.
    Broken,
    Given(Located<T>),
}

/// A value and the node it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) node: NodeId,
}

/// A map whose keys are chosen by the user, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Entries<T> {
    entries: Vec<(Located<String>, Field<T>)>,
}

impl<T> Field<T> {
    pub(crate) fn given(&self) -> Option<&Located<T>> {
        match self {
            Self::Given(located) => Some(located),
            Self::Absent | Self::Broken => None,
        }
    }

    pub(crate) fn value(&self) -> Option<&T> {
        self.given().map(|located| &located.value)
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T> Entries<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Located<String>, &Field<T>)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

impl<T> Field<Vec<Field<T>>> {
    /// How many items there are, whether or not they could be read, and where.
    pub(crate) fn count(&self) -> Option<(NodeId, usize)> {
        self.given().map(|given| (given.node, given.value.len()))
    }

    /// The items that could be read.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Located<T>> {
        self.value().into_iter().flatten().filter_map(Field::given)
    }
}

impl<T> Field<Entries<T>> {
    /// How many keys there are, and where.
    pub(crate) fn count(&self) -> Option<(NodeId, usize)> {
        self.given().map(|given| (given.node, given.value.len()))
    }

    /// Every key with its value, whether or not that could be read.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Located<String>, &Field<T>)> {
        self.value().into_iter().flat_map(Entries::iter)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let Some(value) = parts.next_element()? else {
            return Ok(Field::Broken);
        };
        let node = parts.next_element::<u64>()?.and_then(NodeId::from_u64);
        Ok(node.map_or(Field::Broken, |node| Field::Given(Located { value, node })))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Field<super::scalar::Key>, _>()? {
            if let Field::Given(Located { value: key, node }) = key {
                entries.push((Located { value: key.0, node }, value));
            }
        }
        Ok(Entries { entries })
    }
}

/// In the schema a field is what it holds.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Entries_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": value })
    }
}
