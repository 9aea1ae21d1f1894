//! How serde walks lists, maps and fields.

use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer};

use super::{Reader, Reading, Refused, read_field};
use crate::document::NodeId;

pub(super) struct ListAccess<'a> {
    reading: Reading<'a>,
    items: std::slice::Iter<'a, NodeId>,
}

impl<'a> ListAccess<'a> {
    pub(super) fn new(reading: Reading<'a>, items: &'a [NodeId]) -> Self {
        Self {
            reading,
            items: items.iter(),
        }
    }
}

impl<'a> de::SeqAccess<'a> for ListAccess<'a> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        let Some(&node) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Reader {
            reading: self.reading,
            node,
            is_key: false,
        })
        .map(Some)
    }
}

/// A map whose keys the user chose.
pub(super) struct MapAccess<'a> {
    reading: Reading<'a>,
    entries: std::slice::Iter<'a, (NodeId, NodeId)>,
    value: Option<NodeId>,
}

impl<'a> MapAccess<'a> {
    pub(super) fn new(reading: Reading<'a>, entries: &'a [(NodeId, NodeId)]) -> Self {
        Self {
            reading,
            entries: entries.iter(),
            value: None,
        }
    }
}

impl<'a> de::MapAccess<'a> for MapAccess<'a> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        let Some(&(key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(Reader {
            reading: self.reading,
            node: key,
            is_key: true,
        })
        .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        read_value(self.reading, self.value.take(), seed)
    }
}

/// The keys of a struct by the names they go by there.
pub(super) struct StructAccess<'a> {
    reading: Reading<'a>,
    entries: std::vec::IntoIter<(&'static str, NodeId)>,
    value: Option<NodeId>,
}

impl<'a> StructAccess<'a> {
    pub(super) fn new(reading: Reading<'a>, entries: Vec<(&'static str, NodeId)>) -> Self {
        Self {
            reading,
            entries: entries.into_iter(),
            value: None,
        }
    }
}

impl<'a> de::MapAccess<'a> for StructAccess<'a> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refused> {
        let Some((name, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        let name: StrDeserializer<'_, Refused> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        read_value(self.reading, self.value.take(), seed)
    }
}

fn read_value<'a, V: DeserializeSeed<'a>>(
    reading: Reading<'a>,
    value: Option<NodeId>,
    seed: V,
) -> Result<V::Value, Refused> {
    let node = value.ok_or_else(|| Refused::new("a key has no value", ""))?;
    seed.deserialize(Reader {
        reading,
        node,
        is_key: false,
    })
}

/// Offers a field as a list of its value and the number of its node. A value that is refused is
/// reported here and ends the list early, so that the refusal does not reach the fields around it.
pub(super) struct FieldAccess<'a> {
    reader: Reader<'a>,
    is_value_read: bool,
}

impl<'a> FieldAccess<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self {
            reader,
            is_value_read: false,
        }
    }
}

impl<'a> de::SeqAccess<'a> for FieldAccess<'a> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Refused> {
        if !self.is_value_read {
            self.is_value_read = true;
            return Ok(read_field(self.reader, seed));
        }
        let node: U64Deserializer<Refused> = self.reader.node.to_u64().into_deserializer();
        seed.deserialize(node).map(Some)
    }
}
