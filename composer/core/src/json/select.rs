//! Rows of an array, each read for the few members that are wanted of it.

use super::notes::{Cell, Grid, Place, Row};
use super::scan::Scanner;
use super::{Json, Kind, Name, Value};

#[cfg(test)]
mod tests;

/// Walks the items of an array.
#[derive(Debug)]
pub(crate) struct Selection<'a, 'n> {
    names: &'n [Name],
    body: &'a Json,
    items: Items<'a>,
}

#[derive(Debug)]
enum Items<'a> {
    /// Whose members were noted.
    Noted {
        rows: std::slice::Iter<'a, Row>,
        cells: &'a [Cell],
        cells_taken: usize,
        /// For each name that rows have, the slot it is wanted in.
        slots: Vec<Option<usize>>,
    },
    Scanned(Scanner<'a>),
}

impl<'a, 'n> Selection<'a, 'n> {
    pub(super) fn of_grid(body: &'a Json, grid: &'a Grid, names: &'n [Name]) -> Self {
        let raw = grid.names().iter().map(|place| body.part(place.range()));
        let slots = raw.map(|raw| slot_of(names, raw.map_or(&[], Value::bytes)));
        Self {
            names,
            body,
            items: Items::Noted {
                rows: grid.rows().iter(),
                cells: grid.cells(),
                cells_taken: 0,
                slots: slots.collect(),
            },
        }
    }

    pub(super) fn of_array(body: &'a Json, scanner: Scanner<'a>, names: &'n [Name]) -> Self {
        Self {
            names,
            body,
            items: Items::Scanned(scanner),
        }
    }

    /// How many items are left, where that is known.
    pub(crate) fn left(&self) -> usize {
        match &self.items {
            Items::Noted { rows, .. } => rows.len(),
            Items::Scanned(_) => 0,
        }
    }

    /// What the next item is. Where its members of the wanted names stand is added to `found`, one for
    /// each name; none are in what is no object. Where a name is there several times the last one
    /// counts, and each of the others is counted in `duplicates`.
    pub(crate) fn next(
        &mut self,
        found: &mut Vec<Option<Place>>,
        duplicates: &mut u64,
    ) -> Option<Kind> {
        let first = found.len();
        match &mut self.items {
            Items::Noted {
                rows,
                cells,
                cells_taken,
                slots,
            } => {
                let row = rows.next()?;
                found.resize(first + self.names.len(), None);
                let mut found = Slots(found.get_mut(first..)?, duplicates);
                for cell in cells.get(*cells_taken..row.cells_end)? {
                    if let Some(slot) = slots.get(cell.name).copied().flatten() {
                        found.put(slot, cell.value);
                    }
                }
                *cells_taken = row.cells_end;
                let rest = self.body.part(row.start as usize..self.body.bytes().len());
                rest.map(Value::kind)
            }
            Items::Scanned(scanner) => {
                let start = scanner.next_start(b']')?;
                found.resize(first + self.names.len(), None);
                if start != b'{' {
                    return scanner.pass().map(|bytes| Value(bytes).kind());
                }
                let mut found = Slots(found.get_mut(first..)?, duplicates);
                let (names, body) = (self.names, self.body);
                scanner.pass_members(|name, value| {
                    let raw = name.get(1..name.len().saturating_sub(1));
                    if let Some(slot) = slot_of(names, raw.unwrap_or_default()) {
                        let place = Place::of(&body.place_of(Value(value)));
                        found.put(slot, place.expect("invariant: no longer body was judged"));
                    }
                })?;
                Some(Kind::Object)
            }
        }
    }
}

/// Of one row, and the count of what was there before.
struct Slots<'s>(&'s mut [Option<Place>], &'s mut u64);

impl Slots<'_> {
    fn put(&mut self, slot: usize, value: Place) {
        if let Some(place) = self.0.get_mut(slot) {
            *self.1 += u64::from(place.is_some());
            *place = Some(value);
        }
    }
}

fn slot_of(names: &[Name], raw: &[u8]) -> Option<usize> {
    names.iter().position(|name| name.is(raw))
}
