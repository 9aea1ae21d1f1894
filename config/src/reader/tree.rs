//! A part of the file whose shape is not known until it is compiled: only its place is kept.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The name by which [`Tree`] asks the reader to be left alone; no other type has it.
pub(super) const NAME: &str = "$tree";

/// Anything at all, at the node of its field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tree;

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, TreeVisitor)
    }
}

struct TreeVisitor;

impl Visitor<'_> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree)
    }
}
