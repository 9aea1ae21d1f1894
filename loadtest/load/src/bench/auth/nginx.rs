//! nginx with Lua: a shared dictionary, as large as its entries, filled once.

use std::net::SocketAddr;

use crate::bench::peer::{Log, NGINX_TOKEN, Plan, Site, nginx};
use crate::bench::{BenchError, write};

use super::credentials::Credentials;
use super::guard::{Guard, Shown};

pub(super) fn plan(
    guard: Guard,
    site: &Site,
    address: SocketAddr,
    credentials: &Credentials,
) -> Result<Plan, BenchError> {
    let dir = site.dir.join(guard.name());
    std::fs::create_dir_all(&dir).map_err(BenchError::io("cannot make a peer's folder"))?;
    let pairs = dir.join("tokens.txt");
    write(&pairs, &pair_lines(credentials))?;
    let config = NGINX_TOKEN.fill(&[
        ("LISTEN", &address.to_string()),
        ("UPSTREAM", &site.upstream.to_string()),
        ("CONNECTIONS", &nginx::connections(site)),
        ("TOKENS", &pairs.display().to_string()),
    ])?;
    Ok(Plan {
        launch: nginx::nginx(guard.name(), &dir, site.proxy_cpu, &config)?,
        log: Log::File(dir.join("access.log")),
        load: address,
        ready: None,
    })
}

/// A token and its value token to a line.
pub(super) fn pair_lines(credentials: &Credentials) -> String {
    let tokens = credentials.list(Shown::Reference).iter().enumerate();
    let lines = tokens.map(|(place, token)| {
        let value = credentials.value_of(place).unwrap_or_default();
        format!("{token} {value}\n")
    });
    lines.collect()
}
