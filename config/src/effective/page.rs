//! YAML, line by line, each with a comment that says where it came from.

use std::fmt;

use crate::document::{Content, Document, NodeId};
use crate::environment::{Environment, variables};
use crate::problem::shown;
use crate::reader::Field;

/// Comments stand in one column unless a line is longer than this.
const COMMENT_COLUMN_MAX: usize = 48;

pub(super) struct Page<'a> {
    document: &'a Document,
    environment: &'a Environment,
    lines: Vec<Line>,
    depth: usize,
    /// Whether the next line is the first of a list item.
    is_item_start: bool,
}

struct Line {
    text: String,
    origin: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(document: &'a Document, environment: &'a Environment) -> Self {
        Self {
            document,
            environment,
            lines: Vec::new(),
            depth: 0,
            is_item_start: false,
        }
    }

    pub(super) fn cores(&self) -> usize {
        self.environment.cores()
    }

    pub(super) fn finish(self) -> String {
        let widths = self.lines.iter().map(|line| line.text.chars().count());
        let column = widths
            .filter(|width| *width <= COMMENT_COLUMN_MAX)
            .max()
            .unwrap_or(0);
        let lines = self.lines.iter().map(|Line { text, origin }| {
            if origin.is_empty() {
                format!("{text}\n")
            } else {
                format!("{text:column$}  # {origin}\n")
            }
        });
        lines.collect()
    }

    /// A key whose value follows on the lines below, until [`Self::end`].
    pub(super) fn head<T>(&mut self, key: &str, field: &Field<T>) {
        let origin = match field.given() {
            Some(given) => self.place(given.node),
            None => "default".to_owned(),
        };
        self.line(&format!("{key}:"), origin);
        self.depth += 1;
    }

    /// The same for a key that the user chose.
    pub(super) fn head_of(&mut self, key: NodeId, remark: &str) {
        let origin = self.place(key) + remark;
        self.line(&format!("{}:", quoted(self.document.text(key))), origin);
        self.depth += 1;
    }

    pub(super) fn end(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// One item of a list of maps.
    pub(super) fn item(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.is_item_start = true;
        write(self);
        self.is_item_start = false;
        self.depth -= 1;
    }

    /// One item of a list of scalars.
    pub(super) fn scalar_item(&mut self, node: NodeId) {
        let (text, origin) = (quoted(self.document.text(node)), self.origin(node));
        self.line(&format!("- {text}"), origin);
    }

    /// A key whose value is a list of scalars, on the lines below.
    pub(super) fn scalars<T>(&mut self, key: &str, list: &Field<Vec<Field<T>>>) {
        if list.items().next().is_none() {
            self.empty_list(key, list);
            return;
        }
        self.head(key, list);
        for item in list.items() {
            self.scalar_item(item.node);
        }
        self.end();
    }

    /// A key with its value as written, or with its default.
    pub(super) fn scalar<T>(&mut self, key: &str, field: &Field<T>, default: impl fmt::Display) {
        self.scalar_or(key, field, default, "default");
    }

    /// The same where the default takes a word to explain.
    pub(super) fn scalar_or<T>(
        &mut self,
        key: &str,
        field: &Field<T>,
        default: impl fmt::Display,
        origin: &str,
    ) {
        match field.given() {
            Some(given) => self.copy_as_written(key, given.node),
            None => self.default(key, default, origin),
        }
    }

    /// A key with its value as written; one that is absent has no value to show.
    pub(super) fn required<T>(&mut self, key: &str, field: &Field<T>) {
        if let Some(given) = field.given() {
            self.copy_as_written(key, given.node);
        }
    }

    pub(super) fn default(&mut self, key: &str, value: impl fmt::Display, origin: &str) {
        self.line(
            &format!("{key}: {}", quoted(&value.to_string())),
            origin.to_owned(),
        );
    }

    /// A key that takes its value from another place of the file.
    pub(super) fn copy(&mut self, key: &str, node: NodeId, origin: &str) {
        let text = quoted(self.document.text(node));
        self.line(&format!("{key}: {text}"), origin.to_owned());
    }

    pub(super) fn entry(&mut self, key: NodeId, value: NodeId) {
        let key = quoted(self.document.text(key));
        self.copy_as_written(&key, value);
    }

    pub(super) fn empty_list<T>(&mut self, key: &str, field: &Field<T>) {
        self.empty(key, field, " []");
    }

    pub(super) fn empty_map<T>(&mut self, key: &str, field: &Field<T>) {
        self.empty(key, field, " {}");
    }

    fn empty<T>(&mut self, key: &str, field: &Field<T>, text: &str) {
        self.head(key, field);
        self.end();
        if let Some(line) = self.lines.last_mut() {
            line.text.push_str(text);
        }
    }

    /// What stands at a node that no type has read.
    pub(super) fn content(&self, node: NodeId) -> &'a Content {
        self.document.content(node)
    }

    /// A key that the user chose, as it is written again.
    pub(super) fn text_of_key(&self, key: NodeId) -> String {
        quoted(self.document.text(key))
    }

    /// A scalar as it is written.
    pub(super) fn written(&mut self, key: &str, node: NodeId) {
        self.copy_as_written(key, node);
    }

    /// Nothing, on purpose.
    pub(super) fn null(&mut self, key: &str, node: NodeId) {
        let place = self.place(node);
        self.line(&format!("{key}: null"), place);
    }

    /// [`Self::head`] of what no type has read.
    pub(super) fn head_at(&mut self, key: &str, node: NodeId) {
        let place = self.place(node);
        self.line(&format!("{key}:"), place);
        self.depth += 1;
    }

    /// A list or a map on one line.
    pub(super) fn flow(&mut self, key: &str, node: NodeId) {
        let (text, place) = (self.flow_text(node), self.place(node));
        self.line(&format!("{key}: {text}"), place);
    }

    fn flow_text(&self, node: NodeId) -> String {
        let in_quotes = |node| serde_json::Value::from(self.document.text(node)).to_string();
        match self.document.content(node) {
            Content::Null => "null".to_owned(),
            Content::Scalar(_) => in_quotes(node),
            Content::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.flow_text(*item)).collect();
                format!("[{}]", items.join(", "))
            }
            Content::Map(entries) => {
                let entry = |(key, value): &(NodeId, NodeId)| {
                    format!("{}: {}", in_quotes(*key), self.flow_text(*value))
                };
                let entries: Vec<_> = entries.iter().map(entry).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    /// Something that YAML has no way to say.
    pub(super) fn remark(&mut self, text: &str) {
        self.line(&format!("# {text}"), String::new());
    }

    fn copy_as_written(&mut self, key: &str, node: NodeId) {
        let (text, origin) = (quoted(self.document.text(node)), self.origin(node));
        self.line(&format!("{key}: {text}"), origin);
    }

    fn line(&mut self, text: &str, origin: String) {
        let indent = if self.is_item_start {
            self.is_item_start = false;
            "  ".repeat(self.depth.saturating_sub(1)) + "- "
        } else {
            "  ".repeat(self.depth)
        };
        self.lines.push(Line {
            text: indent + text,
            origin,
        });
    }

    fn place(&self, node: NodeId) -> String {
        format!(
            "{}:{}",
            shown(self.document.source().name()),
            self.document.line(node)
        )
    }

    fn origin(&self, node: NodeId) -> String {
        let mut parts: Vec<String> = Vec::new();
        for name in variables(self.document.text(node)) {
            let part = match self.environment.is_set(name) {
                true => format!("${{{name}}} from the environment"),
                false => format!("${{{name}}} is not set"),
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.push(self.place(node));
        parts.join(", ")
    }
}

/// A scalar as YAML reads it back in block style: plain where that is safe, else in double quotes.
fn quoted(text: &str) -> String {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || " _./:-{}$,%+=@*".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '$');
    let is_plain = starts_well
        && text.chars().all(is_inner)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !matches!(text, "null" | "Null" | "NULL");
    if is_plain {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
