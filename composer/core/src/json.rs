//! What stands where in a body of JSON, without making anything of it?
//!
//! A body is judged once, as a whole: RFC 8259 to the letter, UTF-8, and no deeper than the cap. From
//! then on it is only looked at: a [`Value`] is a slice of the body, and what is not asked for is
//! passed over. No number is ever read as a number, so `10.00`, `1E+2` and forty digits stay what
//! they are.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::pieces::Piece;
use crate::same::are_same;
use marks::Marks;
use notes::{Member, Notes};
use record::Record;
use scan::Scanner;

pub(crate) use notes::Place;
pub(crate) use select::Selection;

mod marks;
mod notes;
mod opening;
mod record;
mod scan;
mod select;
mod text;

#[cfg(test)]
mod tests;

/// Objects and arrays inside one another.
pub const DEPTH_MAX: usize = 64;
/// Places in a body are told in so many bytes.
const LENGTH_MAX: usize = u32::MAX as usize;
/// What a body takes besides its bytes, with the two counts of its owners.
const BODY_BYTES: usize = size_of::<Body>() + 2 * size_of::<usize>();

/// One sound value of JSON with the bytes it was sent in.
#[derive(Clone)]
pub struct Json(Held);

#[derive(Clone)]
enum Held {
    /// A whole answer, or a part that keeps it alive.
    Body(Arc<Body>),
    /// A copy that lies by itself.
    Record(Record),
}

struct Body {
    bytes: Bytes,
    /// What was found out while it was judged, so that it is not passed over again and again.
    notes: Notes,
}

/// A sound value inside a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(&'a [u8]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// Why bytes are no JSON that may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    #[error("no JSON at byte {0}")]
    Broken(usize),
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    #[error("not UTF-8")]
    NotText,
    #[error("longer than {LENGTH_MAX} bytes")]
    TooLong,
}

/// The name of a member as it is declared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Json {
    /// Judges a whole body; white space around the value is not part of it.
    pub fn parse(body: &Bytes) -> Result<Self, Unsound> {
        Self::judge(body, |scanner, notes| scanner.judge(notes))
    }

    /// The same for a body whose lists will be read row by row.
    pub fn parse_rows(body: &Bytes) -> Result<Self, Unsound> {
        Self::judge(body, |scanner, notes| scanner.judge_rows(notes))
    }

    fn judge(
        body: &Bytes,
        judge: impl FnOnce(&mut Scanner<'_>, &mut Notes) -> Result<usize, Unsound>,
    ) -> Result<Self, Unsound> {
        let marks = Marks::of(body);
        check_length(body.len())?;
        if !marks.is_ascii && std::str::from_utf8(body).is_err() {
            return Err(Unsound::NotText);
        }
        let is_white = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        let start = body.iter().take_while(is_white).count();
        let body = body.slice(start..);
        let mut notes = Notes::default();
        let judged = judge(&mut Scanner::of_body(&body, marks.is_plain), &mut notes);
        let length = judged.map_err(|unsound| match unsound {
            Unsound::Broken(at) => Unsound::Broken(start + at),
            Unsound::TooDeep | Unsound::NotText | Unsound::TooLong => unsound,
        })?;
        Ok(Self::new(body.slice(..length), notes.end()))
    }

    /// A value that is known from the start.
    pub fn null() -> Self {
        Self::of_judged(Bytes::from_static(b"null"))
    }

    /// Of bytes that were judged before.
    fn of_judged(bytes: Bytes) -> Self {
        Self::new(bytes, Notes::default())
    }

    fn new(bytes: Bytes, notes: Notes) -> Self {
        Self(Held::Body(Arc::new(Body { bytes, notes })))
    }

    pub fn value(&self) -> Value<'_> {
        Value(self.bytes())
    }

    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Held::Body(body) => &body.bytes,
            Held::Record(record) => record.bytes(),
        }
    }

    /// The bytes that it takes, with what was noted of it and what counts its owners.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Held::Body(body) => BODY_BYTES + body.bytes.len() + body.notes.bytes(),
            Held::Record(record) => record.memory(),
        }
    }

    /// What lies at the end of a path of members.
    pub fn follow(&self, path: &[Name], duplicates: &mut u64) -> Option<Value<'_>> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self.value());
        };
        let found = match &self.0 {
            Held::Body(body) if !body.notes.members().is_empty() => {
                let members = body.notes.members().iter().copied();
                let maybe = members.filter(|member| member.may_be(first.0.len()));
                self.find(maybe, first, duplicates)
            }
            Held::Record(record) if record.is_noted() => {
                self.find(record.members(first.0.len()), first, duplicates)
            }
            Held::Body(_) | Held::Record(_) => return self.value().follow(path, duplicates),
        };
        let value = self.part(found?.range())?;
        if rest.is_empty() {
            return Some(value);
        }
        value.follow(rest, duplicates)
    }

    /// The last of these members that has a name.
    fn find(
        &self,
        members: impl Iterator<Item = Member>,
        name: &Name,
        duplicates: &mut u64,
    ) -> Option<Place> {
        let bytes = self.bytes();
        let mut found = None;
        for member in members {
            let raw = bytes.get(member.name.range())?;
            if name.is_spelled(raw, member.is_escaped) {
                *duplicates += u64::from(found.is_some());
                found = Some(member.value);
            }
        }
        found
    }

    /// The items of an array in this body, with what members of these names each has; `None` for
    /// anything else.
    pub(crate) fn select<'a, 'n>(
        &'a self,
        array: Value<'a>,
        names: &'n [Name],
    ) -> Option<Selection<'a, 'n>> {
        let start = self.place_of(array).start;
        let grids = match &self.0 {
            Held::Body(body) => body.notes.grids(),
            Held::Record(_) => &[],
        };
        if let Some(grid) = grids.iter().find(|grid| grid.start() == start) {
            return Some(Selection::of_grid(self, grid, names));
        }
        let mut scanner = Scanner::new(array.0);
        let is_array = scanner.enter(b'[');
        is_array.then(|| Selection::of_array(self, scanner, names))
    }

    /// A part of this body that lives as long as it needs to; the body is shared, not copied.
    pub fn share(&self, part: Value<'_>) -> Self {
        let place = self.place_of(part);
        match &self.0 {
            Held::Body(body) if body.bytes.get(place.clone()) == Some(part.0) => {
                Self::of_judged(body.bytes.slice(place))
            }
            Held::Body(_) | Held::Record(_) => part.to_json(),
        }
    }

    /// Where a part of this body stands in it.
    pub(crate) fn place_of(&self, part: Value<'_>) -> Range<usize> {
        self.value().place_of(part.0)
    }

    /// What stands in a place of this body, to be passed on as it is.
    pub(crate) fn piece(&self, place: Place) -> Option<Piece<'_>> {
        let range = place.range();
        let from = self.bytes().get(range.start..)?;
        Some(Piece::new(from, range.len()))
    }

    /// The part of this body that stands in a place.
    pub(crate) fn part(&self, place: Range<usize>) -> Option<Value<'_>> {
        self.bytes().get(place).map(Value)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Json {}

impl<'a> Value<'a> {
    /// The bytes as they were sent.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// A copy that does not keep the rest of the body alive.
    pub fn to_json(self) -> Json {
        Json::of_judged(Bytes::copy_from_slice(self.0))
    }

    /// A copy to be kept and read often: where its members stand is found out once.
    pub fn to_record(self) -> Json {
        Json(Held::Record(Record::new(self.0, &self.notes())))
    }

    /// Where a part of these bytes stands in them; nowhere in them, if it is none.
    fn place_of(self, part: &[u8]) -> Range<usize> {
        let start = (part.as_ptr() as usize).wrapping_sub(self.0.as_ptr() as usize);
        start..start.wrapping_add(part.len())
    }

    pub fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    pub fn is_true(self) -> bool {
        self.0 == b"true"
    }

    /// The items of an array; `None` for anything else.
    pub fn items(self) -> Option<Items<'a>> {
        let mut scanner = Scanner::new(self.0);
        scanner.enter(b'[').then_some(Items(scanner))
    }

    /// The members of an object in the order they were sent; none for anything else. Names are raw:
    /// what stands between the quotes.
    fn members(self) -> Members<'a> {
        let mut scanner = Scanner::new(self.0);
        let is_object = scanner.enter(b'{');
        Members(is_object.then_some(scanner))
    }

    /// The member of this name. Where there are several the last one counts, and each of the others
    /// is counted in `duplicates`.
    pub fn member(self, name: &Name, duplicates: &mut u64) -> Option<Value<'a>> {
        let mut found = None;
        for (raw, value) in self.members() {
            if name.is(raw) {
                *duplicates += u64::from(found.is_some());
                found = Some(value);
            }
        }
        found
    }

    /// What lies at the end of a path of members.
    pub fn follow(self, path: &[Name], duplicates: &mut u64) -> Option<Value<'a>> {
        let mut value = self;
        for name in path {
            value = value.member(name, duplicates)?;
        }
        Some(value)
    }

    /// What stands between the quotes of a string, escapes and all, or a number; nothing for anything else.
    pub(crate) fn plain(self) -> Option<&'a [u8]> {
        match self.0 {
            [b'"', inner @ .., b'"'] => Some(inner),
            [b'-' | b'0'..=b'9', ..] => Some(self.0),
            _ => None,
        }
    }

    /// What a scalar says: a string without its escapes, anything else as it was sent. `None` for
    /// `null`, objects and arrays, and for a string that is no text (half of a surrogate pair).
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::String => {
                let inner = self.0.get(1..self.0.len().saturating_sub(1))?;
                text::unescape(inner)
            }
            Kind::Number | Kind::Bool => std::str::from_utf8(self.0).ok().map(Cow::Borrowed),
            Kind::Object | Kind::Array | Kind::Null => None,
        }
    }
}

/// Walks the items of an array.
#[derive(Debug)]
pub struct Items<'a>(Scanner<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.0.next_value(b']').map(Value)
    }
}

struct Members<'a>(Option<Scanner<'a>>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let scanner = self.0.as_mut()?;
        let name = scanner.next_value(b'}')?;
        let raw = name.get(1..name.len().saturating_sub(1))?;
        let value = scanner.value_of_member()?;
        Some((raw, Value(value)))
    }
}

impl Name {
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a raw name of a body, escapes and all, is this one.
    fn is(&self, raw: &[u8]) -> bool {
        // What is escaped takes more bytes than what it stands for.
        match raw.len().cmp(&self.0.len()) {
            Ordering::Less => false,
            Ordering::Equal | Ordering::Greater => {
                self.is_spelled(raw, memchr::memchr(b'\\', raw).is_some())
            }
        }
    }

    /// The same of a raw name that is known to have escapes, or none.
    fn is_spelled(&self, raw: &[u8], is_escaped: bool) -> bool {
        if is_escaped {
            text::unescape(raw).is_some_and(|name| *name == *self.0)
        } else {
            are_same(raw, self.0.as_bytes())
        }
    }
}

fn check_length(bytes: usize) -> Result<(), Unsound> {
    if bytes <= LENGTH_MAX {
        Ok(())
    } else {
        Err(Unsound::TooLong)
    }
}

/// A text as a string of JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    text::quote(text, &mut quoted);
    quoted
}

/// Bodies hold what is nobody else's business, so nothing of them is shown.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} bytes)", self.bytes().len())
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.kind(), self.0.len())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
