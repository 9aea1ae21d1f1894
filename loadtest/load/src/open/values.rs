//! What gaps of requests are filled with: the lines of a file, or numbers, in turn.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file with more has a mistake in it.
const LINES_MAX: usize = 10_000_000;

#[derive(Clone, Debug)]
enum Source {
    Lines(Vec<Box<str>>),
    Numbers {
        from: u64,
        count: u64,
    },
    /// Text that no request of any run has had.
    Unique,
}

#[derive(Debug, Error)]
pub(super) enum ValuesError {
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} has no line, or more than {LINES_MAX}", .0.display())]
    Lines(PathBuf),
    #[error("{} has a line with a control character in it", .0.display())]
    Control(PathBuf),
    #[error("a range goes from the smaller number to the larger, and less far than to the largest")]
    Range,
}

impl ValuesError {
    /// With what it comes of.
    pub(super) fn told(&self) -> String {
        match self {
            Self::File { source, .. } => format!("{self}: {source}"),
            Self::Lines(_) | Self::Control(_) | Self::Range => self.to_string(),
        }
    }
}

/// Which request of which kind is filled in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    pub(super) kind: usize,
    pub(super) number: u64,
}

/// Named sources, in the order of the file.
#[derive(Clone, Debug)]
pub(super) struct Values {
    named: Vec<(String, Source)>,
    /// Tells this run from every other.
    run: u64,
}

impl Default for Values {
    fn default() -> Self {
        let unique = (Self::UNIQUE.to_owned(), Source::Unique);
        Self {
            named: vec![unique],
            run: 0,
        }
    }
}

impl Values {
    /// The one name that is always there.
    pub(super) const UNIQUE: &str = "unique";

    pub(super) fn begin_run(&mut self, run: u64) {
        self.run = run;
    }

    pub(super) fn add_lines(&mut self, name: &str, lines: Vec<Box<str>>) {
        self.named.push((name.to_owned(), Source::Lines(lines)));
    }

    /// Puts lines in the place of those there are.
    pub(super) fn set_lines(&mut self, name: &str, lines: Vec<Box<str>>) {
        let mut named = self.named.iter_mut();
        if let Some((_, source)) = named.find(|(known, _)| known == name) {
            *source = Source::Lines(lines);
        }
    }

    pub(super) fn add_file(&mut self, name: &str, path: &Path) -> Result<(), ValuesError> {
        let text = std::fs::read_to_string(path).map_err(|source| ValuesError::File {
            path: path.to_owned(),
            source,
        })?;
        let lines: Vec<Box<str>> = text.lines().map(Into::into).collect();
        if lines.is_empty() || lines.len() > LINES_MAX {
            return Err(ValuesError::Lines(path.to_owned()));
        }
        if lines.iter().any(|line| line.contains(char::is_control)) {
            return Err(ValuesError::Control(path.to_owned()));
        }
        self.add_lines(name, lines);
        Ok(())
    }

    pub(super) fn add_range(&mut self, name: &str, from: u64, to: u64) -> Result<(), ValuesError> {
        let count = to.checked_sub(from).and_then(|span| span.checked_add(1));
        let count = count.ok_or(ValuesError::Range)?;
        let numbers = Source::Numbers { from, count };
        self.named.push((name.to_owned(), numbers));
        Ok(())
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.named.iter().position(|(known, _)| known == name)
    }

    pub(super) fn write(&self, place: usize, turn: Turn, out: &mut Vec<u8>) {
        let Turn { kind, number: turn } = turn;
        match self.named.get(place) {
            Some((_, Source::Lines(lines))) => {
                let place = turn.checked_rem(lines.len() as u64).unwrap_or_default();
                let place = usize::try_from(place).unwrap_or_default();
                let line = lines.get(place).map_or("", |line| &**line);
                out.extend_from_slice(line.as_bytes());
            }
            Some((_, Source::Numbers { from, count })) => {
                let number = from + turn.checked_rem(*count).unwrap_or_default();
                // Writing to a vector cannot fail.
                let _ = write!(out, "{number}");
            }
            Some((_, Source::Unique)) => {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{:016x}-{kind}-{turn}", self.run);
            }
            None => {}
        }
    }

    #[cfg(test)]
    pub(super) fn of<const N: usize>(values: [(&str, Vec<&str>); N]) -> Self {
        let source = |lines: Vec<&str>| Source::Lines(lines.into_iter().map(Into::into).collect());
        let named = values.map(|(name, lines)| (name.to_owned(), source(lines)));
        Self {
            named: named.into(),
            run: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_numbers_are_taken_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::fs::write(&file, "a\nb\n").unwrap();
        let mut values = Values::default();
        values.add_file("token", &file).unwrap();
        values.add_range("member", 9, 11).unwrap();
        let turns = (0..4).map(|number| {
            let turn = Turn { kind: 0, number };
            let mut out = Vec::new();
            values.write(1, turn, &mut out);
            values.write(2, turn, &mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(turns.collect::<Vec<_>>(), ["a9", "b10", "a11", "b9"]);
    }

    #[test]
    fn what_is_unique_is_so_among_kinds_turns_and_runs() {
        let mut seen = std::collections::BTreeSet::new();
        for run in [1, 2] {
            let mut values = Values::default();
            values.begin_run(run);
            let place = values.find(Values::UNIQUE).unwrap();
            for (kind, number) in [(0, 1), (0, 2), (1, 1), (1, 2), (11, 1), (1, 11)] {
                let mut out = Vec::new();
                values.write(place, Turn { kind, number }, &mut out);
                assert!(seen.insert(out), "{run} {kind} {number}");
            }
        }
    }

    #[test]
    fn what_cannot_be_taken_from_is_refused() {
        let mut values = Values::default();
        assert!(values.add_range("a", 2, 1).is_err());
        assert!(values.add_file("a", Path::new("/nowhere/at/all")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty");
        for refused in ["", "a\tb\n"] {
            std::fs::write(&file, refused).unwrap();
            assert!(values.add_file("a", &file).is_err(), "{refused:?}");
        }
    }
}
