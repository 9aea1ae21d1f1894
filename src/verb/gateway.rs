//! `tollgate gateway`: the edge alone, as it runs in production.

use std::process::ExitCode;

use clap::Args;
use tollgate::Plan;
use tollgate_config::Environment;

use super::{FileArgs, refuse};
use crate::log::{self, Level};
use crate::serve::{self, Serving};

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(flatten)]
    file: FileArgs,
    /// How much the process says of itself on standard error
    #[arg(long, value_enum, default_value = "info")]
    log: Level,
}

impl Gateway {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let environment = Environment::from_process();
        let loaded = match self.file.load(&environment) {
            Ok(loaded) => loaded,
            Err(problems) => return Ok(refuse(&problems)),
        };
        let gateway = match loaded.require_gateway() {
            Ok(gateway) => gateway.clone(),
            Err(problems) => return Ok(refuse(&problems)),
        };
        log::start(self.log);
        gateway_server::warn_of(&loaded.warnings);
        serve::run(Serving {
            threads: gateway.threads,
            plan: Plan {
                gateway: Some(gateway),
                ..Plan::default()
            },
            provider: loaded.provider,
            file: self.file.path().map(Into::into),
            files: loaded.files,
            environment,
            ready: |stack, took| {
                if let Some(gateway) = stack.gateway() {
                    let addresses = gateway.addresses();
                    tracing::info!(listen = ?addresses.listen, admin = %addresses.admin, ?took, "ready");
                }
            },
        })
    }
}
