//! How do the bytes of many answers become the bytes of one?
//!
//! Values are copied as they were sent; only names, brackets and what is told about errors are ours.
//! Rows stand in the order of the list that brought them, and what could not be had is `null` with an
//! entry in `_errors`, never silently.

use bytes::Bytes;
use http::HeaderMap;
use http::header::IF_NONE_MATCH;

use crate::compose::{Composition, Part, Refused, Rows, Seen};
use crate::json::quoted;
use crate::pieces::Label;
use crate::plan::{Column, Endpoint, List, ListId, Member, Shape, StepId, Value};
use crate::status::{cache_status, composition_status};

pub(crate) use errors::Errors;

mod errors;

#[cfg(test)]
mod tests;

/// What the answer says of itself.
pub(crate) const ERRORS: &str = "_errors";
/// Beside a list that was cut.
pub(crate) const TRUNCATED: &str = "truncated";

/// A composed answer, ready to be sent with 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub body: Bytes,
    /// Whether something is missing or stale, which `_errors` tells.
    pub is_partial: bool,
    pub cache_control: String,
    pub cache_status: String,
    pub composition_status: String,
    /// Calls that were made, and those that one call for each step and each row would have been.
    pub calls: u64,
    pub calls_naive: u64,
    /// Members that were there twice.
    pub duplicates: u64,
}

impl Composition {
    /// The answer, once all is done.
    pub fn answer(self) -> Result<Answer, Refused> {
        if let Some(refused) = self.refused() {
            return Err(refused.clone());
        }
        let plan = &self.plan;
        let endpoint = plan.endpoint(self.id).ok_or(Refused::NoEndpoint)?;
        let mut errors = Errors::default();
        for step in (0..endpoint.steps.len()).map(StepId) {
            if let Some((cause, is_stale)) = self.trouble(step) {
                errors.add(Part::Step(step), None, cause, is_stale);
            }
        }
        let mut writer = Writer {
            composition: &self,
            endpoint,
            errors,
            out: Vec::with_capacity(self.bytes_expected()),
        };
        writer.object(&endpoint.answer, true);
        let Writer { errors, out, .. } = writer;
        let is_partial = !errors.is_empty();
        let calls = self.tallies.iter().map(|(_, tally)| tally.calls).sum();
        let calls_naive = self.calls_naive();
        Ok(Answer {
            body: out.into(),
            is_partial,
            cache_control: if is_partial {
                "no-store".to_owned()
            } else {
                self.reuse.text()
            },
            cache_status: cache_status(plan, endpoint, &self.tallies),
            composition_status: composition_status(is_partial, calls, calls_naive),
            calls,
            calls_naive,
            duplicates: self.duplicates,
        })
    }
}

struct Writer<'w> {
    composition: &'w Composition,
    endpoint: &'w Endpoint,
    errors: Errors,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn object(&mut self, members: &[Member], is_whole: bool) {
        self.out.push(b'{');
        let start = self.out.len();
        for member in members {
            self.label(&member.label, start);
            match &member.shape {
                Shape::Value(value) => {
                    let seen = self.composition.see(value, 0);
                    self.value(seen, None);
                }
                Shape::Object(members) => self.object(members, false),
                Shape::List(list) => self.list(*list),
            }
        }
        if is_whole && !self.errors.is_empty() {
            self.separate(start);
            let composition = self.composition;
            self.errors
                .write(&composition.plan, self.endpoint, &mut self.out);
        }
        self.out.push(b'}');
    }

    fn list(&mut self, id: ListId) {
        let composition = self.composition;
        let list = self.endpoint.list(id).zip(composition.list(id));
        let Some((list, rows)) = list.filter(|(_, rows)| !rows.is_null) else {
            self.null();
            return;
        };
        self.out.push(b'[');
        let start = self.out.len();
        for row in 0..rows.count {
            self.separate(start);
            self.row((id, list), rows, row);
        }
        self.out.push(b']');
        if rows.is_cut {
            self.out.push(b',');
            self.out.extend_from_slice(quoted(TRUNCATED).as_bytes());
            self.out.extend_from_slice(b":true");
        }
    }

    fn row(&mut self, (id, list): (ListId, &List), rows: &Rows, row: usize) {
        if rows.is_odd(row) {
            self.null();
            let part = Part::Step(list.step);
            self.errors
                .add(part, Some((id, row)), crate::Cause::Shape, false);
            return;
        }
        self.out.push(b'{');
        let start = self.out.len();
        let cells = rows.cells(row);
        for Column {
            label,
            value,
            is_kept,
            ..
        } in &list.columns
        {
            // What a row is passed on as is most of an answer.
            let cell = match value {
                Value::Row { list, member, path } if *list == id && path.is_empty() => {
                    rows.piece_of(cells, *member)
                }
                Value::Row { .. }
                | Value::Param(_)
                | Value::Query(_)
                | Value::Step { .. }
                | Value::Joined { .. } => None,
            };
            if let Some(cell) = cell {
                self.label(label, start);
                cell.append_to(&mut self.out);
                continue;
            }
            let seen = self.composition.see(value, row);
            if *is_kept && matches!(seen, Seen::Nothing) {
                continue;
            }
            self.label(label, start);
            self.value(seen, Some((id, row)));
        }
        self.out.push(b'}');
    }

    fn value(&mut self, seen: Seen<'_>, row: Option<(ListId, usize)>) {
        match seen {
            Seen::Value(value) => self.out.extend_from_slice(value.bytes()),
            Seen::Text(text) => self.out.extend_from_slice(quoted(text).as_bytes()),
            Seen::Nothing => self.null(),
            Seen::Stale(value, failure) => {
                match value {
                    Some(value) => self.out.extend_from_slice(value.bytes()),
                    None => self.null(),
                }
                self.errors.add(failure.source, row, failure.cause, true);
            }
            Seen::Failed(failure) => {
                self.null();
                self.errors.add(failure.source, row, failure.cause, false);
            }
        }
    }

    /// The name of a member of the object that begins there.
    fn label(&mut self, label: &Label, start: usize) {
        let label = if self.out.len() > start {
            label.after_another()
        } else {
            label.first()
        };
        label.append_to(&mut self.out);
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }

    fn separate(&mut self, start: usize) {
        if self.out.len() > start {
            self.out.push(b',');
        }
    }
}

/// A strong entity tag of a body, made from a hash over all of its bytes.
pub fn etag(hash: u128) -> String {
    format!("\"{hash:032x}\"")
}

/// Whether `If-None-Match` names this tag, so that 304 is the answer. The comparison is weak, as
/// RFC 9110 section 13.1.2 has it.
pub fn is_known(etag: &str, fields: &HeaderMap) -> bool {
    let lines = fields.get_all(IF_NONE_MATCH).into_iter();
    lines.filter_map(|line| line.to_str().ok()).any(|line| {
        let mut rest = line;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.starts_with('*') {
                return true;
            }
            let opaque = rest.strip_prefix("W/").unwrap_or(rest);
            let Some((tag, after)) = opaque.strip_prefix('"').and_then(|it| it.split_once('"'))
            else {
                return false;
            };
            if etag.strip_prefix('"').and_then(|it| it.strip_suffix('"')) == Some(tag) {
                return true;
            }
            rest = after;
        }
    })
}
