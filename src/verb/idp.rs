//! `tollgate idp`: the identity provider alone, as it runs in production.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use tollgate::Plan;
use tollgate_config::Loaded;

use super::{StartArgs, say};
use crate::operator::OperatorArgs;
use crate::serve::{self, Serving};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Idp {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    start: StartArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Copy the store of a running identity provider, as it is at one moment, into a new file
    Backup(Backup),
}

#[derive(Debug, Args)]
struct Backup {
    /// The file to write, on the machine of the identity provider
    to: PathBuf,
    #[command(flatten)]
    operator: OperatorArgs,
}

impl Idp {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if let Some(Verb::Backup(backup)) = &self.verb {
            return backup.run();
        }
        let (provider, start) = match self.start.load(Loaded::require_provider) {
            Ok(loaded) => loaded,
            Err(code) => return Ok(code),
        };
        serve::run(Serving {
            threads: provider.threads,
            plan: Plan {
                provider: Some(provider),
                ..Plan::default()
            },
            start,
            ready: Box::new(|stack, took| {
                if let Some(idp) = stack.idp() {
                    let addresses = idp.addresses();
                    tracing::info!(public = %addresses.public, internal = %addresses.internal, ?took, "ready");
                }
            }),
        })
    }
}

impl Backup {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let to = std::path::absolute(&self.to).context("this is no path")?;
        let operator = self.operator.operator()?;
        let moment = operator.post("/admin/backup", Some(json!({ "to": to })))?;
        let (transaction, to) = (&moment["transaction"], to.display());
        let done = format!(
            "{to} holds everything up to transaction {transaction}; it is opened with the same \
             sealing key, which is not in it\n"
        );
        say(&mut std::io::stderr(), &done);
        Ok(ExitCode::SUCCESS)
    }
}
