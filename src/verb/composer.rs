//! `tollgate composer`: what is composed, without a gateway in front of it.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use composer_engine::serve::Settings;
use tollgate::Plan;
use tollgate_config::Loaded;

use super::StartArgs;
use crate::serve::{self, Serving};

#[derive(Debug, Args)]
pub(crate) struct Composer {
    #[command(flatten)]
    start: StartArgs,
}

impl Composer {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let (composer, start) = match self.start.load(Loaded::require_composer) {
            Ok(loaded) => loaded,
            Err(code) => return Ok(code),
        };
        let file = start.loaded.gateway.as_ref();
        let file = file.context("the file says nothing of where to listen")?;
        let mut routes = file.routes.routes().iter();
        if routes.any(|route| route.admission.is_some() && route.to.services().next().is_none()) {
            tracing::warn!(
                "a composer by itself asks nobody who they are: what routes require is not looked at, and \
                 services are shown the credentials that clients bring"
            );
        }
        let is_plain = file.listen.iter().all(|listener| listener.tls.is_none());
        ensure!(
            is_plain,
            "a composer by itself speaks no TLS: put a gateway in front of it"
        );
        let second_level = composer.second_level.as_ref().map(|level| {
            let at = gateway_server::connection_info(&level.redis);
            at.map(|at| (at, level.timeout))
        });
        let settings = Settings {
            second_level: second_level.transpose()?,
            listen: file
                .listen
                .iter()
                .map(|listener| listener.address)
                .collect(),
            internal: file.admin,
            plan: composer.plan,
            services: composer.services,
        };
        serve::run(Serving {
            threads: file.threads,
            plan: Plan {
                composer: Some(settings),
                ..Plan::default()
            },
            start,
            ready: Box::new(|stack, took| {
                if let Some(composer) = stack.composer() {
                    let addresses = composer.addresses();
                    tracing::info!(listen = ?addresses.listen, internal = %addresses.internal, ?took, "ready");
                }
            }),
        })
    }
}
