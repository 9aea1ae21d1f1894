//! The text of one file, and the places in it.

use std::ops::Range;

/// A stretch of a file, in bytes.
pub(crate) type Span = Range<usize>;

/// The text of one file and the name it goes by in messages.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    text: String,
    /// The byte at which each line starts; the first is 0.
    line_starts: Vec<usize>,
}

/// Where a byte stands as an editor shows it: both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let after_breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        Self {
            name: name.into(),
            text,
            line_starts,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text as it was written, quotes and escapes included.
    pub(crate) fn slice(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Counted from 1.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.line_starts
            .partition_point(|start| *start <= byte)
            .max(1)
    }

    pub(crate) fn position(&self, byte: usize) -> Position {
        let line = self.line_of(byte);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..byte).unwrap_or_default();
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// The span of the line a byte stands on, without its line break.
    pub(crate) fn line_around(&self, byte: usize) -> Span {
        let line = self.line_of(byte);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let end = self
            .line_starts
            .get(line)
            .map_or(self.text.len(), |next| next - 1);
        let text = self.slice(&(start..end));
        start..start + text.trim_end_matches('\r').len()
    }

    /// The part of `span` that spells `part`, or all of it where `part` is not spelled as such.
    pub(crate) fn find_within(&self, span: &Span, part: &str) -> Span {
        match self.slice(span).find(part) {
            Some(offset) if !part.is_empty() => {
                let start = span.start + offset;
                start..start + part.len()
            }
            Some(_) | None => span.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let source = Source::new("f", "ab\r\nçd\n\nx");
        #[rustfmt::skip]
        let cases = [
            (0,  1, 1),
            (1,  1, 2),
            (4,  2, 1),
            (6,  2, 2),
            (8,  3, 1),
            (9,  4, 1),
            (10, 4, 2),
        ];
        for (byte, line, column) in cases {
            assert_eq!(
                source.position(byte),
                Position { line, column },
                "byte {byte}"
            );
        }
    }

    #[test]
    fn a_line_ends_before_its_break() {
        let source = Source::new("f", "ab\r\nçd\n\nx");
        #[rustfmt::skip]
        let cases = [(0, "ab"), (3, "ab"), (5, "çd"), (8, ""), (9, "x"), (10, "x")];
        for (byte, expected) in cases {
            assert_eq!(
                source.slice(&source.line_around(byte)),
                expected,
                "byte {byte}"
            );
        }
    }
}
