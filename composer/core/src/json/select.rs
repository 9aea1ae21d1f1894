//! Rows of an array, each read for the few members that are wanted of it.

use super::notes::{Cell, Grid, Row};
use super::scan::Scanner;
use super::{Kind, Name, Value};

#[cfg(test)]
mod tests;

/// Walks the items of an array.
#[derive(Debug)]
pub(crate) struct Selection<'a, 'n> {
    names: &'n [Name],
    items: Items<'a>,
}

#[derive(Debug)]
enum Items<'a> {
    /// Whose members were noted.
    Noted {
        body: &'a [u8],
        rows: std::slice::Iter<'a, Row>,
        cells: &'a [Cell],
        cells_taken: usize,
        /// For each name that rows have, the slot it is wanted in.
        slots: Vec<Option<usize>>,
    },
    Scanned(Scanner<'a>),
}

impl<'a, 'n> Selection<'a, 'n> {
    pub(super) fn of_grid(body: &'a [u8], grid: &'a Grid, names: &'n [Name]) -> Self {
        let raw = grid.names().iter().map(|place| body.get(place.range()));
        let slots = raw.map(|raw| slot_of(names, raw.unwrap_or_default()));
        Self {
            names,
            items: Items::Noted {
                body,
                rows: grid.rows().iter(),
                cells: grid.cells(),
                cells_taken: 0,
                slots: slots.collect(),
            },
        }
    }

    pub(super) fn of_array(scanner: Scanner<'a>, names: &'n [Name]) -> Self {
        Self {
            names,
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

    /// What the next item is, and its members of the wanted names in their slots; none are in what is
    /// no object. Where a name is there several times the last one counts, and each of the others is
    /// counted in `duplicates`.
    pub(crate) fn next(
        &mut self,
        found: &mut Vec<Option<Value<'a>>>,
        duplicates: &mut u64,
    ) -> Option<Kind> {
        found.clear();
        found.resize(self.names.len(), None);
        let mut put = |slot: Option<usize>, value: &'a [u8]| {
            if let Some(place) = slot.and_then(|slot| found.get_mut(slot)) {
                *duplicates += u64::from(place.is_some());
                *place = Some(Value(value));
            }
        };
        match &mut self.items {
            Items::Noted {
                body,
                rows,
                cells,
                cells_taken,
                slots,
            } => {
                let row = rows.next()?;
                let (start, end) = (*cells_taken, row.cells_end);
                for cell in cells.get(start..end)? {
                    let slot = slots.get(cell.name).copied().flatten();
                    put(slot, body.get(cell.value.range())?);
                }
                *cells_taken = end;
                body.get(row.start as usize..)
                    .map(|rest| Value(rest).kind())
            }
            Items::Scanned(scanner) => {
                if scanner.next_start(b']')? != b'{' {
                    return scanner.pass().map(|bytes| Value(bytes).kind());
                }
                let names = self.names;
                scanner.pass_members(|name, value| {
                    let raw = name.get(1..name.len().saturating_sub(1));
                    put(slot_of(names, raw.unwrap_or_default()), value);
                })?;
                Some(Kind::Object)
            }
        }
    }
}

fn slot_of(names: &[Name], raw: &[u8]) -> Option<usize> {
    names.iter().position(|name| name.is(raw))
}
