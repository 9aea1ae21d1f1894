//! What did the operator write, and may a gateway run with it?
//!
//! One YAML file goes through three stages: [`document`] says what stands where, [`written`] gives
//! it the shape of the keys there are, [`mod@compile`] turns that into the types the gateway runs on.
//! Each stage reports what is wrong and goes on, so that one run shows every [`Problem`] with its
//! line. A file with a problem is never used in part.
//!
//! The crate reads one file and the variables that file names. It opens no socket, looks no name
//! up and starts nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use document::{Document, FILE_BYTES_MAX};
use reader::Reading;
use report::{Finding, Report};
use source::Source;

pub use effective::effective;
pub use environment::Environment;
pub use gateway::{AccessLog, Deadlines, Gateway, Listener, Traces};
pub use problem::{Excerpt, Problem, Problems, Style};
pub use schema::schema;

mod bounds;
mod compile;
mod document;
mod effective;
mod environment;
mod gateway;
mod nearest;
mod problem;
mod reader;
mod report;
mod schema;
mod source;
mod units;
mod written;

/// The file that runs when there is none: everything on loopback, the sample services behind it.
pub const DEFAULT: &str = include_str!("../tollgate.yaml");

/// A file that compiled, with what is needed to explain it.
#[derive(Debug)]
pub struct Loaded {
    pub gateway: Gateway,
    written: written::File,
    document: Document,
    environment: Environment,
}

/// Loads the file at `path`.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let bytes = read(path).map_err(|error| {
        Problem::with_file(name.as_str(), format!("this file cannot be read: {error}"))
    })?;
    compile(&name, &bytes, environment)
}

/// Loads a file that is already in memory; `name` is what problems call it.
pub fn compile(name: &str, bytes: &[u8], environment: &Environment) -> Result<Loaded, Problems> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Problem::with_file(name, "this file is larger than 16MiB").into());
    }
    let report = Report::default();
    let source = decode(name, bytes, &report);
    let document = match Document::parse(source, &report) {
        Ok(document) => document,
        Err(source) => return Err(report.into_problems(&source)),
    };
    let reading = Reading {
        document: &document,
        environment,
        report: &report,
    };
    let Some(written) = reading.read::<written::File>() else {
        return Err(report.into_problems(document.source()));
    };
    let gateway = compile::compile(&written, reading);
    if report.is_empty() {
        let environment = environment.clone();
        return Ok(Loaded {
            gateway,
            written,
            document,
            environment,
        });
    }
    Err(report.into_problems(document.source()))
}

/// Reads at most one byte more than a file may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes_max = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of the file without a byte order mark; bytes that are not UTF-8 are reported.
fn decode(name: &str, bytes: &[u8], report: &Report) -> Source {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        let start = error.valid_up_to();
        let span = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
        let finding = Finding::at(span, "this is not UTF-8 text");
        report.add(finding.note("save the file as UTF-8"));
    }
    Source::new(name, String::from_utf8_lossy(bytes))
}
