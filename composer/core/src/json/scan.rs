//! Judges bytes once, and passes over what was judged.

use std::ops::Range;

use super::notes::{Grid, Notes};
use super::opening::Opening;
use super::{DEPTH_MAX, Unsound};
use crate::same::are_same;

/// A place in a body. What only passes over leaves the checks to [`Scanner::judge`].
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// No item was taken from this array, or member from this object.
    is_fresh: bool,
    /// Nowhere in all of the bytes is an escape, or what may not be in a string.
    is_plain: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            is_fresh: true,
            is_plain: false,
        }
    }

    /// To judge a body that was looked through before.
    pub(super) fn of_body(bytes: &'a [u8], is_plain: bool) -> Self {
        Self {
            is_plain,
            ..Self::new(bytes)
        }
    }

    /// Judges everything from the first byte of the one value on; where that ends.
    pub(super) fn judge(&mut self, notes: &mut Notes) -> Result<usize, Unsound> {
        self.judge_whole(notes, |scanner, depth, _| scanner.judge_value(depth))
    }

    /// The same, taking notes of the rows of each array that is all there is, or a member of it.
    pub(super) fn judge_rows(&mut self, notes: &mut Notes) -> Result<usize, Unsound> {
        self.judge_whole(notes, |scanner, depth, notes| {
            if scanner.peek() != Some(b'[') {
                return scanner.judge_value(depth);
            }
            let mut grid = Grid::new(scanner.at);
            scanner.judge_container(depth, b']', |scanner, depth| {
                scanner.judge_row(depth, &mut grid)
            })?;
            notes.grid(grid);
            Ok(())
        })
    }

    fn judge_whole(
        &mut self,
        notes: &mut Notes,
        judge: impl Fn(&mut Self, usize, &mut Notes) -> Result<(), Unsound>,
    ) -> Result<usize, Unsound> {
        if self.peek() == Some(b'{') {
            self.judge_container(0, b'}', |scanner, depth| {
                let name = scanner.judge_name()?;
                let start = scanner.at;
                judge(scanner, depth, notes)?;
                notes.member(scanner.bytes, &name, &(start..scanner.at));
                Ok(())
            })?;
        } else {
            judge(self, 0, notes)?;
        }
        let end = self.at;
        self.skip_white();
        if self.at == self.bytes.len() {
            Ok(end)
        } else {
            Err(self.broken())
        }
    }

    /// An item of an array, whose members are noted where it is an object.
    fn judge_row(&mut self, depth: usize, grid: &mut Grid) -> Result<(), Unsound> {
        let row_start = self.at;
        if self.peek() != Some(b'{') {
            self.judge_value(depth)?;
            grid.row(row_start);
            return Ok(());
        }
        if depth == DEPTH_MAX {
            return Err(Unsound::TooDeep);
        }
        self.at += 1;
        let mut place = 0;
        loop {
            self.pass_alike(&mut place, grid);
            let Some(name) = self.judge_stretch(place, grid)? else {
                break;
            };
            let start = self.at;
            self.judge_value(depth + 1)?;
            grid.cell(name, &(start..self.at));
            place += 1;
        }
        grid.row(row_start);
        grid.make_room(self.at - row_start, self.rest().len());
        Ok(())
    }

    /// Passes over members of a row as long as they are as most are: what is expected stands before a value,
    /// and that is a string which ends with the next quote.
    fn pass_alike(&mut self, place: &mut usize, grid: &mut Grid) {
        if !self.is_plain {
            return;
        }
        let mut rest = self.rest();
        while let Some((opening, name)) = grid.opening(*place)
            && let Some(text) = opening.strip(rest)
            && let Some((_, after)) = text.split_at_checked(len_before(text, quotes, is_quote) + 1)
        {
            let start = self.bytes.len() - text.len() - 1;
            grid.cell(name, &(start..self.bytes.len() - after.len()));
            *place += 1;
            rest = after;
        }
        self.at = self.bytes.len() - rest.len();
    }

    /// What stands before the next value of a row; nothing at the end of the row.
    fn judge_stretch(&mut self, place: usize, grid: &mut Grid) -> Result<Option<usize>, Unsound> {
        if let Some((stretch, name)) = grid.expected(place)
            && self.pass_same(&stretch)
        {
            return Ok(Some(name));
        }
        let start = self.at;
        self.skip_white();
        if self.take(b'}') {
            return Ok(None);
        }
        if place > 0 {
            self.expect(b',')?;
            self.skip_white();
        }
        let name = self.judge_name()?;
        let stretch = start..self.at;
        let opening = self.bytes.get(stretch.clone()).and_then(Opening::of);
        Ok(Some(grid.learn(place, (stretch, opening), &name)))
    }

    /// Passes over the same bytes as stood in another place, if they stand here, and over the white
    /// space behind them.
    fn pass_same(&mut self, place: &Range<usize>) -> bool {
        let known = self.bytes.get(place.clone());
        let here = self.bytes.get(self.at..self.at + place.len());
        let is_same = known
            .zip(here)
            .is_some_and(|(one, other)| are_same(one, other));
        if is_same {
            self.at += place.len();
            self.skip_white();
        }
        is_same
    }

    fn judge_value(&mut self, depth: usize) -> Result<(), Unsound> {
        match self.peek() {
            Some(b'"') => self.judge_string(),
            Some(b'{') => self.judge_container(depth, b'}', |scanner, depth| {
                scanner.judge_name()?;
                scanner.judge_value(depth)
            }),
            Some(b'[') => self.judge_container(depth, b']', Self::judge_value),
            Some(b'-' | b'0'..=b'9') => self.judge_number(),
            Some(b't') => self.judge_word(b"true"),
            Some(b'f') => self.judge_word(b"false"),
            Some(b'n') => self.judge_word(b"null"),
            Some(_) | None => Err(self.broken()),
        }
    }

    fn judge_container(
        &mut self,
        depth: usize,
        end: u8,
        mut judge: impl FnMut(&mut Self, usize) -> Result<(), Unsound>,
    ) -> Result<(), Unsound> {
        if depth == DEPTH_MAX {
            return Err(Unsound::TooDeep);
        }
        self.at += 1;
        self.skip_white();
        if self.take(end) {
            return Ok(());
        }
        loop {
            judge(self, depth + 1)?;
            self.skip_white();
            if self.take(end) {
                return Ok(());
            }
            self.expect(b',')?;
            self.skip_white();
        }
    }

    /// The name of a member with what stands between it and its value: where it is, without quotes.
    fn judge_name(&mut self) -> Result<Range<usize>, Unsound> {
        if self.peek() != Some(b'"') {
            return Err(self.broken());
        }
        let start = self.at + 1;
        self.judge_string()?;
        let end = self.at - 1;
        self.skip_white();
        self.expect(b':')?;
        self.skip_white();
        Ok(start..end)
    }

    fn judge_string(&mut self) -> Result<(), Unsound> {
        self.at += 1;
        if self.is_plain {
            self.at += len_before(self.rest(), quotes, is_quote);
            return self.expect(b'"');
        }
        self.judge_text()
    }

    /// The same of a string in which anything may stand.
    fn judge_text(&mut self) -> Result<(), Unsound> {
        loop {
            self.at += plain_len(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.judge_escape()?,
                Some(_) | None => return Err(self.broken()),
            }
        }
    }

    fn judge_escape(&mut self) -> Result<(), Unsound> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.broken());
                    }
                    self.at += 1;
                }
            }
            Some(_) | None => return Err(self.broken()),
        }
        Ok(())
    }

    fn judge_number(&mut self) -> Result<(), Unsound> {
        self.take(b'-');
        if !self.take(b'0') {
            self.judge_digits()?;
        }
        if self.take(b'.') {
            self.judge_digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.judge_digits()?;
        }
        Ok(())
    }

    fn judge_digits(&mut self) -> Result<(), Unsound> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.broken())
        } else {
            Ok(())
        }
    }

    fn judge_word(&mut self, word: &[u8]) -> Result<(), Unsound> {
        let is_word = self.rest().starts_with(word);
        if !is_word {
            return Err(self.broken());
        }
        self.at += word.len();
        Ok(())
    }

    /// Steps into a container that was judged, if this is one.
    pub(super) fn enter(&mut self, start: u8) -> bool {
        self.take(start)
    }

    /// The next item, or the name of the next member; `None` at the end of the container.
    pub(super) fn next_value(&mut self, end: u8) -> Option<&'a [u8]> {
        self.next_start(end)?;
        self.pass()
    }

    /// Goes on to the next item without passing over it: the byte it begins with.
    pub(super) fn next_start(&mut self, end: u8) -> Option<u8> {
        self.skip_white();
        if self.peek()? == end {
            return None;
        }
        if self.is_fresh {
            self.is_fresh = false;
        } else {
            self.at += 1;
            self.skip_white();
        }
        self.peek()
    }

    /// Passes over the object that begins here and shows its members.
    pub(super) fn pass_members(&mut self, mut show: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
        self.at += 1;
        self.skip_white();
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let name = self.pass()?;
            let value = self.value_of_member()?;
            show(name, value);
            self.skip_white();
            if self.take(b'}') {
                return Some(());
            }
            self.at += 1;
            self.skip_white();
        }
    }

    /// What stands behind the name that was just taken.
    pub(super) fn value_of_member(&mut self) -> Option<&'a [u8]> {
        self.skip_white();
        self.at += 1;
        self.skip_white();
        self.pass()
    }

    /// Passes over a value that was judged.
    pub(super) fn pass(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.pass_string(),
            b'{' | b'[' => self.pass_container(),
            _ => {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                let length = self.rest().iter().position(ends);
                self.at += length.unwrap_or(self.rest().len());
            }
        }
        self.bytes.get(start..self.at)
    }

    fn pass_string(&mut self) {
        self.at += 1;
        loop {
            self.at += quoted_len(self.rest());
            match self.peek() {
                Some(b'\\') => self.at += 2,
                Some(_) => {
                    self.at += 1;
                    return;
                }
                None => return,
            }
        }
    }

    fn pass_container(&mut self) {
        let mut open = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.pass_string();
                    continue;
                }
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    fn skip_white(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unsound> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    fn broken(&self) -> Unsound {
        Unsound::Broken(self.at)
    }
}

/// How many bytes from here on stand for themselves inside a string.
fn plain_len(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    len_before(bytes, specials, is_special)
}

/// The same inside a string that was judged, where nothing stands that may not.
fn quoted_len(bytes: &[u8]) -> usize {
    len_before(bytes, ends, |byte| matches!(byte, b'"' | b'\\'))
}

/// Most strings are shorter than what a search by vectors pays for, so eight bytes are looked at
/// together.
fn len_before(bytes: &[u8], marks: impl Fn(u64) -> u64, is_marked: impl Fn(&u8) -> bool) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return bytes.len() - rest.len() + marked.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let found = rest.iter().position(is_marked);
    bytes.len() - rest.len() + found.unwrap_or(rest.len())
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The highest bit of each byte that is a quote. Below the first of them no bit is set; above it one may
/// be that should not.
fn quotes(word: u64) -> u64 {
    marked(word, b'"')
}

/// The same with each byte that escapes something.
fn ends(word: u64) -> u64 {
    quotes(word) | marked(word, b'\\')
}

fn is_quote(byte: &u8) -> bool {
    *byte == b'"'
}

fn marked(word: u64, byte: u8) -> u64 {
    let word = word ^ (ONES * u64::from(byte));
    word.wrapping_sub(ONES) & !word & HIGH
}

/// The same with each byte that may not be there.
fn specials(word: u64) -> u64 {
    let controls = word.wrapping_sub(ONES * b' ' as u64) & !word & HIGH;
    ends(word) | controls
}
