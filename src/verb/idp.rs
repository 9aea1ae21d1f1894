//! `tollgate idp`: the identity provider alone, as it runs in production.

use std::process::ExitCode;

use clap::Args;
use tollgate::Plan;
use tollgate_config::Environment;

use super::{FileArgs, refuse};
use crate::log::{self, Level};
use crate::serve::{self, Serving};

#[derive(Debug, Args)]
pub(crate) struct Idp {
    #[command(flatten)]
    file: FileArgs,
    /// How much the process says of itself on standard error
    #[arg(long, value_enum, default_value = "info")]
    log: Level,
}

impl Idp {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let environment = Environment::from_process();
        let loaded = match self.file.load(&environment) {
            Ok(loaded) => loaded,
            Err(problems) => return Ok(refuse(&problems)),
        };
        let provider = match loaded.require_provider() {
            Ok(provider) => provider.clone(),
            Err(problems) => return Ok(refuse(&problems)),
        };
        log::start(self.log);
        gateway_server::warn_of(&loaded.warnings);
        serve::run(Serving {
            threads: provider.threads,
            plan: Plan {
                provider: Some(provider),
                ..Plan::default()
            },
            provider: loaded.provider,
            file: self.file.path().map(Into::into),
            files: loaded.files,
            environment,
            ready: |stack, took| {
                if let Some(idp) = stack.idp() {
                    let addresses = idp.addresses();
                    tracing::info!(public = %addresses.public, internal = %addresses.internal, ?took, "ready");
                }
            },
        })
    }
}
