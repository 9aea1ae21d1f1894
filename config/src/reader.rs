//! How do as-written types take shape from nodes, with every problem reported instead of the first?
//!
//! A [`serde::Deserializer`] over [`Document`]. Serde stops at its first error; here an error ends
//! only the [`Field`] it occurred in: the reader reports it, and the field becomes
//! [`Field::Broken`], which later stages take as "already complained about". Unknown keys are
//! reported and skipped, so serde never sees one.
//!
//! Scalars are typed by the field that takes them, never by how they look: `on`, `1.10` and `0x1F`
//! are text to a text field.

use std::cell::RefCell;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::document::{Content, Document, NodeId};
use crate::environment::{Environment, FillError};
use crate::files::Files;
use crate::nearest;
use crate::problem::shown;
use crate::report::{Finding, Report};
use crate::source::Span;

pub(crate) use field::{Entries, Field, Located};
pub(crate) use scalar::{Scalar, deserialize as deserialize_scalar};
pub(crate) use short::{Long, Short};
pub(crate) use tree::Tree;

mod access;
mod field;
mod scalar;
mod short;
mod tree;

/// What reading and compiling share: the file, its surroundings and what is wrong so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) document: &'a Document,
    pub(crate) environment: &'a Environment,
    pub(crate) report: &'a Report,
    pub(crate) files: &'a RefCell<Files>,
}

impl<'a> Reading<'a> {
    /// Reads the whole file. `None` means that it is no map at all, which is reported.
    pub(crate) fn read<T: de::DeserializeOwned>(self) -> Option<T> {
        let root = Reader {
            reading: self,
            node: self.document.root(),
            is_key: false,
        };
        read_field(root, PhantomData)
    }

    /// Reads one node that was left alone before. `None` means that it was refused, which is reported.
    pub(crate) fn read_at<T: de::DeserializeOwned>(self, node: NodeId) -> Option<T> {
        let reader = Reader {
            reading: self,
            node,
            is_key: false,
        };
        read_field(reader, PhantomData)
    }

    /// Whether the environment has to do with a value. Then nothing is shown of it.
    pub(crate) fn is_filled_in(&self, node: NodeId) -> bool {
        self.document.text(node).contains("${")
    }

    /// What may be said about the value of a scalar: nothing, where it came from the environment.
    pub(crate) fn note_on(&self, node: NodeId, note: impl Into<String>) -> String {
        if self.is_filled_in(node) {
            return "what the environment has for it does not fit".to_owned();
        }
        note.into()
    }

    pub(crate) fn span(&self, node: NodeId) -> Span {
        self.document.span(node)
    }

    pub(crate) fn find(&self, node: NodeId, message: impl Into<String>) -> Finding {
        Finding::at(self.span(node), message)
    }

    fn refuse(&self, node: NodeId, refused: Refused) {
        let span = refused.span.unwrap_or_else(|| self.span(node));
        self.report
            .add(Finding::at(span, refused.message).note(refused.note));
    }
}

/// Reads one node.
#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    reading: Reading<'a>,
    node: NodeId,
    is_key: bool,
}

/// Why a value could not be read; reported by the field around it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
struct Refused {
    message: String,
    note: String,
    /// Where it is not the whole node that is to blame.
    span: Option<Span>,
}

impl Refused {
    fn new(message: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            note: note.into(),
            span: None,
        }
    }
}

impl de::Error for Refused {
    /// What a scalar says of its text; [`Reader::read_scalar`] knows what was expected.
    fn custom<T: std::fmt::Display>(note: T) -> Self {
        Self::new("", note.to_string())
    }
}

impl<'a> Reader<'a> {
    fn content(&self) -> &'a Content {
        self.reading.document.content(self.node)
    }

    /// What stands here instead of what was expected.
    fn found(&self) -> String {
        match self.content() {
            Content::Null => "there is no value here".to_owned(),
            Content::Scalar(_) => "this is text".to_owned(),
            Content::List(_) => "this is a list".to_owned(),
            Content::Map(_) => "this is a map".to_owned(),
        }
    }

    /// Reads a scalar of which `expected` says what it should be.
    fn read_scalar<V: Visitor<'a>>(self, expected: &str, visitor: V) -> Result<V::Value, Refused> {
        let Content::Scalar(written) = self.content() else {
            return Err(Refused::new(format!("expected {expected}"), self.found()));
        };
        if self.is_key {
            return visitor.visit_str(written);
        }
        let text = self
            .reading
            .environment
            .fill(written)
            .map_err(|e| self.unfilled(&e))?;
        visitor.visit_str::<Refused>(&text).map_err(|refused| {
            let note = self.reading.note_on(self.node, refused.note);
            Refused::new(format!("expected {expected}"), note)
        })
    }

    fn unfilled(&self, error: &FillError) -> Refused {
        let note = match error {
            FillError::Unset(name) => format!("set it, or give a default: `${{{name}:-...}}`"),
            FillError::NotText(_) => String::new(),
            FillError::Open | FillError::Name(_) => {
                "write `${NAME}`, or `$${` for a literal `${`".to_owned()
            }
        };
        let span = self
            .reading
            .document
            .find_within(self.node, &error.blamed());
        Refused {
            span: Some(span),
            ..Refused::new(error.to_string(), note)
        }
    }

    /// The entries of a map by the names that are known. A key that is a name misspelt is reported
    /// and then taken for it, so that its value is read and the name is not missing as well.
    fn known_entries(
        &self,
        entries: &[(NodeId, NodeId)],
        kind: &str,
        known: &'static [&'static str],
    ) -> Vec<(&'static str, NodeId)> {
        let name_of = |key: NodeId| {
            let text = self.reading.document.text(key);
            known.iter().copied().find(|name| *name == text)
        };
        let mut named: Vec<_> = entries
            .iter()
            .filter_map(|(key, value)| name_of(*key).map(|name| (name, *value)))
            .collect();
        for (key, value) in entries.iter().filter(|(key, _)| name_of(*key).is_none()) {
            let meant = self.refuse_unknown(*key, kind, known);
            let is_new = |name: &&str| named.iter().all(|(taken, _)| taken != name);
            if let Some(name) = meant.filter(is_new) {
                named.push((name, *value));
            }
        }
        named
    }

    fn refuse_unknown(
        &self,
        key: NodeId,
        kind: &str,
        known: &'static [&'static str],
    ) -> Option<&'static str> {
        let text = self.reading.document.text(key);
        let meant = match self.reading.report.is_full() {
            true => None,
            false => nearest::find(text, known.iter().copied()),
        };
        let note = match meant {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("keys here are {}", known.join(", ")),
        };
        let message = format!("unknown key `{}` in {kind}", shown(text));
        self.reading
            .report
            .add(self.reading.find(key, message).note(note));
        meant
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Refused;

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if name == field::NAME {
            visitor.visit_seq(access::FieldAccess::new(self))
        } else if name == tree::NAME {
            visitor.visit_unit()
        } else {
            self.read_scalar(name, visitor)
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        kind: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let entries = match self.content() {
            Content::Null => &[],
            Content::Map(entries) => entries.as_slice(),
            Content::Scalar(_) | Content::List(_) => {
                let message = format!("expected a map of {}", known.join(", "));
                return Err(Refused::new(message, self.found()));
            }
        };
        let entries = self.known_entries(entries, kind, known);
        visitor.visit_map(access::StructAccess::new(self.reading, entries))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let entries = match self.content() {
            Content::Null => &[],
            Content::Map(entries) => entries.as_slice(),
            Content::Scalar(_) | Content::List(_) => {
                let note = format!("{}: write `name: value`, one to a line", self.found());
                return Err(Refused::new("expected a map", note));
            }
        };
        visitor.visit_map(access::MapAccess::new(self.reading, entries))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let items = match self.content() {
            Content::Null => &[],
            Content::List(items) => items.as_slice(),
            Content::Scalar(_) | Content::Map(_) => {
                let note = format!("{}: write `[...]`, or `- ` before each item", self.found());
                return Err(Refused::new("expected a list", note));
            }
        };
        visitor.visit_seq(access::ListAccess::new(self.reading, items))
    }

    /// A value that may be a scalar or a map of these keys comes this way.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        kind: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let expected = (&visitor as &dyn de::Expected).to_string();
        let Content::Map(entries) = self.content() else {
            return self.read_scalar(&expected, visitor);
        };
        let entries = self.known_entries(entries, kind, known);
        visitor.visit_map(access::StructAccess::new(self.reading, entries))
    }

    /// A value that may be a scalar or a map of any keys comes this way; all others say what they want.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.content() {
            Content::Map(_) => self.deserialize_map(visitor),
            Content::Null | Content::Scalar(_) | Content::List(_) => {
                let expected = (&visitor as &dyn de::Expected).to_string();
                self.read_scalar(&expected, visitor)
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// Reads a value, or reports why not.
fn read_field<'a, S: DeserializeSeed<'a>>(reader: Reader<'a>, seed: S) -> Option<S::Value> {
    let read = seed.deserialize(reader);
    read.map_err(|refused| reader.reading.refuse(reader.node, refused))
        .ok()
}
