//! The shape of an answer, and values that stand in for one.

use bytes::Bytes;
use composer_core::Json;
use composer_core::declaration::{Rows, Target, Text};
use serde_json::Value;

use super::{nowhere, text, text_at};
use crate::bounds;
use crate::document::{Content, NodeId};
use crate::reader::Reading;
use crate::units;
use crate::written;

/// What makes a map stand for rows rather than for an object.
const EACH: &str = "each";

pub(super) fn members(node: NodeId, reading: Reading<'_>) -> Vec<(Text, Target)> {
    match reading.document.content(node) {
        Content::Map(entries) => {
            let entries = entries.iter();
            let named = |key: NodeId| text_at(reading.document.text(key), key);
            entries
                .map(|(key, value)| (named(*key), target(*value, reading)))
                .collect()
        }
        Content::Null | Content::Scalar(_) | Content::List(_) => {
            let finding = reading.find(node, "expected a map of the members of the answer");
            reading
                .report
                .add(finding.note("as in `{ balance: balance.amount }`"));
            Vec::new()
        }
    }
}

pub(super) fn is_map(node: NodeId, reading: Reading<'_>) -> bool {
    matches!(reading.document.content(node), Content::Map(_))
}

fn target(node: NodeId, reading: Reading<'_>) -> Target {
    match reading.document.content(node) {
        Content::Map(entries) if has_each(entries, reading) => Target::Rows(rows(node, reading)),
        Content::Map(_) => Target::Object(members(node, reading)),
        Content::Scalar(_) => {
            let value = reading.read_at::<units::Text>(node);
            Target::Value(value.map_or_else(|| nowhere("x"), |it| text_at(&it.0, node)))
        }
        Content::Null | Content::List(_) => {
            let finding = reading.find(node, "expected a value, a map of values, or rows");
            let note = "as in `history.next`, or `{ each: history.items, keep: [id] }`";
            reading.report.add(finding.note(note));
            Target::Value(nowhere("x"))
        }
    }
}

fn has_each(entries: &[(NodeId, NodeId)], reading: Reading<'_>) -> bool {
    entries
        .iter()
        .any(|(key, _)| reading.document.text(*key) == EACH)
}

fn rows(node: NodeId, reading: Reading<'_>) -> Rows {
    let rows = reading.read_at::<written::Rows>(node).unwrap_or_default();
    let join = rows.join.entries().map(|(name, value)| {
        let value = value.given().map_or_else(|| nowhere("x"), text);
        (text_at(&name.value, name.node), value)
    });
    Rows {
        each: rows.each.given().map_or_else(|| nowhere("x"), text),
        rows_max: bounds::ROWS.take(&rows.max, reading).get(),
        is_cut: rows.truncate.value().is_some_and(|flag| flag.0),
        keep: rows.keep.items().map(text).collect(),
        join: join.collect(),
    }
}

/// A part of the file as JSON. A scalar that is JSON by itself is taken for it (`0`, `true`, `"a"`),
/// any other is a string.
pub(super) fn json(node: NodeId, reading: Reading<'_>) -> Option<Json> {
    let mut text = String::new();
    write(node, reading, &mut text)?;
    Json::parse(&Bytes::from(text)).ok()
}

/// `None` where something was refused, which is reported.
fn write(node: NodeId, reading: Reading<'_>, out: &mut String) -> Option<()> {
    match reading.document.content(node) {
        Content::Null => out.push_str("null"),
        Content::Scalar(_) => {
            let units::Text(text) = reading.read_at::<units::Text>(node)?;
            match Json::parse(&Bytes::from(text.clone())) {
                Ok(_) => out.push_str(text.trim()),
                Err(_) => out.push_str(&Value::from(text).to_string()),
            }
        }
        Content::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                write(*item, reading, out)?;
            }
            out.push(']');
        }
        Content::Map(entries) => {
            out.push('{');
            for (place, (key, value)) in entries.iter().enumerate() {
                out.push_str(if place > 0 { "," } else { "" });
                out.push_str(&Value::from(reading.document.text(*key)).to_string());
                out.push(':');
                write(*value, reading, out)?;
            }
            out.push('}');
        }
    }
    Some(())
}
