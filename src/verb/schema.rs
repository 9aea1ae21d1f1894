//! `tollgate schema`: for editors that complete the file.

use std::process::ExitCode;

use clap::Args;

use super::say;

#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let schema = serde_json::to_string_pretty(&tollgate_config::schema())?;
        say(&mut std::io::stdout(), &format!("{schema}\n"));
        Ok(ExitCode::SUCCESS)
    }
}
