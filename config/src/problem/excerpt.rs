//! One line of a file with a part of it underlined.

use std::borrow::Cow;
use std::fmt;

use super::Paint;
use crate::source::{Source, Span};

/// Columns of context kept to the left of what is underlined, of the underlined part itself and of
/// the line as a whole; past them the line is cut.
const BEFORE_WIDTH_MAX: usize = 60;
const MARKED_WIDTH_MAX: usize = 60;
const LINE_WIDTH_MAX: usize = 110;

const SENTENCE_WIDTH_MAX: usize = 240;

const CUT: &str = "...";

/// One line of a file, made safe to print, with the part that matters marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    line: usize,
    column: usize,
    len: usize,
    text: String,
    mark_column: usize,
    mark_width: usize,
    note: String,
}

impl Excerpt {
    /// Shows the first line of `span`.
    pub(crate) fn new(source: &Source, span: &Span, note: &str) -> Self {
        let position = source.position(span.start);
        let line = source.line_around(span.start);
        let start = span.start.min(line.end);
        let end = span.end.clamp(start, line.end);
        let window = near(source, &line, start);
        let text = hide_passwords(source.slice(&window));
        let part = |part: Span| {
            let shift = |at: usize| at.clamp(window.start, window.end) - window.start;
            text.get(shift(part.start)..shift(part.end))
                .unwrap_or_default()
        };
        let marked = part(start..end);

        let before = cut_front(printable(last_chars(part(line.start..start))));
        let shown = cut_back(printable(first_chars(marked)), MARKED_WIDTH_MAX);
        // What is cut already does not go on behind the cut.
        let is_cut = width(&shown) < width(&printable(first_chars(marked)));
        let rest = if is_cut { "" } else { part(end..line.end) };
        let left = LINE_WIDTH_MAX.saturating_sub(width(&before) + width(&shown));
        let after = cut_back(printable(first_chars(rest)), left.max(CUT.len()));
        Self {
            line: position.line,
            column: position.column,
            len: source.slice(&(start..end)).chars().count(),
            mark_column: width(&before),
            mark_width: width(&shown),
            text: format!("{before}{shown}{after}").trim_end().to_owned(),
            note: said(note),
        }
    }

    /// Counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Counted from 1, in characters.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Characters that are underlined.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "an excerpt of no character is still shown"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// What to do about it, or why it is wrong; may be empty.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether both marks can stand below one and the same line.
    pub(super) fn shows_the_line_of(&self, other: &Self) -> bool {
        self.line == other.line && self.text == other.text
    }

    pub(super) fn write_line(
        &self,
        out: &mut impl fmt::Write,
        gutter: usize,
        paint: Paint,
    ) -> fmt::Result {
        let number = format!("{:>gutter$} |", self.line);
        write!(out, "\n{}", paint.dim(&number))?;
        if self.text.is_empty() {
            Ok(())
        } else {
            write!(out, " {}", self.text)
        }
    }

    pub(super) fn write_mark(
        &self,
        out: &mut impl fmt::Write,
        gutter: usize,
        paint: Paint,
    ) -> fmt::Result {
        let bar = format!("{:gutter$} |", "");
        let (indent, mark) = (self.mark_column, paint.underline(self.mark_width));
        write!(out, "\n{} {:indent$}{mark}", paint.dim(&bar), "")?;
        if self.note.is_empty() {
            Ok(())
        } else {
            write!(out, " {}", self.note)
        }
    }
}

/// A text of the file as it is quoted in a message.
pub(crate) fn shown(text: &str) -> String {
    let text = hide_passwords(first_chars(text));
    cut_back(printable(&text), MARKED_WIDTH_MAX)
}

/// A sentence of ours, which may quote a text of any length and content.
pub(crate) fn said(sentence: &str) -> String {
    cut_back(printable(first_chars(sentence)), SENTENCE_WIDTH_MAX)
}

/// Characters looked at on either side: a line may be megabytes long, and only its end shows.
const CHARS_MAX: usize = 1_000;

/// As much of a line around a byte as may be shown.
fn near(source: &Source, line: &Span, byte: usize) -> Span {
    const BYTES_MAX: usize = 8 * CHARS_MAX;
    let text = source.slice(line);
    let at = byte - line.start;
    let start = text.floor_char_boundary(at.saturating_sub(BYTES_MAX));
    let end = text.ceil_char_boundary(at.saturating_add(BYTES_MAX).min(text.len()));
    line.start + start..line.start + end
}

/// The text with stars for the passwords in its URLs, as many as they have bytes. A password that is
/// a variable is none.
fn hide_passwords(text: &str) -> Cow<'_, str> {
    const AUTHORITY: &str = "://";
    if !text.contains(AUTHORITY) || !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(AUTHORITY) {
        let (before, after) = rest.split_at(at + AUTHORITY.len());
        let end = after.find(|c: char| c.is_whitespace() || "\"'".contains(c));
        let (url, next) = after.split_at(end.unwrap_or(after.len()));
        hidden.push_str(before);
        let (user, host) = url.split_at(url.rfind('@').unwrap_or(0));
        let (name, password) = user.split_at(user.find(':').map_or(user.len(), |at| at + 1));
        let is_variable = password.starts_with("${")
            && password.find('}') == password.len().checked_sub(1)
            && !password.contains(":-");
        hidden.push_str(name);
        match is_variable {
            true => hidden.push_str(password),
            false => hidden.extend(password.bytes().map(|_| '*')),
        }
        hidden.push_str(host);
        rest = next;
    }
    hidden.push_str(rest);
    Cow::Owned(hidden)
}

fn first_chars(text: &str) -> &str {
    text.char_indices()
        .nth(CHARS_MAX)
        .map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

fn last_chars(text: &str) -> &str {
    let first = text.char_indices().rev().nth(CHARS_MAX);
    first.map_or(text, |(start, _)| text.get(start..).unwrap_or(text))
}

/// The text with nothing in it that would move a terminal's cursor or turn its direction.
fn printable(text: &str) -> String {
    text.chars()
        .map(printable_char)
        .collect::<String>()
        .replace('\t', "    ")
}

fn printable_char(c: char) -> char {
    match c {
        '\t' => c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        '\u{feff}' => '?',
        _ if c.is_control() => '?',
        _ => c,
    }
}

fn cut_front(text: String) -> String {
    if width(&text) <= BEFORE_WIDTH_MAX {
        return text;
    }
    let mut kept: Vec<char> = Vec::new();
    let mut columns = CUT.len();
    for c in text.chars().rev() {
        columns += char_width(c);
        if columns > BEFORE_WIDTH_MAX {
            break;
        }
        kept.push(c);
    }
    let kept: String = kept.into_iter().rev().collect();
    format!("{CUT}{kept}")
}

fn cut_back(text: String, width_max: usize) -> String {
    if width(&text) <= width_max {
        return text;
    }
    let mut kept = String::new();
    let mut columns = CUT.len();
    for c in text.chars() {
        columns += char_width(c);
        if columns > width_max {
            break;
        }
        kept.push(c);
    }
    format!("{kept}{CUT}")
}

/// The columns a terminal takes to show the text.
fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The blocks that matter of Unicode's East Asian Width (UAX #11) and of its combining marks.
fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, marked: &str) -> String {
        let source = Source::new("f", text);
        let span = source.find_within(&(0..text.len()), marked);
        let excerpt = Excerpt::new(&source, &span, "here");
        let paint = Paint::new(super::super::Style::Plain);
        let mut out = String::new();
        excerpt.write_line(&mut out, 1, paint).unwrap();
        excerpt.write_mark(&mut out, 1, paint).unwrap();
        out
    }

    #[test]
    fn the_underline_stands_below_what_it_marks() {
        #[rustfmt::skip]
        let cases = [
            ("a: bad",          "bad",   "\n1 | a: bad\n  |    ^^^ here"),
            ("\ta: bad",        "bad",   "\n1 |     a: bad\n  |        ^^^ here"),
            ("名: bad",         "bad",   "\n1 | 名: bad\n  |     ^^^ here"),
            ("a: 名前",         "名前",  "\n1 | a: 名前\n  |    ^^^^ here"),
            ("e\u{301}: bad",   "bad",   "\n1 | e\u{301}: bad\n  |    ^^^ here"),
            ("a: b\u{1b}[0m",   "b",     "\n1 | a: b?[0m\n  |    ^ here"),
            ("",                "",      "\n1 |\n  | ^ here"),
        ];
        for (text, marked, expected) in cases {
            assert_eq!(shown(text, marked), expected, "{text:?}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        #[rustfmt::skip]
        let cases = [
            ("a: redis://:hunter2@127.0.0.1 # b",   "a: redis://:*******@127.0.0.1 # b"),
            ("[redis://u:p@w@h/1, http://a:b@c]",   "[redis://u:***@h/1, http://a:*@c]"),
            ("redis://:${PW}@h",                    "redis://:${PW}@h"),
            ("redis://:${PW:-p}@h",                 "redis://:********@h"),
            ("redis://:p${PW}@h",                   "redis://:******@h"),
            ("redis://:${PW}p${PW}@h",              "redis://:***********@h"),
            ("redis://u@h:1",                       "redis://u@h:1"),
            ("http://127.0.0.1:80 a@b:c",           "http://127.0.0.1:80 a@b:c"),
            ("a: b@c",                              "a: b@c"),
            ("\"x://:\u{e4}@h\": bad",                "\"x://:**@h\": bad"),
        ];
        for (text, expected) in cases {
            assert_eq!(hide_passwords(text), expected);
            assert_eq!(expected.len(), text.len());
        }
    }

    #[test]
    fn a_long_line_is_cut_around_what_it_marks() {
        let text = format!("{}bad{}", "x".repeat(500), "y".repeat(500));
        let shown = shown(&text, "bad");
        let lines: Vec<&str> = shown.lines().skip(1).collect();
        assert_eq!(lines[0].len(), "1 | ".len() + LINE_WIDTH_MAX);
        assert!(
            lines[0].starts_with("1 | ...xxx") && lines[0].ends_with("yyy..."),
            "{shown}"
        );
        assert_eq!(lines[0].find("bad"), lines[1].find("^^^"), "{shown}");
    }
}
