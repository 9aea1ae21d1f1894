//! Calls out of templates: literals, and what each pair of braces stands for.

use super::{Fault, Faults};
use crate::call::{Call, Insert, Pair, Part, Piece, Slot, Template};
use crate::declaration::Text;
use crate::plan::ServiceId;

/// What a lookup is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Batch,
    Table,
}

/// In the place of a call that is not known.
pub(super) fn nowhere() -> Call {
    Call {
        service: ServiceId(usize::MAX),
        path: Vec::new(),
        query: Vec::new(),
    }
}

/// A call in which every slot was given its meaning.
pub(super) fn build(
    template: &Template,
    service: ServiceId,
    mut insert: impl FnMut(&Slot) -> Insert,
) -> Call {
    let mut piece = |part: &Part| match part {
        Part::Literal(text) => Piece::Literal(text.as_str().into()),
        Part::Slot(slot) => Piece::Insert(insert(slot)),
    };
    let path = template.path.iter().map(&mut piece).collect();
    let query = template.query.iter().map(|parts| Pair {
        pieces: parts.iter().map(&mut piece).collect(),
    });
    Call {
        service,
        path,
        query: query.collect(),
    }
}

pub(super) fn of_lookup(
    (text, template): (&Text, &Template),
    service: ServiceId,
    used: Use,
    faults: &mut Faults,
) -> Call {
    let known: &[&str] = match used {
        Use::Batch => &["keys", "versions"],
        Use::Table => &["lastModified"],
    };
    for slot in template.slots() {
        let name = slot.bare_name().unwrap_or_default();
        if !known.contains(&name) {
            let names = known.iter().map(|name| format!("`{{{name}}}`"));
            let note = format!("here stands {}", names.collect::<Vec<_>>().join(" or "));
            let fault = Fault::at(text, "a lookup knows nothing of requests");
            faults.add(fault.within(slot.span.clone()).note(note));
        } else if slot.is_in_path {
            let fault = Fault::at(text, "this belongs into the query");
            let note = format!("as in `?ids={{{name}}}`");
            faults.add(fault.within(slot.span.clone()).note(note));
        }
    }
    let call = build(template, service, |slot| match slot.bare_name() {
        Some("versions") => Insert::Versions,
        Some("lastModified") => Insert::LastModified,
        Some(_) | None => Insert::Keys,
    });
    let keys = template
        .slots()
        .filter(|slot| slot.bare_name() == Some("keys"))
        .count();
    if used == Use::Batch && keys != 1 {
        let fault = Fault::at(text, "expected `{keys}` once");
        faults.add(fault.note("the keys of a batch: `GET membership /members?ids={keys}`"));
    }
    call
}
