//! Expressions out of words: what each name stands for, and what must be fetched for it.

use super::lookup::shown;
use super::{Fault, Faults, Names};
use crate::declaration::{self, Text};
use crate::expression::{Expression, Head, Word};
use crate::json::Name;
use crate::plan::{Join, JoinId, ListId, LookupId, Needs, Query, StepId, Value};

/// The word under which parameters of the query are found.
pub(super) const QUERY: &str = "query";

/// What the expressions of one endpoint are compiled against, and what they come to.
pub(super) struct Values<'d> {
    pub(super) names: &'d Names<'d>,
    pub(super) params: Vec<Box<str>>,
    pub(super) steps: &'d [declaration::Step],
    pub(super) queries: Vec<Query>,
    pub(super) joins: Vec<Join>,
}

/// The row in which an expression stands.
pub(super) struct Row<'r> {
    pub(super) list: ListId,
    pub(super) names: &'r mut Vec<Name>,
}

/// In the place of a value that is not known.
pub(super) const NOTHING: Value = Value::Param(usize::MAX);

impl Values<'_> {
    /// A value outside of rows.
    pub(super) fn compile(&mut self, text: &Text, faults: &mut Faults) -> Value {
        match Expression::parse(&text.text) {
            Ok(expression) => self.value(text, &expression, None, faults),
            Err(misspelt) => {
                faults.misspelt(text, misspelt);
                NOTHING
            }
        }
    }

    pub(super) fn value(
        &mut self,
        text: &Text,
        expression: &Expression,
        row: Option<&mut Row<'_>>,
        faults: &mut Faults,
    ) -> Value {
        match (&expression.head, row) {
            (Head::Lookup { name, key }, row) => {
                let join = self.join((text, name), key, row, faults);
                let path = path_of(&expression.path);
                join.map_or(NOTHING, |join| Value::Joined { join, path })
            }
            (Head::Name(name), Some(row)) => of_row(name, &expression.path, row),
            (Head::Name(name), None) => self.named(text, name, &expression.path, faults),
        }
    }

    fn named(&mut self, text: &Text, name: &Word, path: &[Word], faults: &mut Faults) -> Value {
        let of_path = self.params.iter().position(|param| **param == *name.text);
        let step = self
            .steps
            .iter()
            .position(|step| step.name.text == name.text);
        match (of_path, step) {
            (Some(place), _) => {
                check_is_whole(text, path, faults);
                Value::Param(place)
            }
            (None, Some(step)) => Value::Step {
                step: StepId(step),
                path: path_of(path),
            },
            (None, None) if name.text == QUERY => self.query(text, (name, path), true, faults),
            (None, None) => {
                self.report_unknown(text, name, faults);
                NOTHING
            }
        }
    }

    fn report_unknown(&self, text: &Text, name: &Word, faults: &mut Faults) {
        let steps = self.steps.iter().map(|step| step.name.text.as_str());
        let known = steps.chain(self.params.iter().map(AsRef::as_ref));
        let kinds = ("step or parameter", "steps and parameters");
        let called = (shown(&name.text), name.span.clone());
        faults.unknown(text, (&called.0, called.1), kinds, known);
    }

    /// `query.cursor`: one parameter, which the request must have if any use of it says so.
    pub(super) fn query(
        &mut self,
        text: &Text,
        (name, path): (&Word, &[Word]),
        is_required: bool,
        faults: &mut Faults,
    ) -> Value {
        let Some((param, rest)) = path.split_first() else {
            let fault = Fault::at(text, "expected the name of a query parameter");
            faults.add(fault.within(name.span.clone()).note("as in `query.cursor`"));
            return NOTHING;
        };
        check_is_whole(text, rest, faults);
        let found = self
            .queries
            .iter()
            .position(|query| *query.name == *param.text);
        let place = found.unwrap_or_else(|| {
            self.queries.push(Query {
                name: param.text.as_str().into(),
                is_required: false,
            });
            self.queries.len() - 1
        });
        if let Some(query) = self.queries.get_mut(place) {
            query.is_required |= is_required;
        }
        Value::Query(place)
    }

    fn join(
        &mut self,
        (text, name): (&Text, &Word),
        key: &Expression,
        row: Option<&mut Row<'_>>,
        faults: &mut Faults,
    ) -> Option<JoinId> {
        let found = self.names.lookups.get(name.text.as_str()).copied();
        let list = row.as_ref().map(|row| row.list);
        let key = self.value(text, key, row, faults);
        let Some(lookup) = found.map(LookupId) else {
            let known = self.names.declaration.lookups.iter();
            let known = known.map(|lookup| lookup.name.text.as_str());
            let called = (name.text.as_str(), name.span.clone());
            faults.unknown(text, called, ("lookup", "lookups"), known);
            return None;
        };
        let is_same = |join: &Join| join.lookup == lookup && join.key == key && join.list == list;
        let known = self.joins.iter().position(is_same);
        Some(JoinId(known.unwrap_or_else(|| {
            let needs = self.needs_of([&key]);
            self.joins.push(Join {
                lookup,
                needs,
                key,
                list,
                round: 0,
            });
            self.joins.len() - 1
        })))
    }

    /// What values are made from. That of a list is added where the list is known.
    #[expect(clippy::unused_self, reason = "reads as a question to the endpoint")]
    pub(super) fn needs_of<'v>(&self, values: impl IntoIterator<Item = &'v Value>) -> Needs {
        let mut needs = Needs::default();
        for value in values {
            match value {
                Value::Step { step, .. } if !needs.steps.contains(step) => needs.steps.push(*step),
                Value::Joined { join, .. } if !needs.joins.contains(join) => {
                    needs.joins.push(*join)
                }
                Value::Step { .. }
                | Value::Joined { .. }
                | Value::Param(_)
                | Value::Query(_)
                | Value::Row { .. } => {}
            }
        }
        needs
    }
}

fn of_row(name: &Word, path: &[Word], row: &mut Row<'_>) -> Value {
    Value::Row {
        list: row.list,
        member: member_of(row.names, &name.text),
        path: path_of(path),
    }
}

/// The place of a member among those that are read from a row.
pub(super) fn member_of(names: &mut Vec<Name>, name: &str) -> usize {
    let found = names.iter().position(|known| known.as_str() == name);
    found.unwrap_or_else(|| {
        names.push(Name::new(name));
        names.len() - 1
    })
}

pub(super) fn path_of(words: &[Word]) -> Box<[Name]> {
    words
        .iter()
        .map(|word| Name::new(word.text.as_str()))
        .collect()
}

fn check_is_whole(text: &Text, path: &[Word], faults: &mut Faults) {
    if let Some(word) = path.first() {
        let fault = Fault::at(text, "a parameter is text, and nothing is inside of it");
        faults.add(fault.within(word.span.clone()));
    }
}
