//! Does a route lead to something that is composed?

use std::sync::Arc;

use super::composition;
use crate::document::NodeId;
use crate::nearest;
use crate::problem::shown;
use crate::reader::{Field, Reading};
use crate::written::{File, Route};

/// The requests that are composed, by name.
pub(super) struct Endpoints<'a> {
    names: Vec<&'a str>,
    are_lost: bool,
}

impl<'a> Endpoints<'a> {
    pub(super) fn of(file: &'a File) -> Self {
        Self {
            names: composition::names(file),
            are_lost: matches!(file.endpoints, Field::Broken),
        }
    }
}

/// The endpoint of a route, which is the one that bears the text of its `match`.
pub(super) fn compile(
    route: &Route,
    compose: NodeId,
    endpoints: &Endpoints<'_>,
    reading: Reading<'_>,
) -> Option<Arc<str>> {
    refuse_idle(route, compose, reading);
    let matches = route.matches.given()?;
    let text = matches.value.0.as_str();
    if endpoints.names.contains(&text) {
        return Some(text.into());
    }
    if !endpoints.are_lost {
        let message = format!("there is no endpoint `{}`", shown(text));
        let note = match nearest::find(text, endpoints.names.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "add it to `endpoints` under the same text".to_owned(),
        };
        let note = reading.note_on(matches.node, note);
        reading
            .report
            .add(reading.find(matches.node, message).note(note));
    }
    None
}

/// What is composed has no service to be sent to, and no body.
fn refuse_idle(route: &Route, compose: NodeId, reading: Reading<'_>) {
    let keys = [
        ("to", node(&route.to)),
        ("strip", node(&route.strip)),
        ("add", node(&route.add)),
        ("body", node(&route.body)),
        ("timeout", node(&route.timeout)),
        ("upgrade", node(&route.upgrade)),
        ("request_headers", node(&route.request_headers)),
    ];
    for (key, node) in keys {
        if let Some(node) = node {
            let message = format!("`{key}` has no effect on a route that is composed");
            let finding = reading.find(node, message);
            let compose = reading.span(compose);
            reading.report.add(finding.other(compose, "it is composed"));
        }
    }
}

fn node<T>(field: &Field<T>) -> Option<NodeId> {
    field.given().map(|given| given.node)
}
