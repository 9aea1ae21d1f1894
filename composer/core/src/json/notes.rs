//! Where in a body things stand that will be looked for: members of its outermost object, and those of
//! the rows of its lists.
//!
//! Rows of one list are mostly made alike: what stands between two values of a row, name, colon and
//! all, stands there in the next row too. The same bytes behind a value mean the same, so such a
//! *stretch* is judged once and then only compared.

use std::num::NonZeroU32;
use std::ops::Range;

use super::opening::Opening;

/// Members of the outermost object that are noted; where there are more, none are.
const MEMBERS_MAX: usize = 64;
/// Members of a row that the next one is compared with.
const ALIKE_MAX: usize = 64;
/// Of all rows of a list; where there are more, none are noted.
const CELLS_MAX: usize = 64 * 1024;
/// Lists whose rows are noted, the first ones.
const GRIDS_MAX: usize = 8;
/// For so much room is made before it is needed.
const CELLS_EXPECTED_MAX: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(super) struct Notes {
    members: Vec<Member>,
    grids: Vec<Grid>,
    has_too_many: bool,
}

/// A place in a body, none of which is longer than that. Nothing that is noted ends where a body begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    start: u32,
    end: NonZeroU32,
}

/// A raw name, without its quotes, and its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) name: Place,
    pub(super) value: Place,
    /// Whether the name is written otherwise than it reads.
    pub(super) is_escaped: bool,
}

/// The rows of one array.
#[derive(Debug)]
pub(super) struct Grid {
    start: usize,
    /// The raw names that rows have, some of them perhaps several times.
    names: Vec<Place>,
    rows: Vec<Row>,
    cells: Vec<Cell>,
    /// What is expected, by the place of a member in its row.
    stretches: Vec<Stretch>,
    has_too_many: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) start: u32,
    /// Its cells end there; they begin where those of the row before end.
    pub(super) cells_end: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Among the names.
    pub(super) name: usize,
    pub(super) value: Place,
}

/// What stands before a value: from the end of the one before it, or from the start of the object.
#[derive(Debug, Clone)]
struct Stretch {
    place: Range<usize>,
    /// The same where it is short, with a string behind it.
    opening: Option<Opening>,
    name: usize,
}

impl Notes {
    /// Notes a member of these places in a body.
    pub(super) fn member(&mut self, body: &[u8], name: &Range<usize>, value: &Range<usize>) {
        let raw = body.get(name.clone()).unwrap_or_default();
        let is_escaped = memchr::memchr(b'\\', raw).is_some();
        match Place::of(name).zip(Place::of(value)) {
            Some((name, value)) if self.members.len() < MEMBERS_MAX => self.members.push(Member {
                name,
                value,
                is_escaped,
            }),
            Some(_) | None => self.has_too_many = true,
        }
    }

    pub(super) fn grid(&mut self, grid: Grid) {
        if !grid.has_too_many && self.grids.len() < GRIDS_MAX {
            self.grids.push(grid);
        }
    }

    /// All of it, once nothing more comes.
    pub(super) fn end(mut self) -> Self {
        if self.has_too_many {
            self.members = Vec::new();
        }
        self
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn grids(&self) -> &[Grid] {
        &self.grids
    }

    pub(super) fn bytes(&self) -> usize {
        let grids = self.grids.iter().map(Grid::bytes);
        self.members.capacity() * size_of::<Member>() + grids.sum::<usize>()
    }
}

impl Member {
    /// Whether its name may have so many bytes, by which most are told apart.
    pub(super) fn may_be(&self, length: usize) -> bool {
        self.is_escaped || self.name.len() == length
    }
}

impl Place {
    pub(super) fn of(range: &Range<usize>) -> Option<Self> {
        Some(Self {
            start: u32::try_from(range.start).ok()?,
            end: NonZeroU32::new(u32::try_from(range.end).ok()?)?,
        })
    }

    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end.get() as usize
    }

    pub(super) fn len(self) -> usize {
        self.range().len()
    }
}

impl Grid {
    /// Of an array that begins there.
    pub(super) fn new(start: usize) -> Self {
        Self {
            start,
            names: Vec::new(),
            rows: Vec::new(),
            cells: Vec::new(),
            stretches: Vec::new(),
            has_too_many: false,
        }
    }

    /// What probably stands before the value of the next row in this place, and its name.
    pub(super) fn expected(&self, place: usize) -> Option<(Range<usize>, usize)> {
        let stretch = self.stretches.get(place)?;
        Some((stretch.place.clone(), stretch.name))
    }

    /// The same to be compared with where a string stands.
    pub(super) fn opening(&self, place: usize) -> Option<(&Opening, usize)> {
        let stretch = self.stretches.get(place)?;
        Some((stretch.opening.as_ref()?, stretch.name))
    }

    /// Takes a stretch for what is expected from now on. Its name among those that rows have.
    pub(super) fn learn(
        &mut self,
        place: usize,
        (stretch, opening): (Range<usize>, Option<Opening>),
        name: &Range<usize>,
    ) -> usize {
        let known = self.names.len();
        match Place::of(name) {
            Some(name) if known < CELLS_MAX => self.names.push(name),
            Some(_) | None => self.has_too_many = true,
        }
        let stretch = Stretch {
            place: stretch,
            opening,
            name: known,
        };
        match self.stretches.get_mut(place) {
            Some(expected) => *expected = stretch,
            None if place < ALIKE_MAX => self.stretches.push(stretch),
            None => {}
        }
        known
    }

    pub(super) fn cell(&mut self, name: usize, value: &Range<usize>) {
        match Place::of(value) {
            Some(value) if self.cells.len() < CELLS_MAX => self.cells.push(Cell { name, value }),
            Some(_) | None => self.has_too_many = true,
        }
    }

    pub(super) fn row(&mut self, start: usize) {
        match u32::try_from(start) {
            Ok(start) if self.rows.len() < CELLS_MAX => self.rows.push(Row {
                start,
                cells_end: self.cells.len(),
            }),
            Ok(_) | Err(_) => self.has_too_many = true,
        }
    }

    /// Makes room after the first row, which took so many bytes, for what is probably made alike in the
    /// bytes that are left.
    pub(super) fn make_room(&mut self, row_bytes: usize, bytes_left: usize) {
        if self.rows.len() == 1 {
            let rows = (bytes_left / row_bytes.max(1)).min(CELLS_EXPECTED_MAX);
            let cells = rows.saturating_mul(self.cells.len());
            self.rows.reserve(rows);
            self.cells.reserve(cells.min(CELLS_EXPECTED_MAX));
        }
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn names(&self) -> &[Place] {
        &self.names
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.names.capacity() * size_of::<Place>()
            + self.rows.capacity() * size_of::<Row>()
            + self.cells.capacity() * size_of::<Cell>()
            + self.stretches.capacity() * size_of::<Stretch>()
    }
}
