//! What is wrong with a file, told so that it can be mended without a second run.
//!
//! A problem names its place, shows the line as it is in the file and says what would be right. It
//! never holds a value that came from the environment.

use std::fmt;

use crate::files::Files;

pub(crate) use excerpt::{said, shown};

pub use excerpt::Excerpt;

mod excerpt;

/// Problems printed in full; the rest are only counted.
const PRINTED_MAX: usize = 50;

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// One line: what is wrong, or what was expected.
    pub message: String,
    /// Absent only where no line is to blame, as for a file that cannot be read.
    pub at: Option<Excerpt>,
    /// The other half of a contradiction.
    pub other: Option<Excerpt>,
}

/// The problems of one run, in the order of the file; never empty.
#[derive(Debug, Clone)]
pub struct Problems {
    problems: Vec<Problem>,
    /// Problems that were found and not kept.
    left_out: usize,
    files: Files,
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// With terminal colours.
    Colour,
}

impl Problem {
    /// A problem with a file as a whole.
    pub(crate) fn with_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            message: message.into(),
            at: None,
            other: None,
        }
    }

    fn write(&self, out: &mut impl fmt::Write, paint: Paint) -> fmt::Result {
        let Self {
            file,
            message,
            at,
            other,
        } = self;
        let Some(at) = at else {
            return write!(out, "{file}: {}", paint.bold(message));
        };
        let place = format!("{file}:{}:{}:", at.line(), at.column());
        write!(out, "{} {}", paint.bold(&place), paint.bold(message))?;

        let last = other
            .as_ref()
            .map_or(at.line(), |other| other.line().max(at.line()));
        let gutter = last.to_string().len();
        write!(out, "\n{}", paint.dim(&format!("{:gutter$} |", "")))?;
        let other = other.iter().map(|other| (other, paint.lesser()));
        let mut excerpts: Vec<_> = std::iter::once((at, paint)).chain(other).collect();
        excerpts.sort_by_key(|(excerpt, _)| excerpt.line());
        let mut before = None;
        for (excerpt, paint) in excerpts {
            if before.is_none_or(|before| !excerpt.shows_the_line_of(before)) {
                excerpt.write_line(out, gutter, paint)?;
            }
            excerpt.write_mark(out, gutter, paint)?;
            before = Some(excerpt);
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Paint::new(Style::Plain))
    }
}

impl Problems {
    pub(crate) fn new(problems: Vec<Problem>, left_out: usize) -> Self {
        debug_assert!(!problems.is_empty(), "no problem is not a problem");
        Self {
            problems,
            left_out,
            files: Files::default(),
        }
    }

    pub(crate) fn with_files(self, files: Files) -> Self {
        Self { files, ..self }
    }

    /// What was read, or was to be: once it changes, another try may go better.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    #[must_use]
    pub fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let written = self.write(&mut out, Paint::new(style));
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        out
    }

    fn write(&self, out: &mut impl fmt::Write, paint: Paint) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(PRINTED_MAX).enumerate() {
            if index > 0 {
                out.write_str("\n\n")?;
            }
            problem.write(out, paint)?;
        }
        match self.problems.len() + self.left_out {
            0 | 1 => Ok(()),
            all @ 2..=PRINTED_MAX => write!(out, "\n\n{all} problems"),
            all => write!(out, "\n\nand {} more: {all} problems", all - PRINTED_MAX),
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem], 0)
    }
}

impl std::ops::Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Paint::new(Style::Plain))
    }
}

impl std::error::Error for Problems {}

/// Puts colour on the parts of a problem, or leaves them plain.
#[derive(Debug, Clone, Copy)]
struct Paint {
    style: Style,
    is_lesser: bool,
}

impl Paint {
    fn new(style: Style) -> Self {
        Self {
            style,
            is_lesser: false,
        }
    }

    /// For a place that explains a problem but is not to blame for it.
    fn lesser(self) -> Self {
        Self {
            is_lesser: true,
            ..self
        }
    }

    fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn underline(self, width: usize) -> String {
        let (mark, colour) = if self.is_lesser {
            ("-", "36")
        } else {
            ("^", "31")
        };
        self.wrap(colour, &mark.repeat(width.max(1)))
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self.style {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}
