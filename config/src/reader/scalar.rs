//! Scalars: one text, one type, one sentence on what it should have been.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A type that is read from the text of one scalar.
pub(crate) trait Scalar: Sized {
    /// Completes "expected ..."; says nothing about the text at hand.
    const EXPECTED: &'static str;

    /// Reads the text, or says what is wrong with it. The reader drops what it says where the text
    /// came from the environment, so it may quote the text.
    fn parse(text: &str) -> Result<Self, String>;
}

/// Reads a scalar; the body of every `Deserialize` of one.
pub(crate) fn deserialize<'de, T: Scalar, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    // The name of a newtype is the one thing a type can tell the reader about itself.
    deserializer.deserialize_newtype_struct(T::EXPECTED, ScalarVisitor(PhantomData))
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(E::custom)
    }
}

/// A key that the user chose.
#[derive(Debug)]
pub(super) struct Key(pub(super) String);

impl Scalar for Key {
    const EXPECTED: &'static str = "a name";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer)
    }
}
