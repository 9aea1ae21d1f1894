//! What did the operator write, and may a gateway or an identity provider run with it?
//!
//! One YAML file goes through three stages: [`document`] says what stands where, [`written`] gives
//! it the shape of the keys there are, [`mod@compile`] turns that into the types these run on.
//! Each stage reports what is wrong and goes on, so that one run shows every [`Problem`] with its
//! line. A file with a problem is never used in part.
//!
//! The crate reads one file, and the variables and certificates that file names. It opens no socket,
//! looks no name up and starts nothing.

use std::cell::RefCell;
use std::path::Path;

use document::{Document, FILE_MAX};
use files::FileError;
use reader::Reading;
use report::{Finding, Report};
use source::Source;

pub use composer::{Composer, SecondLevel};
pub use effective::effective;
pub use environment::Environment;
pub use external::{Issuer, Place, Proof, Roots, Secret};
pub use files::Files;
pub use gateway::{AccessLog, Certificate, Deadlines, Gateway, Listener, Tls, Traces};
pub use identity::Idp;
pub use problem::{Excerpt, Problem, Problems, Style};
pub use provider::{AuditLog, ClientSeed, Provider, Signing, Store, UserSeed};
pub use redis::{Redis, RedisAddress, RedisPassword};
pub use schema::schema;

mod bounds;
mod certificate;
mod compile;
mod composer;
mod document;
mod effective;
mod environment;
mod external;
mod files;
mod gateway;
mod identity;
mod nearest;
mod problem;
mod provider;
mod reader;
mod redis;
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
    /// `None` if the file speaks of an identity provider only.
    pub gateway: Option<Gateway>,
    pub provider: Option<Provider>,
    /// `None` where nothing is composed.
    pub composer: Option<Composer>,
    /// What should be seen to, although the file can be run with.
    pub warnings: Vec<Problem>,
    /// What was read.
    pub files: Files,
    written: written::File,
    document: Document,
    environment: Environment,
}

impl Loaded {
    /// For a process that is to be a gateway.
    pub fn require_gateway(&self) -> Result<&Gateway, Problems> {
        let gateway = self.gateway.as_ref();
        let gateway = gateway.filter(|gateway| !gateway.routes.routes().is_empty());
        gateway.ok_or_else(|| {
            let message = "a gateway needs at least one route";
            self.refuse(message, compile::ROUTES_ADVICE)
        })
    }

    /// For a process that is to be a composer.
    pub fn require_composer(&self) -> Result<&Composer, Problems> {
        self.composer.as_ref().ok_or_else(|| {
            let message = "a composer needs at least one endpoint";
            let note = "add `endpoints: [{ GET /members/{memberId}/overview: ... }]`";
            self.refuse(message, note)
        })
    }

    /// For a process that is to be an identity provider.
    pub fn require_provider(&self) -> Result<&Provider, Problems> {
        self.provider.as_ref().ok_or_else(|| {
            let message = "an identity provider needs the key `provider`";
            self.refuse(message, "add `provider: {}`, which takes every default")
        })
    }

    /// At the beginning of the file, for what is missing from it as a whole.
    fn refuse(&self, message: &str, note: &str) -> Problems {
        let report = Report::default();
        report.add(Finding::at(0..0, message).note(note));
        let problems = report.into_problems(self.document.source());
        problems.with_files(self.files.clone())
    }
}

/// Loads the file at `path`.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Problems> {
    let name = path.display().to_string();
    let mut files = Files::default();
    let read = files.read(path, FILE_MAX);
    let content = read.map_err(|error| {
        let problem = Problem::with_file(name.as_str(), error.to_string());
        Problems::from(problem).with_files(files.clone())
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let environment = environment.clone().in_folder(folder);
    let files = RefCell::new(files);
    compile_with(&name, &content.bytes, &environment, &files)
}

/// Loads a file that is already in memory; `name` is what problems call it.
pub fn compile(name: &str, bytes: &[u8], environment: &Environment) -> Result<Loaded, Problems> {
    if bytes.len() > FILE_MAX.get_usize() {
        let error = FileError::TooLarge(FILE_MAX);
        return Err(Problem::with_file(name, error.to_string()).into());
    }
    compile_with(name, bytes, environment, &RefCell::default())
}

fn compile_with(
    name: &str,
    bytes: &[u8],
    environment: &Environment,
    files: &RefCell<Files>,
) -> Result<Loaded, Problems> {
    let report = Report::default();
    let source = decode(name, bytes, &report);
    let refuse = |report: Report, source: &Source| {
        let problems = report.into_problems(source);
        problems.with_files(files.take())
    };
    let document = match Document::parse(source, &report) {
        Ok(document) => document,
        Err(source) => return Err(refuse(report, &source)),
    };
    let reading = Reading {
        document: &document,
        environment,
        report: &report,
        files,
    };
    let Some(written) = reading.read::<written::File>() else {
        return Err(refuse(report, document.source()));
    };
    let compiled = compile::compile(&written, reading);
    if !report.is_empty() {
        return Err(refuse(report, document.source()));
    }
    Ok(Loaded {
        gateway: compiled.gateway,
        provider: compiled.provider,
        composer: compiled.composer,
        warnings: report.into_warnings(document.source()),
        files: files.take(),
        written,
        environment: environment.clone(),
        document,
    })
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
