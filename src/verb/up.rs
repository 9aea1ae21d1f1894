//! `tollgate up`: everything in one process, for a first look and for development.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use tollgate::Plan;
use tollgate_config::Environment;

use super::{FileArgs, refuse, say};
use crate::log::{self, Level};
use crate::serve::{self, Serving};
use crate::tour;

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    file: FileArgs,
    /// Where the pay services are told to misbehave
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8099")]
    pay_admin: SocketAddr,
    /// Members the pay services start with
    #[arg(long, value_name = "COUNT", default_value_t = pay::Sizes::default().members)]
    members: u32,
    /// Banks the pay services start with
    #[arg(long, value_name = "COUNT", default_value_t = pay::Sizes::default().banks)]
    banks: u32,
    /// Remittances the pay services start with
    #[arg(long, value_name = "COUNT", default_value_t = pay::Sizes::default().remittances)]
    remittances: u32,
    /// How much the process says of itself on standard error
    #[arg(long, value_enum, default_value = "info")]
    log: Level,
}

impl Up {
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
        let threads = gateway.threads;
        let mut plan = Plan::with_pay(gateway, self.pay_admin);
        plan.provider = loaded.provider.clone();
        if let Some(settings) = &mut plan.pay {
            settings.sizes = self.sizes();
        }
        serve::run(Serving {
            threads,
            plan,
            provider: loaded.provider,
            file: self.file.path().map(Into::into),
            files: loaded.files,
            environment,
            ready: |stack, took| say(&mut std::io::stdout(), &tour::tour(stack, took)),
        })
    }

    fn sizes(&self) -> pay::Sizes {
        pay::Sizes {
            members: self.members,
            banks: self.banks,
            remittances: self.remittances,
        }
    }
}
