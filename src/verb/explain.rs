//! `tollgate explain`: what is done for a composed answer, offline.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use composer_core::plan::Endpoint;
use composer_core::{Plan, explain};
use composer_engine::paths;
use tollgate_config::Environment;

use super::{FileArgs, refuse, say};

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    file: FileArgs,
    /// A request, as in `GET /members/7/transfer-history`; without one, everything that is composed
    request: Option<String>,
}

impl Explain {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let loaded = self.file.load(&Environment::from_process());
        let needed = loaded.and_then(|loaded| loaded.require_composer().cloned());
        let composer = match needed {
            Ok(composer) => composer,
            Err(problems) => return Ok(refuse(&problems)),
        };
        let plan = &composer.plan;
        let endpoints = match &self.request {
            Some(request) => vec![find(plan, request).with_context(|| {
                let names = plan.endpoints.iter().map(|it| format!("\n  {}", it.name));
                let names: String = names.collect();
                format!("nothing is composed for `{request}`; this is:{names}")
            })?],
            None => plan.endpoints.iter().collect(),
        };
        let pages: Vec<_> = endpoints.into_iter().map(|it| explain(plan, it)).collect();
        say(&mut std::io::stdout(), &pages.join("\n"));
        Ok(ExitCode::SUCCESS)
    }
}

/// By its name, or by a request for it.
fn find<'p>(plan: &'p Plan, request: &str) -> Option<&'p Endpoint> {
    if let Some(endpoint) = plan.find(request) {
        return plan.endpoint(endpoint);
    }
    let target = request.strip_prefix("GET ").unwrap_or(request).trim();
    let path = target.split('?').next().unwrap_or(target);
    let (endpoint, _) = paths::find(plan, path)?;
    plan.endpoint(endpoint)
}
