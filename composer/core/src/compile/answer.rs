//! The shape of an answer: values, objects and lists under names that do not collide.

use super::lookup::member;
use super::value::{Row, Values, member_of};
use super::{Fault, Faults};
use crate::answer::{ERRORS, TRUNCATED};
use crate::declaration::{Place, Rows, Target, Text};
use crate::expression::{Expression, Head};
use crate::json::{Name, quoted};
use crate::pieces::Label;
use crate::plan::{Column, List, ListId, Member, Shape, StepId, Value};

/// Objects of the answer inside one another.
const NESTED_MAX: usize = 8;

pub(super) struct Shapes<'s, 'd> {
    pub(super) values: &'s mut Values<'d>,
    pub(super) lists: Vec<List>,
}

impl Shapes<'_, '_> {
    pub(super) fn compile(
        &mut self,
        members: &[(Text, Target)],
        within: &[&str],
        faults: &mut Faults,
    ) -> Vec<Member> {
        let mut taken = Taken::default();
        if within.is_empty() {
            taken.0.push((ERRORS, None));
        }
        let mut compiled = Vec::new();
        for (name, target) in members {
            taken.take(&name.text, name, faults);
            if let Target::Rows(rows) = target
                && rows.is_cut
            {
                taken.take(TRUNCATED, name, faults);
            }
            let path = [within, &[name.text.as_str()]].concat();
            let shape = self.shape((name, &path), target, faults);
            let name = Name::new(name.text.as_str());
            compiled.push(Member {
                label: label(&name),
                name,
                shape,
            });
        }
        compiled
    }

    fn shape(
        &mut self,
        (name, path): (&Text, &[&str]),
        target: &Target,
        faults: &mut Faults,
    ) -> Shape {
        match target {
            Target::Value(text) => Shape::Value(self.values.compile(text, faults)),
            Target::Object(_) if path.len() > NESTED_MAX => {
                let fault = Fault::at(name, "objects are nested too deep");
                faults.add(fault.note(format!("at most {NESTED_MAX}")));
                Shape::Object(Vec::new())
            }
            Target::Object(members) => {
                if members.is_empty() {
                    let fault = Fault::at(name, "expected at least one member");
                    faults.add(fault.note("write a value such as `balance.amount`"));
                }
                Shape::Object(self.compile(members, path, faults))
            }
            Target::Rows(rows) => Shape::List(self.list((name, path), rows, faults)),
        }
    }

    fn list(
        &mut self,
        (name, place): (&Text, &[&str]),
        rows: &Rows,
        faults: &mut Faults,
    ) -> ListId {
        let list = ListId(self.lists.len());
        let (step, path) = self.each(&rows.each, faults);
        // The list takes its place before its columns are compiled, since they refer to it.
        self.lists.push(List {
            name: place.join(".").into(),
            step,
            path,
            rows_max: rows.rows_max,
            is_cut: rows.is_cut,
            names: Vec::new(),
            columns: Vec::new(),
        });
        let (names, columns) = self.columns(list, rows, faults);
        if rows.keep.is_empty() && rows.join.is_empty() {
            let fault = Fault::at(name, "the rows would be empty");
            faults.add(fault.note("say what is kept of each: `keep: [id, amount]`"));
        }
        if let Some(place) = self.lists.get_mut(list.0) {
            place.names = names;
            place.columns = columns;
        }
        list
    }

    fn columns(
        &mut self,
        list: ListId,
        rows: &Rows,
        faults: &mut Faults,
    ) -> (Vec<Name>, Vec<Column>) {
        let mut names = Vec::new();
        let mut columns = Vec::new();
        let mut taken = Taken::default();
        for text in &rows.keep {
            taken.take(&text.text, text, faults);
            let member = member_of(&mut names, member(text, faults).as_str());
            let path = Box::default();
            columns.push(column(text, Value::Row { list, member, path }, true));
        }
        for (target, text) in &rows.join {
            taken.take(&target.text, target, faults);
            let mut row = Row {
                list,
                names: &mut names,
            };
            match Expression::parse(&text.text) {
                Ok(expression) => {
                    let value = self.values.value(text, &expression, Some(&mut row), faults);
                    columns.push(column(target, value, false));
                }
                Err(misspelt) => faults.misspelt(text, misspelt),
            }
        }
        (names, columns)
    }

    /// The array that brings the rows; it is in the answer of a step.
    fn each(&mut self, text: &Text, faults: &mut Faults) -> (StepId, Box<[Name]>) {
        let is_lookup = Expression::parse(&text.text)
            .is_ok_and(|expression| matches!(expression.head, Head::Lookup { .. }));
        let value = if is_lookup {
            super::value::NOTHING
        } else {
            let before = faults.0.len();
            let value = self.values.compile(text, faults);
            if faults.0.len() > before {
                return (StepId(0), Box::default());
            }
            value
        };
        if let Value::Step { step, path } = value {
            return (step, path);
        }
        let fault = Fault::at(text, "rows come from a step");
        faults.add(fault.note("the path of an array in its answer: `history.items`"));
        (StepId(0), Box::default())
    }
}

fn column(name: &Text, value: Value, is_kept: bool) -> Column {
    let name = Name::new(name.text.as_str());
    Column {
        label: label(&name),
        name,
        value,
        is_kept,
    }
}

fn label(name: &Name) -> Label {
    Label::new(&quoted(name.as_str()))
}

/// Names that are given away in one object.
#[derive(Default)]
struct Taken<'t>(Vec<(&'t str, Option<Place>)>);

impl<'t> Taken<'t> {
    fn take(&mut self, name: &'t str, text: &Text, faults: &mut Faults) {
        let found = self.0.iter().find(|(taken, _)| *taken == name);
        match found {
            None => self.0.push((name, Some(text.place))),
            Some((_, place)) => {
                let fault = Fault::at(text, format!("two things would be called `{name}`"));
                faults.add(match place {
                    Some(place) => fault.other(*place, "the other one"),
                    None => fault.note("this is where the answer tells its errors"),
                });
            }
        }
    }
}
