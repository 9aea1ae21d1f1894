//! Judges bytes once, and passes over what was judged.

use std::ops::Range;

use super::{DEPTH_MAX, Unsound};

/// A place in a body. What only passes over leaves the checks to [`Scanner::judge`].
#[derive(Debug, Clone)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// No item was taken from this array, or member from this object.
    is_fresh: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            is_fresh: true,
        }
    }

    /// Judges everything; where the one value stands in it.
    pub(super) fn judge(&mut self) -> Result<Range<usize>, Unsound> {
        self.skip_white();
        let start = self.at;
        self.judge_value(0)?;
        let end = self.at;
        self.skip_white();
        if self.at == self.bytes.len() {
            Ok(start..end)
        } else {
            Err(self.broken())
        }
    }

    fn judge_value(&mut self, depth: usize) -> Result<(), Unsound> {
        match self.peek() {
            Some(b'{') => self.judge_container(depth, b'}', Self::judge_member),
            Some(b'[') => self.judge_container(depth, b']', Self::judge_value),
            Some(b'"') => self.judge_string(),
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
        judge: fn(&mut Self, usize) -> Result<(), Unsound>,
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

    fn judge_member(&mut self, depth: usize) -> Result<(), Unsound> {
        if self.peek() != Some(b'"') {
            return Err(self.broken());
        }
        self.judge_string()?;
        self.skip_white();
        self.expect(b':')?;
        self.skip_white();
        self.judge_value(depth)
    }

    fn judge_string(&mut self) -> Result<(), Unsound> {
        self.at += 1;
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
            self.at += plain_len(self.rest());
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

/// How many bytes from here on stand for themselves inside a string. Most strings are shorter than what
/// a search by vectors pays for, so eight are looked at together.
fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return place * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
    let found = rest.iter().position(is_special);
    words.len() * 8 + found.unwrap_or(rest.len())
}

/// The highest bit of each byte that ends or escapes something, or may not be there. Below the first of
/// them no bit is set; above it one may be that should not.
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let escapes = zeros(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (quotes | escapes | controls) & HIGH
}
