//! `tollgate check`: is this file right, and what does it come to?

use std::process::ExitCode;

use clap::Args;
use tollgate_config::{Environment, Loaded};

use super::{FileArgs, refuse, say};

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    file: FileArgs,
    /// Print the full effective configuration, with where each value comes from
    #[arg(long)]
    effective: bool,
}

impl Check {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let loaded = match self.file.load(&Environment::from_process()) {
            Ok(loaded) => loaded,
            Err(problems) => return Ok(refuse(&problems)),
        };
        for warning in &loaded.warnings {
            say(&mut std::io::stderr(), &format!("warning: {warning}\n\n"));
        }
        let text = if self.effective {
            tollgate_config::effective(&loaded)
        } else {
            let file = self
                .file
                .path()
                .map_or("the built-in default".into(), |p| p.display().to_string());
            format!("{file} is right: {}\n", summary(&loaded))
        };
        say(&mut std::io::stdout(), &text);
        Ok(ExitCode::SUCCESS)
    }
}

/// What a file is about, in a line.
fn summary(loaded: &Loaded) -> String {
    let gateway = loaded.gateway.iter().map(|gateway| {
        let (routes, services) = (gateway.routes.routes().len(), gateway.services.len());
        format!("{routes} routes, {services} services")
    });
    let provider = loaded
        .provider
        .iter()
        .map(|provider| format!("identity provider {}", provider.issuer));
    let issuers = loaded.gateway.iter().flat_map(|gateway| &gateway.issuers);
    let issuers = issuers.map(|issuer| {
        let age = issuer.policy.max_age.as_secs();
        let name = &issuer.name;
        format!("issuer {name} (what it takes back may pass for {age}s)")
    });
    let parts = gateway.chain(provider).chain(issuers);
    parts.collect::<Vec<_>>().join(", ")
}
