//! Which parameters of the query does a route ask for?

use gateway_core::query::QueryCondition;

use super::check_count;
use crate::bounds;
use crate::document::NodeId;
use crate::reader::{Entries, Field, Reading};
use crate::units::Text;

const EXPECTED: &str = "expected a parameter such as `dry-run: \"1\"`";

pub(super) fn compile(query: &Field<Entries<Text>>, reading: Reading<'_>) -> Vec<QueryCondition> {
    let what = "parameters of the query";
    check_count(query.count(), bounds::QUERY_MAX, what, reading);
    let mut conditions = Vec::new();
    for (name, value) in query.entries().take(bounds::QUERY_MAX) {
        let is_name_fit = check_name(&name.value, name.node, reading);
        let value = value
            .given()
            .filter(|value| check_text(&value.value.0, value.node, reading));
        if let (true, Some(value)) = (is_name_fit, value) {
            conditions.push(QueryCondition {
                name: name.value.clone(),
                value: value.value.0.clone(),
            });
        }
    }
    conditions
}

fn check_name(name: &str, node: NodeId, reading: Reading<'_>) -> bool {
    let note = if name.is_empty() {
        "a parameter has a name"
    } else if name.contains("${") {
        "keys are not filled in from the environment"
    } else {
        return check_text(name, node, reading);
    };
    reading.report.add(reading.find(node, EXPECTED).note(note));
    false
}

/// What is compared is decoded, so an escape in the file would never be met.
fn check_text(text: &str, node: NodeId, reading: Reading<'_>) -> bool {
    let note = if has_escape(text) {
        "write it decoded: requests are compared without their percent-encoding"
    } else if text.chars().any(char::is_control) {
        "no control characters"
    } else {
        return true;
    };
    let finding = reading.find(node, EXPECTED);
    reading
        .report
        .add(finding.note(reading.note_on(node, note)));
    false
}

fn has_escape(text: &str) -> bool {
    let mut triples = text.as_bytes().windows(3);
    triples.any(|it| it[0] == b'%' && it[1].is_ascii_hexdigit() && it[2].is_ascii_hexdigit())
}
