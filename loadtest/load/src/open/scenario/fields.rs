//! The keys of a section, each read once; what is wrong is noted, and the reading goes on.

use std::cell::RefCell;

use super::super::problem::{Place, Problem};
use super::super::yaml::{Content, Entry, Node};

/// Where everything that is wrong is noted.
#[derive(Debug, Default)]
pub(super) struct Notes(RefCell<Vec<Problem>>);

/// A section of the file.
pub(super) struct Fields<'a> {
    notes: &'a Notes,
    path: String,
    at: Place,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

/// A key with its value.
#[derive(Clone)]
pub(super) struct Field<'a> {
    notes: &'a Notes,
    name: String,
    node: &'a Node,
}

impl Notes {
    pub(super) fn add(&self, at: Place, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem::new(at, message));
    }

    pub(super) fn take(&self) -> Vec<Problem> {
        self.0.take()
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of_file(notes: &'a Notes, node: &'a Node) -> Option<Self> {
        let root = Field {
            notes,
            name: String::new(),
            node,
        };
        root.fields("a scenario is made of keys: `target: ...`, `rate: ...`")
    }

    pub(super) fn find(&mut self, key: &'static str) -> Option<Field<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field {
            notes: self.notes,
            name: format!("{}{key}", self.path),
            node: &entry.value,
        })
    }

    /// A key that has to be there.
    pub(super) fn need(&mut self, key: &'static str, expected: &str) -> Option<Field<'a>> {
        let found = self.find(key);
        if found.is_none() {
            let message = format!("`{}{key}` is missing; it is to be {expected}", self.path);
            self.notes.add(self.at, message);
        }
        found
    }

    /// Every key, whatever it is called.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.entries.iter().map(|entry| {
            let field = Field {
                notes: self.notes,
                name: format!("{}{}", self.path, entry.key),
                node: &entry.value,
            };
            (entry.key.as_str(), field)
        })
    }

    pub(super) fn complain(&self, message: &str) {
        self.notes.add(self.at, message);
    }

    /// Notes every key that was not asked for.
    pub(super) fn finish(self) {
        for entry in self.entries {
            if !self.asked.contains(&entry.key.as_str()) {
                let (path, key, known) = (&self.path, &entry.key, self.asked.join(", "));
                let message = format!("`{path}{key}` is not known; here may be {known}");
                self.notes.add(entry.at, message);
            }
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn text(&self, expected: &str) -> Option<&'a str> {
        match &self.node.content {
            Content::Scalar(text) => Some(text),
            Content::List(_) | Content::Map(_) => {
                self.complain(&format!("`{}` is to be {expected}", self.name));
                None
            }
        }
    }

    /// What the text says; where it says nothing of the kind, that is noted.
    pub(super) fn read<T>(
        &self,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(expected)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.complain(&format!(
                "`{}` is {text}; it is to be {expected}",
                self.name
            ));
        }
        parsed
    }

    pub(super) fn number(&self, least: u64, most: u64) -> Option<u64> {
        self.read(&format!("a number from {least} to {most}"), |text| {
            let number = text.parse().ok()?;
            (least..=most).contains(&number).then_some(number)
        })
    }

    pub(super) fn count(&self, most: u64) -> Option<usize> {
        usize::try_from(self.number(1, most)?).ok()
    }

    pub(super) fn is_section(&self) -> bool {
        matches!(self.node.content, Content::Map(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.node.content, Content::List(_))
    }

    pub(super) fn fields(&self, expected: &str) -> Option<Fields<'a>> {
        let Content::Map(entries) = &self.node.content else {
            let what = if self.name.is_empty() {
                expected.to_owned()
            } else {
                format!("`{}` is to be {expected}", self.name)
            };
            self.complain(&what);
            return None;
        };
        Some(Fields {
            notes: self.notes,
            path: match self.name.as_str() {
                "" => String::new(),
                name => format!("{name}."),
            },
            at: self.node.at,
            entries,
            asked: Vec::new(),
        })
    }

    pub(super) fn items(&self, expected: &str) -> Option<Vec<Self>> {
        let Content::List(items) = &self.node.content else {
            self.complain(&format!("`{}` is to be {expected}", self.name));
            return None;
        };
        let items = items.iter().enumerate().map(|(place, node)| Self {
            notes: self.notes,
            name: format!("{}[{place}]", self.name),
            node,
        });
        Some(items.collect())
    }

    pub(super) fn complain(&self, message: &str) {
        self.notes.add(self.node.at, message);
    }
}
