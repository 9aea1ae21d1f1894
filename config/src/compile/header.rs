//! Which header fields does a route ask for, and which does it change?

use std::collections::HashMap;

use gateway_core::fields::{FieldRules, is_hop_by_hop, is_misleading, may_be_ruled};
use gateway_core::route::FieldCondition;
use http::{HeaderName, HeaderValue};

use crate::document::NodeId;
use crate::problem::shown;
use crate::reader::{Entries, Field, Located, Reading};
use crate::units::Text;
use crate::written::HeaderRules;

pub(super) fn compile_conditions(
    headers: &Field<Entries<Text>>,
    reading: Reading<'_>,
) -> Vec<FieldCondition> {
    let fields = compile_fields(headers, reading, &mut Seen::default());
    for (name, _) in headers.entries() {
        check_goes_on(&name.value, name.node, reading);
    }
    fields
        .into_iter()
        .map(|(name, value)| FieldCondition { name, value })
        .collect()
}

/// What no service is told cannot be what a request is for.
fn check_goes_on(name: &str, node: NodeId, reading: Reading<'_>) {
    if is_misleading(name) {
        let written = shown(reading.document.text(node));
        let message = format!("the field `{written}` goes on to no service");
        let note = "to some it makes another request of this one, so no route may ask for it";
        reading.report.add(reading.find(node, message).note(note));
    }
}

pub(super) fn compile_rules(rules: &Field<HeaderRules>, reading: Reading<'_>) -> FieldRules {
    let Some(rules) = rules.value() else {
        return FieldRules::default();
    };
    // A field may be set and added to, but what is removed is not set as well.
    let mut removed = Seen::default();
    let remove = rules.remove.items().filter_map(|name| {
        let parsed = parse_name(&name.value.0, name.node, reading)?;
        removed.take(&parsed, name.node, reading).then_some(parsed)
    });
    FieldRules {
        remove: remove.collect(),
        set: compile_fields(&rules.set, reading, &mut removed),
        add: compile_fields(&rules.add, reading, &mut Seen::default()),
    }
}

/// Field names that were met, since `X-A` and `x-a` are one field.
#[derive(Debug, Default)]
struct Seen {
    names: HashMap<HeaderName, NodeId>,
}

impl Seen {
    /// Whether the name is new; reports one that is not.
    fn take(&mut self, name: &HeaderName, node: NodeId, reading: Reading<'_>) -> bool {
        let Some(&first) = self.names.get(name) else {
            self.names.insert(name.clone(), node);
            return true;
        };
        let written = shown(reading.document.text(node));
        let finding = reading.find(node, format!("the field `{written}` is there twice"));
        reading
            .report
            .add(finding.other(reading.span(first), "it is already here"));
        false
    }
}

fn compile_fields(
    entries: &Field<Entries<Text>>,
    reading: Reading<'_>,
    seen: &mut Seen,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::new();
    for (name, value) in entries.entries() {
        let parsed = parse_name(&name.value, name.node, reading);
        let parsed = parsed.filter(|parsed| seen.take(parsed, name.node, reading));
        let value = value.given().and_then(|value| parse_value(value, reading));
        fields.extend(parsed.zip(value));
    }
    fields
}

fn parse_name(text: &str, node: NodeId, reading: Reading<'_>) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        let finding = reading.find(
            node,
            "expected the name of a header field, such as `X-Team`",
        );
        // A key stands in the file as it is; whatever else has a `${` was filled in.
        let is_key = text == reading.document.text(node);
        let note = match is_key && text.contains("${") {
            true => "keys are not filled in from the environment".to_owned(),
            false => reading.note_on(node, "letters, digits and `-`, without a colon or spaces"),
        };
        reading.report.add(finding.note(note));
        return None;
    };
    if !may_be_ruled(&name) {
        let written = shown(reading.document.text(node));
        let finding = reading.find(
            node,
            format!("the field `{written}` belongs to the gateway"),
        );
        reading.report.add(finding.note(why_ours(&name)));
        return None;
    }
    Some(name)
}

fn why_ours(name: &HeaderName) -> &'static str {
    if *name == http::header::HOST {
        "to choose a route by host, use the key `host`"
    } else if is_hop_by_hop(name.as_str()) {
        "it frames the message on one connection and never passes on"
    } else {
        "with it the gateway tells the service who asks, so no rule may touch it"
    }
}

fn parse_value(text: &Located<Text>, reading: Reading<'_>) -> Option<HeaderValue> {
    let Located {
        value: Text(value),
        node,
    } = text;
    let is_plain = value
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let note = match HeaderValue::from_str(value) {
        Ok(parsed) if is_plain && value.trim() == value => return Some(parsed),
        Ok(_) if is_plain => "spaces at the start or end would be lost",
        Ok(_) | Err(_) => "only ASCII that can be seen, and spaces",
    };
    let finding = reading.find(*node, "expected the value of a header field");
    reading
        .report
        .add(finding.note(reading.note_on(*node, note)));
    None
}
