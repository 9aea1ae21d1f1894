//! The rows of a list: where in the body of its step each value stands that is needed of them.

use crate::json::{Json, Kind, Place, Value};
use crate::pieces::Piece;
use crate::plan::List;

/// Rows that were read in one pass.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) count: usize,
    pub(crate) is_cut: bool,
    /// Whether the declared place holds `null` or nothing rather than an array.
    pub(crate) is_null: bool,
    width: usize,
    /// A row after the other, each with a cell for every name of the list.
    cells: Vec<Option<Place>>,
    /// Rows that are no objects, in their order.
    odd: Vec<usize>,
    body: Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// There is something else where an array is declared.
    NoArray,
    TooMany {
        rows_max: usize,
    },
}

impl Rows {
    pub(super) fn read(list: &List, body: &Json, duplicates: &mut u64) -> Result<Self, Unread> {
        let array = body.follow(&list.path, duplicates);
        let mut rows = Self {
            count: 0,
            is_cut: false,
            is_null: false,
            width: list.names.len(),
            cells: Vec::new(),
            odd: Vec::new(),
            body: body.clone(),
        };
        let Some(array) = array.filter(|array| !array.is_null()) else {
            rows.is_null = array.is_some();
            return if rows.is_null {
                Ok(rows)
            } else {
                Err(Unread::NoArray)
            };
        };
        let selection = body.select(array, &list.names);
        let mut items = selection.ok_or(Unread::NoArray)?;
        let count = items.left().min(list.rows_max);
        rows.cells.reserve(count * rows.width);
        while let Some(kind) = items.next(&mut rows.cells, duplicates) {
            if rows.count == list.rows_max {
                if !list.is_cut {
                    let rows_max = list.rows_max;
                    return Err(Unread::TooMany { rows_max });
                }
                rows.is_cut = true;
                break;
            }
            if kind != Kind::Object {
                rows.odd.push(rows.count);
            }
            rows.count += 1;
        }
        Ok(rows)
    }

    /// What a row has under a name of the list.
    pub(crate) fn cell(&self, row: usize, member: usize) -> Option<Value<'_>> {
        self.cell_of(self.cells(row), member)
    }

    /// Where what a row has stands, to be asked for by name after name.
    pub(crate) fn cells(&self, row: usize) -> &[Option<Place>] {
        let first = row * self.width;
        let cells = self.cells.get(first..first + self.width);
        cells.unwrap_or_default()
    }

    /// One of the values that were found to stand there.
    fn cell_of(&self, cells: &[Option<Place>], member: usize) -> Option<Value<'_>> {
        let place = cells.get(member).copied().flatten()?;
        self.body.part(place.range())
    }

    /// The same, to be passed on as it is.
    pub(crate) fn piece_of(&self, cells: &[Option<Place>], member: usize) -> Option<Piece<'_>> {
        self.body.piece(cells.get(member).copied().flatten()?)
    }

    pub(crate) fn is_odd(&self, row: usize) -> bool {
        self.odd.binary_search(&row).is_ok()
    }
}
