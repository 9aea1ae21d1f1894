//! The verbs, and what they share: where the file is found and how an error is told.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tollgate_config::{Environment, Loaded, Problems};

pub(crate) mod check;
pub(crate) mod gateway;
pub(crate) mod idp;
pub(crate) mod schema;
pub(crate) mod up;

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

    fn load(&self, environment: &Environment) -> Result<Loaded, Problems> {
        match &self.config {
            Some(path) => tollgate_config::load(path, environment),
            None => {
                let default = tollgate_config::DEFAULT.as_bytes();
                tollgate_config::compile("the built-in default", default, environment)
            }
        }
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
