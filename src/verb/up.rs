//! `tollgate up`: everything in one process, for a first look and for development.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use tollgate::Plan;
use tollgate_config::{ClientSeed, Loaded, Provider};

use super::{StartArgs, say};
use crate::serve::{self, Serving};
use crate::tour::{self, ByHand};

#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    start: StartArgs,
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
}

impl Up {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (gateway, start) = match self.start.load(Loaded::require_gateway) {
            Ok(loaded) => loaded,
            Err(code) => return Ok(code),
        };
        let threads = gateway.threads;
        let provider = start.loaded.provider.as_ref();
        let by_hand = provider.and_then(|it| by_hand(it, start.path.as_deref()));
        let mut plan = Plan::with_pay(gateway, self.pay_admin);
        plan.provider = start.loaded.provider.clone();
        if let Some(settings) = &mut plan.pay {
            settings.sizes = self.sizes();
        }
        serve::run(Serving {
            threads,
            plan,
            start,
            ready: Box::new(move |stack, took| {
                let tour = tour::tour(stack, took, by_hand.as_ref());
                say(&mut std::io::stdout(), &tour);
            }),
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

/// None if no client of the provider acts for itself.
fn by_hand(provider: &Provider, file: Option<&Path>) -> Option<ByHand> {
    let mut clients = provider.clients.iter();
    let acts = |client: &&ClientSeed| client.redirect_uris.is_empty();
    let client = clients.find(acts)?.id.as_str().to_owned();
    Some(ByHand {
        program: std::env::args().next()?,
        file: file.map_or_else(String::new, |file| format!(" -c {}", file.display())),
        client,
    })
}
