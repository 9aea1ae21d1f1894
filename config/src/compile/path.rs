//! Which files are written, and is each of them one thing only?
//!
//! Two keys with one file would take each other's secrets for their own. Paths begin at the folder
//! of the configuration: a store that is looked for in whatever folder a process was started from is
//! sooner or later not found, and made anew.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::bounds;
use crate::document::NodeId;
use crate::reader::{Field, Located, Reading};
use crate::units::Text;

pub(super) struct Paths<'a> {
    reading: Reading<'a>,
    /// Each file, and where it is written.
    taken: HashMap<PathBuf, Option<NodeId>>,
}

impl<'a> Paths<'a> {
    pub(super) fn reading(&self) -> Reading<'a> {
        self.reading
    }

    pub(super) fn new(reading: Reading<'a>) -> Self {
        Self {
            reading,
            taken: HashMap::new(),
        }
    }

    /// The path of a key, or its default.
    pub(super) fn take(&mut self, field: &Field<Text>, default: impl AsRef<Path>) -> PathBuf {
        match field.given() {
            Some(Located { value, node }) => self.take_text(&value.0, Some(*node)),
            None => self.take_text(&default.as_ref().to_string_lossy(), None),
        }
    }

    /// The path of a text, which begins at the folder of the configuration.
    pub(super) fn take_text(&mut self, text: &str, node: Option<NodeId>) -> PathBuf {
        let relative = text.strip_prefix("./").unwrap_or(text);
        let path = self.reading.environment.folder().join(relative);
        match node {
            Some(node) if !self.is_sound(text, node) => return path,
            Some(_) | None => {}
        }
        let Some(&first) = self.taken.get(&path) else {
            self.taken.insert(path.clone(), node);
            return path;
        };
        self.refuse_second(first, node);
        path
    }

    fn is_sound(&self, text: &str, node: NodeId) -> bool {
        let note = if text.is_empty() {
            "there is none here"
        } else if text.contains('\0') {
            "a path has no NUL"
        } else if text.len() > bounds::PATH_BYTES_MAX {
            "this is too long"
        } else if text.ends_with(['/']) || text.ends_with("/.") || text.ends_with("..") {
            "this is a folder"
        } else {
            return true;
        };
        let finding = self.reading.find(node, "expected the path of a file");
        let note = self.reading.note_on(node, note);
        self.reading.report.add(finding.note(note));
        false
    }

    /// One of the two is written somewhere, since the defaults differ.
    fn refuse_second(&self, first: Option<NodeId>, second: Option<NodeId>) {
        let Some(blamed) = second.or(first) else {
            return;
        };
        let finding = self.reading.find(blamed, "two keys cannot share a file");
        self.reading.report.add(match (first, second) {
            (Some(first), Some(_)) => finding.other(self.reading.span(first), "it is taken here"),
            (Some(_), None) | (None, _) => finding.note("another key has it by default"),
        });
    }
}
