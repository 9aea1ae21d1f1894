//! What gaps of requests are filled with: the lines of a file, or numbers, in turn.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file with more has a mistake in it.
const LINES_MAX: usize = 10_000_000;

#[derive(Clone, Debug)]
enum Source {
    Lines(Vec<Box<str>>),
    Numbers { from: u64, count: u64 },
}

#[derive(Debug, Error)]
pub enum ValuesError {
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} has no line, or more than {LINES_MAX}", .0.display())]
    Lines(PathBuf),
    #[error("a range goes from the smaller number to the larger")]
    Range,
}

/// Named sources, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<(String, Source)>);

impl Values {
    pub(super) fn add_file(&mut self, name: &str, path: &Path) -> Result<(), ValuesError> {
        let text = std::fs::read_to_string(path).map_err(|source| ValuesError::File {
            path: path.to_owned(),
            source,
        })?;
        let lines: Vec<Box<str>> = text.lines().map(Into::into).collect();
        if lines.is_empty() || lines.len() > LINES_MAX {
            return Err(ValuesError::Lines(path.to_owned()));
        }
        self.0.push((name.to_owned(), Source::Lines(lines)));
        Ok(())
    }

    pub(super) fn add_range(&mut self, name: &str, from: u64, to: u64) -> Result<(), ValuesError> {
        let count = to.checked_sub(from).and_then(|span| span.checked_add(1));
        let count = count.ok_or(ValuesError::Range)?;
        self.0
            .push((name.to_owned(), Source::Numbers { from, count }));
        Ok(())
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }

    pub(super) fn write(&self, place: usize, turn: u64, out: &mut Vec<u8>) {
        match self.0.get(place) {
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
            None => {}
        }
    }

    #[cfg(test)]
    pub(super) fn of<const N: usize>(values: [(&str, Vec<&str>); N]) -> Self {
        let source = |lines: Vec<&str>| Source::Lines(lines.into_iter().map(Into::into).collect());
        let named = values.map(|(name, lines)| (name.to_owned(), source(lines)));
        Self(named.into())
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
        let turns = (0..4).map(|turn| {
            let mut out = Vec::new();
            values.write(0, turn, &mut out);
            values.write(1, turn, &mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(turns.collect::<Vec<_>>(), ["a9", "b10", "a11", "b9"]);
    }

    #[test]
    fn what_cannot_be_taken_from_is_refused() {
        let mut values = Values::default();
        assert!(values.add_range("a", 2, 1).is_err());
        assert!(values.add_file("a", Path::new("/nowhere/at/all")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty");
        std::fs::write(&file, "").unwrap();
        assert!(values.add_file("a", &file).is_err());
    }
}
