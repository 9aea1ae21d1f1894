//! `tollgate gateway`: the edge alone, as it runs in production.

use std::process::ExitCode;

use clap::Args;
use tollgate::Plan;
use tollgate_config::Loaded;

use super::StartArgs;
use crate::serve::{self, Serving};

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(flatten)]
    start: StartArgs,
}

impl Gateway {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (gateway, start) = match self.start.load(Loaded::require_gateway) {
            Ok(loaded) => loaded,
            Err(code) => return Ok(code),
        };
        serve::run(Serving {
            threads: gateway.threads,
            plan: Plan {
                gateway: Some(gateway),
                ..Plan::default()
            },
            start,
            ready: Box::new(|stack, took| {
                if let Some(gateway) = stack.gateway() {
                    let addresses = gateway.addresses();
                    tracing::info!(listen = ?addresses.listen, admin = %addresses.admin, ?took, "ready");
                }
            }),
        })
    }
}
