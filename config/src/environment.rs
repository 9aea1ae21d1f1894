//! What the file may take from outside itself: variables, the number of cores, the folder it lies in
//! and the time.
//!
//! `${NAME}` stands for a variable, `${NAME:-text}` for a variable or, where it is unset or empty,
//! for `text`; `$${` is a literal `${`. Filling in happens inside one scalar, after YAML is parsed,
//! so a value can never add keys. Values are secrets here: nothing in this crate prints one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::{SystemTime, UNIX_EPOCH};

/// The surroundings a file is loaded in.
#[derive(Clone)]
pub struct Environment {
    variables: Variables,
    cores: usize,
    folder: PathBuf,
    /// That of the system where it is not given.
    unix_seconds: Option<u64>,
}

#[derive(Clone)]
enum Variables {
    Process,
    Given(BTreeMap<String, String>),
}

/// Why a text could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FillError {
    #[error("the variable `{0}` is not set")]
    Unset(String),
    #[error("the variable `{0}` is not UTF-8 text")]
    NotText(String),
    #[error("`${{` has no closing `}}`")]
    Open,
    #[error("`{0}` is not the name of a variable")]
    Name(String),
}

/// A piece of a text that may speak of variables.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        fallback: Option<&'a str>,
    },
}

impl Environment {
    /// The variables of this process and the cores it may use.
    #[must_use]
    pub fn from_process() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            variables: Variables::Process,
            cores,
            folder: PathBuf::new(),
            unix_seconds: None,
        }
    }

    /// These variables and no others, for tests and tools.
    #[must_use]
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>, cores: usize) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let variables = variables.into_iter().map(owned).collect();
        Self {
            variables: Variables::Given(variables),
            cores,
            folder: PathBuf::new(),
            unix_seconds: None,
        }
    }

    /// The same for a file in this folder, at which its relative paths begin; by default that is the
    /// working directory.
    #[must_use]
    pub fn in_folder(self, folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            ..self
        }
    }

    /// The same at this time.
    #[must_use]
    pub fn at(self, unix_seconds: u64) -> Self {
        Self {
            unix_seconds: Some(unix_seconds),
            ..self
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of this crate that asks for the time"
    )]
    pub(crate) fn unix_seconds(&self) -> u64 {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH);
        self.unix_seconds
            .unwrap_or_else(|| now().unwrap_or_default().as_secs())
    }

    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.find(name).is_ok_and(|value| value.is_some())
    }

    /// Puts values in the place of variables.
    pub(crate) fn fill<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, FillError> {
        if !text.contains("${") {
            return Ok(Cow::Borrowed(text));
        }
        let mut filled = String::new();
        for piece in pieces(text) {
            match piece? {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable { name, fallback } => {
                    filled.push_str(&self.value(name, fallback)?);
                }
            }
        }
        Ok(Cow::Owned(filled))
    }

    /// A text as it would be if no variable that it speaks of had anything in it.
    pub(crate) fn leave_out(text: &str) -> String {
        let fallback = |piece| match piece {
            Ok(Piece::Text(text)) => text,
            Ok(Piece::Variable { fallback, .. }) => fallback.unwrap_or_default(),
            Err(_) => "",
        };
        pieces(text).map(fallback).collect()
    }

    fn value(&self, name: &str, fallback: Option<&str>) -> Result<String, FillError> {
        match (self.find(name)?, fallback) {
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (_, Some(fallback)) => Ok(fallback.to_owned()),
            (None, None) => Err(FillError::Unset(name.to_owned())),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    fn find(&self, name: &str) -> Result<Option<String>, FillError> {
        match &self.variables {
            Variables::Given(variables) => Ok(variables.get(name).cloned()),
            Variables::Process => match std::env::var(name) {
                Ok(value) => Ok(Some(value)),
                Err(VarError::NotPresent) => Ok(None),
                Err(VarError::NotUnicode(_)) => Err(FillError::NotText(name.to_owned())),
            },
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("cores", &self.cores)
            .finish_non_exhaustive()
    }
}

impl FillError {
    /// The part of the text that is to blame, as written.
    pub(crate) fn blamed(&self) -> String {
        match self {
            Self::Unset(name) | Self::NotText(name) | Self::Name(name) => format!("${{{name}"),
            Self::Open => "${".to_owned(),
        }
    }
}

/// The variables a text speaks of, in order.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).filter_map(|piece| match piece {
        Ok(Piece::Variable { name, .. }) => Some(name),
        Ok(Piece::Text(_)) | Err(_) => None,
    })
}

fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, FillError>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = next_piece(rest);
        rest = after;
        Some(piece)
    })
}

/// The first piece and what follows it; nothing follows an error.
fn next_piece(text: &str) -> (Result<Piece<'_>, FillError>, &str) {
    if let Some(after) = text.strip_prefix("$${") {
        return (Ok(Piece::Text("${")), after);
    }
    let Some(inner) = text.strip_prefix("${") else {
        let plain = text.find("$${").into_iter().chain(text.find("${")).min();
        let (plain, after) = text.split_at(plain.unwrap_or(text.len()));
        return (Ok(Piece::Text(plain)), after);
    };
    let Some((inside, after)) = inner.split_once('}') else {
        return (Err(FillError::Open), "");
    };
    let (name, fallback) = inside
        .split_once(":-")
        .map_or((inside, None), |(name, text)| (name, Some(text)));
    if !is_name(name) {
        return (Err(FillError::Name(name.to_owned())), "");
    }
    (Ok(Piece::Variable { name, fallback }), after)
}

fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_word) && name.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_nothing_else_changes() {
        let environment =
            Environment::of([("PORT", "8080"), ("EMPTY", ""), ("OPEN", "${PORT}")], 1);
        #[rustfmt::skip]
        let cases = [
            ("plain",                  Ok("plain")),
            ("",                       Ok("")),
            ("${PORT}",                Ok("8080")),
            ("a${PORT}b${PORT}",       Ok("a8080b8080")),
            ("${EMPTY}",               Ok("")),
            ("${EMPTY:-x}",            Ok("x")),
            ("${NONE:-x:-y}",          Ok("x:-y")),
            ("${NONE:-}",              Ok("")),
            ("${OPEN}",                Ok("${PORT}")),
            ("$${PORT}",               Ok("${PORT}")),
            ("$$${PORT}",              Ok("$${PORT}")),
            ("$PORT $ {PORT} $5",      Ok("$PORT $ {PORT} $5")),
            ("é${PORT}é",              Ok("é8080é")),
            ("${NONE}",                Err(FillError::Unset("NONE".into()))),
            ("${PORT",                 Err(FillError::Open)),
            ("${}",                    Err(FillError::Name(String::new()))),
            ("${A-B}",                 Err(FillError::Name("A-B".into()))),
            ("${1}",                   Err(FillError::Name("1".into()))),
        ];
        for (text, expected) in cases {
            let filled = environment.fill(text);
            assert_eq!(filled.as_deref().map_err(Clone::clone), expected, "{text}");
        }
    }

    #[test]
    fn an_environment_does_not_show_its_values() {
        let shown = format!("{:?}", Environment::of([("TOKEN", "hunter2")], 4));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
