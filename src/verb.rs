//! The verbs, and what they share: where the file is found and how an error is told.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use tollgate_config::{Environment, Loaded, Problems};

use crate::log::{self, Level};

pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod composer;
pub(crate) mod explain;
pub(crate) mod gateway;
pub(crate) mod idp;
pub(crate) mod load;
pub(crate) mod schema;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod user;

/// A wrong configuration: `EX_USAGE` of sysexits.h.
const EXIT_WRONG_FILE: u8 = 64;

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The configuration file; without it the built-in default is used
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl FileArgs {
    pub(crate) fn path(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    pub(crate) fn load(&self, environment: &Environment) -> Result<Loaded, Problems> {
        match &self.config {
            Some(path) => tollgate_config::load(path, environment),
            None => {
                let default = tollgate_config::DEFAULT.as_bytes();
                tollgate_config::compile("the built-in default", default, environment)
            }
        }
    }
}

/// How a process that serves is started.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    file: FileArgs,
    /// How much the process says of itself on standard error
    #[arg(long, value_enum, default_value = "info")]
    log: Level,
}

/// The file that a process starts from.
pub(crate) struct Start {
    pub(crate) loaded: Loaded,
    pub(crate) environment: Environment,
    /// None for the built-in default.
    pub(crate) path: Option<PathBuf>,
}

impl StartArgs {
    /// Loads the file with what is needed of it, and begins to log. What is wrong with it is printed.
    pub(crate) fn load<T: Clone>(
        &self,
        need: impl Fn(&Loaded) -> Result<&T, Problems>,
    ) -> Result<(T, Start), ExitCode> {
        let environment = Environment::from_process();
        let loaded = self.file.load(&environment);
        let loaded = loaded.map_err(|problems| refuse(&problems))?;
        let needed = need(&loaded).map_err(|problems| refuse(&problems))?;
        let needed = needed.clone();
        log::start(self.log);
        gateway_server::warn_of(&loaded.warnings);
        let start = Start {
            loaded,
            environment,
            path: self.file.path().map(Into::into),
        };
        Ok((needed, start))
    }
}

/// Prints every problem of a file.
fn refuse(problems: &Problems) -> ExitCode {
    say(&mut std::io::stderr(), &problems.to_string());
    ExitCode::from(EXIT_WRONG_FILE)
}

/// Prints an error with its causes, one line each.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("  because {error}\n"));
        cause = error.source();
    }
    say(&mut std::io::stderr(), &text);
}

/// Writes text; a reader that is gone, as behind `| head`, is no error.
fn say(to: &mut impl std::io::Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
    let _ = to.flush();
}

/// A member that is a text; nothing where it is not.
fn text_of<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The members of an object, one line each.
fn rows(object: &Value) -> String {
    let members = object.as_object().into_iter().flatten();
    let rows = members.map(|(name, value)| format!("{name:<16} {}\n", cell(value)));
    rows.collect()
}

/// A table with a head, as wide as it has to be.
fn table(columns: &[&str], items: &[Value]) -> String {
    let head: Vec<_> = columns.iter().map(|name| (*name).to_owned()).collect();
    let cells = |item: &Value| columns.iter().map(|name| cell(&item[*name])).collect();
    let lines: Vec<Vec<String>> = std::iter::once(head)
        .chain(items.iter().map(cells))
        .collect();
    let width = |at: usize| {
        let widths = lines.iter().filter_map(|line| line.get(at));
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
