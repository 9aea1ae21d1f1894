//! What the composer's compiler finds, at its place in the file.

use composer_core::declaration::Place;
use composer_core::{Fault, Hint};

use crate::document::NodeId;
use crate::nearest;
use crate::problem::shown;
use crate::reader::Reading;
use crate::report::Finding;
use crate::source::Span;

/// Names that are listed where none is near.
const LISTED_MAX: usize = 10;

pub(super) fn report(fault: &Fault, reading: Reading<'_>) {
    let span = span(fault, reading);
    let node = node(fault.place);
    // What is said may name a part of the text, which is nobody's business where it is a variable.
    let is_variable = node.is_some_and(|node| reading.is_filled_in(node));
    let message = match is_variable {
        true => "this cannot be composed".to_owned(),
        false => shown(&fault.message),
    };
    let mut finding = Finding::at(span, message);
    let note = |note: String| node.map_or(String::new(), |node| reading.note_on(node, note));
    match &fault.hint {
        Hint::None => {}
        Hint::Note(text) => finding = finding.note(note(text.clone())),
        Hint::Known { name, kind, names } => {
            finding = finding.note(note(instead(name, kind, names)));
        }
    }
    if let Some((place, text)) = &fault.other {
        finding = finding.other(span_of(*place, reading), text.as_str());
    }
    reading.report.add(finding);
}

fn instead(name: &str, kind: &str, names: &[String]) -> String {
    match nearest::find(name, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => format!("there are no {kind}"),
        None if names.len() > LISTED_MAX => format!("it is none of the {kind}"),
        None => format!("{kind} are: {}", names.join(", ")),
    }
}

fn node(place: Place) -> Option<NodeId> {
    NodeId::from_u64(place.0)
}

fn span_of(place: Place, reading: Reading<'_>) -> Span {
    node(place).map_or(0..0, |node| reading.span(node))
}

/// The part of a scalar that is meant, where it is written as it is read: without escapes, on one
/// line and not out of the environment.
fn span(fault: &Fault, reading: Reading<'_>) -> Span {
    let whole = span_of(fault.place, reading);
    let text = node(fault.place).map_or("", |node| reading.document.text(node));
    let (Some(part), false) = (&fault.span, text.contains("${")) else {
        return whole;
    };
    let verbatim = reading.document.source().slice(&whole).find(text);
    verbatim.map_or(whole.clone(), |offset| {
        let start = whole.start + offset;
        start + part.start..start + part.end
    })
}
